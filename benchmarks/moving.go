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
	// Joins n parts to c channels (dim features). Equal parts are all the chain's value;
	// of unequal ones the first is, and the others are an earlier value of the chain.
	// rescale=1, in int8: the parts' scale is not the result's, so that joining
	// computes on every element instead of copying rows.
	"concat": {
		attrs: []string{"n!", "rescale"}, axes: []string{"c", "h", "w"}, sequence: true, out: mapShape, in: partShape,
		check: func(a args) error {
			if a.str("rescale") != "" && activationType(a.op.Precision) != graph.Int8 {
				return fmt.Errorf("rescale=1 is about int8")
			}
			return checkParts(a, 1)
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			n := b.move(graph.Concat, x, b.layer+".concat", append([]int{x.Shape[0]}, mapShape(a)...))
			part := b.part(a, x)
			for len(n.In) < a.int("n", 1) {
				n.In = append(n.In, part)
			}
			if a.str("rescale") == "1" {
				n.Out[0].Quant = perTensor(1.25*float64(x.Quant.Scale[0]), 0)
			}
			return b.ints(n, "axis", channelAxis(x)).Out[0]
		},
	},
	// Cuts c channels (dim features) into n parts; the chain goes on with the first,
	// the others are outputs of the graph, so that no part is dead.
	"split": {
		attrs: []string{"n!"}, axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: partShape,
		check: func(a args) error { return checkParts(a, 2) },
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			axis := channelAxis(x)
			sizes := []int{partShape(a)[axis-1]}
			for len(sizes) < a.int("n", 1) {
				sizes = append(sizes, laterPart(a))
			}
			parts := b.split(x, "part", axis, sizes...)
			b.results = append(b.results, parts[1:]...)
			return parts[0]
		},
	},
	// f times larger, or to the size given.
	"resize": {
		attrs: []string{"f", "size", "mode!"}, axes: []string{"c", "h", "w"}, in: mapShape,
		out: func(a args) Shape {
			if a.str("size") != "" {
				to := a.pair("size", 1)
				return Shape{a.axis("c"), to[0], to[1]}
			}
			f := a.int("f", 1)
			return Shape{a.axis("c"), f * a.axis("h"), f * a.axis("w")}
		},
		check: func(a args) error {
			if (a.str("f") == "") == (a.str("size") == "") {
				return fmt.Errorf("one of f and size says how large the result is")
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			n := b.move(graph.Resize, x, b.layer+".resize", append([]int{x.Shape[0]}, kinds["resize"].out(a)...))
			if f := a.int("f", 0); f > 0 {
				b.ints(n, "factor", f)
			}
			return b.str(n, "mode", a.str("mode")).Out[0]
		},
	},
	// Channels become pixels, f×f of them, and back; the axes are the input's.
	"depthtospace": blocks(graph.DepthToSpace),
	"spacetodepth": blocks(graph.SpaceToDepth),
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
		attrs: []string{"k!", "s", "g", "p", "act"}, axes: []string{"h", "w", "cin", "cout"}, in: convIn,
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
			if g := a.int("g", 1); a.axis("cin")%g != 0 || a.axis("cout")%g != 0 {
				return fmt.Errorf("%d groups do not divide %d → %d channels", g, a.axis("cin"), a.axis("cout"))
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			win := a.spread(a.axis("h"), a.axis("w"))
			cin, cout, g, name := a.axis("cin"), a.axis("cout"), a.int("g", 1), b.layer+".deconv"
			fan := max(1, cin/g*win.k[0]*win.k[1]/(win.s[0]*win.s[1])) // inputs that reach one output
			w := b.weight(name+".w", []int{cin, cout / g, win.k[0], win.k[1]}, fan, x, 1)
			n := b.node(graph.Deconv, name, []int{x.Shape[0], cout, win.h, win.w}, stat{0, 1}, x, w, b.bias(name+".b", cout, x, w))
			b.ints(n, "strides", win.s[:]...)
			b.ints(n, "pads", win.p[:]...)
			b.ints(n, "groups", g)
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

// partShape is the first of n parts of a map or a sequence.
func partShape(a args) Shape {
	s := mapShape(a)
	i := 0
	if a.has("seq") {
		i = 1
	}
	s[i] -= (a.int("n", 1) - 1) * laterPart(a)
	return s
}

// laterPart is the width of the second to last of n parts. Where n divides the whole
// all are equal. Otherwise these are the largest multiple of a runtime's vector of
// channels (16 or 8 numbers) that an n-th holds, and the first part is what remains:
// parts that are no multiples are joined in another layout than real networks' are.
func laterPart(a args) int {
	whole, n := a.axis("c"), a.int("n", 1)
	if a.has("seq") {
		whole = a.axis("dim")
	}
	q := whole / n
	for _, vector := range []int{16, 8} {
		if whole%n != 0 && q >= vector {
			return q / vector * vector
		}
	}
	return q
}

func checkParts(a args, least int) error {
	whole := a.axis("c")
	if a.has("seq") {
		whole = a.axis("dim")
	}
	if n := a.int("n", 1); n < least || n > whole {
		return fmt.Errorf("%v in %d parts", mapShape(a), n)
	}
	return nil
}

// part is a value of the width of the later parts of a concat to which x is the
// first: x itself, an earlier value of the chain, or a graph input.
func (b *builder) part(a args, x *graph.Value) *graph.Value {
	want := slices.Clone(x.Shape)
	want[channelAxis(x)] = laterPart(a)
	for i := len(b.history) - 1; i >= 0; i-- {
		if v := b.history[i]; v.DType == x.DType && slices.Equal(v.Shape, want) {
			return v
		}
	}
	v := b.input(b.layer+".part", want[1:], floatType(b.prec))
	return b.convert(v, activationType(b.prec), b.layer+".part.in")
}

func blocks(op string) kind {
	out := func(a args) Shape {
		s, f := mapShape(a), a.int("f", 1)
		if op == graph.SpaceToDepth {
			return Shape{s[0] * f * f, s[1] / f, s[2] / f}
		}
		return Shape{s[0] / (f * f), s[1] * f, s[2] * f}
	}
	return kind{
		attrs: []string{"f!"}, axes: []string{"c", "h", "w"}, in: mapShape, out: out,
		check: func(a args) error {
			s, o, f := mapShape(a), out(a), a.int("f", 1)
			if f < 2 || s[0]*s[1]*s[2] != o[0]*o[1]*o[2] {
				return fmt.Errorf("%v does not divide into blocks of %d", s, f)
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			n := b.move(op, x, b.layer+"."+op, append([]int{x.Shape[0]}, out(a)...))
			return b.ints(n, "factor", a.int("f", 1)).Out[0]
		},
	}
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
