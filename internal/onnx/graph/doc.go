// Package graph is an ONNX model as a graph: nodes that know the tensors they read and
// write, and tensors that know who makes and who reads them. Load builds it from a
// decoded file, functions inlined and open dimensions given their values. Infer gives
// every tensor its type and shape and follows small constants, on which later shapes
// depend. A graph can be matched with patterns and edited.
//
// It knows the format and no runtime: what becomes of a node when the model runs is not
// said here.
package graph
