// Package tflitereader reads .tflite models nobody here built and says which kernels
// they are made of, as keys of the catalogue (agent plan --model, costgen predict).
//
// It only puts the stages together: internal/tflitefb/graph links the operators,
// litertmodel fuses and prices them. Every operator of the file ends in exactly one of
// three lists, as in onnxreader: in a kernel, free, or unpriced with the reason.
package tflitereader
