//go:build cgo

package tflite

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
)

// small builds a graph of a few nodes by hand.
type small struct {
	g   *graph.Graph
	rng *rand.Rand
}

func newSmall() *small {
	return &small{g: &graph.Graph{}, rng: rand.New(rand.NewPCG(3, 4))}
}

func (s *small) input(name string, shape ...int) *graph.Value {
	v := &graph.Value{Name: name, Shape: shape}
	s.g.Inputs = append(s.g.Inputs, v)
	return v
}

func (s *small) weight(name string, shape ...int) *graph.Value {
	v := &graph.Value{Name: name, Shape: shape}
	v.Data = make([]float32, v.Len())
	for i := range v.Data {
		v.Data[i] = float32(s.rng.NormFloat64()) / 2
	}
	s.g.Weights = append(s.g.Weights, v)
	return v
}

func (s *small) node(op string, attrs graph.Attrs, out [][]int, in ...*graph.Value) []*graph.Value {
	n := &graph.Node{Op: benchmarks.Operator(op), Name: op, In: in, Attrs: attrs}
	for i, shape := range out {
		n.Out = append(n.Out, &graph.Value{Name: op + string(rune('a'+len(s.g.Nodes))) + string(rune('0'+i)), Shape: shape})
	}
	s.g.Nodes = append(s.g.Nodes, n)
	return n.Out
}

func intAttrs(pairs ...any) graph.Attrs {
	a := graph.Attrs{Ints: map[string][]int{}}
	for i := 0; i < len(pairs); i += 2 {
		a.Ints[pairs[i].(string)] = pairs[i+1].([]int)
	}
	return a
}

// TestOperatorCodesOfTheLibrary runs every operator of the neutral graph that the catalogue's own
// models do not reach, on both libraries, against the reference interpreter.
func TestOperatorCodesOfTheLibrary(t *testing.T) {
	type l = []int
	for name, build := range map[string]func(s *small) []*graph.Value{
		"deconv same": func(s *small) []*graph.Value {
			x := s.input("x", 1, 4, 5, 6)
			return s.node("deconv", intAttrs("strides", l{2, 2}, "pads", l{0, 0, 1, 1}), []l{{1, 3, 10, 12}}, x, s.weight("w", 4, 3, 3, 3), s.weight("b", 3))
		},
		"deconv valid": func(s *small) []*graph.Value {
			x := s.input("x", 1, 4, 5, 6)
			return s.node("deconv", intAttrs("strides", l{2, 2}, "pads", l{0, 0, 0, 0}), []l{{1, 3, 10, 12}}, x, s.weight("w", 4, 3, 2, 2), s.weight("b", 3))
		},
		"deconv symmetric padding": func(s *small) []*graph.Value {
			x := s.input("x", 1, 4, 5, 6)
			return s.node("deconv", intAttrs("strides", l{2, 2}, "pads", l{2, 2, 1, 1}), []l{{1, 3, 10, 12}}, x, s.weight("w", 4, 3, 5, 5), s.weight("b", 3))
		},
		"matmul": func(s *small) []*graph.Value {
			a := graph.Attrs{Floats: map[string]float32{"alpha": 0.25}}
			return s.node("matmul", a, []l{{2, 3, 4}}, s.input("x", 2, 3, 5), s.input("y", 2, 5, 4))
		},
		"matmul transposed": func(s *small) []*graph.Value {
			return s.node("matmul", intAttrs("transb", l{1}), []l{{2, 3, 4}}, s.input("x", 2, 3, 5), s.input("y", 2, 4, 5))
		},
		"layernorm": func(s *small) []*graph.Value {
			a := graph.Attrs{Floats: map[string]float32{"eps": 1e-5}}
			return s.node("layernorm", a, []l{{1, 6, 8}}, s.input("x", 1, 6, 8), s.weight("gamma", 8), s.weight("beta", 8))
		},
		"rmsnorm": func(s *small) []*graph.Value {
			a := graph.Attrs{Floats: map[string]float32{"eps": 1e-5}}
			return s.node("rmsnorm", a, []l{{1, 6, 8}}, s.input("x", 1, 6, 8), s.weight("gamma", 8))
		},
		"softmax": func(s *small) []*graph.Value {
			return s.node("softmax", graph.Attrs{}, []l{{3, 7}}, s.input("x", 3, 7))
		},
		"softmax over the width": func(s *small) []*graph.Value {
			return s.node("softmax", graph.Attrs{}, []l{{1, 3, 4, 5}}, s.input("x", 1, 3, 4, 5))
		},
		"concat channels": func(s *small) []*graph.Value {
			return s.node("concat", intAttrs("axis", l{1}), []l{{1, 7, 4, 5}}, s.input("x", 1, 3, 4, 5), s.input("y", 1, 4, 4, 5))
		},
		"split channels": func(s *small) []*graph.Value {
			return s.node("split", intAttrs("axis", l{1}), []l{{1, 3, 4, 5}, {1, 3, 4, 5}}, s.input("x", 1, 6, 4, 5))
		},
		"avgpool": func(s *small) []*graph.Value {
			return s.node("avgpool", intAttrs("kernel", l{3, 3}, "strides", l{2, 2}, "pads", l{1, 1, 1, 1}), []l{{1, 3, 4, 4}}, s.input("x", 1, 3, 7, 7))
		},
		"maxpool padded": func(s *small) []*graph.Value {
			return s.node("maxpool", intAttrs("kernel", l{3, 3}, "strides", l{2, 2}, "pads", l{1, 1, 0, 0}), []l{{1, 3, 4, 4}}, s.input("x", 1, 3, 8, 8))
		},
		"maxpool of one pixel": func(s *small) []*graph.Value {
			return s.node("maxpool", intAttrs("kernel", l{1, 1}, "strides", l{5, 7}, "pads", l{0, 0, 0, 0}), []l{{1, 3, 1, 1}}, s.input("x", 1, 3, 5, 7))
		},
		"avgpool of one pixel": func(s *small) []*graph.Value {
			return s.node("avgpool", intAttrs("kernel", l{1, 1}, "strides", l{5, 7}, "pads", l{0, 0, 0, 0}), []l{{1, 3, 1, 1}}, s.input("x", 1, 3, 5, 7))
		},
		"resize nearest": func(s *small) []*graph.Value {
			a := intAttrs("factor", l{2})
			a.Strings = map[string]string{"mode": "nearest"}
			return s.node("resize", a, []l{{1, 3, 8, 10}}, s.input("x", 1, 3, 4, 5))
		},
		"resize linear": func(s *small) []*graph.Value {
			a := intAttrs("factor", l{2})
			a.Strings = map[string]string{"mode": "linear"}
			return s.node("resize", a, []l{{1, 3, 8, 10}}, s.input("x", 1, 3, 4, 5))
		},
		"transpose to rows": func(s *small) []*graph.Value {
			return s.node("transpose", intAttrs("perm", l{0, 2, 3, 1}), []l{{1, 4, 5, 3}}, s.input("x", 1, 3, 4, 5))
		},
		"transpose spatial": func(s *small) []*graph.Value {
			return s.node("transpose", intAttrs("perm", l{0, 1, 3, 2}), []l{{1, 3, 5, 4}}, s.input("x", 1, 3, 4, 5))
		},
		"transpose rank six": func(s *small) []*graph.Value {
			return s.node("transpose", intAttrs("perm", l{0, 1, 3, 2, 4, 5}), []l{{1, 2, 4, 3, 5, 2}}, s.input("x", 1, 2, 3, 4, 5, 2))
		},
		"flatten": func(s *small) []*graph.Value {
			return s.node("reshape", graph.Attrs{}, []l{{1, 60}}, s.input("x", 1, 3, 4, 5))
		},
		"channel scale": func(s *small) []*graph.Value {
			return s.node("mul", graph.Attrs{}, []l{{1, 3, 4, 5}}, s.input("x", 1, 3, 4, 5), s.weight("c", 3, 1, 1))
		},
		"row vector": func(s *small) []*graph.Value {
			return s.node("add", graph.Attrs{}, []l{{1, 3, 4, 5}}, s.input("x", 1, 3, 4, 5), s.weight("c", 5))
		},
		"lower rank": func(s *small) []*graph.Value {
			return s.node("add", graph.Attrs{}, []l{{1, 3, 4, 5}}, s.input("x", 1, 3, 4, 5), s.input("y", 4, 5))
		},
		"mean over a sequence": func(s *small) []*graph.Value {
			return s.node("mean", intAttrs("axis", l{1}), []l{{1, 8}}, s.input("x", 1, 6, 8))
		},
		"mean over the height": func(s *small) []*graph.Value {
			return s.node("mean", intAttrs("axis", l{2}), []l{{1, 3, 5}}, s.input("x", 1, 3, 4, 5))
		},
		"attention": attention,
		"gelu": func(s *small) []*graph.Value {
			return s.node("gelu", graph.Attrs{}, []l{{2, 9}}, s.input("x", 2, 9))
		},
		"identity": func(s *small) []*graph.Value {
			return s.node("cast", graph.Attrs{}, []l{{1, 3, 4, 5}}, s.input("x", 1, 3, 4, 5))
		},
	} {
		kinds(t, func(t *testing.T, b *Backend) {
			s := newSmall()
			s.g.Outputs = build(s)
			file, err := tflitewriter.Write(s.g)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			in, tensors := graphInputs(s.g)
			o, err := b.Open(context.Background(), agent.Model{Name: name, Bytes: file, Graph: s.g}, agent.Options{Provider: CPU, Threads: 1, Inputs: tensors})
			if b.lib.kind == Classic && errors.Is(err, agent.ErrUnsupported) && (name == "gelu" || name == "transpose rank six") {
				t.Logf("%s: newer than TensorFlow Lite 2.9: %v", name, err)
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			defer o.Close()
			if err := o.Run(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := o.(agent.OutputReader).Outputs()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			ref, err := reference.Run(s.g, in)
			if err != nil {
				t.Fatalf("%s: reference: %v", name, err)
			}
			for i, v := range s.g.Outputs {
				n, err := agent.CompareTensors(got[i:i+1], []agent.Tensor{{Name: v.Name, DType: "float32", Shape: v.Shape, Data: float32Data(ref[v.Name])}})
				if err != nil || !(n.RelRMS <= 1e-5) || n.Scale == 0 {
					t.Errorf("%s: output %d %v: off by %.3g, %v", name, i, got[i].Shape, n.RelRMS, err)
				}
			}
		})
	}
}

// attention is one head split of a sequence, as a transformer has it.
func attention(s *small) []*graph.Value {
	const n, d, heads = 6, 8, 2
	x := s.input("x", 1, n, d)
	project := func(name string) *graph.Value {
		flat := s.node("reshape", graph.Attrs{}, [][]int{{n, d}}, x)[0]
		y := s.node("linear", graph.Attrs{}, [][]int{{n, d}}, flat, s.weight(name+".w", d, d), s.weight(name+".b", d))[0]
		z := s.node("reshape", graph.Attrs{}, [][]int{{1, n, heads, d / heads}}, y)[0]
		return s.node("transpose", intAttrs("perm", []int{0, 2, 1, 3}), [][]int{{1, heads, n, d / heads}}, z)[0]
	}
	q, k, v := project("q"), project("k"), project("v")
	a := intAttrs("transb", []int{1})
	a.Floats = map[string]float32{"alpha": 0.5}
	scores := s.node("matmul", a, [][]int{{1, heads, n, n}}, q, k)[0]
	p := s.node("softmax", graph.Attrs{}, [][]int{{1, heads, n, n}}, scores)[0]
	y := s.node("matmul", graph.Attrs{}, [][]int{{1, heads, n, d / heads}}, p, v)[0]
	back := s.node("transpose", intAttrs("perm", []int{0, 2, 1, 3}), [][]int{{1, n, heads, d / heads}}, y)[0]
	return s.node("reshape", graph.Attrs{}, [][]int{{1, n, d}}, back)
}
