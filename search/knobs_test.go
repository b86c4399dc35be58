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
		table = madeUp(t, sp)
	}
	l := knobsAt(t, "mobile-cnn, made-up utilities", sp, table, 7)
	l.tuned = true
	return l
}

// knobsAt is a landscape of made-up utilities at a table's costs.
func knobsAt(t *testing.T, name string, sp *space.Measured, table *lut.Table, seed uint64) *landscape {
	t.Helper()
	l := &landscape{name: name, metric: "latency", sp: sp, sigma: 0.5, made: true, utility: knobs(sp, seed)}
	var err error
	if l.cost, err = search.FastLUTCost(sp, table); err != nil {
		t.Fatal(err)
	}
	l.best = func(b *explore.Band) float64 { return climb(b, l.utility) }
	return l
}

// madeUp is a table of made-up latencies.
func madeUp(t *testing.T, sp *space.Measured) *lut.Table {
	return searchtest.Table(t, sp, 0.02, func(op lut.Op) float64 {
		us := 1 + 1e-4*searchtest.Coord(op, "h", 1)*searchtest.Coord(op, "w", 1)*searchtest.Coord(op, "mid", searchtest.Coord(op, "cout", 8))*(searchtest.Coord(op, "cin", 8)+25)
		if op.Precision == lut.INT8 {
			us *= 0.5
		}
		return us
	})
}

// madeUpSpaces differ in what can be chosen, at made-up costs: an exploration should
// serve none of them badly.
var madeUpSpaces = []struct{ name, file, text string }{
	{"ordered widths only", "", `width: {scope: layer, divisor: 8, ratios: [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]}
precisions: [fp32]
choices: {mb_k3_e4: {op: mbconv, k: 3, e: 4, act: relu6}}
stages: [{name: s1, channels: 24, stride: 2, layers: 3}, {name: s2, channels: 40, stride: 2, layers: 3}, {name: s3, channels: 80, stride: 2, layers: 4}]
default: {choice: mb_k3_e4, width: 1, precision: fp32}
`},
	{"choices only", "", `width: {scope: layer, divisor: 8, ratios: [1]}
precisions: [fp32]
choices:
  mb_k3_e3: {op: mbconv, k: 3, e: 3, act: relu6}
  mb_k3_e4: {op: mbconv, k: 3, e: 4, act: relu6}
  mb_k3_e6: {op: mbconv, k: 3, e: 6, act: relu6}
  mb_k5_e3: {op: mbconv, k: 5, e: 3, act: relu6}
  mb_k5_e4: {op: mbconv, k: 5, e: 4, act: relu6}
  mb_k5_e6: {op: mbconv, k: 5, e: 6, act: relu6}
  skip: {op: skip}
stages: [{name: s1, channels: 24, stride: 2, layers: 4}, {name: s2, channels: 40, stride: 2, layers: 4}, {name: s3, channels: 80, stride: 2, layers: 4}]
default: {choice: mb_k3_e4, width: 1, precision: fp32}
`},
	{"few neighbours", "", `width: {scope: layer, divisor: 8, ratios: [1]}
precisions: [fp32]
choices:
  mb_k3_e2: {op: mbconv, k: 3, e: 2, act: relu6}
  mb_k5_e4: {op: mbconv, k: 5, e: 4, act: relu6}
  mb_k7_e8: {op: mbconv, k: 7, e: 8, act: relu6}
  skip: {op: skip}
stages: [{name: s1, channels: 24, stride: 2, layers: 3}, {name: s2, channels: 40, stride: 2, layers: 3}, {name: s3, channels: 80, stride: 2, layers: 2}]
default: {choice: mb_k5_e4, width: 1, precision: fp32}
`},
	{"10²⁰ networks", "full.yaml", ""},
}

// openKinds are landscapes of all kinds.
func openKinds(t *testing.T) (out []*landscape) {
	t.Helper()
	for i, k := range madeUpSpaces {
		path := filepath.Join("..", "examples", "mobile-cnn", k.file)
		if k.file == "" {
			path = filepath.Join(t.TempDir(), "space.yaml")
			text := "format: isocost/space/v1\nname: kind\ninput: {channels: 3, height: 96, width: 96}\n" + k.text +
				"stem: [{op: conv, k: 3, s: 2, out: 16, act: relu6}]\nhead: [{op: gap}, {op: linear, out: 10}]\n"
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		sp, err := space.OpenMeasured(path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, knobsAt(t, k.name, sp, madeUp(t, sp), uint64(100+i)))
	}
	return out
}

// knobs is the utility of a network of a space with widths and precisions.
func knobs(sp *space.Measured, seed uint64) func(space.Arch) float64 {
	draw := func(what string, l int, more ...string) float64 {
		h := fnv.New64a()
		h.Write([]byte{what[0], byte(l)})
		for _, m := range more {
			h.Write([]byte(m + "|"))
		}
		return rand.New(rand.NewPCG(h.Sum64(), seed)).Float64()
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
