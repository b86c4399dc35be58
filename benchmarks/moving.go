package benchmarks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
)

// movingKinds are operators that mostly move data, and the transposed convolution.
var movingKinds = map[string]kind{
	// Joins n parts of c/n channels (dim/n features), all of them the chain's value.
	"concat": {
		attrs: []string{"n!"}, axes: []string{"c", "h", "w"}, sequence: true, out: mapShape, check: checkParts, in: partShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			n := b.move(graph.Concat, x, b.layer+".concat", append([]int{x.Shape[0]}, mapShape(a)...))
			for len(n.In) < a.int("n", 1) {
				n.In = append(n.In, x)
			}
			return b.ints(n, "axis", channelAxis(x)).Out[0]
		},
	},
	// Cuts c channels (dim features) into n parts; the chain goes on with the first,
	// the others are outputs of the graph, so that no part is dead.
	"split": {
		attrs: []string{"n!"}, axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, check: checkParts, out: partShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			parts := b.split(x, "part", channelAxis(x), a.int("n", 1))
			b.results = append(b.results, parts[1:]...)
			return parts[0]
		},
	},
	"resize": {
		attrs: []string{"f!", "mode!"}, axes: []string{"c", "h", "w"}, in: mapShape,
		out: func(a args) Shape {
			f := a.int("f", 1)
			return Shape{a.axis("c"), f * a.axis("h"), f * a.axis("w")}
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			f := a.int("f", 1)
			n := b.move(graph.Resize, x, b.layer+".resize", []int{x.Shape[0], x.Shape[1], f * x.Shape[2], f * x.Shape[3]})
			return b.str(b.ints(n, "factor", f), "mode", a.str("mode")).Out[0]
		},
	},
	// perm=0-2-1 of a tensor of axes d0, d1, d2 (2 to 6 of them, the batch left out):
	// axis i of the result is axis perm[i] of the input.
	"transpose": {
		attrs: []string{"perm!"}, axesOf: permAxes, in: permIn,
		out: func(a args) Shape {
			in, out := permIn(a), Shape{}
			for _, p := range a.perm() {
				out = append(out, in[p])
			}
			return out
		},
		check: func(a args) error {
			p := a.perm()
			sorted := slices.Sorted(slices.Values(p))
			for i, v := range sorted {
				if v != i {
					return fmt.Errorf("perm=%s is no permutation", a.str("perm"))
				}
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			perm := []int{0}
			for _, p := range a.perm() {
				perm = append(perm, p+1)
			}
			return b.transpose(x, "transpose", perm...)
		},
	},
	// to=flat: a vector; to=seq: a map's rows as tokens [c h·w].
	"reshape": {
		attrs: []string{"to!"}, axes: []string{"c", "h", "w"}, sequence: true, in: mapShape,
		check: func(a args) error {
			if to := a.str("to"); to != "flat" && (to != "seq" || a.has("seq")) {
				return fmt.Errorf("to=%s: a map becomes flat or seq, a sequence flat", to)
			}
			return nil
		},
		out: func(a args) Shape {
			s := mapShape(a)
			if a.str("to") == "seq" {
				return Shape{s[0], s[1] * s[2]}
			}
			n := 1
			for _, d := range s {
				n *= d
			}
			return Shape{n}
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.reshape(x, b.layer+".reshape", kinds["reshape"].out(a))
		},
	},
	// Same padding multiplies the map by the stride.
	"deconv": {
		attrs: []string{"k!", "s", "p", "act"}, axes: []string{"h", "w", "cin", "cout"}, in: convIn,
		out: func(a args) Shape {
			win := a.spread(a.axis("h"), a.axis("w"))
			return Shape{a.axis("cout"), win.h, win.w}
		},
		check: func(a args) error {
			k, s := a.pair("k", 1), a.pair("s", 1)
			if a.op.Precision == lut.INT8Dyn {
				return fmt.Errorf("no runtime has a dynamically quantised transposed convolution")
			}
			if k[0] < s[0] || k[1] < s[1] {
				return fmt.Errorf("a kernel smaller than the stride leaves gaps")
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			win := a.spread(a.axis("h"), a.axis("w"))
			cin, cout, name := a.axis("cin"), a.axis("cout"), b.layer+".deconv"
			fan := max(1, cin*win.k[0]*win.k[1]/(win.s[0]*win.s[1])) // inputs that reach one output
			w := b.weight(name+".w", []int{cin, cout, win.k[0], win.k[1]}, fan, x, 1)
			n := b.node(graph.Deconv, name, []int{x.Shape[0], cout, win.h, win.w}, stat{0, 1}, x, w, b.bias(name+".b", cout, x, w))
			b.ints(n, "strides", win.s[:]...)
			b.ints(n, "pads", win.p[:]...)
			b.mode(n)
			b.str(n, "folded", graph.BatchNorm)
			return b.activate(n, a.str("act"))
		},
	},
}

// channelAxis is the axis of channels of a map, of features of a sequence.
func channelAxis(x *graph.Value) int {
	if len(x.Shape) == 3 {
		return 2
	}
	return 1
}

// partShape is one of n parts of a map or a sequence.
func partShape(a args) Shape {
	s := mapShape(a)
	if a.has("seq") {
		s[1] /= a.int("n", 1)
	} else {
		s[0] /= a.int("n", 1)
	}
	return s
}

func checkParts(a args) error {
	s, n := partShape(a), a.int("n", 1)
	whole := mapShape(a)
	if n < 2 || s[0]*n != whole[0] && s[1]*n != whole[1] {
		return fmt.Errorf("%v is not %d equal parts", whole, n)
	}
	return nil
}

// perm reads "0-2-1"; nil when it is not a list of 2 to 6 numbers.
func (a args) perm() []int {
	var p []int
	for part := range strings.SplitSeq(a.str("perm"), "-") {
		v, err := strconv.Atoi(part)
		if err != nil || v < 0 || strconv.Itoa(v) != part {
			return nil
		}
		p = append(p, v)
	}
	if len(p) < 2 || len(p) > 6 {
		return nil
	}
	return p
}

func permAxes(a args) []string {
	axes := []string{}
	for i := range a.perm() {
		axes = append(axes, fmt.Sprintf("d%d", i))
	}
	return axes
}

func permIn(a args) Shape {
	var s Shape
	for _, name := range permAxes(a) {
		s = append(s, a.axis(name))
	}
	return s
}

// identity is the permutation that changes nothing, axesOf the coordinates of a
// transpose of shape s.
func identity(n int) string {
	p := make([]string, n)
	for i := range p {
		p[i] = strconv.Itoa(i)
	}
	return strings.Join(p, "-")
}

func axesOf(s Shape) map[string]int {
	m := map[string]int{}
	for i, d := range s {
		m[fmt.Sprintf("d%d", i)] = d
	}
	return m
}

// spread is the transposed slide.
func (a args) spread(h, w int) window {
	win := window{k: a.pair("k", 1), s: a.pair("s", 1), d: [2]int{1, 1}}
	p, explicit, _ := parsePads(a.str("p"))
	win.p = p
	if !explicit {
		for i := range 2 {
			total := win.k[i] - win.s[i]
			win.p[i], win.p[i+2] = total/2, total-total/2
		}
	}
	win.h = (h-1)*win.s[0] - win.p[0] - win.p[2] + win.k[0]
	win.w = (w-1)*win.s[1] - win.p[1] - win.p[3] + win.k[1]
	return win
}
