package onnxmodule_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
)

// normaliser is a module that subtracts the mean of each row: by a function of its own,
// whose ReduceMean has its axes as version 17 has them, and under an If that never holds.
func normaliser(opset int64) *onnx.Model {
	axes := &onnx.Attr{Name: "axes", Type: onnx.AttrInts, Ints: []int64{1}}
	body := func(op string) *onnx.Attr {
		return &onnx.Attr{Type: onnx.AttrGraph, G: &onnx.Graph{Name: op,
			Nodes:   []*onnx.Node{{Name: "n", Op: op, Inputs: []string{"h"}, Outputs: []string{"b"}}},
			Outputs: []*onnx.ValueInfo{onnx.NewValue("b", onnx.Float, 1, 4)}}}
	}
	then, other := body("Identity"), body("Neg")
	then.Name, other.Name = "then_branch", "else_branch"
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: opset}, {Domain: "mine", Version: 1}},
		Functions: []*onnx.Function{{Name: "Centre", Domain: "mine", Inputs: []string{"a"}, Outputs: []string{"c"}, Opsets: []onnx.Opset{{Version: opset}}, Nodes: []*onnx.Node{
			{Name: "mean", Op: "ReduceMean", Inputs: []string{"a"}, Outputs: []string{"m"}, Attrs: []*onnx.Attr{axes}},
			{Name: "sub", Op: "Sub", Inputs: []string{"a", "m"}, Outputs: []string{"c"}},
		}}},
		Graph: &onnx.Graph{
			Inputs:       []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 4)},
			Outputs:      []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 1, 4)},
			Initializers: []*onnx.Tensor{{Name: "yes", Type: onnx.Bool, Raw: []byte{1}, HasRaw: true}, onnx.FloatTensor("w", onnx.Float, []float32{1, 2, 3, 4}, 4)},
			Nodes: []*onnx.Node{
				{Name: "call", Op: "Centre", Domain: "mine", Inputs: []string{"x"}, Outputs: []string{"h"}},
				{Name: "if", Op: "If", Inputs: []string{"yes"}, Outputs: []string{"i"}, Attrs: []*onnx.Attr{then, other}},
				{Name: "scale", Op: "Mul", Inputs: []string{"i", "w"}, Outputs: []string{"y"}},
			},
			ValueInfos: []*onnx.ValueInfo{onnx.NewValue("i", onnx.Float, 1, 4)},
		}}
}

func TestInto(t *testing.T) {
	m, err := onnxmodule.Read(onnx.Encode(normaliser(17)))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.In, []int{4}) || !slices.Equal(m.Out, []int{4}) || m.AnyBatch || m.Shortcut {
		t.Errorf("in %v, out %v, any batch %v, shortcut %v", m.In, m.Out, m.AnyBatch, m.Shortcut)
	}
	g := &onnx.Graph{}
	m.Into(g, "l00/", "from", "to")
	m.Into(g, "l01/", "to", "end")
	made := map[string]bool{"from": true}
	for _, c := range g.Initializers {
		if made[c.Name] {
			t.Errorf("constant %q is there twice", c.Name)
		}
		made[c.Name] = true
	}
	for _, n := range g.Nodes {
		if n.Domain != "" {
			t.Errorf("node %q is of domain %q", n.Name, n.Domain)
		}
		for _, in := range n.Inputs {
			if !made[in] {
				t.Errorf("node %q reads %q, which is not there", n.Name, in)
			}
		}
		for _, a := range n.Attrs {
			if a.G != nil && (!made[a.G.Nodes[0].Inputs[0]] || a.G.Outputs[0].Name != a.G.Nodes[0].Outputs[0]) {
				t.Errorf("the %s of %q reads %q and returns %q", a.Name, n.Name, a.G.Nodes[0].Inputs[0], a.G.Outputs[0].Name)
			}
		}
		for _, out := range n.Outputs {
			made[out] = true
		}
	}
	if !made["end"] || len(g.Nodes) != 8 {
		t.Errorf("%d nodes, values %v", len(g.Nodes), made)
	}
}

// A node that means something else in a later version is not part of a model of that.
func TestFits(t *testing.T) {
	m, err := onnxmodule.Read(onnx.Encode(normaliser(17)))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Fits(17); err != nil {
		t.Error(err)
	}
	err = m.Fits(21)
	if err == nil || !strings.Contains(err.Error(), `"Centre#1/mean" (ReduceMean) is written for version 17`) || hint.Of(err) != "export it with opset_version=18 or higher" {
		t.Errorf("%v (%s)", err, hint.Of(err))
	}
}

func TestReadRefuses(t *testing.T) {
	for want, edit := range map[string]func(*onnx.Model){
		"its output does not depend on its input": func(m *onnx.Model) { m.Graph.Nodes[2].Inputs = []string{"w", "w"} },
		"imports no version of ONNX's operators":  func(m *onnx.Model) { m.Opsets = m.Opsets[1:] },
		"is not the batch": func(m *onnx.Model) {
			m.Graph.Nodes[2] = &onnx.Node{Name: "t", Op: "Transpose", Inputs: []string{"i"}, Outputs: []string{"y"}}
		},
		"the batch of input \"x\" is 3": func(m *onnx.Model) { m.Graph.Inputs[0] = onnx.NewValue("x", onnx.Float, 3, 4) },
		"is of type int64, not float":   func(m *onnx.Model) { m.Graph.Inputs[0] = onnx.NewValue("x", onnx.Int64, 1, 4) },
	} {
		model := normaliser(17)
		edit(model)
		if _, err := onnxmodule.Read(onnx.Encode(model)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := onnxmodule.Read([]byte("no model")); err == nil {
		t.Error("text is read as a module")
	}
}

// With an open batch the module stands in models of any; a reshape to the numbers of one
// does not.
func TestOpenBatch(t *testing.T) {
	open := func() *onnx.Model {
		m := normaliser(18)
		m.Functions = nil
		m.Graph.Nodes = []*onnx.Node{{Name: "r", Op: "Relu", Inputs: []string{"x"}, Outputs: []string{"h"}}, {Name: "s", Op: "Mul", Inputs: []string{"h", "w"}, Outputs: []string{"y"}}}
		m.Graph.ValueInfos = nil
		m.Graph.Inputs[0].Type.Shape[0] = onnx.Dim{Param: "N"}
		return m
	}
	if m, err := onnxmodule.Read(onnx.Encode(open())); err != nil || !m.AnyBatch {
		t.Errorf("%+v, %v", m, err)
	}
	fixed := open()
	fixed.Graph.Initializers = append(fixed.Graph.Initializers, onnx.IntTensor("shape", onnx.Int64, []int64{1, 4}, 2))
	fixed.Graph.Nodes[0] = &onnx.Node{Name: "r", Op: "Reshape", Inputs: []string{"x", "shape"}, Outputs: []string{"h"}}
	if _, err := onnxmodule.Read(onnx.Encode(fixed)); err == nil || !strings.Contains(err.Error(), "at batch 2") {
		t.Errorf("a reshape to batch 1: %v", err)
	}
}
