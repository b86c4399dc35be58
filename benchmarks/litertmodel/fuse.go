package litertmodel

import (
	"math"
	"slices"

	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/internal/tflitefb/graph"
)

// fuse finds the operators that LiteRT does together.
func (r *Fused) fuse() {
	for _, o := range r.Operators {
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
func (r *Fused) maker(t int32, code tflitefb.Op) *graph.Operator {
	if o := r.From[t]; o != nil && o.Code == code && r.of(o).within == nil && r.of(o).kind == "" && r.whole(o) == "" {
		return o
	}
	return nil
}

// takePad takes the border that a Pad adds into the convolution behind it, as XNNPACK
// does (subgraph/subgraph.c, xnn_subgraph_fusion): its own padding must be none. It
// leaves that of pools alone, where zeros would count.
func (r *Fused) takePad(o *graph.Operator) {
	if o.Options.Value("padding") != tflitefb.PaddingValid {
		return
	}
	p := r.maker(o.Inputs[0], tflitefb.Pad)
	if p == nil || !r.Only(o.Inputs[0], o) {
		return
	}
	amounts, ok := r.Integers(p, 1)
	if !ok || len(amounts) != 8 || amounts[0]+amounts[1]+amounts[6]+amounts[7] != 0 {
		return
	}
	r.of(o).pad = []int{amounts[2], amounts[4], amounts[3], amounts[5]}
	r.of(p).within = o
}

// takeSigmoid makes x·sigmoid(x) one function.
func (r *Fused) takeSigmoid(o *graph.Operator) {
	for i := range 2 {
		s, x := o.Inputs[i], o.Inputs[1-i]
		if f := r.maker(s, tflitefb.Logistic); f != nil && f.Inputs[0] == x && r.Only(s, o) {
			r.of(f).within, r.of(o).kind, r.of(o).input = o, sigmoidKind, x
			return
		}
	}
}

// takeHardSigmoid makes relu6(x + 3)/6 one function.
func (r *Fused) takeHardSigmoid(o *graph.Operator) {
	if r.of(o).kind != "" {
		return
	}
	for i := range 2 {
		s, c := o.Inputs[i], o.Inputs[1-i]
		a := r.maker(s, tflitefb.Add)
		if a == nil || a.Options.Value("fused_activation_function") != tflitefb.ActRelu6 || !r.Only(s, o) {
			continue
		}
		if v, ok := r.Number(c); !ok || math.Abs(v-1.0/6) > 1e-3 {
			continue
		}
		for j := range 2 {
			if v, ok := r.Number(a.Inputs[j]); ok && math.Abs(v-3) < 0.05 {
				r.of(a).within, r.of(o).kind, r.of(o).input = o, hardSigmoidKind, a.Inputs[1-j]
				return
			}
		}
	}
}

// normMost says how many operators a layer normalisation may be; converters write 9 or 10.
const normMost = 16

// normal are the operators a layer normalisation is written with.
var normal = map[tflitefb.Op]bool{tflitefb.Mean: true, tflitefb.SquaredDifference: true, tflitefb.Rsqrt: true,
	tflitefb.Add: true, tflitefb.Sub: true, tflitefb.Mul: true, tflitefb.Neg: true}

// takeNorm makes one of the operators that converters write a layer normalisation with;
// o, the last of them, adds the shift. What lies between it and x, the tensor whose mean
// and squared difference are taken, must be read by nothing else.
func (r *Fused) takeNorm(o *graph.Operator) {
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
		if slices.Contains(r.Model.Outputs, n.Outputs[0]) || slices.ContainsFunc(r.To[n.Outputs[0]], func(by *graph.Operator) bool { return !inside[by] }) {
			return
		}
	}
	if found[tflitefb.SquaredDifference] != 1 || found[tflitefb.Mean] != 2 || found[tflitefb.Rsqrt] != 1 {
		return
	}
	for n := range inside {
		if n != o {
			r.of(n).within = o
		}
	}
	r.of(o).kind, r.of(o).input, r.of(o).rows = normKind, x, true
}

// centred is the tensor whose squared difference from its mean o depends on, -1 if there
// is none nearby.
func (r *Fused) centred(o *graph.Operator) int32 {
	var x int32 = -1
	r.between(o, func(t int32) bool {
		n := r.From[t]
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
func (r *Fused) between(o *graph.Operator, enter func(int32) bool) (inside map[*graph.Operator]bool, ok bool) {
	inside = map[*graph.Operator]bool{}
	for work := []*graph.Operator{o}; len(work) > 0; {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		if inside[n] {
			continue
		}
		if !normal[n.Code] || r.of(n).within != nil || len(inside) == normMost || r.whole(n) != "" {
			return nil, false
		}
		inside[n] = true
		for _, t := range n.Inputs {
			if t >= 0 && r.From[t] != nil && enter(t) {
				work = append(work, r.From[t])
			}
		}
	}
	return inside, true
}
