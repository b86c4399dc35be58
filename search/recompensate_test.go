package search

import (
	"math/rand/v2"
	"testing"
)

// Against a search of every setting of every layer: whenever one layer can restore
// the cost, exactly one moves; choices stay; nothing ends further away.
func TestRecompensate(t *testing.T) {
	const tau = 0.06
	inside, one, several, outside := 0, 0, 0, 0
	for seed := range uint64(40) {
		for k, s := range ruggedSpaces(seed) {
			p := s.problem(tau)
			c := NewCompensator(s, p.Bands)
			rng := rand.New(rand.NewPCG(seed, uint64(k)))
			x := p.Anchor.Clone()
			global := rng.IntN(s.widths)
			for l := range x.Layers {
				x.Layers[l].Choice = s.Choices(l)[rng.IntN(s.choices)]
				if x.Layers[l].Width = rng.IntN(s.widths); s.global {
					x.Layers[l].Width = global
				}
			}
			was, costs, _, err := c.Inside(x)
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.Recompensate(x)
			if err != nil {
				t.Fatal(err)
			}
			again, _, _, err := c.Inside(r.Arch)
			if err != nil || again != r.Inside || r.Inside != s.inBand(r.Arch, p.Bands[0].Budget.Value, tau) {
				t.Fatalf("seed %d space %d: says inside %v of %s, %v", seed, k, r.Inside, r.Arch.Key(), err)
			}
			for l := range x.Layers {
				if r.Arch.Layers[l].Choice != x.Layers[l].Choice {
					t.Fatalf("seed %d space %d: the choice of layer %d changed", seed, k, l)
				}
			}
			possible := false
			for l := range x.Layers {
				possible = possible || anyFeasible(s, x, l, x.Layers[l].Choice, p.Bands[0].Budget.Value, tau)
			}
			switch {
			case was:
				inside++
				if r.Arch.Key() != x.Key() || r.Changes != 0 {
					t.Fatalf("seed %d space %d: changed what was inside: %s → %s", seed, k, x.Key(), r.Arch.Key())
				}
			case possible:
				one++
				if !r.Inside || !s.global && r.Changes != 1 {
					t.Fatalf("seed %d space %d: one layer would do, and %d moved, inside %v", seed, k, r.Changes, r.Inside)
				}
			case r.Inside:
				several++
			default:
				outside++
				if now := c.excess(r.Costs); now > c.excess(costs) {
					t.Fatalf("seed %d space %d: further outside than before", seed, k)
				}
			}
		}
	}
	if inside == 0 || one == 0 || several == 0 || outside == 0 {
		t.Errorf("%d inside, %d by one layer, %d by several, %d not at all: a case is missing", inside, one, several, outside)
	}
}
