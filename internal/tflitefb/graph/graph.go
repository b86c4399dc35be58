package graph

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tflitefb"
)

// Graph is a model whose operators know their neighbours.
type Graph struct {
	Model     *tflitefb.Model
	Operators []*Operator
	From      []*Operator   // of each tensor: who computes it, nil for inputs and constants
	To        [][]*Operator // of each tensor: who reads it
	Constant  []bool        // of each tensor: known when the model is loaded
	Unknown   []bool        // of each tensor: its shape depends on a size that is not known here
	// Restated is how many tensors the file states another shape for than its operators make.
	Restated int
	sizes    map[int32][]int // what is computed from shapes, by tensor
}

// Operator is one of the file's.
type Operator struct {
	tflitefb.Operator
	Unfit bool // what goes in does not fit together
	index int
}

// String is the operator's type and place in the file.
func (o *Operator) String() string { return fmt.Sprintf("%s %d", o.Title(), o.index) }

// Title is the operator's type, a custom one's own name.
func (o *Operator) Title() string {
	if o.Code == tflitefb.Custom {
		return fmt.Sprintf("CUSTOM %.40q", o.Custom)
	}
	return o.Code.String()
}

// In is the i-th input, nil where there is none.
func (g *Graph) In(o *Operator, i int) *tflitefb.Tensor {
	if i >= len(o.Inputs) || o.Inputs[i] < 0 {
		return nil
	}
	return &g.Model.Tensors[o.Inputs[i]]
}

// Out is the first output.
func (g *Graph) Out(o *Operator) *tflitefb.Tensor { return &g.Model.Tensors[o.Outputs[0]] }

// load links the operators and refuses shapes that are too large or not known.
func (g *Graph) load(opt Options) error {
	resized := make([]bool, len(g.Model.Tensors))
	for i := range g.Model.Tensors {
		t := &g.Model.Tensors[i]
		if s, ok := opt.Inputs[int32(i)]; ok && !slices.Equal(s, t.Shape) {
			t.Shape, t.Dynamic, resized[i] = s, nil, true
		}
		if len(t.Shape) > maxRank {
			return fmt.Errorf("tensor %d %q has %d dimensions", i, t.Name, len(t.Shape))
		}
		if !bounded(t.Shape) {
			return fmt.Errorf("tensor %d %q: shape %v", i, t.Name, t.Shape)
		}
	}
	for i, t := range g.Model.Tensors {
		g.Constant[i] = t.Data != nil
	}
	for _, t := range g.Model.Inputs {
		if _, given := opt.Inputs[t]; given {
			continue
		}
		for d, n := range g.Model.Tensors[t].Dynamic {
			if n < 0 && d > 0 {
				return hint.Wrap(fmt.Errorf("tensor %d %q: dimension %d is not known before the model runs", t, g.Model.Tensors[t].Name, d),
					"give its length with --dim, or convert the model with inputs of fixed size")
			}
		}
	}
	for i, op := range g.Model.Operators {
		o := &Operator{Operator: op, index: i}
		g.Operators = append(g.Operators, o)
		constant := len(op.Inputs) > 0
		for _, t := range op.Inputs {
			if t >= 0 {
				g.To[t] = append(g.To[t], o)
				constant = constant && g.Constant[t]
			}
		}
		for _, t := range op.Outputs {
			g.From[t], g.Constant[t] = o, constant
		}
	}
	g.infer(resized)
	return nil
}

// Only reports that nothing but o reads a tensor.
func (g *Graph) Only(t int32, o *Operator) bool {
	for _, out := range g.Model.Outputs {
		if out == t {
			return false
		}
	}
	return len(g.To[t]) == 1 && g.To[t][0] == o
}

// maxRank says how many dimensions a tensor may have; LiteRT's limit is 8
// (kMaxNumDims of its shape inference).
const maxRank = 8

// Number is a constant of one element.
func (g *Graph) Number(t int32) (float64, bool) {
	if t < 0 || g.From[t] != nil {
		return 0, false
	}
	v := g.Model.Tensors[t]
	if Size(v.Shape) != 1 {
		return 0, false
	}
	switch {
	case v.Type == tflitefb.Float32 && len(v.Data) == 4:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.Data))), true
	case v.Type == tflitefb.Int8 && len(v.Data) == 1 && v.Quant != nil && len(v.Quant.Scale) == 1 && len(v.Quant.Zero) == 1:
		return float64(v.Quant.Scale[0]) * float64(int64(int8(v.Data[0]))-v.Quant.Zero[0]), true
	}
	return 0, false
}

// Integers are the elements of an int32 input that is constant or computed from shapes.
func (g *Graph) Integers(o *Operator, i int) ([]int, bool) {
	t := g.In(o, i)
	if t != nil && g.From[o.Inputs[i]] != nil {
		v, ok := g.sizes[o.Inputs[i]]
		return v, ok
	}
	if t == nil || t.Type != tflitefb.Int32 || g.From[o.Inputs[i]] != nil || len(t.Data)%4 != 0 || len(t.Data) == 0 {
		return nil, false
	}
	v := make([]int, len(t.Data)/4)
	for i := range v {
		v[i] = int(int32(binary.LittleEndian.Uint32(t.Data[4*i:])))
	}
	return v, true
}

// Integer is a constant input of one number.
func (g *Graph) Integer(o *Operator, i int) (int, bool) {
	v, ok := g.Integers(o, i)
	if !ok || len(v) != 1 {
		return 0, false
	}
	return v[0], true
}

// Size is the number of elements.
func Size(shape []int32) int {
	n := 1
	for _, d := range shape {
		n *= int(d)
	}
	return n
}

// maxElements bounds a tensor.
const maxElements = 1 << 40

// Options say what a file leaves open.
type Options struct {
	// Inputs are the shapes of inputs that have others here than in the file, by tensor.
	Inputs map[int32][]int32
}

// Load links the operators of a decoded model and works out the shapes of what they compute. It
// fails for shapes that are too large and for inputs whose size is open.
func Load(m *tflitefb.Model, opt Options) (*Graph, error) {
	own := *m
	own.Tensors = slices.Clone(m.Tensors)
	g := &Graph{Model: &own, From: make([]*Operator, len(m.Tensors)), To: make([][]*Operator, len(m.Tensors)),
		Constant: make([]bool, len(m.Tensors)), Unknown: make([]bool, len(m.Tensors)), sizes: map[int32][]int{}}
	if err := g.load(opt); err != nil {
		return nil, err
	}
	return g, nil
}

// String lists the operators, one per line: what each computes, of which type and shape, and
// from which tensors.
func (g *Graph) String() string {
	var b strings.Builder
	for _, o := range g.Operators {
		fmt.Fprintf(&b, "%s\n", g.Describe(o))
	}
	return b.String()
}

// Describe is the operator as "t7 float32[1 8 8 16] ← CONV_2D 3: t0, t1, t2".
func (g *Graph) Describe(o *Operator) string {
	out, in := make([]string, len(o.Outputs)), make([]string, len(o.Inputs))
	for i, t := range o.Outputs {
		out[i] = fmt.Sprintf("t%d %v%v", t, g.Model.Tensors[t].Type, g.Model.Tensors[t].Shape)
	}
	for i, t := range o.Inputs {
		if in[i] = "–"; t >= 0 {
			in[i] = fmt.Sprintf("t%d", t)
		}
	}
	return fmt.Sprintf("%s ← %s: %s", strings.Join(out, ", "), o, strings.Join(in, ", "))
}
