package onnxreader

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/isocost/isocost/lut"
)

// operands says where a convolution's input and weight are among the inputs.
type operands struct {
	x, w         int
	channelsLast bool
}

var (
	first   = operands{0, 1, false}
	qlinear = operands{0, 3, false}
)

// maxWindows bounds the convolutions that one node stands for.
const maxWindows = 1024

func (o operands) last() operands { o.channelsLast = true; return o }

func (o operands) conv(p *pricer, n *node) (lut.Op, string) {
	x, w := n.input(o.x), n.input(o.w)
	if x == nil || w == nil {
		return lut.Op{}, "it has no weight"
	}
	if !w.constant {
		return lut.Op{}, "its weight is computed"
	}
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	in, out := x.shape, n.out[0].shape
	last := o.channelsLast || n.int("channels_last", 0) == 1
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
	win, ok := n.slide(x.shape[2:len(x.shape):len(x.shape)], w.shape[2:])
	if last {
		win, ok = n.slide(x.shape[1:len(x.shape)-1], w.shape[2:])
	}
	if !ok {
		return lut.Op{}, "its kernel does not fit its input"
	}
	attrs := windowAttrs(win, in[2:], out[2:])
	if act := n.fusedAct(prec); act != "" {
		attrs["act"] = act
	}
	p.blocked[n.out[0]] = len(x.shape) == 4
	p.last[n.out[0]] = last
	if n.op == "com.microsoft.nchwc:Conv" && n.input(3) != nil && len(n.out[0].shape) == 4 { // its sum: an addition inside
		add := lut.NewOp("add", prec, map[string]string{"fused": "1"}, ofMap(out))
		p.also = append(p.also, add)
	}
	if !last {
		p.enterMaps(x, prec)
	}
	g := n.groups
	// The runtime's blocked weights are padded to whole blocks, the map it reorders is not.
	padded := n.op == "com.microsoft.nchwc:Conv" && g == out[1] && w.shape[1] == 1 && in[1] < g
	op := lut.NewOp("dwconv", prec, attrs, map[string]int{"h": in[2], "w": in[3], "c": in[1]})
	if g == 1 || g != out[1] || in[1] != g && !padded {
		if g > 1 {
			attrs["g"] = strconv.Itoa(g)
		}
		op = lut.NewOp("conv", prec, attrs, map[string]int{"h": in[2], "w": in[3], "cin": in[1], "cout": out[1]})
	}
	p.repeat(op, in[0]/p.batch-1) // windows of a map, side by side as a batch
	return op, ""
}

func (p *pricer) deconv(n *node) (lut.Op, string) {
	x, w := n.in[0], n.in[1]
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	if len(x.shape) != 4 || x.shape[0] != p.batch || !w.constant {
		return lut.Op{}, "not a transposed convolution of a map by a constant"
	}
	k := n.kernelOf(1)
	s := n.ints("strides")
	if len(s) != 2 {
		s = []int{1, 1}
	}
	attrs := map[string]string{"k": pair(k), "s": pair(s)}
	if n.groups > 1 {
		attrs["g"] = strconv.Itoa(n.groups)
	}
	if n.act != "" {
		attrs["act"] = n.act
	}
	if len(k) != 2 || k[0] < s[0] || k[1] < s[1] {
		return lut.Op{}, "its kernel is smaller than its stride"
	}
	for _, d := range n.ints("dilations") {
		if d != 1 {
			return lut.Op{}, "a dilated transposed convolution"
		}
	}
	// The padding that gives this output, whatever auto_pad, output_padding and
	// output_shape say it with.
	out := n.out[0].shape[2:]
	if out[0] != x.shape[2]*s[0] || out[1] != x.shape[3]*s[1] {
		b, e := [2]int{}, [2]int{}
		pads := n.ints("pads")
		for i := range 2 {
			total := (x.shape[2+i]-1)*s[i] + k[i] - out[i]
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
	return lut.NewOp("deconv", prec, attrs, map[string]int{"h": x.shape[2], "w": x.shape[3], "cin": x.shape[1], "cout": n.out[0].shape[1]}), ""
}
