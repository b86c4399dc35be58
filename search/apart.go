package search

import "github.com/isocost/isocost/search/evidence"

// apart gives each network its own noise once the samples of one contradict a size that
// all have: bounds begin anew at the same incumbent, as they do at any new one, with its
// share of δ and the samples from then on (decision 0512). When that is depends on samples
// before it alone, so that the claim is none the weaker for it.
func (r *searcher) apart() (bool, error) {
	if r.s.Noise != NoiseAuto || r.sigmaNote.PerNetwork != "" {
		return false, nil
	}
	if r.heard == nil {
		r.heard = map[*evidence.Arm]int{}
	}
	repeated := 0
	for _, a := range r.order {
		if len(a.Values) > 1 {
			repeated++
		}
	}
	for _, a := range r.order {
		if r.heard[a] == len(a.Values) {
			continue
		}
		r.heard[a] = len(a.Values)
		if why, loud := r.evidence.Loud(a, repeated); loud {
			r.sigmaNote = SigmaReport{Source: evidence.NotNeeded, PerNetwork: why}
			r.evidence = evidence.NewPerNetwork(r.base, r.order)
			r.emit(Event{Kind: EventApart, From: r.x.Key, To: a.Key, Samples: r.base.Samples, Note: why})
			return true, r.adopt(r.x)
		}
	}
	return false, nil
}
