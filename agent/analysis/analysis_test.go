package analysis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/record"
)

// madeUp is a log that holds whatever can happen to one: drift that comes and goes,
// void rounds, models that miss rounds or come late, samples preempted here and there or
// nearly all, a drift reference with several visits a round. Rounds are appended by next.
type madeUp struct {
	visits []*record.Visit
	rounds map[int]*record.Round
	rng    *rand.Rand
	now    float64
	drift  float64
}

const madeUpModels = 9

func (u *madeUp) Visits() []*record.Visit { return u.visits }
func (u *madeUp) Void(round int) bool     { return u.rounds[round] != nil && u.rounds[round].Void != "" }
func (u *madeUp) Repeat(string) int       { return 1 }

func (u *madeUp) take(round, seq int, model string, us float64, preempted float64) {
	v := &record.Visit{Round: round, Seq: seq, Model: model, AtS: u.now}
	for i := range 1 + u.rng.IntN(6) {
		sample := us * (1 + u.drift) * math.Exp(0.01*u.rng.NormFloat64())
		v.US = append(v.US, max(record.RoundUS(sample), 0.001))
		if u.rng.Float64() < preempted {
			v.Preempted = append(v.Preempted, i)
		}
	}
	u.now += 0.01 + 0.01*u.rng.Float64()
	u.visits = append(u.visits, v)
}

func (u *madeUp) next(round int) {
	if u.rng.IntN(4) == 0 {
		u.drift += 0.02 * u.rng.NormFloat64()
	}
	seq := 0
	for m := range madeUpModels {
		if m%3 == 0 {
			u.take(round, 100+seq, "reference", 50, 0.05)
		}
		if u.rng.IntN(20) == 0 || m == 8 && round < 7 {
			continue
		}
		preempted := 0.1
		if m == 5 && round < 9 || m == 6 {
			preempted = 0.9
		}
		u.take(round, seq, fmt.Sprint("m", m), 20+10*float64(m), preempted)
		seq++
	}
	closed := &record.Round{Index: round, DeviceS: u.now}
	if u.rng.IntN(8) == 0 {
		closed.Void = record.Throttled
	}
	u.rounds[round] = closed
}

func madeUpCases() []benchmarks.Case {
	term := func(coef float64, m int) benchmarks.Term {
		return benchmarks.Term{Coef: coef, Model: fmt.Sprint("m", m)}
	}
	out := []benchmarks.Case{{ID: "reference", Terms: []benchmarks.Term{{Coef: 1, Model: "reference"}}}}
	for m := range madeUpModels {
		out = append(out, benchmarks.Case{ID: fmt.Sprint("whole", m), Terms: []benchmarks.Term{term(1, m)}})
		out = append(out, benchmarks.Case{ID: fmt.Sprint("cell", m), Terms: []benchmarks.Term{term(1, m), term(-0.5, (m+1)%madeUpModels), term(0.25, (m+4)%madeUpModels)}})
	}
	return append(out, benchmarks.Case{ID: "never", Terms: []benchmarks.Term{term(1, 0), term(-1, 99)}})
}

// TestAnalysisIsTheSameFromScratch: what is worked out round by round is what a plain
// computation over all rounds gives, to the bit, whether a case was asked for in every
// round or not for some, and whether the analysis began with the campaign or with its
// resumption.
func TestAnalysisIsTheSameFromScratch(t *testing.T) {
	if testing.Short() {
		t.Skip("analyses every round anew: make test")
	}
	cases := madeUpCases()
	curved, stopped := 0, 0
	for _, estimator := range []agent.Estimator{agent.EstimatorMedian, agent.EstimatorQuantile, agent.EstimatorMin} {
		for seed := range uint64(12) {
			p := agent.DefaultProtocol()
			p.Estimator, p.Quantile = estimator, []float64{0.01, 0.25, 0.5}[seed%3]
			p.Stop.Interval, p.Stop.MaxRounds = 0.03, 30
			p.Drift.Correct, p.Drift.Allow = seed%4 != 3, 0.02*float64(seed%3)
			u := &madeUp{rounds: map[int]*record.Round{}, rng: rand.New(rand.NewPCG(seed, 1))}
			a, pace := New(p, u, "reference"), &Pace{}
			var resumed *Group
			for round := range 45 {
				u.next(round)
				got, gotOK := pace.Ratio(estimator, "reference", u.visits, nil, round)
				want, wantOK := plainRatio(p, u, round, "reference")
				if got != want || gotOK != wantOK {
					t.Fatalf("%s seed %d round %d: the reference's ratio is %v %v, from scratch %v %v", estimator, seed, round, got, gotOK, want, wantOK)
				}
				if round == 20 {
					resumed = New(p, u, "reference")
				}
				ref := plainAnalyse(p, u, round+1, "reference")
				if len(ref.speed.t) > 0 {
					curved++
				}
				for _, a := range []*Group{a, resumed, New(p, u, "reference")} {
					if a != nil {
						a.Extend(round + 1)
						stopped += sameAnalysis(t, fmt.Sprintf("%s seed %d round %d", estimator, seed, round), a, ref, cases, round, u.rng)
					}
				}
			}
		}
	}
	if curved == 0 || stopped == 0 {
		t.Errorf("%d analyses were corrected for drift, %d cases finished: the test shows nothing", curved, stopped)
	}
}

func sameAnalysis(t *testing.T, what string, a *Group, ref *plain, cases []benchmarks.Case, round int, rng *rand.Rand) (finished int) {
	t.Helper()
	for _, c := range cases {
		if rng.IntN(5) == 0 {
			continue // not asked for in this round
		}
		for _, term := range c.Terms {
			if got, want := a.Model(term.Model), ref.model(term.Model); !sameEstimate(got, want) {
				t.Fatalf("%s: model %s is %+v, from scratch %+v", what, term.Model, got, want)
			}
		}
		if got, want := a.Sampled(c.Terms), ref.sampled(c.Terms); !sameEstimate(got, want) {
			t.Fatalf("%s: case %s is %+v, from scratch %+v", what, c.ID, got, want)
		}
		if got, want := a.PerRound(c.Terms), ref.paired(c.Terms); !slices.Equal(got, want) {
			t.Fatalf("%s: the rounds of case %s are %v, from scratch %v", what, c.ID, got, want)
		}
		stop, done := a.Finished(c, round+1)
		wantStop, wantDone := ref.finished(c, round+1)
		if stop != wantStop || done != wantDone {
			t.Fatalf("%s: case %s finished: %v %q, from scratch %v %q", what, c.ID, done, stop, wantDone, wantStop)
		}
		if done {
			finished++
		}
	}
	for id, m := range a.models {
		r := ref.models[id]
		if m.samples != r.samples || m.preempted != r.preempted || m.seconds != r.seconds || m.hopeless != r.hopeless || !slices.Equal(a.pool(m), r.pool()) {
			t.Fatalf("%s: the samples of model %s are not those from scratch", what, id)
		}
	}
	return finished
}

// sameEstimate compares bits, so that ±Inf is equal to itself.
func sameEstimate(a, b Estimate) bool {
	bits := math.Float64bits
	return bits(a.US) == bits(b.US) && bits(a.Lo) == bits(b.Lo) && bits(a.Hi) == bits(b.Hi) && a.N == b.N && a.Rounds == b.Rounds && a.OK == b.OK
}
