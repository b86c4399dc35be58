//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// madeUp is a space of any size whose networks cost and are worth the sum of what their layers
// do. As an evaluator it answers at once, with unit noise.
type madeUp struct {
	layers int
	names  []string
	cost   [][]float64 // by layer and choice
	worth  [][]float64
	index  map[string]int
}

const madeUpWidths = 5

func newMadeUp(layers, choices int) *madeUp {
	rng := rand.New(rand.NewPCG(3, uint64(layers)))
	m := &madeUp{layers: layers, index: map[string]int{}}
	for i := range choices {
		m.names = append(m.names, "c"+strconv.Itoa(i))
		m.index[m.names[i]] = i
	}
	for range layers {
		c, w := make([]float64, choices), make([]float64, choices)
		for i := range choices {
			c[i], w[i] = 1+rng.Float64(), rng.Float64()
		}
		m.cost, m.worth = append(m.cost, c), append(m.worth, w)
	}
	return m
}

func (m *madeUp) Name() string                   { return "made-up" }
func (m *madeUp) Hash() string                   { return fmt.Sprintf("%064d", m.layers) }
func (m *madeUp) Layers() int                    { return m.layers }
func (m *madeUp) Choices(int) []string           { return m.names }
func (m *madeUp) Widths(int) int                 { return madeUpWidths }
func (m *madeUp) WidthRatio(_, i int) float64    { return 1 + 0.25*float64(i-madeUpWidths/2) }
func (m *madeUp) GlobalWidth() bool              { return false }
func (m *madeUp) Precisions(int) []lut.Precision { return nil }

func (m *madeUp) Default() space.Arch {
	one := space.Layer{Choice: m.names[0], Width: madeUpWidths / 2}
	return space.Arch{Layers: slices.Repeat([]space.Layer{one}, m.layers)}
}

func (m *madeUp) Validate(a space.Arch) error {
	if len(a.Layers) != m.layers {
		return fmt.Errorf("%d layers", len(a.Layers))
	}
	return nil
}

func (m *madeUp) Cost(a space.Arch) (search.Bounds, error) {
	sum := 0.0
	for l, x := range a.Layers {
		sum += m.cost[l][m.index[x.Choice]] * m.WidthRatio(l, x.Width)
	}
	return search.Bounds{Value: sum, Lo: sum * 0.99, Hi: sum * 1.01}, nil
}

func (m *madeUp) Identity() search.Identity { return search.Identity{Spec: "made-up"} }

func (m *madeUp) Evaluate(_ context.Context, r search.Request) (search.Answer, error) {
	u := rand.New(rand.NewPCG(r.Seed, 5)).NormFloat64()
	for l, x := range r.Arch.Layers {
		u += m.worth[l][m.index[x.Choice]] + 0.1*m.WidthRatio(l, x.Width)
	}
	return search.Answer{Utility: u}, nil
}

// problem is the search for the best network of the default one's cost, within 5 %.
func (m *madeUp) problem() (search.Problem, error) {
	x := m.Default()
	b, err := m.Cost(x)
	if err != nil {
		return search.Problem{}, err
	}
	band, err := search.NewBand("made-up", m, b, 0.05)
	return search.Problem{Space: m, Bands: []search.Band{band}, Anchor: x}, err
}
