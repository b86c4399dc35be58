// Package onnx reads and writes ONNX model files: the protocol buffer wire
// format of onnx.proto, in our own structs.
//
// Decode keeps everything a network needs (graphs nested in attributes,
// functions, external data, quantisation annotations) and skips fields it does
// not know; it never trusts a length, a count or a nesting depth of the file.
// It does not check that a graph makes sense: that is its reader's business.
//
// The schema is https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; field
// numbers in decode.go and encode.go are from there.
package onnx

import "fmt"

// Model is a ModelProto.
type Model struct {
	IRVersion       int64
	ProducerName    string
	ProducerVersion string
	Domain          string
	ModelVersion    int64
	Doc             string
	Graph           *Graph // nil when the file has none
	Opsets          []Opset
	Metadata        []Entry
	Functions       []*Function
}

// Opset returns the imported version of an operator set ("" is ONNX's own,
// which files also call "ai.onnx") and 0 when it is not imported.
func (m *Model) Opset(domain string) int64 {
	for _, o := range m.Opsets {
		if o.Domain == domain || o.Domain == "ai.onnx" && domain == "" {
			return o.Version
		}
	}
	return 0
}

// Opset is an OperatorSetIdProto.
type Opset struct {
	Domain  string
	Version int64
}

// Entry is a StringStringEntryProto.
type Entry struct{ Key, Value string }

// Graph is a GraphProto. Nodes are in topological order in a valid file.
type Graph struct {
	Name         string
	Doc          string
	Nodes        []*Node
	Initializers []*Tensor
	Sparse       []*SparseTensor
	Inputs       []*ValueInfo // may also list initializers (IR version 3)
	Outputs      []*ValueInfo
	ValueInfos   []*ValueInfo // types of intermediate values
	Annotations  []Annotation
	Metadata     []Entry
}

// Node is a NodeProto. An empty input or output name is an optional one left out.
type Node struct {
	Name     string
	Op       string // op_type
	Domain   string
	Overload string
	Inputs   []string
	Outputs  []string
	Attrs    []*Attr
	Doc      string
	Metadata []Entry
}

// Attr returns the attribute of that name, nil when the node has none.
func (n *Node) Attr(name string) *Attr {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Int returns an integer attribute, or def when the node has none of that name.
func (n *Node) Int(name string, def int64) int64 {
	if a := n.Attr(name); a != nil && a.Type == AttrInt {
		return a.I
	}
	return def
}

// Float returns a float attribute, or def.
func (n *Node) Float(name string, def float32) float32 {
	if a := n.Attr(name); a != nil && a.Type == AttrFloat {
		return a.F
	}
	return def
}

// Str returns a string attribute, or def.
func (n *Node) Str(name, def string) string {
	if a := n.Attr(name); a != nil && a.Type == AttrString {
		return string(a.S)
	}
	return def
}

// Ints returns an integer-list attribute, nil when the node has none.
func (n *Node) Ints(name string) []int64 {
	if a := n.Attr(name); a != nil && a.Type == AttrInts {
		return a.Ints
	}
	return nil
}

// AttrType is AttributeProto.AttributeType.
type AttrType int64

// Attribute types, with the schema's numbers.
const (
	AttrFloat         AttrType = 1
	AttrInt           AttrType = 2
	AttrString        AttrType = 3
	AttrTensor        AttrType = 4
	AttrGraph         AttrType = 5
	AttrFloats        AttrType = 6
	AttrInts          AttrType = 7
	AttrStrings       AttrType = 8
	AttrTensors       AttrType = 9
	AttrGraphs        AttrType = 10
	AttrSparseTensor  AttrType = 11
	AttrSparseTensors AttrType = 12
	AttrTypeProto     AttrType = 13
	AttrTypeProtos    AttrType = 14
)

// Attr is an AttributeProto; Type says which field holds the value.
type Attr struct {
	Name    string
	Ref     string // ref_attr_name: inside a function, the caller's attribute
	Doc     string
	Type    AttrType
	F       float32
	I       int64
	S       []byte
	T       *Tensor
	G       *Graph
	Floats  []float32
	Ints    []int64
	Strings [][]byte
	Tensors []*Tensor
	Graphs  []*Graph
	Sparse  []*SparseTensor // one element for AttrSparseTensor
	Types   []*Type         // one element for AttrTypeProto
}

// IntAttr, FloatAttr and StringAttr make attributes of the usual types.
func IntAttr(name string, v int64) *Attr     { return &Attr{Name: name, Type: AttrInt, I: v} }
func FloatAttr(name string, v float32) *Attr { return &Attr{Name: name, Type: AttrFloat, F: v} }
func StringAttr(name, v string) *Attr        { return &Attr{Name: name, Type: AttrString, S: []byte(v)} }

// Function is a FunctionProto: a node type defined by a graph of others.
type Function struct {
	Name     string
	Domain   string
	Overload string
	Doc      string
	Inputs   []string
	Outputs  []string
	Params   []string // attribute: names without a default
	Defaults []*Attr  // attribute_proto: with one
	Nodes    []*Node
	Opsets   []Opset
	Values   []*ValueInfo
	Metadata []Entry
}

// ValueInfo is a ValueInfoProto: the name and type of a value.
type ValueInfo struct {
	Name     string
	Doc      string
	Type     *Type // nil when the file leaves it open
	Metadata []Entry
}

// NewValue makes a tensor value of known shape.
func NewValue(name string, elem DataType, shape ...int) *ValueInfo {
	t := &Type{Elem: elem, HasShape: true}
	for _, d := range shape {
		t.Shape = append(t.Shape, Dim{Known: true, Value: int64(d)})
	}
	return &ValueInfo{Name: name, Type: t}
}

// Type is a TypeProto. Tensor types are decoded; Other holds the encoded bytes
// of a sequence, map, optional or sparse tensor type, nil for a tensor.
type Type struct {
	Elem       DataType
	HasShape   bool // false: even the rank is unknown
	Shape      []Dim
	Denotation string
	Other      []byte
}

// Dim is one dimension: a number, a named parameter, or unknown.
type Dim struct {
	Known      bool // Value holds
	Value      int64
	Param      string
	Denotation string
}

// Open reports that the file leaves the length to whoever runs the model. Some exporters
// write -1 for that, which the runtimes take as it is meant.
func (d Dim) Open() bool { return !d.Known || d.Value < 0 }

// DimName returns the name by which an open dimension i of the value is given its
// length: its parameter, or NAME[i] where the file has no name for it.
func (v *ValueInfo) DimName(i int) string {
	if d := v.Type.Shape[i]; !d.Known && d.Param != "" {
		return d.Param
	}
	return fmt.Sprintf("%s[%d]", v.Name, i)
}

// Annotation is a TensorAnnotation: where a tensor's quantisation parameters are.
type Annotation struct {
	Tensor  string
	Entries []Entry
}

// SparseTensor is a SparseTensorProto.
type SparseTensor struct {
	Values, Indices *Tensor
	Dims            []int64
}
