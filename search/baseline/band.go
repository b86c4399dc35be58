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

// bandMethods are their explorers.
var bandMethods = map[string]explore.Method{BandRandom: explore.Random, BandEvolution: explore.Evolution, BandGP: explore.GP}

// BandNames lists them.
func BandNames() []string { return []string{BandRandom, BandEvolution, BandGP} }

// bandBatch says how many networks are proposed at a time.
const bandBatch = 4

// band spends the budget on what an explorer proposes and ends with what it ranks first.
func (b *player) band(ctx context.Context, method explore.Method) error {
	e := explore.New(&explore.Plan{Method: method, Evaluations: max(b.s.Budget/b.s.Samples, 1)},
		&explore.Band{Space: b.p.Space, Start: b.x.arch, Excess: b.comp.Excess}, b.s.Sigma, b.s.Seed)
	defer func() {
		if ranked := e.Ranked(); len(ranked) > 0 {
			b.x = b.arm(ranked[0].Arch)
		}
	}()
	next := []*arm{b.x}
	for len(next) > 0 {
		var told []explore.Evaluation
		for _, a := range next {
			had := len(a.values)
			if err := b.sample(ctx, a.next+b.s.Samples, a); err != nil {
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
