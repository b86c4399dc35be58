// Package modelplan makes plans of model files: of their kernels, as cells to measure
// (Kernels), and of the files themselves, as networks to run (Whole).
package modelplan
