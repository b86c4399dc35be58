package onnxreader

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx"
)

// infer walks the nodes in order: gives every output its type and shape, and
// follows constants – what depends on initializers alone is computed when the
// model is loaded, and the small results are evaluated, since later shapes depend
// on them.
func (g *graph) infer() error {
	for _, n := range g.nodes {
		constant := len(n.in) > 0 || n.op == "Constant"
		for _, v := range n.in {
			if v != nil && !v.constant {
				constant = false
			}
		}
		if n.op == "Shape" || n.op == "Size" { // known once the input's shape is
			constant = n.input(0) != nil && n.input(0).known
		}
		if random[n.op] {
			constant = false
		}
		if f, ok := shapes[n.op]; ok {
			f(g, n)
		} else if f, ok := runtimeShapes[n.op]; ok {
			f(g, n)
		}
		for _, v := range n.out {
			if v == nil {
				continue
			}
			if !v.known && v.shape != nil { // the file's own word
				v.known = true
			}
			if v.known && (len(v.shape) > maxRank || elements(v.shape) < 0) {
				return fmt.Errorf("node %q (%s): its output's shape %v is too large", n.name, n.op, v.shape)
			}
			v.constant = constant
		}
		n.postpone(constant)
		if constant {
			n.dead = true
			n.why = network.FreeConstant
			if n.op == "Shape" || n.op == "Size" {
				n.why = network.FreeShape
			}
			if f, ok := folds[n.op]; ok && len(n.out) > 0 && n.out[0] != nil {
				g.fold(n, f)
			}
			if n.op == "DequantizeLinear" && len(n.out) > 0 && n.out[0] != nil {
				n.out[0].quant = true
			}
			for _, v := range n.in {
				if v == nil {
					continue
				}
				if v.quant && len(n.out) > 0 && n.out[0] != nil {
					n.out[0].quant = true // a reshaped or transposed int8 weight is one still
				}
				unlink(v, n) // it is gone when the model runs: who asks for a tensor's shape keeps nothing from fusing
			}
		}
	}
	return nil
}

// postpone notes what the runtime does not compute when it loads the model: it leaves
// quantisations and dequantisations, also of constants, to the inference, and what
// depends on them. A quantiser puts them into shape arithmetic that was done in floats.
func (n *node) postpone(constant bool) {
	late, vague := strings.HasSuffix(n.op, "uantizeLinear"), false
	for i, v := range n.in {
		if v == nil {
			continue
		}
		late = late || v.late
		vague = vague || v.vague || i > 0 && v.late && onWord[n.op]
	}
	if x := n.input(0); (n.op == "Shape" || n.op == "Size") && x != nil {
		if late = x.vague; late {
			x.asked++
		}
	}
	for _, v := range n.out {
		if v != nil {
			v.late, v.vague = constant && late, !constant && vague
		}
	}
}

// random operators are not constant although their inputs are.
var random = map[string]bool{"RandomNormal": true, "RandomUniform": true, "RandomNormalLike": true, "RandomUniformLike": true, "Multinomial": true, "Bernoulli": true}

// fold evaluates a constant node whose result is small.
func (g *graph) fold(n *node, f func(*graph, *node) ([]float64, bool)) {
	v := n.out[0]
	if v.hasData || !v.known {
		return
	}
	size := elements(v.shape)
	if size < 0 || size > maxConstant || g.followed+size > maxFollowed {
		return
	}
	data, ok := f(g, n)
	if ok && len(data) == size {
		if v.dtype == onnx.Float { // as the runtime rounds: a cast to integers cuts 2.9999998 to 2
			data = slices.Clone(data)
			for i, x := range data {
				data[i] = float64(float32(x))
			}
		}
		v.data, v.hasData = data, true
		g.followed += size
	}
}

// set gives output i its type and shape.
func (n *node) set(i int, t onnx.DataType, shape []int) {
	if i < len(n.out) && n.out[i] != nil {
		n.out[i].dtype, n.out[i].shape, n.out[i].known, n.out[i].ruled = t, shape, true, true
	}
}

// knownInputs reports that the first k inputs are there with their shapes.
func (n *node) knownInputs(k int) bool {
	for i := range k {
		if v := n.input(i); v == nil || !v.known {
			return false
		}
	}
	return true
}

// axis makes a possibly negative axis one of [0, rank); ok is false outside.
func axis(a, rank int) (int, bool) {
	if a < 0 {
		a += rank
	}
	return a, a >= 0 && a < rank
}

// same is the shape rule of element-wise unary operators.
func same(_ *graph, n *node) {
	if n.knownInputs(1) {
		n.set(0, n.in[0].dtype, slices.Clone(n.in[0].shape))
	}
}

// broadcast joins shapes as numpy does.
func broadcast(a, b []int) ([]int, bool) {
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

func broadcastAs(t onnx.DataType) func(*graph, *node) {
	return func(_ *graph, n *node) {
		if len(n.in) == 0 || !n.knownInputs(len(n.in)) {
			return
		}
		shape := n.in[0].shape
		for _, v := range n.in[1:] {
			var ok bool
			if shape, ok = broadcast(shape, v.shape); !ok {
				return
			}
		}
		typ := t
		if typ == 0 {
			typ = n.in[len(n.in)-1].dtype // Where's first input is the condition
		}
		n.set(0, typ, slices.Clone(shape))
	}
}

func dataInts(d []float64) []int {
	out := make([]int, len(d))
	for i, v := range d {
		out[i] = int(math.Max(-1<<40, math.Min(1<<40, v)))
	}
	return out
}

// listInput is an integer list given as attribute name (older opsets) or as input i.
func (n *node) listInput(name string, i int) ([]int, bool) {
	if n.has(name) {
		return n.ints(name), true
	}
	if v := n.input(i); v == nil {
		return nil, false
	}
	d, ok := n.data(i)
	return dataInts(d), ok
}

// listed reports that an optional list is there at all.
func (n *node) listed(name string, i int) bool { return n.has(name) || n.input(i) != nil }

// window is a sliding kernel over the last two (or one, or three) dimensions.
type window struct {
	k, s, d    []int
	begin, end []int // padding
	out        []int
}

// slide works out kernel, stride, padding and output of a convolution or a pool
// over the sides of its input.
func (n *node) slide(sides, kernel []int) (w window, ok bool) {
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
	w.k = kernel
	if len(w.k) != dims {
		return w, false
	}
	w.s, w.d = fill(n.ints("strides"), 1), fill(n.ints("dilations"), 1)
	pads := n.ints("pads")
	if len(pads) != 2*dims {
		pads = make([]int, 2*dims)
	}
	w.begin, w.end = slices.Clone(pads[:dims]), slices.Clone(pads[dims:])
	if len(n.pad) == 2*dims {
		for i := range dims {
			w.begin[i] += n.pad[i]
			w.end[i] += n.pad[i+dims]
		}
	}
	auto := ""
	if n.src != nil {
		auto = n.src.Str("auto_pad", "")
	}
	ceil := n.int("ceil_mode", 0) == 1
	for i := range sides {
		if w.s[i] < 1 || w.d[i] < 1 || w.k[i] < 1 || w.k[i] > 1<<20 || w.d[i] > 1<<20 || w.begin[i] < 0 || w.end[i] < 0 {
			return w, false
		}
		reach := (w.k[i]-1)*w.d[i] + 1
		if auto == "SAME_UPPER" || auto == "SAME_LOWER" {
			o := (sides[i] + w.s[i] - 1) / w.s[i]
			total := max(0, (o-1)*w.s[i]+reach-sides[i])
			w.begin[i], w.end[i] = total/2, total-total/2
			if auto == "SAME_LOWER" {
				w.begin[i], w.end[i] = w.end[i], w.begin[i]
			}
		}
		room := sides[i] + w.begin[i] + w.end[i] - reach
		if room < 0 {
			return w, false
		}
		o := room/w.s[i] + 1
		if ceil && room%w.s[i] != 0 && (o*w.s[i]) < sides[i]+w.begin[i] {
			o++ // the last window starts inside the map
		}
		w.out = append(w.out, o)
	}
	return w, true
}

// kernelOf is the kernel of a convolution: of the attribute, else of the weight.
func (n *node) kernelOf(weight int) []int {
	if k := n.ints("kernel_shape"); len(k) > 0 {
		return k
	}
	if v := n.input(weight); v != nil && v.known && len(v.shape) > 2 {
		return v.shape[2:]
	}
	return nil
}
