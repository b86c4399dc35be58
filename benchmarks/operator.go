package benchmarks

import (
	"fmt"
	"maps"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
)

// operator is the definition of one operator of the graph: what each engine knows of it.
type operator struct {
	name   string
	value  reference.Form
	work   work
	onnx   onnxwriter.Form
	tflite tflitewriter.Form
	tf     tfgraph.Form
}

var (
	_ reference.Operator    = (*operator)(nil)
	_ onnxwriter.Operator   = (*operator)(nil)
	_ tflitewriter.Operator = (*operator)(nil)
	_ tfgraph.Operator      = (*operator)(nil)
)

func (o *operator) String() string                { return o.name }
func (o *operator) Arithmetic() reference.Form    { return o.value }
func (o *operator) ONNXForm() onnxwriter.Form     { return o.onnx }
func (o *operator) TFLiteForm() tflitewriter.Form { return o.tflite }
func (o *operator) TensorFlowForm() tfgraph.Form  { return o.tf }

// operators are the graph's operators by name.
var operators = map[string]*operator{}

func defineOperator(o operator) {
	if operators[o.name] != nil {
		panic("benchmarks: operator " + o.name + " is defined twice")
	}
	operators[o.name] = &o
}

// Operators lists the names of the graph's operators, sorted.
func Operators() []string { return slices.Sorted(maps.Keys(operators)) }

// Operator is the definition of one of the graph's operators, for graphs built by hand.
// It panics when there is none of this name.
func Operator(name string) graph.Operator {
	o := operators[name]
	if o == nil {
		panic(fmt.Sprintf("benchmarks: no operator %q: there are %v", name, Operators()))
	}
	return o
}
