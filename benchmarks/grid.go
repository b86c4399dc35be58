package benchmarks

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// pyramid is a mobile network's ladder of resolutions and channels (MobileNetV2,
// EfficientNet-B0 at 224): where the standard grids of map operators lie.
var pyramid = []struct{ side, c int }{{112, 16}, {56, 24}, {28, 40}, {14, 112}, {7, 320}}

// Grid returns the standard shapes of a kind in one precision: what agent plan
// --family measures where no space says which shapes matter. Channels are halved,
// kept and doubled around each step of the pyramid, so that a family has at least
// three knots on its channel axis. docs/catalogue.md lists the grids.
func Grid(family string, p lut.Precision) ([]lut.Op, error) {
	var ops []lut.Op
	add := func(attrs, at map[string]string) {
		coords := map[string]int{}
		for k, v := range at {
			coords[k], _ = strconv.Atoi(v)
		}
		op := lut.NewOp(family, p, attrs, coords)
		if Check(op) == nil {
			ops = append(ops, op)
		}
	}
	type m = map[string]string
	n := strconv.Itoa
	widths := func(c int) []int { return []int{c / 2, c, c * 2} }
	switch family {
	case "deconv":
		for _, l := range pyramid {
			for _, cout := range widths(l.c) {
				for _, k := range []string{"2", "4"} {
					add(m{"k": k, "s": "2"}, m{"h": n(l.side), "w": n(l.side), "cin": n(l.c), "cout": n(cout)})
				}
			}
		}
	case "conv":
		for _, l := range pyramid {
			for _, cout := range widths(l.c) {
				for _, k := range []string{"1", "3"} {
					for _, s := range []string{"1", "2"} {
						add(m{"k": k, "s": s}, m{"h": n(l.side), "w": n(l.side), "cin": n(l.c), "cout": n(cout)})
					}
				}
			}
		}
	case "dwconv":
		for _, l := range pyramid {
			for _, c := range widths(4 * l.c) {
				for _, k := range []string{"3", "5", "7"} {
					for _, s := range []string{"1", "2"} {
						add(m{"k": k, "s": s}, m{"h": n(l.side), "w": n(l.side), "c": n(c)})
					}
				}
			}
		}
	case "linear":
		for _, cin := range []int{256, 512, 1024} {
			for _, cout := range []int{100, 256, 1000, 1024} {
				for _, rows := range []int{1, 49, 196} {
					add(nil, m{"m": n(rows), "cin": n(cin), "cout": n(cout)})
				}
			}
		}
	case "mbconv", "fusedmbconv":
		for _, l := range pyramid {
			for _, e := range []int{3, 4, 6} {
				for _, k := range []string{"3", "5"} {
					add(m{"k": k, "s": "1", "act": "relu6", "res": "1"}, m{"h": n(l.side), "w": n(l.side), "cin": n(l.c), "mid": n(e * l.c), "cout": n(l.c)})
				}
			}
		}
	case "attention", "encoder", "layernorm", "rmsnorm", "softmax", "matmul":
		for _, seq := range []int{49, 196, 784} {
			for _, d := range []int{96, 192, 384} {
				at := m{"seq": n(seq), "dim": n(d)}
				switch family {
				case "softmax": // the scores of d/32 heads
					add(nil, m{"m": n(seq * d / 32), "n": n(seq)})
				case "matmul":
					add(nil, m{"b": n(d / 32), "m": n(seq), "k": "32", "n": n(seq)})
				case "layernorm", "rmsnorm":
					add(nil, at)
				case "attention":
					add(m{"heads": n(d / 32)}, at)
					add(m{"heads": n(d / 32), "win": "7"}, at)
				default:
					for _, e := range []int{2, 3, 4} {
						at := m{"seq": n(seq), "dim": n(d), "mid": n(e * d)}
						add(m{"heads": n(d / 32)}, at)
						add(m{"heads": n(d / 32), "win": "7"}, at)
					}
				}
			}
		}
	case "resbasic", "resbottleneck":
		for _, l := range pyramid {
			for _, mid := range widths(l.c) {
				add(m{"s": "1", "act": "relu"}, m{"h": n(l.side), "w": n(l.side), "cin": n(l.c), "mid": n(mid), "cout": n(l.c)})
			}
		}
	case "convnext":
		for _, l := range pyramid {
			for _, e := range []int{2, 3, 4} {
				add(m{"k": "7"}, m{"h": n(l.side), "w": n(l.side), "c": n(l.c), "mid": n(e * l.c)})
			}
		}
	case "gap", "add", "mul", "relu", "relu6", "hswish", "silu", "gelu", "sigmoid", "hsigmoid":
		for _, l := range pyramid {
			for _, c := range widths(l.c) {
				add(nil, m{"h": n(l.side), "w": n(l.side), "c": n(c)})
			}
		}
	case "maxpool", "avgpool":
		for _, l := range pyramid {
			for _, c := range widths(l.c) {
				add(m{"k": "3", "s": "2"}, m{"h": n(l.side), "w": n(l.side), "c": n(c)})
			}
		}
	default:
		_, known := kinds[family]
		if !known {
			return nil, hint.Wrap(fmt.Errorf("family %q: %w", family, ErrUnknownKind), "families with a grid are %v", GridFamilies)
		}
		return nil, hint.Wrap(fmt.Errorf("family %q has no standard grid", family), "families with a grid are %v; other kinds come from a space or a model", GridFamilies)
	}
	slices.SortFunc(ops, func(a, b lut.Op) int { return compareKeys(a, b) })
	return slices.CompactFunc(ops, func(a, b lut.Op) bool { return a.String() == b.String() }), nil
}

func compareKeys(a, b lut.Op) int {
	switch x, y := a.String(), b.String(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// GridFamilies are the kinds that Grid knows.
var GridFamilies = []string{"conv", "dwconv", "deconv", "linear", "mbconv", "fusedmbconv", "resbasic", "resbottleneck", "convnext",
	"attention", "encoder", "layernorm", "rmsnorm", "softmax", "matmul", "gap", "maxpool", "avgpool", "add", "mul",
	"relu", "relu6", "hswish", "silu", "gelu", "sigmoid", "hsigmoid"}

// Thin keeps at most knots values along an axis in each group of operators equal
// in everything else: the smallest, the largest and evenly spaced ones between.
// Operators without the axis stay.
func Thin(ops []lut.Op, axis string, knots int) []lut.Op {
	values := map[string][]int{}
	group := func(op lut.Op) (string, int, bool) {
		v, ok := op.Coord(axis)
		if !ok {
			return "", 0, false
		}
		return op.With(axis, 1).String(), v, true
	}
	for _, op := range ops {
		if g, v, ok := group(op); ok && !slices.Contains(values[g], v) {
			values[g] = append(values[g], v)
		}
	}
	kept := map[string][]int{}
	for g, vs := range values {
		slices.Sort(vs)
		if len(vs) <= knots || knots < 2 {
			kept[g] = vs
			continue
		}
		for i := range knots {
			kept[g] = append(kept[g], vs[i*(len(vs)-1)/(knots-1)])
		}
	}
	var out []lut.Op
	for _, op := range ops {
		if g, v, ok := group(op); !ok || slices.Contains(kept[g], v) {
			out = append(out, op)
		}
	}
	return out
}
