// Package graph is a .tflite model as a graph: operators that know who computes what they
// read. It knows the format and no runtime.
package graph
