package devicemodel

import (
	"math"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// work holds what a kernel computes and moves, and the sizes that decide how it does so.
type work struct {
	macs                   float64 // multiply-adds
	read, written, weights float64 // bytes
	rows                   float64 // output pixels, tokens
	cin, cout              float64 // channels of one group in, of all out
	window, stride, groups float64
	width                  float64 // of the output map, 1 where there is none
}

// bytesOf are the bytes of one activation and of one weight.
func bytesOf(p lut.Precision) (activation, weight float64) {
	switch p {
	case lut.FP16, lut.BF16:
		return 2, 2
	case lut.INT8:
		return 1, 1
	case lut.INT8Dyn, lut.INT8W:
		return 4, 1
	}
	return 4, 4
}

// workOf reads an operator's work from its key: the kinds that networks are made of by formula,
// which takes a microsecond, any other from the graph that the catalogue builds of it. An
// operator that the catalogue does not know is taken to read and write each element.
func workOf(op lut.Op) work {
	act, weight := bytesOf(op.Precision)
	axis := func(names ...string) float64 {
		for _, n := range names {
			if v, ok := op.Coord(n); ok {
				return float64(v)
			}
		}
		return 1
	}
	w := work{window: 1, stride: 1, groups: 1, width: 1}
	switch op.Kind {
	case "conv", "dwconv", "deconv", "maxpool", "avgpool":
		h, wd := int(axis("h")), int(axis("w"))
		win := windowOf(op, h, wd)
		w.width = float64(win.w)
		w.rows = float64(win.h * win.w)
		w.window, w.stride = float64(win.k[0]*win.k[1]), float64(win.s[0]*win.s[1])
		w.cin, w.cout = axis("cin", "c"), axis("cout", "c")
		w.read, w.written = act*w.cin*float64(h*wd), act*w.cout*w.rows
		switch op.Kind {
		case "dwconv":
			w.groups, w.cin = w.cout, 1
		case "conv", "deconv":
			if g, err := strconv.Atoi(op.Attr("g")); err == nil && g > 0 {
				w.groups = float64(g)
			}
			w.cin /= w.groups
		default:
			w.cin = 1
			return w
		}
		w.weights = weight * w.cout * w.cin * w.window
		w.macs = w.cout * w.cin * w.window * w.rows
		if op.Kind == "deconv" {
			w.macs = w.cout * w.cin * w.window * float64(h*wd)
		}
	case "linear":
		w.rows, w.cin, w.cout = axis("m"), axis("cin"), axis("cout")
		w.macs = w.rows * w.cin * w.cout
		w.read, w.written, w.weights = act*w.rows*w.cin, act*w.rows*w.cout, weight*w.cin*w.cout
	default:
		catalogueWork(op, act, &w)
		if op.Attr("fused") == "1" { // the other operand and the result are the convolution's
			w.read, w.written = w.read/2, 0
		}
	}
	return w
}

// catalogueWork takes the work from the operator's graph, or where that is known from what it is of.
func catalogueWork(op lut.Op, act float64, w *work) {
	elements := w.lie(op)
	if !w.formula(op, act, elements) {
		w.build(op, act, elements)
	}
}

// lie finds rows and channels of a tensor from its axes, and returns its elements.
func (w *work) lie(op lut.Op) (elements float64) {
	elements = 1
	for _, c := range op.At {
		elements *= float64(c.Value)
	}
	w.rows, w.cout, w.cin = elements, 1, 1
	for _, c := range op.At {
		switch c.Axis {
		case "c", "cout", "dim", "n":
			w.cout = float64(c.Value)
			w.rows = elements / w.cout
		case "cin", "k":
			w.cin = float64(c.Value)
		case "w":
			w.width = float64(c.Value)
		}
	}
	return elements
}

// formula says what the catalogue's commonest kinds in fp32 move, as their graphs do, at a
// hundredth of building one; false for any other.
func (w *work) formula(op lut.Op, act, elements float64) bool {
	if op.Precision != lut.FP32 {
		return false
	}
	read, written, weights := 1.0, 1.0, 0.0 // in elements of the tensor; weights per channel
	switch op.Kind {
	case "relu", "relu6", "hswish", "hsigmoid", "sigmoid", "gelu", "silu", "clip", "erf", "leakyrelu", "softmax", "split", "concat", "transpose":
	case "add", "sub", "mul", "div":
		switch op.Attr("b") {
		case "":
			read = 2
		case "c":
			read += w.cout / elements
		case "s":
			weights = 1 / w.cout
		default:
			return false
		}
	case "slice", "gather":
		read = 2
	case "batchnorm":
		weights = 4
	case "layernorm", "instancenorm":
		if weights = 2; op.Attr("skip") == "1" {
			read, written = 3, 2
		}
	case "gap":
		written = w.cout / elements
	case "reduce":
		if op.Attr("axis") != "" {
			return false
		}
		written = w.rows / elements
	default:
		return false
	}
	w.read, w.written, w.weights = math.Round(read*elements)*act, math.Round(written*elements)*act, math.Round(weights*w.cout)*act
	return true
}

// build takes the work from the operator's graph.
func (w *work) build(op lut.Op, act, elements float64) {
	g, err := benchmarks.Build(benchmarks.Chain{op}, benchmarks.BuildOptions{Shapes: true})
	if err != nil {
		w.read, w.written = act*elements, act*elements
		return
	}
	of := benchmarks.WorkOf(g)
	for _, n := range g.Nodes {
		one := of(n)
		w.macs += float64(one.MACs)
		w.read += float64(one.Read)
		w.written += float64(one.Written)
		w.weights += float64(one.Weights)
	}
}

// window says where a kernel slides and what it leaves of a map.
type window struct {
	k, s, d [2]int
	h, w    int
}

func windowOf(op lut.Op, h, w int) window {
	win := window{k: pair(op.Attr("k")), s: pair(op.Attr("s")), d: pair(op.Attr("d"))}
	size, out := [2]int{h, w}, [2]int{}
	pads, explicit := padsOf(op.Attr("p"))
	for i := range 2 {
		switch {
		case op.Kind == "deconv":
			out[i] = size[i] * win.s[i]
		case explicit:
			out[i] = (size[i]+pads[i]+pads[i+2]-(win.k[i]-1)*win.d[i]-1)/win.s[i] + 1
		default:
			out[i] = (size[i] + win.s[i] - 1) / win.s[i]
		}
		out[i] = max(out[i], 1)
	}
	win.h, win.w = out[0], out[1]
	return win
}

// pair reads `3` and `3x5`; left out is 1.
func pair(v string) [2]int {
	a, b, two := strings.Cut(v, "x")
	x, err := strconv.Atoi(a)
	if err != nil || x < 1 {
		return [2]int{1, 1}
	}
	if y, err := strconv.Atoi(b); two && err == nil && y >= 1 {
		return [2]int{x, y}
	}
	return [2]int{x, x}
}

// padsOf reads `1` and `top-left-bottom-right`.
func padsOf(v string) (p [4]int, ok bool) {
	if v == "" {
		return p, false
	}
	parts := strings.Split(v, "-")
	for i := range p {
		x, err := strconv.Atoi(parts[min(i, len(parts)-1)])
		if err != nil {
			return p, false
		}
		p[i] = x
	}
	return p, true
}
