// Package baseline holds the searches that equal-cost search is compared with:
// the same space, the same evaluator, the same number of evaluations. None of
// them certifies anything; each is deterministic in its seed and the outcomes.
package baseline

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// Names of the methods.
const (
	// Params and FLOPs compensate single-layer changes like the equal-cost search,
	// but restore the number of parameters or of multiply-adds instead of the cost.
	Params = "params"
	FLOPs  = "flops"
	// Constrained compensates to ĝ ≤ B; being cheaper is free.
	Constrained = "constrained"
	// Penalty climbs f̂ − λ·ĝ/B without compensation, λ tuned until ĝ ≤ (1+τ)B;
	// penalty:λ climbs once, with that λ in units of the utility, whatever its final costs.
	Penalty = "penalty"
	// Random takes random single-layer settings inside the band and keeps what is
	// better.
	Random = "random"
	// Evolution is regularised evolution (Real et al., AAAI 2019) inside the band.
	Evolution = "evolution"
)

// Names lists the methods.
func Names() []string {
	return []string{Params, FLOPs, Constrained, Penalty, Random, Evolution}
}

// Problem is a search problem with the proxies of cost that some methods need.
type Problem struct {
	search.Problem
	// Params and FLOPs price an architecture in parameters and multiply-adds; nil
	// when unknown.
	Params, FLOPs search.Cost
}

// Settings of a run.
type Settings struct {
	Seed   uint64
	Tau    float64 // tolerance of a method's own band; the problem's bands have theirs
	Budget int     // evaluations, failed ones included; > 0
	// Sigma is the noise of one sample where it is known, for BandGP.
	Sigma *float64
	// Samples says how many samples a candidate gets before it is judged; > 0.
	Samples int
	// Watch is told with which architecture the method would end after so many
	// evaluations, before each batch and at the end; nil for nobody.
	Watch func(spent int, key string)
}

// Result is a method's final architecture. Its costs are those of the problem's
// bands, whatever the method normalised by.
type Result struct {
	Final   space.Arch
	Key     string
	Costs   []search.Bounds
	Dev     []float64 // ln(ĝ/B), one per band
	Inside  bool      // of every band
	Mean    float64   // of the search's own samples: too large, see the fresh gain
	N       int
	Samples int // evaluations spent
	Archs   int // architectures sampled
	Moves   int
	Lambda  float64 // the penalty's, else 0
}

// errSpent ends a method: its budget does not reach for the next batch.
var errSpent = errors.New("the budget is spent")

// Run runs a method. An error of ask, ErrStop included, means no result.
func Run(ctx context.Context, method string, p Problem, s Settings, ask search.Ask) (*Result, error) {
	if s.Budget < 1 || s.Samples < 1 {
		return nil, fmt.Errorf("baseline %s: a budget of %d evaluations at %d per candidate: both must be positive", method, s.Budget, s.Samples)
	}
	h := fnv.New64a()
	h.Write([]byte(method))
	b := &player{p: p, s: s, ask: ask, comp: search.NewCompensator(p.Space, p.Bands),
		arms: map[string]*arm{}, rng: rand.New(rand.NewPCG(s.Seed, h.Sum64()))}
	b.x = b.arm(space.Canonical(p.Space, p.Anchor))
	b.best = func() *arm { return b.x }
	var err error
	switch method {
	case Params:
		err = b.normalised(ctx, "parameters", p.Params)
	case FLOPs:
		err = b.normalised(ctx, "FLOPs", p.FLOPs)
	case Constrained:
		err = b.constrained(ctx)
	case Penalty:
		err = b.penalty(ctx)
	case Random:
		err = b.random(ctx)
	case Evolution:
		err = b.evolution(ctx)
	case BandRandom, BandEvolution, BandGP:
		err = b.band(ctx, bandMethods[method])
	case Halving:
		err = b.halving(ctx)
	case Restarts:
		err = b.restarts(ctx)
	default:
		lambda, ok := FixedPenalty(method)
		if ok {
			err = b.penaltyAt(ctx, lambda)
			break
		}
		return nil, fmt.Errorf("unknown baseline %.40q: there are %s", method, strings.Join(append(Names(), BandNames()...), ", "))
	}
	if err != nil && !errors.Is(err, errSpent) {
		return nil, fmt.Errorf("baseline %s: %w", method, err)
	}
	b.x = b.best()
	b.watch()
	r := &Result{Final: b.x.arch, Key: b.x.key, N: len(b.x.values), Mean: b.x.mean(), Samples: b.spent, Moves: b.moves, Lambda: b.lambda}
	for _, a := range b.arms {
		if a.next > 0 {
			r.Archs++
		}
	}
	r.Inside, r.Costs, r.Dev, err = b.comp.Inside(r.Final)
	return r, err
}

// player is one run.
type player struct {
	p      Problem
	s      Settings
	ask    search.Ask
	comp   *search.Compensator // of the problem's bands
	rng    *rand.Rand
	arms   map[string]*arm
	x      *arm        // where the method is
	best   func() *arm // what it would end with
	spent  int
	moves  int
	lambda float64
}

// arm is one architecture with its samples.
type arm struct {
	arch   space.Arch
	key    string
	values []float64
	next   int
	pool   int // 0 without limit
}

// mean of the samples; −∞ without any, so that what cannot be evaluated loses.
func (a *arm) mean() float64 {
	if len(a.values) == 0 {
		return math.Inf(-1)
	}
	sum := 0.0
	for _, v := range a.values {
		sum += v
	}
	return sum / float64(len(a.values))
}

func (b *player) arm(a space.Arch) *arm {
	key := a.Key()
	if got, ok := b.arms[key]; ok {
		return got
	}
	got := &arm{arch: a.Clone(), key: key}
	if b.p.PoolSize != nil {
		got.pool = b.p.PoolSize(a)
	}
	b.arms[key] = got
	return got
}

// sample brings each arm to n samples, in one batch; errSpent when the budget
// does not reach.
func (b *player) sample(ctx context.Context, n int, arms ...*arm) error {
	var reqs []search.Request
	var who []*arm
	seen := map[*arm]bool{}
	for _, a := range arms {
		want := n
		if a.pool > 0 {
			want = min(n, a.pool)
		}
		for ; !seen[a] && a.next+b.asked(who, a) < want; who = append(who, a) {
			i := a.next + b.asked(who, a)
			reqs = append(reqs, search.Request{Arch: a.arch, Key: a.key, Stream: search.StreamSearch, Index: i,
				Seed: search.SampleSeed(b.s.Seed, search.StreamSearch, a.key, i), Fidelity: 1})
		}
		seen[a] = true
	}
	if len(reqs) == 0 {
		return nil
	}
	b.watch()
	if b.spent+len(reqs) > b.s.Budget {
		return errSpent
	}
	out, err := b.ask(ctx, reqs)
	if err != nil {
		return err
	}
	if len(out) != len(reqs) {
		return fmt.Errorf("%d outcomes for %d requests", len(out), len(reqs))
	}
	b.spent += len(reqs)
	for i, o := range out {
		who[i].next++
		if o.Failed != "" {
			continue
		}
		if math.IsNaN(o.Utility) || math.IsInf(o.Utility, 0) {
			return fmt.Errorf("utility %g of %s is not a number", o.Utility, who[i].key)
		}
		who[i].values = append(who[i].values, o.Utility)
	}
	return nil
}

func (b *player) watch() {
	if b.s.Watch != nil {
		b.s.Watch(b.spent, b.best().key)
	}
}

// asked counts an arm's samples at the end of a batch in the making.
func (b *player) asked(who []*arm, a *arm) (n int) {
	for i := len(who) - 1; i >= 0 && who[i] == a; i-- {
		n++
	}
	return n
}
