package lut

import (
	"slices"
	"strings"
)

// Family holds the measured points of operators that share one key without coordinates
// and one set of axes. The points need not fill a grid.
type Family struct {
	Op    Op       // what the members share; it has no coordinates
	Axes  []string // sorted
	Knots []Knot   // sorted by At
	// Stairs say how costs depend on residues; sorted by axis, at most one per axis.
	Stairs []Staircase
}

// FamilyOf is the family of an operator, without any knots.
func FamilyOf(member Op) Family {
	f := Family{Op: member}
	f.Op.At = nil
	for _, c := range member.At {
		f.Axes = append(f.Axes, c.Axis)
	}
	return f
}

// Name is the key without coordinates, Op.Family of every member.
func (f *Family) Name() string { return f.Op.Family() }

// Grid is Op.Grid of every member.
func (f *Family) Grid() string {
	if len(f.Axes) == 0 {
		return f.Name()
	}
	return f.Name() + "@" + strings.Join(f.Axes, ",")
}

// Member is the operator at a point: coordinates in the order of the axes.
func (f *Family) Member(at []int) Op {
	op := f.Op
	op.At = make([]Coord, len(f.Axes))
	for i, a := range f.Axes {
		op.At[i] = Coord{a, at[i]}
	}
	return op
}

// Square finds the axes h and w, −1 where there is none, and reports whether both are
// there and equal in every knot: the images are square, and h stands for both axes.
func (f *Family) Square() (h, w int, square bool) {
	h, w = slices.Index(f.Axes, "h"), slices.Index(f.Axes, "w")
	square = h >= 0 && w >= 0 && !slices.ContainsFunc(f.Knots, func(k Knot) bool { return k.At[h] != k.At[w] })
	return h, w, square
}

func (f *Family) validate(bad func(string, ...any)) {
	name := f.Name()
	if _, err := ParseOp(name); err != nil {
		bad("family: %v", err)
	}
	if len(f.Op.At) > 0 {
		bad("family %s: its operator has coordinates", name)
	}
	if !slices.IsSorted(f.Axes) || slices.ContainsFunc(f.Axes, func(a string) bool { return !isName(a) }) ||
		len(slices.Compact(slices.Clone(f.Axes))) != len(f.Axes) {
		bad("family %s: axes %q are not sorted, duplicate or not names", name, f.Axes)
	}
	if len(f.Knots) == 0 {
		bad("family %s has no knots", name)
	}
	for j := range f.Knots {
		k := &f.Knots[j]
		if j > 0 && slices.Compare(f.Knots[j-1].At, k.At) >= 0 {
			bad("family %s: knot %v is duplicate or out of order", name, k.At)
		}
		k.validate(f, bad)
	}
	for j := range f.Stairs {
		if j > 0 && f.Stairs[j-1].Axis >= f.Stairs[j].Axis {
			bad("family %s: staircase along %s is duplicate or out of order", name, f.Stairs[j].Axis)
		}
		f.Stairs[j].validate(f, bad)
	}
}

// Reason says where a knot's corrected value comes from.
type Reason string

// The reasons.
const (
	Measured Reason = "measured" // equal to raw
	Isotonic Reason = "isotonic" // moved by the projection on the monotone cone
	Regime   Reason = "regime"   // a significant violation kept: the axis changes regime here
	Censored Reason = "censored" // not distinguishable from zero: raw weighs what the family expects against its own measurement
	Imported Reason = "imported" // from a published table, without evidence of ours
)

// Knot is one measured point. Lo and Hi bound the raw value at 95 % by the
// evidence; N is the number of samples behind it (0 for imports); Records names
// the cases it came from.
type Knot struct {
	At        []int    `json:"at"` // in the order of the family's axes
	Raw       float64  `json:"raw"`
	Corrected float64  `json:"corrected"`
	Lo        float64  `json:"lo"`
	Hi        float64  `json:"hi"`
	N         int      `json:"n"`
	Reason    Reason   `json:"reason"`
	Records   []string `json:"records"`
}

// Bare says that the cell was published without its spread: Lo and Hi bound nothing.
func (k *Knot) Bare() bool { return k.Reason == Imported && k.Lo == k.Hi }

func (k *Knot) validate(fam *Family, bad func(string, ...any)) {
	if len(k.At) != len(fam.Axes) {
		bad("family %s: knot %v has %d coordinates for %d axes", fam.Name(), k.At, len(k.At), len(fam.Axes))
		return
	}
	for _, x := range k.At {
		if x < 1 || x > 1<<30 {
			bad("family %s: knot %v has a coordinate outside 1…2^30", fam.Name(), k.At)
		}
	}
	switch {
	case !positive(k.Raw), !positive(k.Corrected):
		bad("family %s: knot %v costs %v, corrected %v: a cost is a positive number", fam.Name(), k.At, k.Raw, k.Corrected)
	case !finite(k.Lo), !finite(k.Hi), k.Lo > k.Raw, k.Hi < k.Raw, k.Lo < 0:
		bad("family %s: knot %v has the interval [%v, %v], which does not hold its raw value %v", fam.Name(), k.At, k.Lo, k.Hi, k.Raw)
	case k.N < 0:
		bad("family %s: knot %v has %d samples", fam.Name(), k.At, k.N)
	case !slices.Contains([]Reason{Measured, Isotonic, Regime, Censored, Imported}, k.Reason):
		bad("family %s: knot %v has the unknown reason %q", fam.Name(), k.At, k.Reason)
	case (k.Reason == Measured || k.Reason == Imported) && k.Raw != k.Corrected:
		bad("family %s: knot %v is %s, yet its corrected value differs from the raw one", fam.Name(), k.At, k.Reason)
	}
}
