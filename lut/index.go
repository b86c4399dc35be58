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

// place is a knot as far as its cost needs it, a line of a processor's cache; an empty place has no family.
type place struct {
	hash          uint64 // of its operator
	family, knot  int32  // the family from 1
	at            [inPlace]int32
	value, lo, hi float64
}

// inPlace is how many coordinates stand in a place; the knots of families of more axes are asked for theirs.
const inPlace = 6

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
			c := f.Knots[j].cost()
			p := place{hash: h, family: int32(i + 1), knot: int32(j), value: c.Value, lo: c.Lo, hi: c.Hi}
			for a, v := range f.Knots[j].At[:min(inPlace, len(f.Axes))] {
				p.at[a] = int32(v)
			}
			x.places[at] = p
		}
	}
	return x
}

// find returns the place of the knot that is the operator's, nil where there is none.
func (x *index) find(families []family, op *Op) *place {
	h := hash(op)
	last := uint64(len(x.places) - 1)
	for at := h & last; x.places[at].family > 0; at = (at + 1) & last {
		p := &x.places[at]
		if p.hash != h {
			continue
		}
		i := int(p.family - 1)
		if p.again(op, x.seen[i].Load()) || p.stands(&families[i], op) && x.member(&families[i], i, op) {
			return p
		}
	}
	return nil
}

// again says at once that an operator is the place's where its texts are those of one of the
// family that was asked for, one in memory; false says nothing.
func (p *place) again(op, seen *Op) bool {
	if seen == nil || len(op.Attrs) != len(seen.Attrs) || len(op.At) != len(seen.At) || len(op.At) > inPlace ||
		!same(op.Kind, seen.Kind) || !same(string(op.Precision), string(seen.Precision)) || inMemory(op.Attrs) != inMemory(seen.Attrs) {
		return false
	}
	for i := range op.At {
		if at := &op.At[i]; at.Value != int(p.at[i]) || !same(at.Axis, seen.At[i].Axis) {
			return false
		}
	}
	return true
}

// same says whether texts are one in memory.
func same(a, b string) bool { return len(a) == len(b) && unsafe.StringData(a) == unsafe.StringData(b) }

// inMemory are attributes as they lie there: where their texts and how long these are.
func inMemory(a []Attr) string {
	return unsafe.String((*byte)(unsafe.Pointer(unsafe.SliceData(a))), len(a)*int(unsafe.Sizeof(Attr{})))
}

// stands says whether an operator of the family's axes stands at the place.
func (p *place) stands(f *family, op *Op) bool {
	if len(f.Axes) != len(op.At) {
		return false
	}
	if len(op.At) > inPlace {
		for i, v := range f.Knots[p.knot].At {
			if op.At[i].Value != v {
				return false
			}
		}
		return true
	}
	for i := range op.At {
		if op.At[i].Value != int(p.at[i]) {
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
	return same(a, b) || a == b
}

// hash is of what tells operators apart in practice: of kind, precision and attributes' values
// their lengths and ends, and the coordinates.
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

// ends are a text's length, first and last byte in one number.
func ends(s string) uint64 {
	if s == "" {
		return 0
	}
	return uint64(s[0]) | uint64(s[len(s)-1])<<8 | uint64(len(s))<<16
}
