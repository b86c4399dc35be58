package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// Infer walks the nodes in order: gives every output its type and shape, and
// follows constants – what depends on initializers alone is computed when the
// model is loaded, and the small results are evaluated, since later shapes depend
// on them. Nodes computed so are Gone. extra knows operators that the format does not
// have; nil when there are none. An If whose condition is known becomes the branch that is
// taken. It fails where a shape is too large to be one.
func (g *Graph) Infer(extra func(op string) (Rule, Fold)) error {
	if err := g.infer(extra); err != nil {
		return err
	}
	return g.decide(extra)
}

func (g *Graph) infer(extra func(op string) (Rule, Fold)) error {
	for _, n := range g.Nodes {
		constant := len(n.In) > 0 || n.Op == "Constant"
		for _, v := range n.In {
			if v != nil && !v.Constant {
				constant = false
			}
		}
		if n.Op == "Shape" || n.Op == "Size" { // known once the input's shape is
			constant = n.Input(0) != nil && n.Input(0).Known
		}
		if random[n.Op] || hasBody(n) {
			constant = false // the runtime computes no body when it loads a model
		}
		shape, fold := shapes[n.Op], folds[n.Op]
		if shape == nil && fold == nil && extra != nil {
			shape, fold = extra(n.Op)
		}
		if shape != nil {
			shape(g, n)
		}
		for _, v := range n.Out {
			if v == nil {
				continue
			}
			if !v.Known && v.Shape != nil { // the file's own word
				v.Known = true
			}
			if v.Known && (len(v.Shape) > maxRank || Elements(v.Shape) < 0) {
				return fmt.Errorf("node %q (%s): its output's shape %v is too large", n.Name, n.Op, v.Shape)
			}
			v.Constant = constant
		}
		if constant {
			n.Gone = true
			if fold != nil && len(n.Out) > 0 && n.Out[0] != nil {
				g.fold(n, fold)
			}
			if n.Op == "DequantizeLinear" && len(n.Out) > 0 && n.Out[0] != nil {
				n.Out[0].Dequantised = true
				if x := n.Input(0); x != nil {
					n.Out[0].Stored = x.Type
				}
			}
			for _, v := range n.In {
				if v == nil {
					continue
				}
				if v.Dequantised && len(n.Out) > 0 && n.Out[0] != nil {
					n.Out[0].Dequantised, n.Out[0].Stored = true, v.Stored // a reshaped or transposed int8 weight is one still
				}
				Unlink(v, n) // it is gone when the model runs: who asks for a tensor's shape keeps nothing from fusing
			}
		}
	}
	return nil
}

// random operators are not constant although their inputs are.
var random = map[string]bool{"RandomNormal": true, "RandomUniform": true, "RandomNormalLike": true, "RandomUniformLike": true, "Multinomial": true, "Bernoulli": true}

// Random reports an operator whose results differ from run to run.
func Random(op string) bool { return random[op] }

func hasBody(n *Node) bool {
	return n.Src != nil && slices.ContainsFunc(n.Src.Attrs, func(a *onnx.Attr) bool { return a.G != nil || len(a.Graphs) > 0 })
}

// fold evaluates a constant node whose result is small.
func (g *Graph) fold(n *Node, f func(*Graph, *Node) ([]float64, bool)) {
	v := n.Out[0]
	if v.HasData || !v.Ruled { // a shape by the file's word alone need not fit the inputs
		return
	}
	size := Elements(v.Shape)
	if size < 0 || size > maxConstant || g.followed+size > maxFollowed {
		return
	}
	data, ok := f(g, n)
	if ok && len(data) == size {
		if v.Type == onnx.Float { // as the runtime rounds: a cast to integers cuts 2.9999998 to 2
			data = slices.Clone(data)
			for i, x := range data {
				data[i] = float64(float32(x))
			}
		}
		v.Data, v.HasData = data, true
		g.followed += size
	}
}

// Set gives output i its type and shape.
func (n *Node) Set(i int, t onnx.DataType, shape []int) {
	if i < len(n.Out) && n.Out[i] != nil {
		n.Out[i].Type, n.Out[i].Shape, n.Out[i].Known, n.Out[i].Ruled = t, shape, true, true
	}
}

// KnownInputs reports that the first k inputs are there with their shapes.
func (n *Node) KnownInputs(k int) bool {
	for i := range k {
		if v := n.Input(i); v == nil || !v.Known {
			return false
		}
	}
	return true
}

// Axis makes a possibly negative axis one of [0, rank); ok is false outside.
func Axis(a, rank int) (int, bool) {
	if a < 0 {
		a += rank
	}
	return a, a >= 0 && a < rank
}

// Same is the shape rule of element-wise unary operators.
func Same(_ *Graph, n *Node) {
	if n.KnownInputs(1) {
		n.Set(0, n.In[0].Type, slices.Clone(n.In[0].Shape))
	}
}

// Broadcast joins shapes as numpy does.
func Broadcast(a, b []int) ([]int, bool) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	off := len(a) - len(b)
	for i, d := range b {
		switch {
		case out[off+i] == d || d == 1:
		case out[off+i] == 1:
			out[off+i] = d
		default:
			return nil, false
		}
	}
	return out, true
}

func broadcastAs(t onnx.DataType) Rule {
	return func(_ *Graph, n *Node) {
		if len(n.In) == 0 || !n.KnownInputs(len(n.In)) {
			return
		}
		shape := n.In[0].Shape
		for _, v := range n.In[1:] {
			var ok bool
			if shape, ok = Broadcast(shape, v.Shape); !ok {
				return
			}
		}
		typ := t
		if typ == 0 {
			typ = n.In[len(n.In)-1].Type // Where's first input is the condition
		}
		n.Set(0, typ, slices.Clone(shape))
	}
}

// Integers are followed elements as integers, kept small enough to add.
func Integers(d []float64) []int {
	out := make([]int, len(d))
	for i, v := range d {
		out[i] = int(math.Max(-1<<40, math.Min(1<<40, v)))
	}
	return out
}

// listInput is an integer list given as attribute name (older opsets) or as input i.
func (n *Node) listInput(name string, i int) ([]int, bool) {
	if n.Has(name) {
		return n.Ints(name), true
	}
	if v := n.Input(i); v == nil {
		return nil, false
	}
	d, ok := n.Data(i)
	return Integers(d), ok
}

// listed reports that an optional list is there at all.
func (n *Node) listed(name string, i int) bool { return n.Has(name) || n.Input(i) != nil }

// Window is a sliding kernel over the last two (or one, or three) dimensions.
type Window struct {
	Kernel, Stride, Dilation []int
	Begin, End               []int // padding
	Out                      []int
}

// Slide works out kernel, stride, padding and output of a convolution or a pool
// over the sides of its input.
func (n *Node) Slide(sides, kernel []int) (w Window, ok bool) {
	dims := len(sides)
	fill := func(v []int, def int) []int {
		if len(v) == dims {
			return v
		}
		v = make([]int, dims)
		for i := range v {
			v[i] = def
		}
		return v
	}
	w.Kernel = kernel
	if len(w.Kernel) != dims {
		return w, false
	}
	w.Stride, w.Dilation = fill(n.Ints("strides"), 1), fill(n.Ints("dilations"), 1)
	pads := n.Ints("pads")
	if len(pads) != 2*dims {
		pads = make([]int, 2*dims)
	}
	w.Begin, w.End = slices.Clone(pads[:dims]), slices.Clone(pads[dims:])
	auto := ""
	if n.Src != nil {
		auto = n.Src.Str("auto_pad", "")
	}
	ceil := n.Int("ceil_mode", 0) == 1
	for i := range sides {
		if w.Stride[i] < 1 || w.Dilation[i] < 1 || w.Kernel[i] < 1 || w.Kernel[i] > 1<<20 || w.Dilation[i] > 1<<20 || w.Begin[i] < 0 || w.End[i] < 0 {
			return w, false
		}
		reach := (w.Kernel[i]-1)*w.Dilation[i] + 1
		if auto == "SAME_UPPER" || auto == "SAME_LOWER" {
			o := (sides[i] + w.Stride[i] - 1) / w.Stride[i]
			total := max(0, (o-1)*w.Stride[i]+reach-sides[i])
			w.Begin[i], w.End[i] = total/2, total-total/2
			if auto == "SAME_LOWER" {
				w.Begin[i], w.End[i] = w.End[i], w.Begin[i]
			}
		}
		room := sides[i] + w.Begin[i] + w.End[i] - reach
		if room < 0 {
			return w, false
		}
		o := room/w.Stride[i] + 1
		if ceil && room%w.Stride[i] != 0 && (o*w.Stride[i]) < sides[i]+w.Begin[i] {
			o++ // the last window starts inside the map
		}
		w.Out = append(w.Out, o)
	}
	return w, true
}

// KernelOf is the kernel of a convolution: of the attribute, else of the weight.
func (n *Node) KernelOf(weight int) []int {
	if k := n.Ints("kernel_shape"); len(k) > 0 {
		return k
	}
	if v := n.Input(weight); v != nil && v.Known && len(v.Shape) > 2 {
		return v.Shape[2:]
	}
	return nil
}

// HasRule says whether the shapes of an operator's outputs follow by a rule of ONNX.
func HasRule(op string) bool {
	_, ok := shapes[op]
	return ok
}
