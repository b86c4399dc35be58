package benchmarks

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
)

func init() {
	define(kind{
		// Sandler et al. 2018 (MobileNetV2), with squeeze-excite of Tan et al. 2019:
		// 1×1 expand + act, k×k depthwise + act, squeeze-excite, 1×1 project, residual.
		// noexp=1 leaves the expansion out (MobileNetV2's t = 1); it is an attribute and
		// not what mid = cin means, so that cost stays monotone along mid.
		name: "mbconv", block: true, doc: "1×1 expand, depthwise k×k, squeeze-excite, 1×1 project, residual (Sandler et al. 2018, Tan et al. 2019)",
		attrs: []attribute{need(kernel), stride, activation(), squeeze, residual, noExpand}, axes: bottleneckAxes,
		in: convIn, out: convOut, check: checkMBConv,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			y, mid, act := x, a.axis("mid"), a.str("act")
			if a.str("noexp") == "" {
				y = b.conv(y, convSpec{name: "expand", cout: mid, k: 1, act: act})
			}
			win := a.slide(a.axis("h"), a.axis("w"))
			y = b.conv(y, convSpec{name: "dw", cout: mid, groups: mid, act: act, win: &win})
			return b.finish(a, x, y)
		},
		frame: repeats, weights: builtWeights, shortcut: hasResidual, grid: gridOf(invertedGrid),
		example: "mbconv[act=relu6,k=3,res=1,s=1]/P@cin=16,cout=16,h=16,mid=32,w=16",
	})
	define(kind{
		// Gupta & Akin 2020 (EdgeTPU): one k×k convolution instead of expand + depthwise;
		// with noexp=1 it is the whole block (EfficientNetV2's expansion 1).
		name: "fusedmbconv", block: true, doc: "k×k expand, squeeze-excite, 1×1 project, residual (Gupta & Akin 2020); noexp: one k×k convolution",
		attrs: []attribute{need(kernel), stride, activation(), squeeze, residual, noExpand}, axes: bottleneckAxes,
		in: convIn, out: convOut,
		check: func(a args) error {
			if a.str("noexp") == "1" && a.axis("mid") == a.axis("cin") && a.str("se") != "" {
				return fmt.Errorf("a fusedmbconv without an expansion has no squeeze-excite")
			}
			return checkMBConv(a)
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			win := a.slide(a.axis("h"), a.axis("w"))
			if a.str("noexp") == "" {
				y := b.conv(x, convSpec{name: "expand", cout: a.axis("mid"), act: a.str("act"), win: &win})
				return b.finish(a, x, y)
			}
			y := b.conv(x, convSpec{name: "conv", cout: a.axis("cout"), act: a.str("act"), win: &win})
			if a.str("res") == "1" {
				y = b.add(x, y, "add", "")
			}
			return y
		},
		frame: repeats, weights: builtWeights, shortcut: hasResidual, grid: gridOf(invertedGrid),
		example: "fusedmbconv[act=relu6,k=3,res=1,s=1]/P@cin=16,cout=16,h=16,mid=32,w=16",
	})
}

var bottleneckAxes = []string{"h", "w", "cin", "mid", "cout"}

func hasResidual(a args) bool { return a.str("res") == "1" }

// inverted is a block as networks have it: an inverted bottleneck of expansion 3.
func inverted(s Shape, p lut.Precision) lut.Op {
	return lut.NewOp("mbconv", p, map[string]string{"k": "3", "act": "relu6", "res": "1"},
		map[string]int{"cin": s[0], "mid": 3 * s[0], "cout": s[0], "h": s[1], "w": s[2]})
}

// shortcut is the smallest block with an identity shortcut: a 1×1 convolution and
// the addition.
func shortcut(s Shape, p lut.Precision) lut.Op {
	return lut.NewOp("fusedmbconv", p, map[string]string{"k": "1", "res": "1", "noexp": "1"}, square(s))
}

// narrow is two 1×1 convolutions through few channels, with a shortcut around both or without.
func narrow(s Shape, p lut.Precision, res bool) lut.Op {
	attrs, axes := map[string]string{"k": "1"}, square(s)
	if res {
		attrs["res"] = "1"
	}
	axes["mid"] = preChannels
	return lut.NewOp("fusedmbconv", p, attrs, axes)
}

// square are the axes of a block that keeps a map's shape throughout.
func square(s Shape) map[string]int {
	return map[string]int{"cin": s[0], "mid": s[0], "cout": s[0], "h": s[1], "w": s[2]}
}

// referenceBlock is the block of the drift reference: mid-sized, as mobile networks have it.
func referenceBlock() lut.Op {
	return lut.NewOp("mbconv", lut.FP32, map[string]string{"k": "3", "act": "relu6", "res": "1"},
		map[string]int{"h": 28, "w": 28, "cin": 40, "mid": 160, "cout": 40})
}

// finish builds the end that mbconv and fusedmbconv share.
func (b *builder) finish(a args, x, y *graph.Value) *graph.Value {
	if r := a.int("se", 0); r > 0 {
		y = b.squeezeExcite(y, r, a.str("act"))
	}
	y = b.conv(y, convSpec{name: "project", cout: a.axis("cout"), k: 1})
	if a.str("res") == "1" {
		y = b.add(x, y, "add", "")
	}
	return y
}

func checkMBConv(a args) error {
	if a.str("noexp") == "1" && a.axis("mid") != a.axis("cin") {
		return fmt.Errorf("without an expansion mid is cin")
	}
	if a.str("res") == "1" && !convIn(a).equal(convOut(a)) {
		return fmt.Errorf("a residual needs equal shapes, not %v → %v", convIn(a), convOut(a))
	}
	return nil
}

func invertedGrid(add func(gridAttrs, gridCoords)) {
	for _, l := range pyramid {
		for _, e := range []int{3, 4, 6} {
			for _, k := range []string{"3", "5"} {
				add(gridAttrs{"k": k, "s": "1", "act": "relu6", "res": "1"}, gridCoords{"h": l.side, "w": l.side, "cin": l.c, "mid": e * l.c, "cout": l.c})
			}
		}
	}
}
