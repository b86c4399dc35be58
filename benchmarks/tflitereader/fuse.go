package tflitereader

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/tflitefb"
)

// fuse finds the operators that LiteRT does together.
func (r *reader) fuse() {
	for _, o := range r.operators {
		if r.whole(o) != "" {
			continue
		}
		switch o.Code {
		case tflitefb.Conv2D, tflitefb.DepthwiseConv2D:
			r.takePad(o)
		case tflitefb.Mul:
			r.takeSigmoid(o)
			r.takeHardSigmoid(o)
		case tflitefb.Add:
			r.takeNorm(o)
		}
	}
}

// maker is the operator of that type that computes a tensor, and is part of no kernel of
// several yet; nil when there is none.
func (r *reader) maker(t int32, code tflitefb.Op) *operator {
	if o := r.from[t]; o != nil && o.Code == code && o.within == nil && o.kind == "" && r.whole(o) == "" {
		return o
	}
	return nil
}

// takePad takes the border that a Pad adds into the convolution behind it, as XNNPACK
// does (subgraph/subgraph.c, xnn_subgraph_fusion): its own padding must be none. It
// leaves that of pools alone, where zeros would count.
func (r *reader) takePad(o *operator) {
	if o.Options.Value("padding") != tflitefb.PaddingValid {
		return
	}
	p := r.maker(o.Inputs[0], tflitefb.Pad)
	if p == nil || !r.only(o.Inputs[0], o) {
		return
	}
	amounts, ok := r.integers(p, 1)
	if !ok || len(amounts) != 8 || amounts[0]+amounts[1]+amounts[6]+amounts[7] != 0 {
		return
	}
	o.pad = []int{amounts[2], amounts[4], amounts[3], amounts[5]}
	p.within = o
}

// takeSigmoid makes x·sigmoid(x) one function.
func (r *reader) takeSigmoid(o *operator) {
	for i := range 2 {
		s, x := o.Inputs[i], o.Inputs[1-i]
		if f := r.maker(s, tflitefb.Logistic); f != nil && f.Inputs[0] == x && r.only(s, o) {
			f.within, o.kind, o.input = o, "silu", x
			return
		}
	}
}

// takeHardSigmoid makes relu6(x + 3)/6 one function.
func (r *reader) takeHardSigmoid(o *operator) {
	if o.kind != "" {
		return
	}
	for i := range 2 {
		s, c := o.Inputs[i], o.Inputs[1-i]
		a := r.maker(s, tflitefb.Add)
		if a == nil || a.Options.Value("fused_activation_function") != tflitefb.ActRelu6 || !r.only(s, o) {
			continue
		}
		if v, ok := r.number(c); !ok || math.Abs(v-1.0/6) > 1e-3 {
			continue
		}
		for j := range 2 {
			if v, ok := r.number(a.Inputs[j]); ok && math.Abs(v-3) < 0.05 {
				a.within, o.kind, o.input = o, "hsigmoid", a.Inputs[1-j]
				return
			}
		}
	}
}

// normMost is how many operators a layer normalisation may be; converters write 9 or 10.
const normMost = 16

// normal are the operators a layer normalisation is written with.
var normal = map[tflitefb.Op]bool{tflitefb.Mean: true, tflitefb.SquaredDifference: true, tflitefb.Rsqrt: true,
	tflitefb.Add: true, tflitefb.Sub: true, tflitefb.Mul: true, tflitefb.Neg: true}

// takeNorm makes one of the operators that converters write a layer normalisation with;
// o, the last of them, adds the shift. What lies between it and x, the tensor whose mean
// and squared difference are taken, must be read by nothing else.
func (r *reader) takeNorm(o *operator) {
	x := r.centred(o)
	if x < 0 {
		return
	}
	inside, ok := r.between(o, func(t int32) bool { return t != x })
	if !ok {
		return
	}
	found := map[tflitefb.Op]int{}
	for n := range inside {
		found[n.Code]++
		if n == o {
			continue
		}
		if slices.Contains(r.m.Outputs, n.Outputs[0]) || slices.ContainsFunc(r.to[n.Outputs[0]], func(by *operator) bool { return !inside[by] }) {
			return
		}
	}
	if found[tflitefb.SquaredDifference] != 1 || found[tflitefb.Mean] != 2 || found[tflitefb.Rsqrt] != 1 {
		return
	}
	for n := range inside {
		if n != o {
			n.within = o
		}
	}
	o.kind, o.input = "layernorm", x
}

// centred is the tensor whose squared difference from its mean o depends on, -1 if there
// is none nearby.
func (r *reader) centred(o *operator) int32 {
	var x int32 = -1
	r.between(o, func(t int32) bool {
		n := r.from[t]
		if n.Code != tflitefb.SquaredDifference {
			return x < 0 && normal[n.Code]
		}
		if r.whole(n) != "" {
			return false
		}
		for i, mean := range n.Inputs[:2] {
			if m := r.maker(mean, tflitefb.Mean); m != nil && m.Inputs[0] == n.Inputs[1-i] {
				x = n.Inputs[1-i]
			}
		}
		return false
	})
	return x
}

// between walks from o towards the inputs, through the computed tensors that enter
// admits. Not ok: there are too many operators or some that no normalisation has.
func (r *reader) between(o *operator, enter func(int32) bool) (inside map[*operator]bool, ok bool) {
	inside = map[*operator]bool{}
	for work := []*operator{o}; len(work) > 0; {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		if inside[n] {
			continue
		}
		if !normal[n.Code] || n.within != nil || len(inside) == normMost || r.whole(n) != "" {
			return nil, false
		}
		inside[n] = true
		for _, t := range n.Inputs {
			if t >= 0 && r.from[t] != nil && enter(t) {
				work = append(work, r.from[t])
			}
		}
	}
	return inside, true
}

// number is a constant of one element.
func (r *reader) number(t int32) (float64, bool) {
	if t < 0 || r.from[t] != nil {
		return 0, false
	}
	v := r.m.Tensors[t]
	if size(v.Shape) != 1 {
		return 0, false
	}
	switch {
	case v.Type == tflitefb.Float32 && len(v.Data) == 4:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.Data))), true
	case v.Type == tflitefb.Int8 && len(v.Data) == 1 && v.Quant != nil && len(v.Quant.Scale) == 1 && len(v.Quant.Zero) == 1:
		return float64(v.Quant.Scale[0]) * float64(int64(int8(v.Data[0]))-v.Quant.Zero[0]), true
	}
	return 0, false
}

// integers are the elements of a constant int32 input.
func (r *reader) integers(o *operator, i int) ([]int, bool) {
	t := r.in(o, i)
	if t == nil || t.Type != tflitefb.Int32 || r.from[o.Inputs[i]] != nil || len(t.Data)%4 != 0 || len(t.Data) == 0 {
		return nil, false
	}
	v := make([]int, len(t.Data)/4)
	for i := range v {
		v[i] = int(int32(binary.LittleEndian.Uint32(t.Data[4*i:])))
	}
	return v, true
}
