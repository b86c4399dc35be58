package benchmarks

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func init() {
	define(kind{
		name: "conv", doc: "convolution",
		attrs: []attribute{need(kernel), stride, groups, dilation, padding, activation()}, axes: convAxes, in: convIn, out: convOut,
		check: func(a args) error {
			g := a.int("g", 1)
			if a.axis("cin")%g != 0 || a.axis("cout")%g != 0 {
				return fmt.Errorf("%d groups do not divide %d → %d channels", g, a.axis("cin"), a.axis("cout"))
			}
			if g > 1 && g == a.axis("cin") && g == a.axis("cout") {
				return fmt.Errorf("one group per channel is a dwconv")
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			win := a.slide(a.axis("h"), a.axis("w"))
			return b.conv(x, convSpec{name: "conv", cout: a.axis("cout"), groups: a.int("g", 1), act: a.str("act"), win: &win})
		},
		frame: alone, weights: kernelWeights,
		grid:    convGrid(gridWindow("1", "1"), gridWindow("1", "2"), gridWindow("3", "1"), gridWindow("3", "2")),
		example: "conv[act=relu6,k=3,s=1]/P@cin=16,cout=16,h=16,w=16",
		// x[N,C,H,W], w[O,C/groups,kh,kw], b[O] → y[N,O,H',W']. Ints: strides{h,w},
		// pads{top,left,bottom,right}, dilations{h,w}, groups.
		operator: convOperator(tflitewriter.OpBy(tflitefb.Conv2D, convTFLite), tfgraph.OpBy("Conv2D", convTF)),
	})
	define(kind{
		name: "dwconv", doc: "depthwise convolution",
		attrs: []attribute{need(kernel), stride, dilation, padding, activation()}, axes: []string{"h", "w", "c"}, in: mapShape, out: poolOut,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			win := a.slide(a.axis("h"), a.axis("w"))
			c := a.axis("c")
			return b.conv(x, convSpec{name: "dwconv", cout: c, groups: c, act: a.str("act"), win: &win})
		},
		frame: alone,
		weights: func(a args) (int, error) {
			k := a.pair("k", 1)
			return a.axis("c") * k[0] * k[1], nil
		},
		grid: gridOf(dwconvGrid), example: "dwconv[act=relu6,k=3,s=1]/P@c=16,h=16,w=16",
		// As conv with w[C,1,kh,kw] and one group per channel (groups is not given).
		operator: convOperator(tflitewriter.OpBy(tflitefb.DepthwiseConv2D, convTFLite), tfgraph.OpBy("DepthwiseConv2dNative", convTF)),
	})
}

var convAxes = []string{"h", "w", "cin", "cout"}

func convIn(a args) Shape { return Shape{a.axis("cin"), a.axis("h"), a.axis("w")} }

func convOut(a args) Shape {
	win := a.slide(a.axis("h"), a.axis("w"))
	return Shape{a.axis("cout"), win.h, win.w}
}

// kernelWeights is the size of a convolution's kernel.
func kernelWeights(a args) (int, error) {
	k := a.pair("k", 1)
	return a.axis("cin") * a.axis("cout") * k[0] * k[1] / a.int("g", 1), nil
}

func convOperator(tflite tflitewriter.Form, tf tfgraph.Form) *operator {
	return &operator{
		value: reference.Fill(convReference).Rounding(func(n *graph.Node) int { return reference.Product(n.In[1].Shape[1:]) + 1 }),
		work: products(func(n *graph.Node) int64 {
			w := n.In[1].Shape
			return int64(n.Out[0].Len()) * int64(w[1]*w[2]*w[3])
		}),
		onnx: onnxwriter.OpBy("Conv", convONNX), tflite: tflite.OfImages(), tf: tf,
	}
}

// depthwise tells a convolution of one group per channel.
func depthwise(n *graph.Node) bool { return n.Op.String() == "dwconv" }

// pointwise is the key of a 1×1 convolution of an h×w map.
func pointwise(p lut.Precision, cin, cout, h, w int, act string) lut.Op {
	attrs := map[string]string{"k": "1"}
	if act != "" {
		attrs["act"] = act
	}
	return lut.NewOp("conv", p, attrs, map[string]int{"cin": cin, "cout": cout, "h": h, "w": w})
}

// blurred is the key of a depthwise convolution that keeps a map's shape.
func blurred(s Shape, p lut.Precision) lut.Op {
	return lut.NewOp("dwconv", p, map[string]string{"k": "3", "s": "1"}, coordinates(s))
}

// convSpec is a convolution inside an operator or block.
type convSpec struct {
	name   string // of its value, without the layer
	cout   int
	k, s   int // sides, when win is nil
	groups int // 0 or 1: dense; cin with cout = cin: depthwise
	act    string
	win    *window
	plain  bool // a bias of its own, no batch normalisation folded in
}

func (b *builder) conv(x *graph.Value, c convSpec) *graph.Value {
	cin, h, w := x.Shape[1], x.Shape[2], x.Shape[3]
	if c.win == nil {
		k, s := c.k, max(1, c.s)
		win := args{lut.NewOp("", "", map[string]string{"k": fmt.Sprint(k), "s": fmt.Sprint(s)}, nil)}.slide(h, w)
		c.win = &win
	}
	g := max(1, c.groups)
	name := b.layer + "." + c.name
	op, wshape := "conv", []int{c.cout, cin / g, c.win.k[0], c.win.k[1]}
	if g > 1 && g == cin && c.cout == cin {
		op = "dwconv"
	}
	weight := b.weight(name+".w", wshape, wshape[1]*wshape[2]*wshape[3], x, 0)
	bias := b.bias(name+".b", c.cout, x, weight)
	n := b.node(op, name, []int{x.Shape[0], c.cout, c.win.h, c.win.w}, stat{0, 1}, x, weight, bias)
	b.ints(n, "strides", c.win.s[:]...)
	b.ints(n, "pads", c.win.p[:]...)
	b.ints(n, "dilations", c.win.d[:]...)
	if op == "conv" {
		b.ints(n, "groups", g)
	}
	b.mode(n)
	if !c.plain {
		b.str(n, "folded", graph.NormFolded)
	}
	return b.activate(n, c.act)
}

// convTFLite writes CONV_2D and DEPTHWISE_CONV_2D. Versions of DEPTHWISE_CONV_2D: 2 has dilation, 3 is
// int8, 6 hybrid with a scale per channel.
func convTFLite(w *tflitewriter.Writer, n *graph.Node) {
	if w.Classic() && n.Int("groups", 1) > 1 {
		inGroups(w, n)
		return
	}
	act := tflitewriter.FusedAct(n)
	v := n.In[1]
	k, s, d := v.Shape[2:], n.Attrs.Ints["strides"], n.Attrs.Ints["dilations"]
	x, pad := w.Padding(w.Get(n.In[0], tflitewriter.ChannelsLast(4)), n, k, s, d, false)
	values := map[string]float64{"padding": pad, "stride_w": float64(s[1]), "stride_h": float64(s[0]),
		"fused_activation_function": act, "dilation_w_factor": float64(d[1]), "dilation_h_factor": float64(d[0])}
	o, i, kh, kw := int32(v.Shape[0]), int32(v.Shape[1]), int32(k[0]), int32(k[1])
	if !depthwise(n) {
		kernel, bias := w.Filter(n, tflitewriter.Layout{0, 2, 3, 1}, o, kh, kw, i)
		w.Conv2D(x, kernel, bias, w.Activation(n.Out[0], tflitewriter.ChannelsLast(4)), values)
		return
	}
	values["depth_multiplier"] = float64(int(o) / n.In[0].Shape[1])
	kernel, bias := w.Filter(n, tflitewriter.Layout{1, 2, 3, 0}, 1, kh, kw, o)
	version := w.Version(x, 3)
	switch {
	case version == 1 && w.Tensor(kernel).Type == tflitefb.Int8:
		version = 6
	case version == 1 && (d[0] > 1 || d[1] > 1):
		version = 2
	}
	y := w.Activation(n.Out[0], tflitewriter.ChannelsLast(4))
	w.Emit(tflitefb.DepthwiseConv2D, version, []int32{x, kernel, bias}, []int32{y},
		tflitefb.Options{Type: tflitefb.DepthwiseConv2DOptions, Values: values})
}

// onnxWindows are the attributes that a convolution and its transpose share.
func onnxWindows(n *graph.Node, groups int) []*onnx.Attr {
	return []*onnx.Attr{onnxwriter.IntsAttr("kernel_shape", n.In[1].Shape[2:]), onnxwriter.IntsAttr("strides", n.Attrs.Ints["strides"]),
		onnxwriter.IntsAttr("pads", n.Attrs.Ints["pads"]), onnx.IntAttr("group", int64(groups))}
}

func convONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	groups := n.Int("groups", 1)
	if depthwise(n) {
		groups = n.Out[0].Shape[1]
	}
	attrs := slices.Insert(onnxWindows(n, groups), 3, onnxwriter.IntsAttr("dilations", n.Attrs.Ints["dilations"]))
	if n.Attrs.Strings["quant"] == graph.QuantDynamic {
		convDynamic(w, n, out, attrs)
		return
	}
	w.Emit("Conv", w.Ins(n), out, attrs...)
}

func convReference(e *reference.Env, n *graph.Node, out []float32) {
	x, wt, y := n.In[0], n.In[1], n.Out[0]
	a, w, b := e.Of(x), e.Of(wt), e.Of(n.In[2])
	if n.Attrs.Strings["quant"] == graph.QuantDynamic {
		a = reference.Dynamic(a)
	}
	s, p, d := n.Attrs.Ints["strides"], n.Attrs.Ints["pads"], n.Attrs.Ints["dilations"]
	groups := n.Int("groups", 1)
	if depthwise(n) {
		groups = y.Shape[1]
	}
	cin, h, wd := x.Shape[1], x.Shape[2], x.Shape[3]
	cout, kh, kw := y.Shape[1], wt.Shape[2], wt.Shape[3]
	per := cin / groups
	i := 0
	for img := range y.Shape[0] {
		for o := range cout {
			first := o / (cout / groups) * per
			for oy := range y.Shape[2] {
				for ox := range y.Shape[3] {
					sum := float64(b[o])
					for c := range per {
						for ky := range kh {
							iy := oy*s[0] - p[0] + ky*d[0]
							if iy < 0 || iy >= h {
								continue
							}
							for kx := range kw {
								ix := ox*s[1] - p[1] + kx*d[1]
								if ix < 0 || ix >= wd {
									continue
								}
								sum += float64(a[((img*cin+first+c)*h+iy)*wd+ix]) * float64(w[((o*per+c)*kh+ky)*kw+kx])
							}
						}
					}
					out[i] = float32(e.Activate(n, sum))
					i++
				}
			}
		}
	}
}

// convDynamic writes a convolution whose input is quantised at run time: ConvInteger of
// DynamicQuantizeLinear's integers, then scale and bias in float.
func convDynamic(w *onnxwriter.Writer, n *graph.Node, out string, attrs []*onnx.Attr) {
	q, zero := w.Dynamic(n.In[0])
	weight := n.In[1]
	// The CPU kernel takes unsigned weights only: shifted by 128, and so is the zero.
	ints := weight.Integers()
	for i := range ints {
		ints[i] += 128
	}
	wq := w.Constant(onnx.IntTensor(weight.Name+".q", onnx.Uint8, ints, weight.Shape...))
	wz := w.Constant(onnx.IntTensor(weight.Name+".zero", onnx.Uint8, []int64{128}))
	product := w.Emit("ConvInteger", []string{q, wq, zero, wz}, n.Name+".int", attrs...).Outputs[0]
	w.InFloat(n, q, product, out, 1, weight.Shape[0], 1, 1)
}

// convTF writes Conv2D and DepthwiseConv2dNative: w[O,I,kh,kw] becomes [kh,kw,I,O], a
// depthwise w[C,1,kh,kw] [kh,kw,C,1].
func convTF(b tfgraph.Builder, n *graph.Node) {
	x, k := n.In[0], n.In[1]
	attrs := windowTF(n, [2]int{x.Shape[2], x.Shape[3]}, [2]int{k.Shape[2], k.Shape[3]})
	attrs["dilations"] = imageTF(pairTF(n, "dilations", 1))
	perm := [4]int{2, 3, 1, 0}
	if depthwise(n) {
		perm = [4]int{2, 3, 0, 1}
	}
	filter := filterTF(b, k, perm)
	z := b.Op(n.Op.(tfgraph.Operator).TensorFlowForm().Name, attrs, b.Quantised(n, b.Get(x, false)), filter)
	b.Set(n.Out[0], b.Activate(n, b.Bias(n, z)), false)
}

func convGrid(variants ...gridAttrs) grid {
	return grid{shapes: func(add func(gridAttrs, gridCoords)) {
		for _, l := range pyramid {
			for _, cout := range widths(l.c) {
				for _, v := range variants {
					add(v, gridCoords{"h": l.side, "w": l.side, "cin": l.c, "cout": cout})
				}
			}
		}
	}}
}

func dwconvGrid(add func(gridAttrs, gridCoords)) {
	for _, l := range pyramid {
		for _, c := range widths(4 * l.c) {
			for _, k := range []string{"3", "5", "7"} {
				for _, s := range []string{"1", "2"} {
					add(gridWindow(k, s), gridCoords{"h": l.side, "w": l.side, "c": c})
				}
			}
		}
	}
}
