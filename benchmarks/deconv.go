package benchmarks

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func init() {
	define(kind{
		name: "deconv", doc: "transposed convolution; same padding multiplies the map by the stride",
		attrs: []attribute{need(kernel), stride, groups, padding, activation()}, axes: convAxes, in: convIn,
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
			n := b.node("deconv", name, []int{x.Shape[0], cout, win.h, win.w}, stat{0, 1}, x, w, b.bias(name+".b", cout, x, w))
			b.ints(n, "strides", win.s[:]...)
			b.ints(n, "pads", win.p[:]...)
			b.ints(n, "groups", g)
			b.mode(n)
			b.str(n, "folded", graph.NormFolded)
			return b.activate(n, a.str("act"))
		},
		frame: alone, weights: kernelWeights, grid: convGrid(gridWindow("2", "2"), gridWindow("4", "2")),
		example: "deconv[k=2,s=2]/P@cin=16,cout=16,h=8,w=8",
		// x[N,C,H,W], w[C,O/groups,kh,kw], b[O]; y is (H−1)·s − pads + kh high. Ints:
		// strides, pads, groups.
		operator: &operator{
			value: reference.Fill(deconvReference).Rounding(func(n *graph.Node) int { // of each input channel of its group, at most the kernel
				w := n.In[1].Shape
				return w[0]/n.Int("groups", 1)*w[2]*w[3] + 1
			}),
			work: products(func(n *graph.Node) int64 { // each input element meets each of its kernel's weights
				w := n.In[1].Shape
				return int64(n.In[0].Len()) * int64(w[1]*w[2]*w[3])
			}),
			onnx:   onnxwriter.OpBy("ConvTranspose", deconvONNX),
			tflite: tflitewriter.OpBy(tflitefb.TransposeConv, deconvTFLite).OfImages(),
			tf:     tfgraph.OpBy("Conv2DBackpropInput", deconvTF),
		},
	})
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

// deconvTFLite writes TRANSPOSE_CONV (version 3 has a bias, 4 an activation). Its SAME
// gives H·s pixels; other padding is a VALID result with the border cut off.
func deconvTFLite(w *tflitewriter.Writer, n *graph.Node) {
	if n.Int("groups", 1) > 1 {
		inGroups(w, n)
		return
	}
	act := tflitewriter.FusedAct(n)
	v, s, p := n.In[1], n.Attrs.Ints["strides"], n.Attrs.Ints["pads"]
	if len(s) != 2 || len(p) != 4 {
		tflitewriter.Fail("needs strides{h,w} and pads{top,left,bottom,right}")
	}
	x := w.Get(n.In[0], tflitewriter.ChannelsLast(4))
	in := w.Tensor(x).Shape
	full := []int32{in[0], 0, 0, int32(v.Shape[1])}
	same, valid := true, true
	for i := range 2 {
		k := v.Shape[2+i]
		total := max(0, k-s[i])
		same = same && p[i] == total/2 && p[i+2] == total-total/2 && k >= s[i]
		valid = valid && p[i] == 0 && p[i+2] == 0
		full[1+i] = (in[1+i]-1)*int32(s[i]) + int32(k)
	}
	kernel, bias := w.Filter(n, tflitewriter.Layout{1, 2, 3, 0}, int32(v.Shape[1]), int32(v.Shape[2]), int32(v.Shape[3]), int32(v.Shape[0]))
	y := w.Activation(n.Out[0], tflitewriter.ChannelsLast(4))
	// Backwards from the result: an activation that is not fused, the cut, the sum.
	var after []func()
	version := int32(3)
	if act != tflitefb.ActNone {
		version = 4
		if w.Classic() {
			linear, result := w.Like(y, n.Name+".linear"), y
			after = append(after, func() { w.Activate(n, linear, result) })
			version, act, y = 3, tflitefb.ActNone, linear
		}
	}
	pad := tflitefb.PaddingValid
	switch {
	case valid:
	case same:
		pad = tflitefb.PaddingSame
	default:
		whole, cut := w.ShapedLike(y, n.Name+".full", full...), y
		after = append(after, func() { w.SliceOp(whole, cut, 0, int32(p[0]), int32(p[1]), 0) })
		y = whole
	}
	w.Emit(tflitefb.TransposeConv, version, []int32{w.Int32s(w.Tensor(y).Shape...), kernel, x, bias}, []int32{y},
		tflitefb.Options{Type: tflitefb.TransposeConvOptions, Values: map[string]float64{"padding": float64(pad),
			"stride_w": float64(s[1]), "stride_h": float64(s[0]), "fused_activation_function": act}})
	for _, f := range slices.Backward(after) {
		f()
	}
}

func deconvONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	w.Emit("ConvTranspose", w.Ins(n), out, onnxWindows(n, n.Int("groups", 1))...)
}

// deconvReference spreads each input element over the outputs it reaches.
func deconvReference(e *reference.Env, n *graph.Node, out []float32) {
	x, wt, y := n.In[0], n.In[1], n.Out[0]
	a, w, b := e.Of(x), e.Of(wt), e.Of(n.In[2])
	s, p := n.Attrs.Ints["strides"], n.Attrs.Ints["pads"]
	cin, h, wd := x.Shape[1], x.Shape[2], x.Shape[3]
	cout, oh, ow := y.Shape[1], y.Shape[2], y.Shape[3]
	kh, kw := wt.Shape[2], wt.Shape[3]
	groups := n.Int("groups", 1)
	per := cout / groups // outputs of a group
	sum := make([]float64, len(out))
	for i := range sum {
		sum[i] = float64(b[i/(oh*ow)%cout])
	}
	for img := range x.Shape[0] {
		for c := range cin {
			for iy := range h {
				for ix := range wd {
					v := float64(a[((img*cin+c)*h+iy)*wd+ix])
					for o := range per {
						for ky := range kh {
							for kx := range kw {
								oy, ox := iy*s[0]-p[0]+ky, ix*s[1]-p[1]+kx
								if oy >= 0 && oy < oh && ox >= 0 && ox < ow {
									sum[((img*cout+c/(cin/groups)*per+o)*oh+oy)*ow+ox] += v * float64(w[((c*per+o)*kh+ky)*kw+kx])
								}
							}
						}
					}
				}
			}
		}
	}
	for i, v := range sum {
		out[i] = float32(e.Activate(n, v))
	}
}

// deconvTF is the gradient of a convolution over its result; groups, which it does not
// have on CPUs, are cut apart and joined. w[C,O,kh,kw] becomes [kh,kw,O,C].
func deconvTF(b tfgraph.Builder, n *graph.Node) {
	k, y := n.In[1], n.Out[0]
	attrs := windowTF(n, [2]int{y.Shape[2], y.Shape[3]}, [2]int{k.Shape[2], k.Shape[3]})
	filter := filterTF(b, k, [4]int{2, 3, 1, 0})
	in := b.Quantised(n, b.Get(n.In[0], false))
	groups := n.Int("groups", 1)
	to := b.Ints
	size := []int{y.Shape[0], y.Shape[2], y.Shape[3], y.Shape[1] / groups}
	var z tfgraph.Tensor
	if groups == 1 {
		z = b.Op("Conv2DBackpropInput", attrs, to(size...), filter, in)
	} else {
		last := b.Int(3)
		count := tfgraph.Attrs{"num_split": int64(groups)}
		images, filters := b.Outputs(groups, "Split", count, last, in), b.Outputs(groups, "Split", count, last, filter)
		var parts []tfgraph.Tensor
		for i := range groups {
			parts = append(parts, b.Op("Conv2DBackpropInput", attrs, to(size...), filters[i], images[i]))
		}
		z = b.Op("ConcatV2", nil, parts, last)
	}
	b.Set(y, b.Activate(n, b.Bias(n, z)), false)
}

// inGroups writes a convolution in groups, for which there is no operator, as one
// for each: the channels are cut apart, convolved and joined.
func inGroups(w *tflitewriter.Writer, n *graph.Node) {
	groups := n.Int("groups", 1)
	x, y := n.In[0], n.Out[0]
	axis := graph.Attrs{Ints: map[string][]int{"axis": {1}}}
	cut := &graph.Node{Op: Operator("split"), Name: n.Name + ".cut", In: []*graph.Value{x}, Attrs: axis}
	join := &graph.Node{Op: Operator("concat"), Name: n.Name + ".join", Out: n.Out, Attrs: axis}
	var parts []*graph.Node
	for i := range groups {
		in, out := part(x, 1, i, groups), part(y, 1, i, groups)
		in.Name, out.Name = fmt.Sprintf("%s.%d", cut.Name, i), fmt.Sprintf("%s.%d", y.Name, i)
		cut.Out, join.In = append(cut.Out, in), append(join.In, out)
		one := &graph.Node{Op: n.Op, Name: out.Name, In: []*graph.Value{in}, Out: []*graph.Value{out}, Attrs: n.Attrs}
		one.Attrs.Ints = map[string][]int{}
		for name, v := range n.Attrs.Ints {
			one.Attrs.Ints[name] = v
		}
		delete(one.Attrs.Ints, "groups")
		for _, v := range n.In[1:] { // kernel and bias
			c := part(v, 0, i, groups)
			c.Name = fmt.Sprintf("%s.%d", v.Name, i)
			w.Weight(c)
			one.In = append(one.In, c)
		}
		parts = append(parts, one)
	}
	w.Node(cut)
	for _, one := range parts {
		w.Node(one)
	}
	w.Node(join)
}

// part is the i-th of n equal parts of a value along an axis. A constant's axis is
// the first.
func part(v *graph.Value, axis, i, n int) *graph.Value {
	p := *v
	p.Shape = append([]int{}, v.Shape...)
	p.Shape[axis] /= n
	if v.Data != nil {
		p.Data = v.Data[i*p.Len() : (i+1)*p.Len()]
	}
	if q := v.Quant; q != nil && len(q.Scale) > 1 && q.Axis == axis {
		k := len(q.Scale) / n
		p.Quant = &graph.Quant{Scale: q.Scale[i*k : (i+1)*k], Zero: q.Zero[i*k : (i+1)*k], Axis: axis}
	}
	return &p
}
