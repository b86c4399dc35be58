// Package space describes what can be searched: a macro template with mutable
// layers, the choices of each, the width grid and the precisions; and lowers any
// architecture of it to table keys and to a model.
package space

import (
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// Arch is one architecture of a space: for every mutable layer its choice, its
// width and its precision. It is comparable through Key.
type Arch struct {
	Layers []Layer `json:"layers"`
}

// Layer is the setting of one mutable layer.
type Layer struct {
	Choice    string        `json:"choice"`              // name of a micro-choice of that layer, e.g. mb_k3_e6
	Width     int           `json:"width"`               // index on the space's width grid
	Precision lut.Precision `json:"precision,omitempty"` // "" in spaces without precision
}

// Space is a search space. Implementations: the measured space of space.yaml
// (*Measured), spaces of modules (*Modules) and the tabular space (*Tabular).
type Space interface {
	// Name and Hash identify the space; Hash is the SHA-256 of its canonical form.
	Name() string
	Hash() string
	// Layers is the number L of mutable layers.
	Layers() int
	// Choices lists layer l's micro-choices in canonical order.
	Choices(l int) []string
	// Widths is the number of points of layer l's width grid (1: fixed width) and
	// WidthRatio the multiplier s of a point; exactly one point has s = 1.
	Widths(l int) int
	WidthRatio(l, i int) float64
	// GlobalWidth reports that the width is one setting for all layers.
	GlobalWidth() bool
	// Precisions lists layer l's admissible precisions, widest first; empty when
	// the space has none.
	Precisions(l int) []lut.Precision
	// Default is the architecture x₀ the space file names as its start.
	Default() Arch
	// Validate says why an architecture is not of this space, nil if it is.
	Validate(a Arch) error
}

// Modular is a space with modules of files: what builds its networks needs their library.
type Modular interface {
	Modules() *benchmarks.Library
}

// ModulesOf are the modules of a space, nil where it has none.
func ModulesOf(s Space) *benchmarks.Library {
	if m, ok := s.(Modular); ok {
		return m.Modules()
	}
	return nil
}

// Lowerer is a space whose architectures are networks: all of Measured and Modules.
type Lowerer interface {
	Space
	// Lower returns the architecture's keys, first to last, with the precision
	// switches between layers; the network's cost is their sum.
	Lower(a Arch) (benchmarks.Chain, error)
	// Cells lists every key any architecture can ask for, in canonical order.
	Cells() []lut.Op
}
