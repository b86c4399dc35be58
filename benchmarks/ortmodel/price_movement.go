package ortmodel

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// blocks is a change between channels and blocks of pixels.
func blocks(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		prec, why := p.g.precision(n)
		if why != "" {
			return lut.Op{}, why
		}
		s := n.In[0].Shape
		if !p.isMap(s) || graph.Elements(s) < 1 || graph.Elements(n.Out[0].Shape) != graph.Elements(s) {
			return lut.Op{}, "not blocks of a map"
		}
		return lut.NewOp(kind, prec, map[string]string{"f": strconv.Itoa(n.Int("blocksize", 0))}, ofMap(s)), ""
	}
}

// copies is an operator that copies its output together, row by row.
func copies(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		if slices.Equal(n.In[0].Shape, n.Out[0].Shape) && (n.Op != "Slice" || openEnds(n)) {
			p.free = network.FreeView // nothing is cut off or added: removed when the model is loaded
			return lut.Op{}, ""
		}
		if n.Op == "Slice" {
			if _, step, _, ok := n.Slice(); ok {
				for i, s := range step {
					if s < 0 && n.In[0].Shape[i] > 1 {
						return lut.Op{}, "it reads backwards"
					}
				}
			}
		}
		p.blocked[n.Out[0]] = isBytes(n.Out[0].Type) && p.touchesBlocked(n)
		return p.elementOp(n, kind, nil)
	}
}

// pads copies its output together, too: with the channels last, by whole rows of pixels.
func pads(kind string) rule {
	plain := copies(kind)
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		if s := n.Out[0].Shape; p.inner[n.Out[0]] && p.isMap(s) && !slices.Equal(n.In[0].Shape, s) {
			return lut.NewOp(kind, lut.FP32, nil, map[string]int{"seq": s[2], "dim": s[1] * s[3]}), ""
		}
		return plain(p, n)
	}
}

// openEnds reports a Slice that goes to the end whatever the size, which the runtime
// removes when it also begins at 0 (EliminateSlice). One up to a number it runs, even
// where that is all there is: GhostNet cuts each of its concatenations so.
func openEnds(n *graph.Node) bool {
	var ends []float64
	for _, e := range n.Ints("ends") { // before opset 10
		ends = append(ends, float64(e))
	}
	if v, ok := n.Data(2); ok {
		ends = v
	}
	return !slices.ContainsFunc(ends, func(e float64) bool { return e < float64(graph.Clamp(math.MaxInt64)) })
}

func gathered(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		if idx := n.Input(1); idx == nil || !idx.Constant {
			return lut.Op{}, "its indices are computed"
		}
		return p.elementOp(n, kind, nil)
	}
}

func resized(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		prec, why := p.g.precision(n)
		if why != "" {
			return lut.Op{}, why
		}
		in, out := n.In[0].Shape, n.Out[0].Shape
		if len(in) == 4 && len(out) == 4 && in[1] != out[1] && in[3] == out[3] { // channels last
			in, out = channelsFirst(in), channelsFirst(out)
		}
		if len(in) != 4 || len(out) != 4 || in[0] != p.batch || out[1] != in[1] || graph.Elements(in) < 1 || graph.Elements(out) < 1 {
			return lut.Op{}, "not a map made larger or smaller"
		}
		mode := "nearest"
		if n.Src != nil {
			mode = n.Src.Str("mode", "nearest")
		}
		switch mode {
		case "nearest", "linear", "cubic":
		default:
			return lut.Op{}, fmt.Sprintf("interpolation %.20q", mode)
		}
		if slices.Equal(in, out) {
			p.free = network.FreeView
			return lut.Op{}, ""
		}
		p.blocked[n.Out[0]] = prec == lut.INT8 && p.blocked[n.In[0]]
		attrs := map[string]string{"mode": mode}
		if f := out[2] / in[2]; out[2] == f*in[2] && out[3] == f*in[3] {
			attrs["f"] = strconv.Itoa(f)
		} else {
			attrs["size"] = pair(out[2:])
		}
		return lut.NewOp(kind, prec, attrs, ofMap(in)), ""
	}
}
