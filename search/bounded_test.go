package search

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/tier"
)

// diverging answers with small noise, but three in ten trainings of networks that
// begin like the anchor come to nothing: their expected utility is far below what
// most of their samples say.
func (p *planted) diverging(_ context.Context, reqs []Request) ([]Outcome, error) {
	out := make([]Outcome, len(reqs))
	for i, r := range reqs {
		rng := rand.New(rand.NewPCG(r.Seed, 3))
		out[i].Utility = 0.9 + 0.02*p.utility(r.Arch)/p.spread + 0.002*(2*rng.Float64()-1)
		if rng.Float64() < p.lost(r.Arch.Layers[0].Choice) {
			out[i].Utility = 0
		}
		out[i].Utility = min(1, max(0, out[i].Utility))
	}
	return out, nil
}

// lost says how often a network's training comes to nothing.
func (p *planted) lost(first string) float64 {
	if first == "a" {
		return 0.1
	}
	return 0
}

// expected is the expected utility of diverging.
func (p *planted) expected(a Neighbour) float64 {
	return (1 - p.lost(a.Arch.Layers[0].Choice)) * min(1, 0.9+0.02*p.utility(a.Arch)/p.spread)
}

// TestBoundedSeesWhatIsRare: an incumbent that looks quiet and fails now and then makes
// certificates by a declared σ false; bounds that assume the range alone are false no
// more often than δ allows.
func TestBoundedSeesWhatIsRare(t *testing.T) {
	tier.Sequential(t, "many simulated searches")
	t.Parallel()
	const runs = 20
	wrong := map[bool]int{}
	claims := map[bool]int{}
	samples := map[bool]int{}
	for run := range runs {
		for _, bounded := range []bool{false, true} {
			p := &planted{layers: 3, choices: 3, widths: 3, seed: uint64(run), spread: 2}
			s := simulationSettings()
			s.Seed, s.Epsilon, s.Batch = uint64(run), 0.05, 32
			if bounded {
				s.UtilityRange = &[2]float64{0, 1}
			} else {
				sigma := 0.002
				s.Sigma = &sigma
			}
			res, err := Search(context.Background(), p.problem(0.05), s, p.diverging, nil)
			if err != nil {
				t.Fatal(err)
			}
			samples[bounded] += res.Samples
			if !res.Reached {
				continue
			}
			claims[bounded]++
			final := p.expected(Neighbour{Proposal: Proposal{Arch: res.Final.Arch}})
			for _, n := range res.Neighbours {
				if p.expected(n)-final > s.Epsilon {
					wrong[bounded]++
					break
				}
			}
			if bounded {
				c := NewCertificate(Header{Format: JournalFormat, Settings: s, Tables: []TableRef{{}}}, res, nil, "", nil, nil)
				if text := strings.Join(c.Claim.Rests, "\n"); !strings.Contains(text, "from 0 to 1, as declared, of any distribution") || strings.Contains(text, "sub-Gaussian") {
					t.Errorf("the certificate rests on %s", text)
				}
			}
		}
	}
	t.Logf("false claims: %d of %d by a declared σ (%d samples each), %d of %d by the range (%d)", wrong[false], claims[false], samples[false]/runs, wrong[true], claims[true], samples[true]/runs)
	if limit := int(runs * (0.1 + 3*math.Sqrt(0.1*0.9/runs))); wrong[true] > limit || claims[true] < runs*9/10 {
		t.Errorf("by the range %d of %d claims are false (limit %d)", wrong[true], claims[true], limit)
	}
	if wrong[false] < runs/4 {
		t.Errorf("by a declared σ only %d of %d claims are false: the test cannot fail", wrong[false], runs)
	}
}

// What does not go with a range is refused, and so is a utility outside it.
func TestUtilityRange(t *testing.T) {
	one := 1.0
	for _, change := range []func(*Settings){
		func(s *Settings) { s.UtilityRange = &[2]float64{1, 1} },
		func(s *Settings) { s.UtilityRange = &[2]float64{0, math.Inf(1)} },
		func(s *Settings) { s.Sigma = &one },
		func(s *Settings) { s.Selector = Paired },
		func(s *Settings) { s.Schedule = ScheduleComparisons },
		func(s *Settings) { s.Pool = true },
	} {
		s := DefaultSettings()
		s.UtilityRange = &[2]float64{0, 1}
		change(&s)
		if err := s.Complete(); err == nil {
			t.Errorf("passes: %+v", s)
		}
	}
	p := &planted{layers: 3, choices: 3, widths: 3, seed: 1, spread: 2}
	s := simulationSettings()
	s.UtilityRange = &[2]float64{0, 0.5}
	if _, err := Search(context.Background(), p.problem(0.05), s, p.noisy, nil); err == nil || !strings.Contains(err.Error(), "outside the declared range") {
		t.Errorf("a utility outside the range: %v", err)
	}
}
