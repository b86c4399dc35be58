package search

import "github.com/isocost/isocost/search/space"

// Bounds is a predicted cost with the interval that holds it, in the unit of its
// metric (microseconds, millijoules, bytes…).
type Bounds struct {
	Value float64 `json:"value"`
	Lo    float64 `json:"lo"`
	Hi    float64 `json:"hi"`
}

// Cost predicts what an architecture costs on one device in one metric.
// An architecture the table cannot price (unknown operator, out of range) is an
// error that names the key; it is never priced at a guess. Implementations may
// be called with an Arch whose Layers are changed between calls and must not
// keep it.
type Cost interface {
	Cost(a space.Arch) (Bounds, error)
}

// CostFunc is a function used as a Cost.
type CostFunc func(a space.Arch) (Bounds, error)

// Cost calls f.
func (f CostFunc) Cost(a space.Arch) (Bounds, error) { return f(a) }

// MonotoneInWidth is implemented by a Cost that has proved, for the width grid of
// layer l under a choice and precision, that cost does not fall with width.
// Compensation may then bisect; without the proof it scans the whole grid, since
// a finite set of inversions can hide the only feasible width.
type MonotoneInWidth interface {
	MonotoneInWidth(a space.Arch, l int) bool
}
