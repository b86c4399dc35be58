package modulespace

import (
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// Example is a small space of two blocks that a table of the catalogue's would not know as
// such: an inverted bottleneck, and a plain one of 5×5 without a shortcut. Four layers,
// two of which can be skipped; fp32 and int8.
func Example() *Space {
	mbconv := func(cin, cout, side, stride int) func(int) benchmarks.Chain {
		attrs := map[string]string{"k": "3", "act": "relu6"}
		if stride == 2 {
			attrs["s"] = "2"
		} else if cin == cout {
			attrs["res"] = "1"
		}
		return func(width int) benchmarks.Chain {
			return benchmarks.Chain{lut.NewOp("mbconv", lut.FP32, attrs, map[string]int{"cin": cin, "mid": width, "cout": cout, "h": side, "w": side})}
		}
	}
	plain := func(cin, cout, side, stride int) func(int) benchmarks.Chain {
		conv := func(attrs map[string]string, i, o, side int) lut.Op {
			return lut.NewOp("conv", lut.FP32, attrs, map[string]int{"cin": i, "cout": o, "h": side, "w": side})
		}
		// Without an activation at its end: both blocks hand on numbers of either sign, as
		// layers do that are quantised together.
		expand, project := map[string]string{"k": "1", "act": "relu"}, map[string]string{"k": "1"}
		depthwise := map[string]string{"k": "5"}
		if stride == 2 {
			depthwise["s"] = "2"
		}
		return func(width int) benchmarks.Chain {
			return benchmarks.Chain{conv(expand, cin, width, side),
				lut.NewOp("dwconv", lut.FP32, depthwise, map[string]int{"c": width, "h": side, "w": side}), conv(project, width, cout, side/stride)}
		}
	}
	s := &Space{
		Name: "own-modules", Input: benchmarks.Shape{3, 48, 48},
		Stem: benchmarks.Chain{lut.NewOp("conv", lut.FP32, map[string]string{"k": "3", "s": "2", "act": "relu6"}, map[string]int{"cin": 3, "cout": 16, "h": 48, "w": 48})},
		Head: benchmarks.Chain{lut.NewOp("gap", lut.FP32, nil, map[string]int{"c": 32, "h": 12, "w": 12}), lut.NewOp("linear", lut.FP32, nil, map[string]int{"m": 1, "cin": 32, "cout": 10})},
	}
	for _, l := range []struct {
		name                    string
		cin, cout, side, stride int
		widths                  []int
	}{
		{"stage1.0", 16, 16, 24, 1, []int{32, 48, 64, 80, 96}}, {"stage1.1", 16, 16, 24, 1, []int{32, 48, 64, 80, 96}},
		{"stage2.0", 16, 32, 24, 2, []int{48, 64, 80, 96, 112}}, {"stage2.1", 32, 32, 12, 1, []int{64, 96, 128, 160, 192}},
	} {
		s.Layers = append(s.Layers, Layer{
			Name: l.name, Widths: l.widths, Default: l.widths[2], Precisions: []lut.Precision{lut.FP32, lut.INT8}, Skip: l.name[len(l.name)-1] == '1',
			Choices: []Choice{{"inverted", mbconv(l.cin, l.cout, l.side, l.stride)}, {"plain", plain(l.cin, l.cout, l.side, l.stride)}},
		})
	}
	return s
}
