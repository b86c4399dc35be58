package graph

import (
	"slices"

	"github.com/isocost/isocost/internal/tflitefb"
)

// infer gives what operators compute the shapes that LiteRT gives it, whatever the file states:
// a file is laid out for one size of its inputs, and may state another shape than its operators
// make. resized says which inputs have a size here that they have not in the file. Where no
// rule tells, the file's word stands as long as what goes in is as the file has it.
func (g *Graph) infer(resized []bool) {
	for _, o := range g.Operators {
		lost := slices.ContainsFunc(o.Inputs, func(t int32) bool { return t >= 0 && g.Unknown[t] })
		moved := lost || slices.ContainsFunc(o.Inputs, func(t int32) bool { return t >= 0 && resized[t] })
		var out [][]int32
		if !lost {
			out = g.ruled(o)
		}
		for i, t := range o.Outputs {
			stated := &g.Model.Tensors[t]
			switch {
			case i < len(out):
				if !slices.Equal(out[i], stated.Shape) {
					resized[t] = true
					if !moved && !open(stated) {
						g.Restated++
					}
				}
				stated.Shape = out[i]
			case moved || slices.Contains(stated.Dynamic[min(1, len(stated.Dynamic)):], -1):
				g.Unknown[t] = true // it depends on a size that is not the file's
			}
		}
	}
}

// ruled are the shapes of an operator's outputs by its rule, nil where there is none.
func (g *Graph) ruled(o *Operator) [][]int32 {
	r, ok := rules[o.Code]
	if !ok || len(o.Inputs) < r.inputs || slices.ContainsFunc(o.Inputs[:r.inputs], func(t int32) bool { return t < 0 }) {
		return nil
	}
	out, err := r.shapes(g, o)
	for _, s := range out {
		if err == nil && !bounded(s) {
			err = errFit
		}
	}
	if err != nil {
		o.Unfit = true
		return nil
	}
	g.follow(o)
	return out
}

// follow notes the sizes that an operator computes from shapes.
func (g *Graph) follow(o *Operator) {
	var v []int
	switch o.Code {
	case shapeOf:
		for _, d := range g.shape(o, 0) {
			v = append(v, int(d))
		}
	case pack:
		for i := range o.Inputs {
			n, ok := g.Integer(o, i)
			if !ok {
				return
			}
			v = append(v, n)
		}
	case tflitefb.StridedSlice:
		all, ok := g.Integers(o, 0)
		from, one := g.Integer(o, 1)
		if !ok || !one || o.Options.Value("shrink_axis_mask") != 1 || len(g.shape(o, 0)) != 1 {
			return
		}
		if from < 0 {
			from += len(all)
		}
		if from < 0 || from >= len(all) {
			return
		}
		v = all[from : from+1]
	default:
		return
	}
	if len(o.Outputs) == 1 {
		g.sizes[o.Outputs[0]] = v
	}
}

// bounded reports a shape whose elements can be counted.
func bounded(shape []int32) bool {
	n := int64(1)
	for _, d := range shape {
		if d < 0 || n*int64(d) > maxElements {
			return false
		}
		n *= int64(d)
	}
	return true
}

// open reports a tensor that the file leaves a size of open.
func open(t *tflitefb.Tensor) bool { return slices.Contains(t.Dynamic, -1) }
