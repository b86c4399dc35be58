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
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
)

func init() {
	define(kind{
		name: "resize", doc: "larger or smaller maps, with half-pixel centres where it interpolates",
		attrs: []attribute{
			{name: "f", doc: "how many times larger", absent: "size says", valid: isCount},
			{name: "size", doc: "of the result, HxW", absent: "f says", valid: isPair},
			need(attribute{name: "mode", doc: "nearest, linear or cubic", absent: "–", valid: oneOf("nearest", "linear", "cubic")}),
		},
		axes: mapAxes, in: mapShape, out: resized,
		check: func(a args) error {
			if (a.str("f") == "") == (a.str("size") == "") {
				return fmt.Errorf("one of f and size says how large the result is")
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			n := b.move("resize", x, b.layer+".resize", append([]int{x.Shape[0]}, resized(a)...))
			if f := a.int("f", 0); f > 0 {
				b.ints(n, "factor", f)
			}
			return b.str(n, "mode", a.str("mode")).Out[0]
		},
		frame: alone, weights: noWeights, grid: asInModel, example: "resize[f=2,mode=nearest]/P@c=16,h=8,w=8",
		// x[N,C,H,W] → y[N,C,H',W']. Ints: factor, when both sides grow by a whole one.
		// Strings: mode, nearest (y[i] = x[⌊i·H/H'⌋]), linear or cubic (half-pixel
		// centres, a = −¾, Keys 1981).
		operator: &operator{
			value: reference.Fill(resizeReference).Rounding(func(n *graph.Node) int {
				if n.Out[0].DType != graph.Float32 {
					return reference.Composed
				}
				// Places, up to the image's size, are in float32: weights are off by size·u.
				size := max(slices.Max(n.In[0].Shape[2:]), slices.Max(n.Out[0].Shape[2:]))
				return size*size + reference.Composed
			}), work: each,
			onnx:   onnxwriter.OpBy("Resize", resizeONNX),
			tflite: tflitewriter.By("RESIZE_NEAREST_NEIGHBOR or RESIZE_BILINEAR; there is no cubic interpolation", resizeTFLite).OfImages(),
			tf:     tfgraph.By("ResizeNearestNeighbor or ResizeBilinear; the cubic interpolation's coefficient is −½", resizeTF),
		},
	})
}

func resized(a args) Shape {
	if a.str("size") != "" {
		to := a.pair("size", 1)
		return Shape{a.axis("c"), to[0], to[1]}
	}
	f := a.int("f", 1)
	return Shape{a.axis("c"), f * a.axis("h"), f * a.axis("w")}
}

// resizeTFLite writes two of the three interpolations (TensorFlow Lite has no cubic one);
// Version 3 has half-pixel centres.
func resizeTFLite(w *tflitewriter.Writer, n *graph.Node) {
	x, y := w.Ends(n, tflitewriter.ChannelsLast(4), tflitewriter.ChannelsLast(4))
	shape := w.Tensor(y).Shape
	size := w.Int32s(shape[1], shape[2])
	switch mode := n.Attrs.Strings["mode"]; mode {
	case "nearest":
		w.Emit(tflitefb.ResizeNearestNeighbor, w.Version(x, 2), []int32{x, size}, []int32{y},
			tflitefb.Options{Type: tflitefb.ResizeNearestNeighborOptions})
	case "linear":
		w.Emit(tflitefb.ResizeBilinear, 3, []int32{x, size}, []int32{y},
			tflitefb.Options{Type: tflitefb.ResizeBilinearOptions, Values: map[string]float64{"half_pixel_centers": 1}})
	default:
		tflitewriter.Fail("%w: resize mode %q", tflitewriter.ErrNoForm, mode)
	}
}

func resizeONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	in := []string{w.In(n.In[0]), ""}
	if f := float32(n.Int("factor", 0)); f > 0 {
		in = append(in, w.Constant(onnx.FloatTensor(n.Name+".scales", onnx.Float, []float32{1, 1, f, f}, 4)))
	} else {
		in = append(in, "", w.Int64s(n.Name+".sizes", n.Out[0].Shape...))
	}
	attrs := []*onnx.Attr{onnx.StringAttr("mode", "nearest"), onnx.StringAttr("coordinate_transformation_mode", "asymmetric"), onnx.StringAttr("nearest_mode", "floor")}
	if mode := n.Attrs.Strings["mode"]; mode != "nearest" {
		attrs = []*onnx.Attr{onnx.StringAttr("mode", mode), onnx.StringAttr("coordinate_transformation_mode", "half_pixel")}
	}
	w.Emit("Resize", in, out, attrs...)
}

func resizeReference(e *reference.Env, n *graph.Node, out []float32) {
	x, y := n.In[0], n.Out[0]
	a := e.Of(x)
	h, w := x.Shape[2], x.Shape[3]
	for i := range out {
		ox, oy, plane := i%y.Shape[3], i/y.Shape[3]%y.Shape[2], i/(y.Shape[2]*y.Shape[3])
		at := func(iy, ix int) float64 {
			return float64(a[(plane*h+min(h-1, max(0, iy)))*w+min(w-1, max(0, ix))])
		}
		if n.Attrs.Strings["mode"] == "nearest" {
			out[i] = float32(at(oy*h/y.Shape[2], ox*w/y.Shape[3]))
			continue
		}
		sy, sx := (float64(oy)+0.5)*float64(h)/float64(y.Shape[2])-0.5, (float64(ox)+0.5)*float64(w)/float64(y.Shape[3])-0.5
		iy, ix := int(math.Floor(sy)), int(math.Floor(sx))
		ty, tx := sy-float64(iy), sx-float64(ix)
		if n.Attrs.Strings["mode"] == "cubic" {
			var sum float64
			for dy := -1; dy <= 2; dy++ {
				for dx := -1; dx <= 2; dx++ {
					sum += keys(ty-float64(dy)) * keys(tx-float64(dx)) * at(iy+dy, ix+dx)
				}
			}
			out[i] = float32(sum)
			continue
		}
		out[i] = float32((1-ty)*((1-tx)*at(iy, ix)+tx*at(iy, ix+1)) + ty*((1-tx)*at(iy+1, ix)+tx*at(iy+1, ix+1)))
	}
}

// keys is the cubic convolution kernel (Keys 1981) with a = −¾.
func keys(t float64) float64 {
	const a = -0.75
	t = math.Abs(t)
	switch {
	case t <= 1:
		return ((a+2)*t-(a+3))*t*t + 1
	case t < 2:
		return ((a*t-5*a)*t+8*a)*t - 4*a
	}
	return 0
}

// resizeTF writes two of the three interpolations.
func resizeTF(b tfgraph.Builder, n *graph.Node) {
	y := n.Out[0]
	typ, attrs := "ResizeNearestNeighbor", tfgraph.Attrs{}
	switch mode := n.Attrs.Strings["mode"]; mode {
	case "nearest":
	case "linear":
		typ, attrs = "ResizeBilinear", tfgraph.Attrs{"half_pixel_centers": true}
	default:
		b.Refuse("resize mode %q", mode)
	}
	z := b.Op(typ, attrs, b.Get(n.In[0], false), b.Ints(y.Shape[2], y.Shape[3]))
	if typ == "ResizeBilinear" { // its result is float32 whatever it is given
		z = b.Cast(z, graph.Float32, y.DType)
	}
	b.Set(y, z, false)
}
