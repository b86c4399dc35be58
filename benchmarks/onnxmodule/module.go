// Package onnxmodule reads an ONNX file as a module: one part of a network, with one
// tensor in and one out, that can stand between others. It checks what a network needs
// of it – fixed shapes, all weights inside – and copies it into a model of several. It
// knows no operators of the catalogue.
package onnxmodule

import (
	"errors"
	"fmt"
	"slices"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// Module is a part of a network in ONNX. It is not written to: many networks share it.
type Module struct {
	// In and Out are the shapes without the batch: [c h w] of a map, [tokens dim] of a
	// sequence, [c] of a vector.
	In, Out []int
	// Elem is the type of its input and output, one of float32, float16, bfloat16.
	Elem onnx.DataType
	// AnyBatch reports that the batch is left open; without, it is 1.
	AnyBatch bool
	// Shortcut reports that the module ends in an addition of its own input.
	Shortcut bool
	// Opset is the version of ONNX's own operators that it is written for.
	Opset int64
	// InGrid and OutGrid are the grids of an int8 module that quantises its input first
	// and dequantises its output last; nil for others.
	InGrid, OutGrid *Grid
	// Constants are the numbers of elements of its constants by type, scalars left out.
	// MACs are the multiply-adds of its convolutions and products at batch 1.
	Constants map[onnx.DataType]int64
	MACs      int64

	model         *onnx.Model
	nodes         []*onnx.Node // functions inlined
	input, output string
}

// Grid is an 8-bit grid of real numbers: (q − Zero)·Scale for q from −128 to 127. A grid
// of unsigned integers has its zero 128 lower here.
type Grid struct {
	Scale float32
	Zero  int32
}

// domains are the operator sets that ONNX Runtime has built in.
var domains = []string{"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}

// Read decodes a module. Its errors say what the exporter has to do otherwise.
func Read(data []byte) (*Module, error) {
	model, err := onnx.Decode(data)
	if err != nil {
		return nil, hint.Wrap(err, "export the module with torch.onnx.export")
	}
	if model.Graph == nil {
		return nil, errors.New("the file holds no graph")
	}
	if files := model.ExternalFiles(); len(files) > 0 {
		return nil, hint.Wrap(fmt.Errorf("its weights are in another file, %.80q", files[0]),
			"save it in one file: onnx.save_model(onnx.load(path), path), or export it with external_data=False")
	}
	m := &Module{model: model, Opset: model.Opset(""), Constants: map[onnx.DataType]int64{}}
	if m.Opset == 0 {
		return nil, errors.New("the file imports no version of ONNX's operators")
	}
	if m.nodes, err = graph.Inline(model); err != nil {
		return nil, err
	}
	for _, n := range m.nodes {
		if !slices.Contains(domains, n.Domain) {
			return nil, hint.Wrap(fmt.Errorf("node %q is of %s:%s, an operator that ONNX Runtime has not", n.Name, n.Domain, n.Op),
				"make the module of operators of ONNX")
		}
	}
	for _, f := range model.Functions {
		for _, o := range f.Opsets {
			if v := model.Opset(o.Domain); v != 0 && v != o.Version {
				return nil, fmt.Errorf("function %s is written for version %d of the operators %q, the model for %d", f.Name, o.Version, o.Domain, v)
			}
		}
	}
	if err := m.interfaces(); err != nil {
		return nil, err
	}
	for i, t := range model.Graph.Initializers {
		if t.Type.Bits() == 0 {
			continue // strings
		}
		raw, err := t.Bytes()
		if err != nil {
			return nil, err
		}
		model.Graph.Initializers[i] = &onnx.Tensor{Name: t.Name, Type: t.Type, Dims: t.Dims, Raw: raw, HasRaw: true}
	}
	one, err := m.infer(1)
	if err != nil {
		return nil, err
	}
	m.In, m.Out = one.in.Shape[1:], one.out.Shape[1:]
	if m.AnyBatch {
		two, err := m.infer(2)
		if err != nil {
			return nil, fmt.Errorf("at batch 2: %w", err)
		}
		if !slices.Equal(m.Out, two.out.Shape[1:]) {
			return nil, hint.Wrap(fmt.Errorf("its output is %v at batch 1, %v at batch 2", one.out.Shape, two.out.Shape),
				"export it with a fixed batch of 1, or reshape by x.flatten(1) instead of numbers of the batch")
		}
	}
	m.count(one.graph)
	m.Shortcut = one.shortcut()
	if len(one.in.To) == 1 && !one.in.Output {
		m.InGrid = grid(one.in.To[0], "QuantizeLinear")
	}
	m.OutGrid = grid(one.out.From, "DequantizeLinear")
	return m, nil
}

// interfaces finds the input and the output.
func (m *Module) interfaces() error {
	g := m.model.Graph
	weights := map[string]bool{}
	for _, t := range g.Initializers {
		weights[t.Name] = true
	}
	for _, t := range g.Sparse {
		if t.Values != nil {
			weights[t.Values.Name] = true
		}
	}
	var inputs []*onnx.ValueInfo
	for _, v := range g.Inputs {
		if !weights[v.Name] {
			inputs = append(inputs, v)
		}
	}
	if len(inputs) != 1 || len(g.Outputs) != 1 {
		return hint.Wrap(fmt.Errorf("it has %d inputs and %d outputs, not one of each", len(inputs), len(g.Outputs)),
			"a module takes one tensor and returns one: wrap what takes more")
	}
	in, out := inputs[0], g.Outputs[0]
	m.input, m.output = in.Name, out.Name
	if in.Type == nil || in.Type.Other != nil || !in.Type.HasShape {
		return fmt.Errorf("input %.80q is not a tensor of known rank", in.Name)
	}
	m.Elem = in.Type.Elem
	switch m.Elem {
	case onnx.Float, onnx.Float16, onnx.BFloat16:
	default:
		return hint.Wrap(fmt.Errorf("input %.80q is of type %v, not float", in.Name, m.Elem), "an int8 module quantises and dequantises inside (QDQ)")
	}
	dims := in.Type.Shape
	if len(dims) < 2 || len(dims) > 4 {
		return fmt.Errorf("input %.80q has rank %d: a map has 4, a sequence 3, a vector 2, the batch included", in.Name, len(dims))
	}
	for i, d := range dims[1:] {
		if d.Open() || d.Value < 1 {
			return hint.Wrap(fmt.Errorf("dimension %d of input %.80q is left open", i+1, in.Name), "export it with fixed sizes; only the batch may be dynamic")
		}
	}
	m.AnyBatch = dims[0].Open()
	if !m.AnyBatch && dims[0].Value != 1 {
		return hint.Wrap(fmt.Errorf("the batch of input %.80q is %d", in.Name, dims[0].Value), "export it with batch 1 or a dynamic one")
	}
	return nil
}

// inferred is the module's graph at one batch.
type inferred struct {
	graph   *graph.Graph
	in, out *graph.Value
}

// infer computes all shapes from the input's.
func (m *Module) infer(batch int) (*inferred, error) {
	in := m.model.Graph.Inputs[slices.IndexFunc(m.model.Graph.Inputs, func(v *onnx.ValueInfo) bool { return v.Name == m.input })]
	dims := map[string]int{}
	if m.AnyBatch {
		dims[in.DimName(0)] = batch
	}
	g, err := graph.Load(m.model, graph.Options{Dims: dims})
	if err != nil {
		return nil, err
	}
	if err := g.Infer(nil); err != nil {
		return nil, err
	}
	r := &inferred{graph: g, in: g.Values[m.input], out: g.Values[m.output]}
	for _, n := range g.Nodes {
		for _, v := range n.Out {
			if v != nil && !v.Known && (v == r.out || leads(v, r.out)) {
				return nil, hint.Wrap(fmt.Errorf("the shape of %q, which node %q (%s) computes, depends on data or is not known", v.Name, n.Name, n.Op),
					"a module's shapes follow from its input's: no nonzero, masks or loops over data")
			}
		}
	}
	switch {
	case r.out.Constant || !leads(r.in, r.out) && r.in != r.out:
		return nil, errors.New("its output does not depend on its input")
	case !r.out.Known:
		return nil, fmt.Errorf("the shape of its output %.80q is not known", m.output)
	case len(r.out.Shape) < 2 || len(r.out.Shape) > 4 || slices.Contains(r.out.Shape, 0):
		return nil, fmt.Errorf("its output is %v: a map has rank 4, a sequence 3, a vector 2, the batch included", r.out.Shape)
	case r.out.Shape[0] != batch:
		return nil, hint.Wrap(fmt.Errorf("its output is %v at batch %d: the first dimension is not the batch", r.out.Shape, batch),
			"flatten with x.flatten(1), which keeps the batch")
	case r.out.Type != m.Elem:
		return nil, fmt.Errorf("its output is of type %v, its input of %v", r.out.Type, m.Elem)
	}
	return r, nil
}

// leads reports that to is computed from v.
func leads(v, to *graph.Value) bool {
	seen := map[*graph.Value]bool{}
	work := []*graph.Value{v}
	for len(work) > 0 {
		v := work[len(work)-1]
		work = work[:len(work)-1]
		for _, n := range v.To {
			for _, o := range n.Out {
				if o == to {
					return true
				}
				if o != nil && !seen[o] {
					seen[o] = true
					work = append(work, o)
				}
			}
		}
	}
	return false
}

// grid is that of a node op whose scale and zero point are constants of 8 bits, one of
// each; nil for any other node.
func grid(n *graph.Node, op string) *Grid {
	if n == nil || n.Op != op {
		return nil
	}
	zero := n.Input(2)
	scale, z, ok := n.Grid(1)
	if !ok || zero == nil {
		return nil
	}
	switch zero.Type {
	case onnx.Int8:
		return &Grid{float32(scale), int32(z)}
	case onnx.Uint8:
		return &Grid{float32(scale), int32(z) - 128}
	}
	return nil
}

// passive operators hand on the numbers they get, in another form.
var passive = map[string]bool{"QuantizeLinear": true, "DequantizeLinear": true, "Identity": true, "Cast": true}

// shortcut reports that the output is an addition, quantised or not, one of whose terms
// is the input.
func (r *inferred) shortcut() bool {
	source := func(v *graph.Value) *graph.Value {
		for v != nil && v.From != nil && passive[v.From.Op] {
			v = v.From.Input(0)
		}
		return v
	}
	v := source(r.out)
	if v == nil || v.From == nil || v.From.Op != "Add" {
		return false
	}
	return slices.ContainsFunc(v.From.In, func(x *graph.Value) bool { return source(x) == r.in })
}

// count adds up constants and multiply-adds.
func (m *Module) count(g *graph.Graph) {
	for _, v := range g.Values {
		if !v.Constant || v.From != nil {
			continue
		}
		if n := int64(graph.Elements(v.Shape)); n > 1 {
			m.Constants[v.Type] += n
		}
	}
	for _, n := range g.Nodes {
		m.MACs += macs(n)
	}
}

// macs are the multiply-adds of a convolution or product, 0 of anything else.
func macs(n *graph.Node) int64 {
	if len(n.Out) == 0 || n.Out[0] == nil || !n.Out[0].Known || n.Gone {
		return 0
	}
	y := int64(graph.Elements(n.Out[0].Shape))
	shape := func(i int) []int {
		if v := n.Input(i); v != nil && v.Known {
			return v.Shape
		}
		return nil
	}
	switch n.Op {
	case "Conv", "ConvInteger":
		if w := shape(1); len(w) > 1 {
			return y * int64(graph.Elements(w[1:]))
		}
	case "ConvTranspose":
		if x, w := shape(0), shape(1); len(w) > 1 {
			return int64(graph.Elements(x)) * int64(graph.Elements(w[1:]))
		}
	case "QLinearConv":
		if w := shape(3); len(w) > 1 {
			return y * int64(graph.Elements(w[1:]))
		}
	case "MatMul", "MatMulInteger", "QLinearMatMul":
		if x := shape(0); len(x) > 0 {
			return y * int64(x[len(x)-1])
		}
	case "Gemm":
		if x := shape(0); len(x) == 2 {
			return y * int64(x[1-n.Int("transA", 0)])
		}
	}
	return 0
}
