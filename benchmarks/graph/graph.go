// Package graph is the neutral operator graph: what a case is before it is
// written as ONNX or TFLite. The writers lower it, the reference implementation
// in the tests interprets it, and parameters and multiply-adds are counted on it.
//
// Four-dimensional values are N,C,H,W here; a writer for a channels-last format
// transposes weights and shapes itself. Sequence values are N,S,D.
package graph

// DType is the element type of a value.
type DType uint8

// Element types. Int8 values carry Quant; Int32 appears as quantised biases
// and indices.
const (
	Float32 DType = iota
	Float16
	BFloat16
	Int8
	Uint8
	Int32
	Int64
	Bool
)

// Value is a tensor's type: an edge of the graph, or a weight.
type Value struct {
	Name  string
	DType DType
	Shape []int // fully known, every entry ≥ 1
	Quant *Quant
	// Data holds a weight's elements as real numbers in row-major order, also for
	// quantised weights (the writer quantises); nil for activations.
	Data []float32
	// Ints holds the elements of Int32 and Int64 constants (shapes, axes).
	Ints []int64
}

// Node is one operator. Op names are the catalogue's own (conv, dwconv, linear,
// add…); attributes are integers, integer lists, floats or strings.
type Node struct {
	Op      string
	Name    string
	In, Out []*Value
	Attrs   Attrs
}

// Attrs holds a node's attributes; the catalogue documents each operator's.
type Attrs struct {
	Ints    map[string][]int
	Floats  map[string]float32
	Strings map[string]string
}

// Graph is a whole model. Nodes are in execution order.
type Graph struct {
	Name    string
	Inputs  []*Value
	Outputs []*Value
	Nodes   []*Node
	Weights []*Value // constants, each used by at least one node
}
