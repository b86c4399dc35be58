package benchmarks

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
)

// mobileBlocks are the blocks of mobile convolutional networks.
var mobileBlocks = map[string]kind{
	// Sandler et al. 2018 (MobileNetV2), with squeeze-excite of Tan et al. 2019:
	// 1×1 expand + act, k×k depthwise + act, squeeze-excite, 1×1 project, residual.
	// noexp=1 leaves the expansion out (MobileNetV2's t = 1); it is an attribute and
	// not what mid = cin means, so that cost stays monotone along mid.
	"mbconv": {
		attrs: []string{"k!", "s", "act", "se", "res", "noexp"}, axes: []string{"h", "w", "cin", "mid", "cout"},
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
	},
	// Gupta & Akin 2020 (EdgeTPU): one k×k convolution instead of expand + depthwise;
	// with noexp=1 it is the whole block (EfficientNetV2's expansion 1).
	"fusedmbconv": {
		attrs: []string{"k!", "s", "act", "se", "res", "noexp"}, axes: []string{"h", "w", "cin", "mid", "cout"},
		in: convIn, out: convOut, check: checkMBConv,
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
	},
}

// finish is what mbconv and fusedmbconv end with.
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
	if a.op.Kind == "fusedmbconv" && a.str("noexp") == "1" && a.str("se") != "" {
		return fmt.Errorf("a fusedmbconv without an expansion has no squeeze-excite")
	}
	if a.str("res") == "1" && !convIn(a).equal(convOut(a)) {
		return fmt.Errorf("a residual needs equal shapes, not %v → %v", convIn(a), convOut(a))
	}
	return nil
}
