package benchmarks

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
)

// pairs are the element-wise operators of two inputs, one entry per operator that says all of it.
var pairs = []pair{
	{
		name: "add", doc: "sum with the latest earlier value of that shape; fused=1: the addition a float convolution does, alone",
		value:  func(u, v float64) float64 { return u + v },
		spread: func(s, t stat) stat { return stat{s.mean + t.mean, s.ms + t.ms + 2*s.mean*t.mean} },
		attrs:  []attribute{activation(), flag("fused", "`1`: inside the convolution before it", "on its own")},
		fuses:  true, fusedSum: true, streams: true, grid: mapGrid(nil),
		onnx:   onnxwriter.Op("Add").Or("com.microsoft:QLinearAdd"),
		tflite: tflitewriter.Pair(tflitefb.Add, true),
		tf:     tfgraph.Pair("AddV2"),
	},
	{
		name: "mul", doc: "product, likewise",
		value:   func(u, v float64) float64 { return u * v },
		spread:  func(s, t stat) stat { return stat{s.mean * t.mean, s.ms * t.ms} },
		streams: true, grid: mapGrid(nil),
		onnx:   onnxwriter.Op("Mul").Or("com.microsoft:QLinearMul"),
		tflite: tflitewriter.Pair(tflitefb.Mul, true),
		tf:     tfgraph.Pair("Mul"),
	},
	{
		name: "sub", doc: "difference, likewise",
		value:  func(u, v float64) float64 { return u - v },
		spread: sideBySide, cancels: true, streams: true, grid: mapGrid(nil),
		onnx: onnxwriter.Op("Sub"),
		// A squared difference is a difference that multiplies once more before it is stored.
		tflite: tflitewriter.Pair(tflitefb.Sub, true).Or(tflitefb.SquaredDifference),
		tf:     tfgraph.Pair("Sub"),
	},
	{
		name: "div", doc: "quotient, likewise",
		value:  func(u, v float64) float64 { return u / v },
		spread: sideBySide, cancels: true, streams: true, grid: mapGrid(nil),
		onnx:   onnxwriter.Op("Div"),
		tflite: tflitewriter.Pair(tflitefb.Div, true).InFloat(),
		tf:     tfgraph.Pair("RealDiv"),
	},
	{
		name: "min", doc: "the smaller of two, likewise",
		value:  func(u, v float64) float64 { return min(u, v) },
		spread: sideBySide, clamps: true, streams: true, grid: mapGrid(nil),
		onnx:   onnxwriter.Op("Min"),
		tflite: tflitewriter.Pair(tflitefb.Minimum, false),
		tf:     tfgraph.Pair("Minimum"),
	},
	{
		name: "max", doc: "the larger of two, likewise",
		value:  func(u, v float64) float64 { return max(u, v) },
		spread: sideBySide, clamps: true, streams: true, grid: mapGrid(nil),
		onnx:   onnxwriter.Op("Max"),
		tflite: tflitewriter.Pair(tflitefb.Maximum, false),
		tf:     tfgraph.Pair("Maximum"),
	},
}

// sideBySide takes the mean of one and the mean squares of both.
func sideBySide(s, t stat) stat { return stat{s.mean, s.ms + t.ms} }

func (b *builder) add(x, y *graph.Value, name, act string) *graph.Value {
	return b.pair(pairs[0], x, y, name, act)
}

func (b *builder) mul(x, y *graph.Value, name string) *graph.Value {
	return b.pair(pairs[1], x, y, name, "")
}
