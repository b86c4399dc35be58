package lut

import "math/bits"

// index finds a table's knots by their operators, in an open hash table: no key is put
// together, and nothing is allocated.
type index []indexed

// indexed is a knot with the hash of its operator; an empty place has no family.
type indexed struct {
	hash         uint64
	family, knot int32 // the family from 1
}

func newIndex(families []family) index {
	n := 0
	for i := range families {
		n += len(families[i].Knots)
	}
	x := make(index, 1<<bits.Len(uint(2*n)))
	for i := range families {
		f := &families[i]
		op := f.Member(make([]int, len(f.Axes)))
		for j := range f.Knots {
			for a, v := range f.Knots[j].At {
				op.At[a].Value = v
			}
			h := hash(&op)
			at := h & uint64(len(x)-1)
			for x[at].family > 0 {
				at = (at + 1) & uint64(len(x)-1)
			}
			x[at] = indexed{h, int32(i + 1), int32(j)}
		}
	}
	return x
}

// find returns the knot that is the operator's, nil where there is none.
func (x index) find(families []family, op *Op) *Knot {
	h := hash(op)
	for at := h & uint64(len(x)-1); x[at].family > 0; at = (at + 1) & uint64(len(x)-1) {
		if p := &x[at]; p.hash == h {
			if f := &families[p.family-1]; f.holds(&f.Knots[p.knot], op) {
				return &f.Knots[p.knot]
			}
		}
	}
	return nil
}

// holds says whether a knot of the family is the operator's.
func (f *family) holds(k *Knot, op *Op) bool {
	if len(k.At) != len(op.At) || len(f.Op.Attrs) != len(op.Attrs) || f.Op.Kind != op.Kind || f.Op.Precision != op.Precision {
		return false
	}
	for i := range op.At {
		if c := &op.At[i]; k.At[i] != c.Value || f.Axes[i] != c.Axis {
			return false
		}
	}
	for i := range op.Attrs {
		if f.Op.Attrs[i] != op.Attrs[i] {
			return false
		}
	}
	return true
}

// hash is of what tells operators apart in practice: kind, precision, attributes' values and
// coordinates, without their names.
func hash(op *Op) uint64 {
	h := ends(op.Kind)*0x9e3779b97f4a7c15 + ends(string(op.Precision))*0xbf58476d1ce4e5b9
	by := uint64(0x94d049bb133111eb) // another odd number for every place
	for i := range op.Attrs {
		h += ends(op.Attrs[i].Value) * by
		by += 0x632be59bd9b4e01a
	}
	for i := range op.At {
		h += uint64(op.At[i].Value) * by
		by += 0x632be59bd9b4e01a
	}
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// ends are a text's first and last bytes in one number.
func ends(s string) uint64 {
	n := len(s)
	switch {
	case n >= 8:
		return first8(s)*31 + first8(s[n-8:])
	case n >= 4:
		return uint64(first4(s))<<32 | uint64(first4(s[n-4:]))
	case n > 0:
		return uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
	}
	return 0
}

func first8(s string) uint64 { return uint64(first4(s)) | uint64(first4(s[4:]))<<32 }

func first4(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}
