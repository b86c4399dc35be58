// Package tflitereader reads .tflite models nobody here built and says which kernels
// they are made of, as keys of the catalogue (agent plan --model, costgen predict).
//
// A converter has already folded and fused what a file can say: batch norms are in the
// weights, activations in their operators. What remains is what LiteRT's XNNPACK does
// when it loads the file: it takes the border of a Pad into the convolution behind it,
// widens constants of half precision once, and runs a sigmoid and the product with its
// own input as one function of bytes. Every operator of the file ends in exactly one of
// three lists, as in onnxreader: in a kernel, free, or unpriced with the reason.
package tflitereader
