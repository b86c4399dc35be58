package sidebyside

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// block is a row of a network's table: kernel, expanded and output channels,
// stride, squeeze-excite reduction (0: none) and activation.
type block struct {
	k, mid, out, s, se int
	act                string
}

// MobileNetV2 is table 2 of Sandler et al. 2018, width 1, as a chain.
func MobileNetV2(side int, p lut.Precision) benchmarks.Chain {
	var rows []block
	in := 32
	for _, r := range []struct{ t, c, n, s int }{{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		for i := range r.n {
			s := 1
			if i == 0 {
				s = r.s
			}
			rows = append(rows, block{3, r.t * in, r.c, s, 0, "relu6"})
			in = r.c
		}
	}
	return network(side, p, 32, "relu6", rows, 1280, 0)
}

// MobileNetV3Large is table 1 of Howard et al. 2019, as a chain.
func MobileNetV3Large(side int, p lut.Precision) benchmarks.Chain {
	rows := []block{
		{3, 16, 16, 1, 0, "relu"}, {3, 64, 24, 2, 0, "relu"}, {3, 72, 24, 1, 0, "relu"}, {5, 72, 40, 2, 4, "relu"}, {5, 120, 40, 1, 4, "relu"},
		{5, 120, 40, 1, 4, "relu"}, {3, 240, 80, 2, 0, "hswish"}, {3, 200, 80, 1, 0, "hswish"}, {3, 184, 80, 1, 0, "hswish"},
		{3, 184, 80, 1, 0, "hswish"}, {3, 480, 112, 1, 4, "hswish"}, {3, 672, 112, 1, 4, "hswish"}, {5, 672, 160, 2, 4, "hswish"},
		{5, 960, 160, 1, 4, "hswish"}, {5, 960, 160, 1, 4, "hswish"},
	}
	return network(side, p, 16, "hswish", rows, 960, 1280)
}

// network is stem, blocks, 1×1 head, pooling and classifier; hidden is a fully
// connected layer before the classifier, 0 for none.
func network(side int, p lut.Precision, stem int, act string, rows []block, head, hidden int) benchmarks.Chain {
	op := func(kind string, attrs map[string]string, at map[string]int) lut.Op {
		return lut.NewOp(kind, p, attrs, at)
	}
	c := benchmarks.Chain{op("conv", map[string]string{"k": "3", "s": "2", "act": act}, map[string]int{"h": side, "w": side, "cin": 3, "cout": stem})}
	h, in := (side+1)/2, stem
	for _, r := range rows {
		attrs := map[string]string{"k": fmt.Sprint(r.k), "s": fmt.Sprint(r.s), "act": r.act}
		if r.s == 1 && in == r.out {
			attrs["res"] = "1"
		}
		if r.se > 0 {
			attrs["se"] = fmt.Sprint(r.se)
		}
		if r.mid == in {
			attrs["noexp"] = "1"
		}
		c = append(c, op("mbconv", attrs, map[string]int{"h": h, "w": h, "cin": in, "mid": r.mid, "cout": r.out}))
		h, in = (h+r.s-1)/r.s, r.out
	}
	c = append(c, op("conv", map[string]string{"k": "1", "act": act}, map[string]int{"h": h, "w": h, "cin": in, "cout": head}),
		op("gap", nil, map[string]int{"c": head, "h": h, "w": h}))
	if hidden > 0 {
		c = append(c, op("linear", map[string]string{"act": act}, map[string]int{"m": 1, "cin": head, "cout": hidden}))
		head = hidden
	}
	return append(c, op("linear", nil, map[string]int{"m": 1, "cin": head, "cout": 1000}))
}

// DefaultCases are two networks and five of the operators they are made of, in
// the precisions given.
func DefaultCases(precisions []lut.Precision) ([]Case, error) {
	var cases []Case
	for _, p := range precisions {
		cases = append(cases,
			Case{"mobilenet_v2_224", MobileNetV2(224, p), p},
			Case{"mobilenet_v3_large_224", MobileNetV3Large(224, p), p})
		for _, o := range []struct{ name, key string }{
			{"conv 3×3, 56×56×64", "conv[k=3]/%s@cin=64,cout=64,h=56,w=56"},
			{"conv 1×1, 28×28×192", "conv[k=1]/%s@cin=192,cout=192,h=28,w=28"},
			{"dwconv 5×5, 28×28×240", "dwconv[k=5]/%s@c=240,h=28,w=28"},
			{"linear 1024 → 1000", "linear/%s@cin=1024,cout=1000,m=1"},
			{"add, 56×56×64", "add/%s@c=64,h=56,w=56"},
		} {
			op, err := lut.ParseOp(fmt.Sprintf(o.key, p))
			if err != nil {
				return nil, err
			}
			cases = append(cases, Case{o.name, benchmarks.Chain{op}, p})
		}
	}
	for _, c := range cases {
		for _, op := range c.Chain {
			if err := benchmarks.Check(op); err != nil {
				return nil, err
			}
		}
	}
	return cases, nil
}
