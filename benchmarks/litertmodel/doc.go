// Package litertmodel says what LiteRT makes of a .tflite graph: which operators it runs as
// one kernel (Fuse), and which key of the catalogue each kernel has (Price).
//
// A converter has already folded and fused what a file can say: batch norms are in the
// weights, activations in their operators. What remains is what LiteRT's XNNPACK does
// when it loads the file: it takes the border of a Pad into the convolution behind it,
// widens constants of half precision once, and runs a sigmoid and the product with its
// own input as one function of bytes. how LiteRT plans its memory is not known here.
package litertmodel
