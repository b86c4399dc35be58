// Package onnxreader reads ONNX models nobody here built and says which kernels
// they are made of, as keys of the catalogue (costgen predict, agent plan --model).
//
// It only puts the stages together. internal/onnx/graph loads the file and infers its
// shapes, ortmodel fuses and prices, ortmemory plans the memory, and what comes out is a
// network.Network. The package runs no model and never loads weights beyond the few
// small constants shapes depend on.
package onnxreader
