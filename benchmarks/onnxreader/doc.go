// Package onnxreader reads ONNX models nobody here built and says which kernels
// they are made of, as keys of the catalogue (design: predict, agent plan --model).
//
// Reading is four steps: load (decode, give symbolic dimensions their values),
// infer (shapes, and the values of what is computed from shapes), fuse (rules.go,
// rules as data) and price (a key for every node that remains). Every node of the
// file ends in exactly one of three lists: in a kernel, free (it moves no data, or
// is computed once when the model is loaded), or unpriced with the reason. Nothing
// is guessed: an operator the package does not know is listed.
//
// A file as exported is read by the rules; the graph a runtime has optimised
// (agent lower) holds the runtime's own fused operators and is read by the same
// steps with nothing left to fuse. The package runs no model and never loads
// weights beyond the few small constants shapes depend on.
package onnxreader
