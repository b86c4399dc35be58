// Package network holds what a model is once it has been read: the kernels a runtime
// runs, as keys of the catalogue, and what became of every other node of the file. It
// reads no file and knows no runtime: the readers of each format fill it, and whoever
// prices, plans or prints a model takes it from here.
package network
