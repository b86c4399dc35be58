package ortmodel

import (
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// Law: the table says something of each of its operators, and shapes only of those that
// the format does not have.
func TestOperatorsTable(t *testing.T) {
	if len(operators) < 100 {
		t.Fatalf("only %d operators", len(operators))
	}
	for name, o := range operators {
		if !o.View && o.InPlace == nil && o.Blocked == Unblocked && o.key == nil && o.int8 == never && !o.byValue && o.shape == nil {
			t.Errorf("%s: nothing is said of it", name)
		}
		if o.planned && o.Blocked == Unblocked {
			t.Errorf("%s: planned, and it does not run in blocks", name)
		}
		switch own := strings.Contains(name, ":"); {
		case graph.HasRule(name) && (o.shape != nil || o.fold != nil):
			t.Errorf("%s: the format has its shape", name)
		case own && o.shape == nil:
			t.Errorf("%s: the runtime's own, and nobody knows its shape", name)
		case o.fold != nil && o.shape == nil:
			t.Errorf("%s: evaluated without a shape", name)
		}
	}
}

// Law: what a fusion makes has a key.
func TestFusionsEndInKeys(t *testing.T) {
	for _, f := range fusions {
		if operators[f.op].key == nil && elementwise(&graph.Node{Op: f.op}) == "" {
			t.Errorf("%s: %s has no key", f.name, f.op)
		}
	}
}

// Law: the stages leave the graph that they are given as it is.
func TestStagesLeaveTheGraph(t *testing.T) {
	node := func(op, out string, in ...string) *onnx.Node {
		return &onnx.Node{Op: op, Name: out, Inputs: in, Outputs: []string{out}}
	}
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{Name: "g",
		Inputs: []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 16, 8, 8)}, Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float)},
		Initializers: []*onnx.Tensor{onnx.FloatTensor("w", onnx.Float, make([]float32, 16*16), 16, 16, 1, 1)},
		Nodes: []*onnx.Node{node("Conv", "c", "x", "w"), node("Sigmoid", "s", "c"), node("Mul", "m", "c", "s"), node("Conv", "d", "m", "w"),
			node("Add", "sum", "d", "m"), node("Relu", "y", "sum")}}}
	g, err := graph.Load(m, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Infer(Contrib); err != nil {
		t.Fatal(err)
	}
	before := g.String()
	fused := Fuse(g, Target{}, false)
	was := fused.String()
	laid := fused.LayOut(0)
	net, made := laid.Price()
	if g.String() != before || fused.String() != was {
		t.Errorf("the graph is now\n%swant\n%s\nfused\n%swant\n%s", g, before, fused, was)
	}
	var keys []string
	for _, op := range net.Ops() {
		keys = append(keys, op.String())
	}
	if want := []string{"conv[act=silu,k=1,s=1]/fp32@cin=16,cout=16,h=8,w=8", "conv[k=1,s=1]/fp32@cin=16,cout=16,h=8,w=8",
		"add[fused=1]/fp32@c=16,h=8,w=8"}; len(made) != len(keys) || !slices.Equal(keys, want) {
		t.Errorf("%d nodes became %q, want %q", len(made), keys, want)
	}
}

// On ARM, where a table does not say how maps lie, they lie plain.
func TestTargetOfATable(t *testing.T) {
	for _, c := range []struct {
		arch, features string
		want           Target
	}{
		{"amd64", "", Target{}},
		{"amd64", "nchwc=8", Target{Channels: 8}},
		{"arm64", "", Target{Channels: 1, Signed: true}},
		{"arm64", "nchwc=4 nhwc=1", Target{Channels: 4, ChannelsLast: true, Signed: true}},
		{"arm64", "nchwc=x onednn=on", Target{Channels: 1, Signed: true}},
	} {
		if got := On(lut.Device{Arch: c.arch}, lut.Runtime{Features: c.features}); got != c.want {
			t.Errorf("%s with %q: %+v, want %+v", c.arch, c.features, got, c.want)
		}
	}
}
