package search

import (
	"context"
	"slices"

	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/space"
)

// Admit asks the device about a candidate that is about to become the incumbent.
// "" lets it; anything else says why not, and the candidate counts as infeasible
// for the rest of the search: the measured cost carries the claim, not the
// predicted one. Equal architectures get equal answers. An error that wraps
// ErrStop ends the search early but well.
type Admit func(ctx context.Context, a space.Arch) (refusal string, err error)

// admit asks about neighbour i and takes it out of the neighbourhood when it is
// refused. What was retired before is then looked at anew, at a smaller share of
// δ: the best neighbour, on which the claim rests, may be another one now.
func (r *searcher) admit(ctx context.Context, i int) (bool, error) {
	if r.p.Admit == nil {
		return true, nil
	}
	z, p := r.hood.arms[i], r.hood.feasible[i]
	why, err := r.p.Admit(ctx, z.Arch)
	if err != nil || why == "" {
		return err == nil, err
	}
	k := r.evidence.Compare(r.x, z, true)
	r.emit(Event{Kind: EventRefuse, Layer: p.Layer, From: r.x.Key, To: z.Key, D: k.D, Upper: k.Upper, Lower: k.Lower, Samples: r.base.Samples, Note: why})
	r.refused[z.Key] = why
	r.refusals = append(r.refusals, z)
	p.Feasible, p.Reason, p.Refused = false, why, true
	r.hood.infeasible = append(r.hood.infeasible, p)
	r.hood.feasible = slices.Delete(r.hood.feasible, i, i+1)
	r.hood.arms = slices.Delete(r.hood.arms, i, i+1)
	r.hood.refused++
	r.anew()
	return false, nil
}

// admissible moves what the device has refused before from feasible to
// infeasible.
func (r *searcher) admissible(feasible, infeasible []Proposal) ([]Proposal, []Proposal) {
	if len(r.refused) == 0 {
		return feasible, infeasible
	}
	var in []Proposal
	for _, p := range feasible {
		if why, ok := r.refused[p.Key]; ok {
			p.Feasible, p.Reason, p.Refused = false, why, true
			infeasible = append(infeasible, p)
		} else {
			in = append(in, p)
		}
	}
	return in, infeasible
}

// Visited is an architecture that was or nearly became the incumbent.
type Visited struct {
	Key     string
	Costs   []Bounds // predicted, one per band
	Refused bool     // the device said no
}

// path is the anchor, every incumbent and every architecture the device refused,
// each once, in this order.
func (r *searcher) path() []Visited {
	var out []Visited
	add := func(a *evidence.Arm, refused bool) {
		if slices.ContainsFunc(out, func(v Visited) bool { return v.Key == a.Key }) {
			return
		}
		_, costs, _, _ := r.comp.Inside(a.Arch) // priced when it was proposed
		out = append(out, Visited{a.Key, costs, refused})
	}
	add(r.arms[r.p.Anchor.Key()], false)
	if r.explored != nil {
		add(r.arms[r.explored.Start], false)
	}
	for _, m := range r.moves {
		add(r.arms[m.To], false)
	}
	for _, a := range r.refusals {
		add(a, true)
	}
	return out
}
