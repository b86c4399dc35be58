package search_test

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/explore"
	"github.com/isocost/isocost/search/searchtest"
	"github.com/isocost/isocost/search/space"
)

// openKnobs is a landscape of the demo's space, ten layers with widths and precisions:
// 10¹⁸ networks. Costs are of the table of a simulated device that ISOCOST_KNOBS_LUT names,
// else made up; utilities are made up: each layer has its own worth of each choice, of
// width and of precision, and neighbouring layers suit each other more or less.
func openKnobs(t *testing.T) *landscape {
	t.Helper()
	sp, err := space.OpenMeasured(filepath.Join("..", "examples", "mobile-cnn", "space.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var table *lut.Table
	if path := os.Getenv("ISOCOST_KNOBS_LUT"); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if table, err = lut.Decode(data); err != nil {
			t.Fatal(err)
		}
	} else {
		table = searchtest.Table(t, sp, 0.02, func(op lut.Op) float64 {
			us := 1 + 1e-4*searchtest.Coord(op, "h", 1)*searchtest.Coord(op, "w", 1)*searchtest.Coord(op, "mid", searchtest.Coord(op, "cout", 8))*(searchtest.Coord(op, "cin", 8)+25)
			if op.Precision == lut.INT8 {
				us *= 0.5
			}
			return us
		})
	}
	l := &landscape{name: "mobile-cnn, made-up utilities", metric: "latency", sp: sp, sigma: 0.5}
	if l.cost, err = search.FastLUTCost(sp, table); err != nil {
		t.Fatal(err)
	}
	worth := knobs(sp)
	l.utility = worth
	l.best = func(b *explore.Band) float64 { return climb(b, worth) }
	return l
}

// knobs is the utility of a network of a space with widths and precisions.
func knobs(sp *space.Measured) func(space.Arch) float64 {
	draw := func(what string, l int, more ...string) float64 {
		h := fnv.New64a()
		h.Write([]byte{what[0], byte(l)})
		for _, m := range more {
			h.Write([]byte(m + "|"))
		}
		return rand.New(rand.NewPCG(h.Sum64(), 7)).Float64()
	}
	return func(a space.Arch) float64 {
		u := 70.0
		for l, x := range a.Layers {
			u += 1.2*draw("choice", l, x.Choice) + (0.4+0.8*draw("width", l))*math.Log(sp.WidthRatio(l, x.Width))
			if x.Precision == lut.INT8 {
				u -= 0.4 * draw("precision", l)
			}
			if l > 0 {
				u += 0.6 * draw("beside", l, a.Layers[l-1].Choice, x.Choice)
			}
		}
		return u
	}
}

// climb is the most that climbing from many networks of a band finds, by one to three
// changes at a time without noise: not proved to be the best.
func climb(b *explore.Band, utility func(space.Arch) float64) float64 {
	rng := rand.New(rand.NewPCG(1, 3))
	best := math.Inf(-1)
	for range 12 {
		x, ok := b.Draw(rng)
		if !ok {
			continue
		}
		u := utility(x)
		for failed := 0; failed < 400; failed++ {
			if y, ok := b.Near(rng, x, 1+rng.IntN(3)); ok {
				if v := utility(y); v > u {
					x, u, failed = y, v, 0
				}
			}
		}
		best = max(best, u)
	}
	return best
}
