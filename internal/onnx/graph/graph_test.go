package graph

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/onnx"
)

// model is y = Reshape(x·sigmoid(x), [batch, −1]) with the batch taken from x's shape.
func model() *onnx.Model {
	node := func(op, out string, in ...string) *onnx.Node {
		return &onnx.Node{Op: op, Name: out, Inputs: in, Outputs: []string{out}}
	}
	list := func(name string, v ...int64) *onnx.Tensor { return onnx.IntTensor(name, onnx.Int64, v, len(v)) }
	concat := node("Concat", "to", "batch", "rest")
	concat.Attrs = []*onnx.Attr{onnx.IntAttr("axis", 0)}
	in := onnx.NewValue("x", onnx.Float, 1, 4, 6)
	in.Type.Shape[0] = onnx.Dim{Param: "N"}
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{Name: "g",
		Inputs: []*onnx.ValueInfo{in}, Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float)},
		Initializers: []*onnx.Tensor{list("first", 0), list("rest", -1)},
		Nodes: []*onnx.Node{node("Sigmoid", "s", "x"), node("Mul", "silu", "s", "x"), node("Shape", "shape", "silu"),
			node("Gather", "batch", "shape", "first"), concat, node("Reshape", "y", "silu", "to")}}}
}

func load(t *testing.T, dims map[string]int) *Graph {
	t.Helper()
	g, err := Load(model(), Options{Dims: dims})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Infer(nil); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestInferFollowsShapesThroughConstants(t *testing.T) {
	for _, batch := range []int{1, 3} {
		g := load(t, map[string]int{"N": batch})
		if y := g.Values["y"]; !y.Known || !slices.Equal(y.Shape, []int{batch, 24}) {
			t.Errorf("batch %d: y is %v", batch, y)
		}
		if got := len(g.Folded()); got != 3 {
			t.Errorf("batch %d: %d nodes folded, want the three of the shape: %v", batch, got, g.Folded())
		}
		if g.Dims["N"] != batch {
			t.Errorf("N is %v, want %d", g.Dims, batch)
		}
	}
}

// An operator that the format does not have gets its shape from whoever knows it.
func TestInferAsksForWhatTheFormatLacks(t *testing.T) {
	m := model()
	m.Graph.Nodes[0].Domain = "of.others"
	g, err := Load(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	err = g.Infer(func(op string) (Rule, Fold) {
		asked = append(asked, op)
		return Same, nil
	})
	if err != nil || !slices.Equal(asked, []string{"of.others:Sigmoid"}) || !g.Values["y"].Known {
		t.Errorf("%v, asked for %q, y is %v", err, asked, g.Values["y"])
	}
}

func TestFindMatchesInEitherOrder(t *testing.T) {
	p, rest, err := ParsePattern("Mul(x,Sigmoid(x))")
	if err != nil || rest != "" || p.Root() != "Mul" {
		t.Fatalf("%v, rest %q", err, rest)
	}
	g := load(t, nil)
	mul := g.Values["silu"].From
	never := func(*Node) bool { return false }
	m := Find(p, mul, never)
	if m == nil || m.Vars["x"] != g.Values["x"] {
		t.Fatalf("Mul(s, x) does not match: %+v", m)
	}
	if Find(p, mul, func(n *Node) bool { return n.Op == "Sigmoid" }) != nil {
		t.Error("a refused node matches")
	}
	g.Values["s"].Output = true
	if Find(p, mul, never) != nil {
		t.Error("a value that the network hands out can be merged away")
	}
}

// Law: edits of a clone leave the graph as it was.
func TestEditsOfACloneLeaveTheGraph(t *testing.T) {
	g := load(t, nil)
	before := g.String()
	c := g.Clone()
	if c.String() != before {
		t.Fatalf("the clone is\n%swant\n%s", c, before)
	}
	p, _, err := ParsePattern("Mul(x,Sigmoid(x))")
	if err != nil {
		t.Fatal(err)
	}
	mul := c.Values["silu"].From
	m := Find(p, mul, func(*Node) bool { return false })
	if m == nil {
		t.Fatal("no match in the clone")
	}
	m.Replace(mul, c.Values["x"], "@silu")
	Absorb(mul, c.Values["y"].From)
	if got := strings.Count(c.String(), "\n"); got != 1 || len(mul.Parts) != 3 {
		t.Errorf("%d nodes of %q remain:\n%s", got, mul.Parts, c)
	}
	if g.String() != before || len(g.Values["x"].To) != 2 {
		t.Errorf("the graph is now\n%swant\n%s", g, before)
	}
}

func TestLoadRefuses(t *testing.T) {
	for what, spoil := range map[string]func(*onnx.Graph){
		"is not computed before it": func(g *onnx.Graph) { g.Nodes[0].Inputs[0] = "nobody" },
		"is computed twice":         func(g *onnx.Graph) { g.Nodes[1].Outputs[0] = "s" },
		"has no shape":              func(g *onnx.Graph) { g.Inputs[0].Type.HasShape = false },
		"is open":                   func(g *onnx.Graph) { g.Inputs[0].Type.Shape[1] = onnx.Dim{Param: "C"} },
		`"z" is not computed`:       func(g *onnx.Graph) { g.Outputs[0].Name = "z" },
	} {
		m := model()
		spoil(m.Graph)
		if _, err := Load(m, Options{}); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want that it %s", err, what)
		}
	}
}

// Law: the format knows no runtime. What one does to a graph stands in its own package.
func TestNamesNoRuntime(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"com.microsoft", "nchwc", "ONNX Runtime", "isocost/benchmarks"} {
			if strings.Contains(string(data), word) {
				t.Errorf("%s says %q", f, word)
			}
		}
	}
}
