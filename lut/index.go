package lut

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"unsafe"
)

// index finds a table's knots by their operators, in an open hash table: no key is put
// together, and nothing is allocated.
type index struct {
	places []place
	seen   []atomic.Pointer[Op] // by family an operator of it that was asked for
}

// place is a knot with the hash of its operator; an empty place has no family.
type place struct {
	hash         uint64
	family, knot int32 // the family from 1
}

func newIndex(families []family) index {
	n := 0
	for i := range families {
		n += len(families[i].Knots)
	}
	x := index{make([]place, 1<<bits.Len(uint(2*n))), make([]atomic.Pointer[Op], len(families))}
	last := uint64(len(x.places) - 1)
	for i := range families {
		f := &families[i]
		op := f.Member(make([]int, len(f.Axes)))
		for j := range f.Knots {
			for a, v := range f.Knots[j].At {
				op.At[a].Value = v
			}
			h := hash(&op)
			at := h & last
			for x.places[at].family > 0 {
				at = (at + 1) & last
			}
			x.places[at] = place{h, int32(i + 1), int32(j)}
		}
	}
	return x
}

// find returns the knot that is the operator's, nil where there is none.
func (x *index) find(families []family, op *Op) *Knot {
	h := hash(op)
	last := uint64(len(x.places) - 1)
	for at := h & last; x.places[at].family > 0; at = (at + 1) & last {
		if p := &x.places[at]; p.hash == h {
			f := &families[p.family-1]
			if k := &f.Knots[p.knot]; k.stands(op) && x.member(f, int(p.family-1), op) {
				return k
			}
		}
	}
	return nil
}

// stands says whether an operator of the knot's axes stands at the knot.
func (k *Knot) stands(op *Op) bool {
	if len(k.At) != len(op.At) {
		return false
	}
	for i, v := range k.At {
		if op.At[i].Value != v {
			return false
		}
	}
	return true
}

// member says whether an operator is the i-th family's, wherever it stands. Programs ask with
// the same names again and again: it is compared with one that was asked for, whose texts are
// mostly the same in memory, not with what a file says.
func (x *index) member(f *family, i int, op *Op) bool {
	if seen := x.seen[i].Load(); seen != nil {
		return seen.alike(op)
	}
	known := f.Member(make([]int, len(f.Axes)))
	if !known.alike(op) {
		return false
	}
	x.seen[i].Store(&Op{op.Kind, slices.Clone(op.Attrs), op.Precision, slices.Clone(op.At)})
	return true
}

// alike says whether two operators are of one family and stand on the same axes.
func (o *Op) alike(other *Op) bool {
	if len(o.Attrs) != len(other.Attrs) || len(o.At) != len(other.At) || !equal(o.Kind, other.Kind) || !equal(string(o.Precision), string(other.Precision)) {
		return false
	}
	for i := range o.Attrs {
		if a, b := &o.Attrs[i], &other.Attrs[i]; !equal(a.Name, b.Name) || !equal(a.Value, b.Value) {
			return false
		}
	}
	for i := range o.At {
		if !equal(o.At[i].Axis, other.At[i].Axis) {
			return false
		}
	}
	return true
}

// equal is ==, at once where the texts are one in memory.
func equal(a, b string) bool {
	return len(a) == len(b) && (unsafe.StringData(a) == unsafe.StringData(b) || a == b)
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
