// Package ortmodel says what ONNX Runtime's CPU provider makes of an ONNX graph: which
// nodes it runs as one kernel (Fuse), in which layout their maps lie, and which key of
// the catalogue each kernel has (Price). Every node ends in exactly one of three lists:
// in a kernel, free (it moves no data, or is computed once when the model is loaded), or
// unpriced with the reason. Nothing is guessed: an operator the package does not know is
// listed.
//
// A file as exported is read by the rules; the graph that the runtime has optimised
// (agent lower) holds the runtime's own fused operators and is read by the same steps
// with nothing left to fuse.
package ortmodel
