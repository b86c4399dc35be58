package ortmodel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// operands says where a convolution's input and weight are among the inputs.
type operands struct {
	x, w         int
	channelsLast bool
}

var (
	first   = operands{0, 1, false}
	last    = operands{0, 1, true}
	qlinear = operands{0, 3, false}
)

// convolutions are the kinds of one with a kernel for all channels or per channel.
type convolutions struct{ whole, depthwise string }

func (k convolutions) of(o operands) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) { return k.key(p, n, o) }
}

// maxWindows bounds the convolutions that one node stands for.
const maxWindows = 1024

func (k convolutions) key(p *pricer, n *graph.Node, o operands) (lut.Op, string) {
	x, w := n.Input(o.x), n.Input(o.w)
	if x == nil || w == nil {
		return lut.Op{}, "it has no weight"
	}
	if !w.Constant && !w.Default {
		return lut.Op{}, "its weight is computed"
	}
	prec, why := p.g.precision(n)
	if why != "" {
		return lut.Op{}, why
	}
	in, out := x.Shape, n.Out[0].Shape
	last := o.channelsLast || n.Int("channels_last", 0) == 1
	if last {
		in, out = channelsFirst(in), channelsFirst(out)
	}
	if len(in) == 3 { // one-dimensional
		in, out = slices.Insert(slices.Clone(in), 2, 1), slices.Insert(slices.Clone(out), 2, 1)
	}
	if len(in) != 4 {
		return lut.Op{}, fmt.Sprintf("a convolution over %d dimensions", len(in)-2)
	}
	if in[0] < p.batch || in[0]%p.batch != 0 || in[0]/p.batch > maxWindows {
		return lut.Op{}, fmt.Sprintf("its batch is %d, the network's %d", in[0], p.batch)
	}
	win, ok := n.Slide(x.Shape[2:len(x.Shape):len(x.Shape)], w.Shape[2:])
	if last {
		win, ok = n.Slide(x.Shape[1:len(x.Shape)-1], w.Shape[2:])
	}
	if !ok {
		return lut.Op{}, "its kernel does not fit its input"
	}
	attrs := windowAttrs(win, in[2:], out[2:])
	sum := strings.HasSuffix(n.Op, "Conv") && o.w == 1 && n.Input(3) != nil && len(n.Out[0].Shape) == 4 // an addition inside
	switch act := p.g.fusedAct(n, prec); {
	case act == "":
	case !sum:
		attrs["act"] = act
	case !benchmarks.IsClamp(act): // of the sum, where a clamp costs nothing
		p.also = append(p.also, lut.NewOp(act, prec, nil, ofMap(out)))
	}
	p.blocked[n.Out[0]] = len(x.Shape) == 4 && w.Constant // only weights known at loading are laid out in blocks
	p.last[n.Out[0]] = last
	if sum {
		p.also = append(p.also, summed(prec, ofMap(out)))
	}
	if !last {
		p.enterMaps(x, prec)
	}
	g := n.Int("group", 1)
	// The runtime's blocked weights are padded to whole blocks, the map it reorders is not.
	padded := n.Op == "com.microsoft.nchwc:Conv" && g == out[1] && w.Shape[1] == 1 && in[1] < g
	op := lut.NewOp(k.depthwise, prec, attrs, map[string]int{"h": in[2], "w": in[3], "c": in[1]})
	if g == 1 || g != out[1] || in[1] != g && !padded {
		if g > 1 {
			attrs["g"] = strconv.Itoa(g)
		}
		op = lut.NewOp(k.whole, prec, attrs, map[string]int{"h": in[2], "w": in[3], "cin": in[1], "cout": out[1]})
	}
	p.repeat(op, in[0]/p.batch-1) // windows of a map, side by side as a batch
	return op, ""
}

func transposed(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		x, w := n.In[0], n.In[1]
		prec, why := p.g.precision(n)
		if why != "" {
			return lut.Op{}, why
		}
		if len(x.Shape) != 4 || x.Shape[0] != p.batch || !w.Constant {
			return lut.Op{}, "not a transposed convolution of a map by a constant"
		}
		k := n.KernelOf(1)
		s := n.Ints("strides")
		if len(s) != 2 {
			s = []int{1, 1}
		}
		attrs := map[string]string{"k": pair(k), "s": pair(s)}
		if g := n.Int("group", 1); g > 1 {
			attrs["g"] = strconv.Itoa(g)
		}
		if p.g.How(n).Act != "" {
			attrs["act"] = p.g.How(n).Act
		}
		if len(k) != 2 || k[0] < s[0] || k[1] < s[1] {
			return lut.Op{}, "its kernel is smaller than its stride"
		}
		for _, d := range n.Ints("dilations") {
			if d != 1 {
				return lut.Op{}, "a dilated transposed convolution"
			}
		}
		// The padding that gives this output, whatever auto_pad, output_padding and
		// output_shape say it with.
		out := n.Out[0].Shape[2:]
		if out[0] != x.Shape[2]*s[0] || out[1] != x.Shape[3]*s[1] {
			b, e := [2]int{}, [2]int{}
			pads := n.Ints("pads")
			for i := range 2 {
				total := (x.Shape[2+i]-1)*s[i] + k[i] - out[i]
				if total < 0 {
					return lut.Op{}, "its output is larger than what its kernel reaches"
				}
				b[i] = total / 2
				if len(pads) == 4 && pads[i] >= 0 {
					b[i] = min(pads[i], total)
				}
				e[i] = total - b[i]
			}
			attrs["p"] = padText(b[:], e[:])
		}
		return lut.NewOp(kind, prec, attrs, map[string]int{"h": x.Shape[2], "w": x.Shape[3], "cin": x.Shape[1], "cout": n.Out[0].Shape[1]}), ""
	}
}
