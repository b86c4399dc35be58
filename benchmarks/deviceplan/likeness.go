package deviceplan

import (
	"math"

	"github.com/isocost/isocost/lut"
)

// place is a kernel as likeness compares it.
type place struct {
	kind  string // with precision and axes: only kernels of one are alike
	sizes []float64
	attrs []lut.Attr
}

func placeOf(op lut.Op) place {
	p := place{kind: op.Kind + "/" + string(op.Precision)}
	for _, c := range op.At {
		p.kind += "@" + c.Axis
		p.sizes = append(p.sizes, math.Log2(float64(c.Value)))
	}
	for _, a := range op.Attrs {
		if a.Name != "p" { // where padding stands matters little
			p.attrs = append(p.attrs, a)
		}
	}
	return p
}

// Figures of likeness: the distance at which half of what is known is lost, what an
// attribute that differs leaves, and what is too little to count.
const (
	halfOctaves = 1.2
	otherAttr   = 0.6
	unlike      = 0.05
)

// likeness says how much the cost of one kernel tells of another's of its kind, from 0 to 1: a Gaussian
// of the distance between their sizes in octaves, less for every attribute that differs. It
// stands in for a covariance before anything was measured, and only orders candidates.
func likeness(a, b place) float64 {
	d := 0.0
	for i, x := range a.sizes {
		o := x - b.sizes[i]
		d += o * o
	}
	if d > -math.Log2(unlike)*halfOctaves*halfOctaves {
		return 0
	}
	s := math.Exp2(-d / (halfOctaves * halfOctaves))
	// Attributes are sorted by name.
	i, j := 0, 0
	for i < len(a.attrs) || j < len(b.attrs) {
		switch {
		case j == len(b.attrs) || i < len(a.attrs) && a.attrs[i].Name < b.attrs[j].Name:
			s *= otherAttr
			i++
		case i == len(a.attrs) || a.attrs[i].Name > b.attrs[j].Name:
			s *= otherAttr
			j++
		default:
			if a.attrs[i].Value != b.attrs[j].Value {
				s *= otherAttr
			}
			i, j = i+1, j+1
		}
	}
	return s
}
