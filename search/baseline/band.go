package baseline

import (
	"context"

	"github.com/isocost/isocost/search/explore"
)

// Names of the methods that propose networks of the whole band, many changes away as
// well: what a search explores by, spending everything and proving nothing.
const (
	BandRandom    = "band-random"
	BandEvolution = "band-evolution"
	BandGP        = "band-gp"
)

// Methods of the whole band without a model of it.
const (
	// Halving is sequential halving (Karnin, Koren and Somekh, ICML 2013): networks drawn
	// from the band share the budget in rounds, each for the better half of the last.
	Halving = "halving"
	// Restarts climbs by random single-layer settings inside the band, from the anchor and
	// then, whenever a climb gets no further, from a network drawn from the band.
	Restarts = "restarts"
)

// bandMethods are their explorers.
var bandMethods = map[string]explore.Method{BandRandom: explore.Random, BandEvolution: explore.Evolution, BandGP: explore.GP}

// BandNames lists them.
func BandNames() []string { return []string{BandRandom, BandEvolution, BandGP, Halving, Restarts} }

// bandBatch says how many networks are proposed at a time.
const bandBatch = 4

// whole is the band as an explorer sees it.
func (b *player) whole() *explore.Band {
	return &explore.Band{Space: b.p.Space, Start: b.p.Anchor, Excess: b.comp.Excess, Whole: explore.WholeBand}
}

// band spends the budget on what an explorer proposes and ends with what it ranks first.
// The process knows of noise and says itself what to evaluate again.
func (b *player) band(ctx context.Context, method explore.Method) error {
	samples := b.s.Samples
	if method == explore.GP {
		samples = 1
	}
	e := explore.New(&explore.Plan{Method: method, Evaluations: max(b.s.Budget/samples, 1), Rules: explore.Rules},
		b.whole(), b.s.Sigma, b.s.Seed)
	b.best = func() *arm {
		if ranked := e.Ranked(); len(ranked) > 0 {
			return b.arm(ranked[0].Arch)
		}
		return b.x
	}
	next := []*arm{b.x}
	for len(next) > 0 {
		var told []explore.Evaluation
		for _, a := range next {
			had := len(a.values)
			if err := b.sample(ctx, a.next+samples, a); err != nil {
				e.Tell(told)
				return err
			}
			for _, v := range a.values[had:] {
				told = append(told, explore.Evaluation{Arch: a.arch, Utility: v})
			}
			if len(a.values) == had {
				told = append(told, explore.Evaluation{Arch: a.arch, Failed: true})
			}
		}
		e.Tell(told)
		next = next[:0]
		for _, x := range e.Propose(bandBatch) {
			if a := b.arm(x); a.pool == 0 || a.next < a.pool {
				next = append(next, a)
			}
		}
	}
	return nil
}
