package search

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// BenchmarkPropose is one compensated proposal on the example space and a
// compiled table: 5 widths × 2 precisions scanned. The goal is 10 µs.
func BenchmarkPropose(b *testing.B) {
	s := mobileCNN(b)
	cost, err := FastLUTCost(s, sampleTable(b, s))
	if err != nil {
		b.Fatal(err)
	}
	x := s.Default()
	budget, err := cost.Cost(x)
	if err != nil {
		b.Fatal(err)
	}
	band, err := NewBand("x", cost, budget, 0.05)
	if err != nil {
		b.Fatal(err)
	}
	c := NewCompensator(s, []Band{band})
	choices := make([][]string, s.Layers())
	for l := range choices {
		choices[l] = s.Choices(l)
	}
	b.ResetTimer()
	for i := range b.N {
		l := i % len(choices)
		c.Propose(x, l, choices[l][i/len(choices)%len(choices[l])])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "proposals/s")
}

// BenchmarkDriver is the driver's own time for one evaluation: selection, journal
// and sync, with an evaluator that takes none. The goal is 1 % of a 10 ms evaluator.
func BenchmarkDriver(b *testing.B) {
	p := &planted{layers: 6, choices: 4, widths: 3, seed: 3, spread: 2}
	dir, err := os.MkdirTemp("", "driver-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	prob := p.problem(0.05)
	s := DefaultSettings()
	s.Epsilon = 0.01 // never reached: the budget ends it
	d := &Driver{Dir: dir, Problem: prob, Header: Header{Settings: s, Anchor: prob.Anchor.Key(), Tables: []TableRef{{Budget: prob.Bands[0].Budget}}},
		Evaluator: instant{p}, Budget: b.N + 300, Now: time.Now}
	b.ResetTimer()
	if _, err := d.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
}

type instant struct{ p *planted }

func (e instant) Identity() Identity { return Identity{Spec: "instant"} }
func (e instant) Evaluate(ctx context.Context, r Request) (Answer, error) {
	out, err := e.p.noisy(ctx, []Request{r})
	return out[0].Answer, err
}

// The fast cost is the plain one, on every architecture of a sample.
func TestFastCostIsTheCost(t *testing.T) {
	s := mobileCNN(t)
	table := sampleTable(t, s)
	fast, err := FastLUTCost(s, table)
	if err != nil {
		t.Fatal(err)
	}
	plain := NewLUTCost(s, table)
	for _, a := range space.Sample(s, 300, 1) {
		x, err1 := fast.Cost(a)
		y, err2 := plain.Cost(a)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for _, d := range []float64{x.Value/y.Value - 1, x.Lo/y.Lo - 1, x.Hi/y.Hi - 1} {
			if d > 1e-12 || d < -1e-12 {
				t.Fatalf("%s: %v, want %v", a.Key(), x, y)
			}
		}
		again, _ := fast.Cost(a)
		if again != x {
			t.Fatalf("%s: %v when asked again, %v before", a.Key(), again, x)
		}
	}
}

// The price of a network is the same to the bit whatever was asked before: other settings of
// a layer, networks the table cannot price, the same names elsewhere in memory.
func TestFastCostForgets(t *testing.T) {
	s := mobileCNN(t)
	file := *sampleTable(t, s).File()
	file.Families = slices.DeleteFunc(slices.Clone(file.Families), func(f lut.Family) bool { return f.Op.Attr("k") == "5" })
	table, err := lut.New(file)
	if err != nil {
		t.Fatal(err)
	}
	fast, err := FastLUTCost(s, table)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	a, failed, priced := s.Default(), 0, 0
	for range 2000 {
		l := rng.IntN(s.Layers())
		choices := s.Choices(l)
		a.Layers[l].Choice, a.Layers[l].Width = choices[rng.IntN(len(choices))], rng.IntN(s.Widths(l))
		if a = space.Canonical(s, a); rng.IntN(4) == 0 {
			if a, err = space.ParseArch(a.Key()); err != nil {
				t.Fatal(err)
			}
		}
		got, err := fast.Cost(a)
		alone, _ := FastLUTCost(s, table)
		want, wantErr := alone.Cost(a)
		if got != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("%s: %v, %v; alone %v, %v", a.Key(), got, err, want, wantErr)
		}
		if err != nil {
			if failed++; failed%5 == 0 {
				a = s.Default()
			}
		} else {
			priced++
		}
	}
	if failed < 100 || priced < 100 {
		t.Errorf("%d networks were priced and %d were not: too few of one", priced, failed)
	}
}
