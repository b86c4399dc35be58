//go:build cgo

package ort

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// constants is a graph of random operators on random constants.
type constants struct {
	rng  *rand.Rand
	g    onnx.Graph
	made []string
}

func (c *constants) one(list ...string) string { return list[c.rng.IntN(len(list))] }

// tensor is a new initializer, of small numbers without 0 where it divides.
func (c *constants) tensor(typ onnx.DataType, divides bool, dims ...int) string {
	name, n := fmt.Sprintf("c%d", len(c.g.Initializers)), 1
	for _, d := range dims {
		n *= d
	}
	ints, floats := make([]int64, n), make([]float32, n)
	for i := range ints {
		ints[i] = int64(c.rng.IntN(15) - 7)
		if divides && ints[i] == 0 {
			ints[i] = 3
		}
		if typ == onnx.Bool {
			ints[i] &= 1
		}
		floats[i] = float32(ints[i]) * 1.3
	}
	if typ == onnx.Float {
		c.g.Initializers = append(c.g.Initializers, onnx.FloatTensor(name, typ, floats, dims...))
	} else {
		c.g.Initializers = append(c.g.Initializers, onnx.IntTensor(name, typ, ints, dims...))
	}
	return name
}

func (c *constants) list(v ...int64) string {
	name := fmt.Sprintf("c%d", len(c.g.Initializers))
	c.g.Initializers = append(c.g.Initializers, onnx.IntTensor(name, onnx.Int64, v, len(v)))
	return name
}

func (c *constants) node(op string, attrs []*onnx.Attr, in ...string) {
	out := fmt.Sprintf("v%d", len(c.made))
	c.g.Nodes = append(c.g.Nodes, &onnx.Node{Op: op, Name: out, Inputs: in, Outputs: []string{out}, Attrs: attrs})
	c.made = append(c.made, out)
}

// step adds one operator on x, whose type and shape are given.
func (c *constants) step(x string, typ onnx.DataType, s []int) {
	attr := func(name string, v int) []*onnx.Attr { return []*onnx.Attr{onnx.IntAttr(name, int64(v))} }
	arithmetic := typ == onnx.Float || typ == onnx.Int64 || typ == onnx.Int32
	axis := 0
	if len(s) > 0 {
		axis = c.rng.IntN(2*len(s)) - len(s)
	}
	small := s // of the other operand
	switch c.rng.IntN(3) {
	case 0:
		small = nil
	case 1:
		small = s[len(s)/2:]
	}
	switch c.rng.IntN(13) {
	case 0, 1:
		if !arithmetic {
			c.node(c.one("And", "Or"), nil, x, c.tensor(onnx.Bool, false, small...))
			return
		}
		op, attrs := c.one("Add", "Sub", "Mul", "Div", "Mod", "Min", "Max"), []*onnx.Attr(nil)
		if op == "Mod" && (typ == onnx.Float || c.rng.IntN(3) == 0) {
			attrs = attr("fmod", 1)
		}
		c.node(op, attrs, x, c.tensor(typ, true, small...))
	case 2:
		c.node(c.one("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"), nil, x, c.tensor(typ, false, small...))
	case 3:
		switch {
		case typ == onnx.Float:
			c.node(c.one("Ceil", "Floor", "Sqrt", "Neg", "Abs", "Round", "Reciprocal", "Exp"), nil, x)
		case arithmetic:
			c.node(c.one("Neg", "Abs"), nil, x)
		case typ == onnx.Bool:
			c.node("Not", nil, x)
		}
	case 4, 5:
		c.node("Cast", attr("to", []int{int(onnx.Float), int(onnx.Int64), int(onnx.Int32), int(onnx.Int8), int(onnx.Uint8), int(onnx.Bool)}[c.rng.IntN(6)]), x)
	case 6:
		c.node(c.one("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"), attr("keepdims", c.rng.IntN(2)), x)
	case 7:
		if len(s) == 0 {
			c.node("Unsqueeze", nil, x, c.list(0))
			return
		}
		from, to := int64(c.rng.IntN(9)-4), int64(c.rng.IntN(9)-4)
		c.node("Slice", nil, x, c.list(from), c.list([]int64{to, math.MaxInt64, math.MinInt64}[c.rng.IntN(3)]), c.list(int64(axis)), c.list([]int64{1, 2, -1, -2}[c.rng.IntN(4)]))
	case 8:
		if len(s) == 0 || s[(axis+len(s))%len(s)] == 0 {
			c.node("Shape", nil, x)
			return
		}
		c.node("Gather", attr("axis", axis), x, c.list(0, -1, 0))
	case 9:
		if len(s) == 0 {
			c.node("Reshape", nil, x, c.list(1, -1))
			return
		}
		c.node("Concat", attr("axis", axis), x, x)
	case 10:
		c.node(c.one("Transpose", "Shape", "Size", "Flatten", "Squeeze", "Identity"), nil, x)
	case 11:
		c.node("Where", nil, c.tensor(onnx.Bool, false, small...), x, c.tensor(typ, false, small...))
	case 12:
		if typ == onnx.Int64 && c.rng.IntN(2) == 0 {
			c.node("OneHot", attr("axis", c.rng.IntN(2*len(s)+2)-len(s)-1), x, c.list(int64(1+c.rng.IntN(8))), c.tensor([]onnx.DataType{onnx.Int64, onnx.Float}[c.rng.IntN(2)], false, 2))
			return
		}
		reps := make([]int64, len(s))
		for i := range reps {
			reps[i] = int64(c.rng.IntN(4))
		}
		c.node("Tile", nil, x, c.list(reps...))
	}
}

// elements are a tensor's numbers.
func elements(t *testing.T, x agent.Tensor) []float64 {
	var out []float64
	for b := x.Data; len(b) > 0; {
		switch x.DType {
		case "float32":
			out, b = append(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))), b[4:]
		case "int64":
			out, b = append(out, float64(int64(binary.LittleEndian.Uint64(b)))), b[8:]
		case "int32":
			out, b = append(out, float64(int32(binary.LittleEndian.Uint32(b)))), b[4:]
		case "int8":
			out, b = append(out, float64(int8(b[0]))), b[1:]
		case "uint8", "bool":
			out, b = append(out, float64(b[0])), b[1:]
		default:
			t.Fatalf("elements of type %s", x.DType)
		}
	}
	return out
}

// Law: what the reader folds is what ONNX Runtime computes, of random graphs of constants.
func TestFoldsAgreeWithRuntime(t *testing.T) {
	b := backend(t)
	ran, compared, kinds := 0, 0, map[string]bool{}
	d := backendtest.NewDifferential(t, 150)
	for seed := range d.Seeds {
		c := &constants{rng: rand.New(rand.NewPCG(seed, 1))}
		c.g.Inputs = []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1)}
		dims := make([]int, c.rng.IntN(4))
		for i := range dims {
			dims[i] = 1 + c.rng.IntN(3)
		}
		typ := []onnx.DataType{onnx.Float, onnx.Int64, onnx.Int64, onnx.Int32}[c.rng.IntN(4)]
		at, model := c.tensor(typ, false, dims...), &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &c.g}
		var g *graph.Graph
		for range 1 + c.rng.IntN(4) {
			before := len(c.made)
			c.step(at, typ, dims)
			if len(c.made) == before {
				continue
			}
			var err error
			if g, err = graph.Load(model, graph.Options{}); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if err := g.Infer(nil); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			at = c.made[len(c.made)-1]
			v := g.Values[at]
			if !v.Known {
				break
			}
			typ, dims = v.Type, v.Shape
		}
		if g == nil {
			continue
		}
		c.g.Nodes = append(c.g.Nodes, &onnx.Node{Op: "Identity", Inputs: []string{"x"}, Outputs: []string{"y"}})
		for _, name := range append([]string{"y"}, c.made...) {
			c.g.Outputs = append(c.g.Outputs, onnx.NewValue(name, onnx.Float))
			if v := g.Values[name]; v != nil && v.Type != 0 {
				c.g.Outputs[len(c.g.Outputs)-1] = &onnx.ValueInfo{Name: name, Type: &onnx.Type{Elem: v.Type}}
			}
		}
		s, err := b.Open(t.Context(), agent.Model{Name: "constants", Bytes: onnx.Encode(model)}, agent.Options{Threads: 1, Provider: "cpu"})
		if err != nil {
			continue // no kernel for these types
		}
		ran++
		rounded := map[*graph.Value]bool{} // where digits were lost, on one side others than on the other
		for _, out := range outputs(t, s) {
			v := g.Values[out.Name]
			if v == nil || !v.Known {
				continue
			}
			if rounded[v] = slices.ContainsFunc(v.From.In, func(in *graph.Value) bool { return rounded[in] }); rounded[v] {
				continue
			}
			node := fmt.Sprintf("seed %d: %s(%q)", seed, v.From.Op, v.From.Src.Inputs)
			if !slices.Equal(v.Shape, out.Shape) {
				t.Errorf("%s is of shape %v, ONNX Runtime's of %v", node, v.Shape, out.Shape)
				continue
			}
			if !v.HasData {
				continue
			}
			compared++
			kinds[v.From.Op] = true
			want := elements(t, out)
			largest := 0.0 // of what it was computed from: differences and remainders are exact to that
			for _, in := range v.From.In {
				if in != nil {
					for _, x := range in.Data {
						if !math.IsInf(x, 0) {
							largest = max(largest, math.Abs(x))
						}
					}
				}
			}
			within := func(scale func(float64) float64) bool {
				return slices.EqualFunc(v.Data, want, func(a, b float64) bool {
					return a == b || math.IsNaN(a) && math.IsNaN(b) || out.DType == "float32" && math.Abs(a-b) <= 1e-6*scale(b)
				})
			}
			switch {
			case within(math.Abs):
			case within(func(b float64) float64 { return max(math.Abs(b), largest) }):
				rounded[v] = true
			default:
				t.Errorf("%s is %v, ONNX Runtime's %v", node, v.Data, want)
			}
		}
		s.Close()
	}
	d.Enough(ran, compared, fmt.Sprintf("%d tensors of %d operators, as folded and as computed", compared, len(kinds)))
}
