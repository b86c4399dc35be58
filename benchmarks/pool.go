package benchmarks

import (
	"fmt"
	"math"
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
	for _, p := range []struct {
		name, doc, onnx string
		value           reference.Form
		tflite          tflitewriter.Form
		tf              tfgraph.Form
		example         string
	}{
		{"maxpool", "maximum pooling", "MaxPool", reference.Fill(poolReference).Moving(), tflitewriter.OpBy(tflitefb.MaxPool2D, poolTFLite),
			tfgraph.OpBy("MaxPool", poolTF).Moving(), "maxpool[k=3,s=2]/P@c=16,h=16,w=16"},
		{"avgpool", "average pooling; padding does not count", "AveragePool", reference.Fill(poolReference).Rounding(func(n *graph.Node) int { return reference.Product(n.Attrs.Ints["kernel"]) + 1 }), tflitewriter.OpBy(tflitefb.AveragePool2D, poolTFLite),
			tfgraph.OpBy("AvgPool", poolTF), "avgpool[k=2,s=2]/P@c=16,h=16,w=16"},
	} {
		define(kind{
			name: p.name, doc: p.doc, attrs: []attribute{need(kernel), stride, padding}, axes: mapAxes, in: mapShape, out: poolOut,
			build: func(b *builder, a args, x *graph.Value) *graph.Value { return b.pool(p.name, a, x) },
			frame: alone, weights: noWeights, grid: mapGrid(gridWindow("3", "2")), example: p.example,
			// Ints: kernel{h,w}, strides, pads. Padding counts for neither.
			operator: &operator{value: p.value, work: each, onnx: onnxwriter.OpBy(p.onnx, poolONNX(p.onnx)), tflite: p.tflite.OfImages(), tf: p.tf},
		})
	}
}

func poolOut(a args) Shape {
	win := a.slide(a.axis("h"), a.axis("w"))
	return Shape{a.axis("c"), win.h, win.w}
}

// ofMaximum tells a maximum from a mean.
func ofMaximum(n *graph.Node) bool { return n.Op.String() == "maxpool" }

// onePixel is the key of a pool that reads one pixel per channel of a map.
func onePixel(s Shape, p lut.Precision) lut.Op {
	return lut.NewOp("maxpool", p, map[string]string{"k": "1", "s": side(s[1], s[2])}, coordinates(s))
}

func side(h, w int) string {
	if h == w {
		return fmt.Sprint(h)
	}
	return fmt.Sprintf("%dx%d", h, w)
}

// averaged is the key of an average that keeps a map's shape.
func averaged(s Shape, p lut.Precision) lut.Op {
	return lut.NewOp("avgpool", p, map[string]string{"k": "3"}, coordinates(s))
}

func (b *builder) pool(op string, a args, x *graph.Value) *graph.Value {
	win := a.slide(a.axis("h"), a.axis("w"))
	st := b.stats[x]
	n := b.node(op, b.layer+"."+op, []int{x.Shape[0], x.Shape[1], win.h, win.w}, st, x)
	n.Out[0].Quant = x.Quant // a maximum or mean of the same numbers: runtimes want the scale kept
	b.ints(n, "kernel", win.k[:]...)
	b.ints(n, "strides", win.s[:]...)
	b.ints(n, "pads", win.p[:]...)
	return n.Out[0]
}

// poolTFLite writes MAX_POOL_2D and AVERAGE_POOL_2D, in which padding counts for neither.
func poolTFLite(w *tflitewriter.Writer, n *graph.Node) {
	act := tflitewriter.FusedAct(n)
	k, s := n.Attrs.Ints["kernel"], n.Attrs.Ints["strides"]
	if len(k) != 2 {
		tflitewriter.Fail("needs kernel{h,w}")
	}
	in := w.Get(n.In[0], tflitewriter.ChannelsLast(4))
	x, pad := w.Padding(in, n, k, s, []int{1, 1}, ofMaximum(n))
	y := w.Activation(n.Out[0], tflitewriter.ChannelsLast(4))
	size := w.Tensor(y).Shape
	// One pixel read: XNNPACK refuses windows of 1×1 with a stride, and the built-in
	// kernel that stands in visits every pixel of an fp32 map (13 µs for 48×48×3).
	if k[0] == 1 && k[1] == 1 && size[1] == 1 && size[2] == 1 && act == tflitefb.ActNone {
		w.SliceOp(x, y, 0, 0, 0, 0)
		return
	}
	code := tflitefb.MaxPool2D
	if !ofMaximum(n) {
		code = tflitefb.AveragePool2D
	}
	emit := func(y int32, act float64) {
		w.Emit(code, w.Version(x, 2), []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.Pool2DOptions, Values: map[string]float64{
			"padding": pad, "stride_w": float64(s[1]), "stride_h": float64(s[0]), "filter_width": float64(k[1]), "filter_height": float64(k[0]),
			"fused_activation_function": act}})
	}
	if ofMaximum(n) || x == in {
		emit(y, act)
		return
	}
	// The mean counted the zeros of a PAD: it is made good pixel by pixel.
	padded := w.Like(y, n.Name+".padded")
	emit(padded, tflitefb.ActNone)
	w.Arithmetic(tflitefb.Mul, act, y, padded, uncounted(w, n, k, s))
}

// uncounted is the constant map of how many times more pixels a window has than
// lie in the image.
func uncounted(w *tflitewriter.Writer, n *graph.Node, k, s []int) int32 {
	p, x, y := n.Attrs.Ints["pads"], n.In[0].Shape, n.Out[0].Shape
	inside := func(axis, at int) int {
		first := at*s[axis] - p[axis]
		return min(first+k[axis], x[2+axis]) - max(first, 0)
	}
	v := &graph.Value{Name: n.Name + ".windows", DType: graph.Float32, Shape: []int{1, 1, y[2], y[3]}}
	for row := range y[2] {
		for column := range y[3] {
			v.Data = append(v.Data, float32(k[0]*k[1])/float32(inside(0, row)*inside(1, column)))
		}
	}
	if n.Out[0].DType == graph.Int8 { // one is an integer: whole windows are right to the digit
		v.DType, v.Quant = graph.Int8, &graph.Quant{Scale: []float32{1 / float32(int(127/slices.Max(v.Data)))}, Zero: []int32{0}}
	}
	w.Weight(v)
	return w.Get(v, tflitewriter.ChannelsLast(4))
}

func poolONNX(op string) func(*onnxwriter.Writer, *graph.Node, string) {
	return func(w *onnxwriter.Writer, n *graph.Node, out string) {
		w.Emit(op, w.Ins(n), out, onnxwriter.IntsAttr("kernel_shape", n.Attrs.Ints["kernel"]), onnxwriter.IntsAttr("strides", n.Attrs.Ints["strides"]), onnxwriter.IntsAttr("pads", n.Attrs.Ints["pads"]))
	}
}

func poolReference(e *reference.Env, n *graph.Node, out []float32) {
	x, y := n.In[0], n.Out[0]
	a := e.Of(x)
	k, s, p := n.Attrs.Ints["kernel"], n.Attrs.Ints["strides"], n.Attrs.Ints["pads"]
	h, w := x.Shape[2], x.Shape[3]
	for i := range out {
		ox, oy, plane := i%y.Shape[3], i/y.Shape[3]%y.Shape[2], i/(y.Shape[2]*y.Shape[3])
		best, sum, count := math.Inf(-1), 0.0, 0
		for ky := range k[0] {
			for kx := range k[1] {
				iy, ix := oy*s[0]-p[0]+ky, ox*s[1]-p[1]+kx
				if iy < 0 || iy >= h || ix < 0 || ix >= w {
					continue
				}
				v := float64(a[(plane*h+iy)*w+ix])
				best, sum, count = max(best, v), sum+v, count+1
			}
		}
		out[i] = float32(best)
		if !ofMaximum(n) {
			out[i] = float32(sum / float64(count))
		}
	}
}

// poolTF: TensorFlow averages over SAME or VALID windows alone.
func poolTF(b tfgraph.Builder, n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	kernel := pairTF(n, "kernel", 1)
	name, explicit := paddingTF(n, [2]int{x.Shape[2], x.Shape[3]}, kernel)
	z := b.Get(x, false)
	typ := "AvgPool"
	if ofMaximum(n) {
		typ = "MaxPool"
		if explicit != nil {
			p := n.Attrs.Ints["pads"]
			z = b.Op("PadV2", nil, z, b.Pairs([][2]int{{0, 0}, {p[0], p[2]}, {p[1], p[3]}, {0, 0}}), b.Number(math.Inf(-1), y.DType))
			name = "VALID"
		}
	} else if explicit != nil {
		b.Set(y, paddedMeanTF(b, n, kernel, z), false)
		return
	}
	b.Set(y, b.Op(typ, tfgraph.Attrs{"ksize": imageTF(kernel), "strides": imageTF(pairTF(n, "strides", 1)), "padding": name}, z), false)
}

// paddedMeanTF averages over windows that TensorFlow has no padding for: over zeros,
// made good by how many of a window's pixels lie outside.
func paddedMeanTF(b tfgraph.Builder, n *graph.Node, kernel [2]int, z tfgraph.Tensor) tfgraph.Tensor {
	p, s, x, y := n.Attrs.Ints["pads"], pairTF(n, "strides", 1), n.In[0].Shape, n.Out[0].Shape
	z = b.Op("Pad", nil, z, b.Pairs([][2]int{{0, 0}, {p[0], p[2]}, {p[1], p[3]}, {0, 0}}))
	z = b.Op("AvgPool", tfgraph.Attrs{"ksize": imageTF(kernel), "strides": imageTF(s), "padding": "VALID"}, z)
	inside := func(axis, at int) int {
		first := at*s[axis] - p[axis]
		return min(first+kernel[axis], x[2+axis]) - max(first, 0)
	}
	var more []float32
	for row := range y[2] {
		for column := range y[3] {
			more = append(more, float32(kernel[0]*kernel[1])/float32(inside(0, row)*inside(1, column)))
		}
	}
	factor := b.Cast(b.Floats(more, 1, y[2], y[3], 1), graph.Float32, n.Out[0].DType)
	return b.Op("Mul", nil, z, factor)
}
