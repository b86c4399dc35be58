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

// Operator says what a node does. This package knows no operators: the definition that
// a node carries is the catalogue's, and each engine – a writer, the reference – asks it
// for its own form by an interface of its own. String is the operator's name.
type Operator interface{ String() string }

// Node is one operator of a graph; attributes are integers, integer lists, floats or
// strings.
//
// Precision shows in the values alone. Float16 and BFloat16 nodes compute on such
// values. A static int8 node has Int8 inputs and outputs with per-tensor Quant,
// Int8 weights with per-channel Quant (Zero all 0) and an Int32 bias with scale
// x.scale·w.scale. A node with float activations and an Int8 weight computes as
// Attrs.Strings["quant"] says: QuantDynamic or QuantWeight.
type Node struct {
	Op      Operator
	Name    string
	In, Out []*Value
	Attrs   Attrs
	// Fused is the activation that the node applies to its result, nil for none: a
	// clamp, which every runtime and every precision can fuse. Other activations are
	// nodes of their own.
	Fused Operator
}

// Attrs holds a node's attributes; each operator's definition says which it has.
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

// Values of Attrs.Strings["quant"] of a node with an Int8 weight and float
// activations.
const (
	QuantDynamic = "dynamic" // activations are quantised at run time, per tensor
	QuantWeight  = "weight"  // the weight is widened, the node computes in float
)

// NormFolded is Attrs.Strings["folded"] of a convolution into which a trained network's
// batch normalisation is folded: nothing that runs, but it counts.
const NormFolded = "norm"

// Len is the number of elements of the value.
func (v *Value) Len() int {
	n := 1
	for _, d := range v.Shape {
		n *= d
	}
	return n
}

// Bytes says how many bytes the value's elements take.
func (v *Value) Bytes() int64 {
	n := int64(v.Len())
	switch v.DType {
	case Float32, Int32:
		return 4 * n
	case Float16, BFloat16:
		return 2 * n
	case Int64:
		return 8 * n
	}
	return n
}

// Int returns the first number of an integer attribute, or def when it is not given.
func (n *Node) Int(name string, def int) int {
	if v := n.Attrs.Ints[name]; len(v) > 0 {
		return v[0]
	}
	return def
}
