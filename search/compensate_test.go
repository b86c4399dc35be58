package search

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// spaces for the laws of compensation: local and global width, with and without
// precision, with rugged costs.
func ruggedSpaces(seed uint64) []*planted {
	both := []lut.Precision{lut.FP32, lut.INT8}
	return []*planted{
		{layers: 5, choices: 4, widths: 5, precisions: both, seed: seed, inversions: 0.6, spread: 1},
		{layers: 4, choices: 4, widths: 7, seed: seed, inversions: 1.2, spread: 1},
		{layers: 4, choices: 3, widths: 5, precisions: both, global: true, seed: seed, inversions: 0.3, spread: 1},
		{layers: 6, choices: 3, widths: 1, seed: seed, inversions: 0, spread: 1},
	}
}

func TestCompensationLaws(t *testing.T) {
	const tau = 0.06
	feasible, infeasible := 0, 0
	for seed := range uint64(25) {
		for k, s := range ruggedSpaces(seed) {
			p := s.problem(tau)
			budget := p.Bands[0].Budget.Value
			c := NewCompensator(s, p.Bands)
			rng := rand.New(rand.NewPCG(seed, uint64(k)))
			x := p.Anchor
			for range 6 { // a random walk of accepted moves
				f, inf := c.Neighbourhood(x)
				infeasible += len(inf)
				for _, n := range f {
					feasible++
					if !s.inBand(n.Arch, budget, tau) {
						t.Fatalf("seed %d space %d: %s is out of the band", seed, k, n.Key)
					}
					if err := s.Validate(n.Arch); err != nil {
						t.Fatal(err)
					}
					// Idempotent: the same choice again changes nothing.
					if again := c.Propose(n.Arch, n.Layer, n.Choice); again.Key != n.Key {
						t.Fatalf("seed %d space %d: %s compensated again is %s", seed, k, n.Key, again.Key)
					}
					// Symmetric: from the neighbour the old choice is feasible, and with it
					// compensated in the layer's present company the two find each other.
					back := c.Propose(n.Arch, n.Layer, x.Layers[n.Layer].Choice)
					if !back.Feasible {
						t.Fatalf("seed %d space %d: %s is a neighbour of %s, but not the other way", seed, k, n.Key, x.Key())
					}
					if there := c.Propose(back.Arch, n.Layer, n.Choice); there.Key != n.Key {
						t.Fatalf("seed %d space %d: %s → %s → %s", seed, k, n.Key, back.Key, there.Key)
					}
				}
				for _, n := range inf {
					if n.Reason == "" || n.Arch.Layers == nil || s.inBand(n.Arch, budget, tau) {
						t.Fatalf("seed %d space %d: infeasible %+v without reason or nearest miss", seed, k, n)
					}
					if anyFeasible(s, x, n.Layer, n.Choice, budget, tau) {
						t.Fatalf("seed %d space %d: a width for %s in layer %d exists and was not found", seed, k, n.Choice, n.Layer)
					}
				}
				if len(f) == 0 {
					break
				}
				x = f[rng.IntN(len(f))].Arch
			}
			// Path independent: two changes in either order end in the same setting of
			// the layer changed last.
			a := c.Propose(p.Anchor, 0, "b")
			if !a.Feasible {
				continue
			}
			one := c.Propose(a.Arch, 1, "c")
			twisted := a.Arch.Clone()
			twisted.Layers[1].Choice = "b"
			twisted.Layers[1].Width = 0
			if two := c.Propose(twisted, 1, "c"); one.Feasible != two.Feasible || one.Key != two.Key {
				t.Fatalf("seed %d space %d: %s by one path, %s by another", seed, k, one.Key, two.Key)
			}
		}
	}
	if feasible < 1000 || infeasible < 50 {
		t.Errorf("only %d feasible and %d infeasible proposals were tried", feasible, infeasible)
	}
}

// TestAllNeighbours: with All the neighbourhood is what differs in one layer and
// is in the band, no more and no less; hence symmetric to the letter.
func TestAllNeighbours(t *testing.T) {
	const tau = 0.06
	tried := 0
	for seed := range uint64(10) {
		for k, s := range ruggedSpaces(seed) {
			p := s.problem(tau)
			budget := p.Bands[0].Budget.Value
			c := NewCompensator(s, p.Bands)
			c.Neighbours = NeighboursAll
			f, _ := c.Neighbourhood(p.Anchor)
			got := map[string]bool{}
			for _, n := range f {
				if got[n.Key] || !n.Feasible || !s.inBand(n.Arch, budget, tau) {
					t.Fatalf("seed %d space %d: %s is duplicate or out of the band", seed, k, n.Key)
				}
				got[n.Key] = true
				back, _ := c.Neighbourhood(n.Arch)
				if !slices.ContainsFunc(back, func(b Proposal) bool { return b.Key == p.Anchor.Key() }) {
					t.Fatalf("seed %d space %d: %s is a neighbour of x0, but not the other way", seed, k, n.Key)
				}
				tried++
			}
			want := map[string]bool{}
			for l := range s.layers {
				for _, choice := range s.Choices(l) {
					for w := range s.widths {
						for _, prec := range c.precisions(l) {
							c.trial.Layers = append(c.trial.Layers[:0], p.Anchor.Layers...)
							c.set(l, space.Layer{Choice: choice, Width: w, Precision: prec})
							if a := c.trial.Clone(); a.Key() != p.Anchor.Key() && s.inBand(a, budget, tau) {
								want[a.Key()] = true
							}
						}
					}
				}
			}
			if len(got) != len(want) {
				t.Fatalf("seed %d space %d: %d neighbours, by enumeration %d", seed, k, len(got), len(want))
			}
			// The canonical ones are among them.
			c.Neighbours = NeighboursCanonical
			f, _ = c.Neighbourhood(p.Anchor)
			for _, n := range f {
				if !want[n.Key] {
					t.Fatalf("seed %d space %d: the canonical %s is missing", seed, k, n.Key)
				}
			}
		}
	}
	if tried < 500 {
		t.Errorf("only %d neighbours", tried)
	}
}

// anyFeasible searches all settings of a layer without any cleverness.
func anyFeasible(s *planted, x space.Arch, l int, choice string, budget, tau float64) bool {
	ps := s.precisions
	if len(ps) == 0 {
		ps = []lut.Precision{""}
	}
	for w := range s.widths {
		for _, p := range ps {
			a := x.Clone()
			a.Layers[l] = space.Layer{Choice: choice, Width: w, Precision: p}
			if s.global {
				for i := range a.Layers {
					a.Layers[i].Width = w
				}
			}
			if s.inBand(a, budget, tau) {
				return true
			}
		}
	}
	return false
}

// TestCompensationChoosesLeastDrift compares with the definition on all settings.
func TestCompensationChoosesLeastDrift(t *testing.T) {
	const tau = 0.08
	tried := 0
	for seed := range uint64(30) {
		s := &planted{layers: 4, choices: 4, widths: 7, precisions: []lut.Precision{lut.FP32, lut.INT8}, seed: seed, inversions: 0.5, spread: 1}
		p := s.problem(tau)
		c := NewCompensator(s, p.Bands)
		for l := range s.layers {
			for _, choice := range s.Choices(l) {
				got := c.Propose(p.Anchor, l, choice)
				if !got.Feasible {
					continue
				}
				tried++
				for w := range s.widths {
					for _, prec := range s.precisions {
						a := p.Anchor.Clone()
						a.Layers[l] = space.Layer{Choice: choice, Width: w, Precision: prec}
						if !s.inBand(a, p.Bands[0].Budget.Value, tau) {
							continue
						}
						cost, _ := s.Cost(a)
						drift := math.Abs(math.Log(s.WidthRatio(l, w)))
						dev := math.Abs(p.Bands[0].Deviation(cost))
						if drift < got.Drift-1e-9 || drift < got.Drift+1e-9 && dev < math.Abs(got.Dev[0])-1e-9 {
							t.Fatalf("seed %d: %s chosen, %s is better", seed, got.Key, a.Key())
						}
					}
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d compensations", tried)
	}
}

// monotonePlanted proves what it is: no inversions.
type monotonePlanted struct {
	*planted
	lookups int
}

func (m *monotonePlanted) Cost(a space.Arch) (Bounds, error) { m.lookups++; return m.planted.Cost(a) }
func (m *monotonePlanted) MonotoneInWidth(space.Arch, int) bool {
	return true
}

// TestBisectionAgreesWithScan on monotone costs, with fewer lookups.
func TestBisectionAgreesWithScan(t *testing.T) {
	fast, slow := 0, 0
	for seed := range uint64(30) {
		s := &planted{layers: 4, choices: 4, widths: 7, seed: seed, spread: 1}
		wide := &widePlanted{s}
		budget, _ := s.Cost(s.Default())
		m := &monotonePlanted{planted: s}
		band, err := NewBand("x", m, budget, 0.01)
		if err != nil {
			t.Fatal(err)
		}
		counted := &countingCost{cost: s}
		plain := band
		plain.Cost = counted
		a, b := NewCompensator(wide, []Band{band}), NewCompensator(wide, []Band{plain})
		for l := range s.layers {
			for _, choice := range s.Choices(l) {
				x, y := a.Propose(wide.Default(), l, choice), b.Propose(wide.Default(), l, choice)
				if x.Key != y.Key || x.Feasible != y.Feasible {
					t.Fatalf("seed %d: bisection gives %s (%t), the scan %s (%t)", seed, x.Key, x.Feasible, y.Key, y.Feasible)
				}
			}
		}
		fast += m.lookups
		slow += counted.n
	}
	if fast >= slow {
		t.Errorf("bisection took %d lookups, the scan %d", fast, slow)
	}
}

// widePlanted has 41 widths.
type widePlanted struct{ *planted }

func (w *widePlanted) Widths(int) int { return 41 }
func (w *widePlanted) WidthRatio(_, i int) float64 {
	return 0.25 + 0.0375*float64(i) // 1 at 20
}

type countingCost struct {
	cost Cost
	n    int
}

func (c *countingCost) Cost(a space.Arch) (Bounds, error) { c.n++; return c.cost.Cost(a) }

func TestTrueBand(t *testing.T) {
	for _, tau := range []float64{0.02, 0.05, 0.2} {
		for _, eta := range []float64{0, 0.01, 0.05, 0.2, 0.4} {
			b, err := NewTrueBand(tau, eta)
			if err != nil {
				t.Fatal(err)
			}
			// The adversary: the anchor is over-priced as far as η allows and the
			// candidate under-priced, and the other way round.
			up, down := 0.0, 0.0
			for _, ea := range []float64{-eta, 0, eta} {
				for _, ec := range []float64{-eta, 0, eta} {
					g := (1 + ea) // ĝ(x) for g(x) = 1
					up = math.Max(up, (1+tau)*g/(1+ec)-1)
					down = math.Max(down, 1-(1-tau)*g/(1+ec))
				}
			}
			if math.Abs(up-b.Up) > 1e-12 || math.Abs(down-b.Down) > 1e-12 {
				t.Errorf("τ %g η %g: adversary reaches +%g −%g, stated +%g −%g", tau, eta, up, down, b.Up, b.Down)
			}
			if holds := b.Up <= b.Published+1e-12; holds != b.PublishedHolds {
				t.Errorf("τ %g η %g: published %g, true %g, said to hold: %t", tau, eta, b.Published, b.Up, b.PublishedHolds)
			}
			band := Band{Name: "x", Tau: tau, Budget: Bounds{1, 1, 1}}
			tight, err := EnforceTrueBand(band, eta)
			if err != nil {
				if tau > 2*eta/(1-eta) {
					t.Errorf("τ %g η %g: %v", tau, eta, err)
				}
				continue
			}
			for _, ea := range []float64{-eta, eta} {
				for _, ec := range []float64{-eta, eta} {
					hi := math.Exp(tight.Hi)*(1+ea)/(1+ec) - 1
					lo := 1 - math.Exp(tight.Lo)*(1+ea)/(1+ec)
					if hi > tau+1e-12 || lo > tau+1e-12 {
						t.Errorf("τ %g η %g: enforced band lets true cost move +%g −%g", tau, eta, hi, lo)
					}
				}
			}
		}
	}
	if _, err := NewTrueBand(0.05, 1); err == nil {
		t.Error("η = 1 was accounted for")
	}
}

func TestSeveralBandsAndIntervalRule(t *testing.T) {
	s := &planted{layers: 5, choices: 4, widths: 7, precisions: []lut.Precision{lut.FP32, lut.INT8}, seed: 3, inversions: 0.4, spread: 1}
	other := *s
	other.seed = 4 // another device
	p := s.problem(0.02)
	q := other.problem(0.02)
	joint := NewCompensator(s, []Band{p.Bands[0], q.Bands[0]})
	alone := NewCompensator(s, p.Bands)
	f, _ := joint.Neighbourhood(p.Anchor)
	g, _ := alone.Neighbourhood(p.Anchor)
	if len(f) == 0 || len(f) >= len(g) {
		t.Errorf("%d neighbours under two bands, %d under one", len(f), len(g))
	}
	for _, n := range f {
		if !s.inBand(n.Arch, p.Bands[0].Budget.Value, 0.02) || !other.inBand(n.Arch, q.Bands[0].Budget.Value, 0.02) {
			t.Errorf("%s is outside one of two bands", n.Key)
		}
		if len(n.Costs) != 2 || len(n.Dev) != 2 {
			t.Errorf("%s has %d costs", n.Key, len(n.Costs))
		}
	}
	wide := s.problem(0.03)
	g, _ = NewCompensator(s, wide.Bands).Neighbourhood(wide.Anchor)
	rule := wide.Bands[0]
	rule.Interval = true
	h, _ := NewCompensator(s, []Band{rule}).Neighbourhood(p.Anchor)
	for _, n := range h {
		c, b := n.Costs[0], rule.Budget
		if c.Lo < (1-0.03)*b.Hi || c.Hi > (1+0.03)*b.Lo {
			t.Errorf("%s: interval %v against %v", n.Key, c, b)
		}
	}
	if len(h) == 0 || len(h) >= len(g) {
		t.Errorf("%d neighbours by the interval rule, %d by the plain one", len(h), len(g))
	}
}

// TestPrecisionPerDevice: on two devices whose int8 gains differ a precision of its
// own on each makes feasible what a common one cannot; the laws of compensation
// hold as before.
func TestPrecisionPerDevice(t *testing.T) {
	const tau = 0.05
	common, own := 0, 0
	for seed := range uint64(12) {
		one := &planted{layers: 4, choices: 4, widths: 5, precisions: []lut.Precision{lut.FP32, lut.INT8}, seed: seed, inversions: 0.4, spread: 1}
		two := *one
		two.seed += 100
		devices := []*planted{one, &two}
		per, err := space.NewPerDevice(one, 2)
		if err != nil {
			t.Fatal(err)
		}
		var bands, joint []Band
		for i, d := range devices {
			b := d.problem(tau).Bands[0]
			bands = append(bands, b)
			b.Cost = &projected{d, per, i}
			joint = append(joint, b)
		}
		c, p := NewCompensator(one, bands), NewCompensator(per, joint)
		x := per.Default()
		f, _ := p.Neighbourhood(x)
		g, _ := c.Neighbourhood(one.Default())
		common, own = common+len(g), own+len(f)
		for _, n := range f {
			for i, d := range devices {
				if !d.inBand(per.Project(n.Arch, i), bands[i].Budget.Value, tau) {
					t.Fatalf("seed %d: %s is out of device %d's band", seed, n.Key, i)
				}
			}
			if err := per.Validate(n.Arch); err != nil {
				t.Fatal(err)
			}
			if again := p.Propose(n.Arch, n.Layer, n.Choice); again.Key != n.Key {
				t.Fatalf("seed %d: %s compensated again is %s", seed, n.Key, again.Key)
			}
			if back := p.Propose(n.Arch, n.Layer, x.Layers[n.Layer].Choice); !back.Feasible {
				t.Fatalf("seed %d: no way back from %s", seed, n.Key)
			}
		}
		for _, n := range g { // what a common precision allows, one of their own does
			if !p.Propose(x, n.Layer, n.Choice).Feasible {
				t.Fatalf("seed %d: %s is feasible with a common precision only", seed, n.Key)
			}
		}
	}
	if own <= common || common == 0 {
		t.Errorf("%d neighbours with a precision per device, %d with a common one", own, common)
	}
}

// TestSeveralMetrics: each band has its own tolerance, and the true-band
// accounting, the certificate's text and the devices' verdicts go by it.
func TestSeveralMetrics(t *testing.T) {
	s := &planted{layers: 5, choices: 4, widths: 7, precisions: []lut.Precision{lut.FP32, lut.INT8}, seed: 5, inversions: 0.4, spread: 1}
	memory := *s
	memory.seed = 9
	p := s.problem(0.05)
	for _, tau := range []float64{0.03, 0.2} {
		b, err := NewBand("memory", &memory, memory.problem(tau).Bands[0].Budget, tau)
		if err != nil {
			t.Fatal(err)
		}
		f, inf := NewCompensator(s, []Band{p.Bands[0], b}).Neighbourhood(p.Anchor)
		if len(f) == 0 {
			t.Fatalf("τ %g: nothing is feasible", tau)
		}
		for _, n := range f {
			if !s.inBand(n.Arch, p.Bands[0].Budget.Value, 0.05) || !memory.inBand(n.Arch, b.Budget.Value, tau) {
				t.Errorf("τ %g: %s leaves a band", tau, n.Key)
			}
		}
		for _, n := range inf {
			if s.inBand(n.Arch, p.Bands[0].Budget.Value, 0.05) && memory.inBand(n.Arch, b.Budget.Value, tau) {
				t.Errorf("τ %g: %s is inside both bands and called infeasible", tau, n.Key)
			}
		}
	}
}

// adversary prices a true cost wrongly by ±η, the anchor one way and all others
// the other way.
type adversary struct {
	*planted
	eta    float64
	anchor string
	up     bool // the anchor is overpriced
}

func (a *adversary) Cost(x space.Arch) (Bounds, error) {
	c, err := a.planted.Cost(x)
	f := 1 - a.eta
	if (x.Key() == a.anchor) == a.up {
		f = 1 + a.eta
	}
	return Bounds{c.Value * f, c.Lo * f, c.Hi * f}, err
}

// TestAdversarialPrices: with predictions off by ±η in the worst direction true
// costs stay inside the stated true band, inside ±τ when that is enforced, and not
// inside ±τ otherwise.
func TestAdversarialPrices(t *testing.T) {
	const tau, eta = 0.06, 0.02
	tb, err := NewTrueBand(tau, eta)
	if err != nil {
		t.Fatal(err)
	}
	plainOut, enforced := 0, 0
	for seed := range uint64(20) {
		for _, up := range []bool{false, true} {
			s := &planted{layers: 5, choices: 4, widths: 7, precisions: []lut.Precision{lut.FP32, lut.INT8}, seed: seed, inversions: 0.4, spread: 1}
			x := s.Default()
			adv := &adversary{s, eta, x.Key(), up}
			budget, _ := adv.Cost(x)
			truth, _ := s.Cost(x)
			band, err := NewBand("adversary", adv, budget, tau)
			if err != nil {
				t.Fatal(err)
			}
			tight, err := EnforceTrueBand(band, eta)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range []Band{band, tight} {
				c := NewCompensator(s, []Band{b})
				c.Neighbours = NeighboursAll
				f, _ := c.Neighbourhood(x)
				for _, n := range f {
					g, _ := s.Cost(n.Arch)
					d := g.Value/truth.Value - 1
					// The band is symmetric in the logarithm: its lower edge is 1/(1+τ), above 1−τ.
					switch {
					case d > tb.Up+1e-9 || -d > tb.Down+1e-9:
						t.Fatalf("seed %d: %s truly costs %+.3f, stated +%.3f −%.3f", seed, n.Key, d, tb.Up, tb.Down)
					case b.Lo == tight.Lo:
						enforced++
						if math.Abs(d) > tau+1e-9 {
							t.Fatalf("seed %d: %s truly costs %+.3f under an enforced band", seed, n.Key, d)
						}
					case d > tau+1e-9 || d < 1/(1+tau)-1-1e-9:
						plainOut++
					}
				}
			}
		}
	}
	if plainOut == 0 || enforced < 100 {
		t.Errorf("%d neighbours left ±τ without enforcement, %d were kept by it", plainOut, enforced)
	}
}
