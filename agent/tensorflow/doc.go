// Package tensorflow runs the catalogue's neutral graphs on TensorFlow: the
// backend "tensorflow", through github.com/tensorflow/tensorflow/tensorflow/go
// v1.15.5. It is only in programs built with the tag tensorflow
// (scripts/setup-tensorflow.sh prints the linker flags); without the tag this
// package is empty and needs no library.
//
// A graph is built operation by operation, as TensorFlow's own layers would: four
// dimensions are N,H,W,C, activations are operations of their own (the runtime's
// optimiser fuses them), padding that is SAME or VALID is called so. Each
// operation is pinned to the provider's device and soft placement is off, so that
// TensorFlow refuses what it would have to run elsewhere.
//
// Quantised graphs run as quantisation-aware training has them, in float32 on the
// integers' grids; see quantised.go. Cubic interpolation has no form.
package tensorflow

// Name is the backend's name in records and flags.
const Name = "tensorflow"
