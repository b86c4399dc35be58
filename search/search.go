package search

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/space"
)

// Problem is what is searched: a space, the bands around the anchor's budgets,
// and the anchor.
type Problem struct {
	Space  space.Space
	Bands  []Band
	Anchor space.Arch
	// PoolSize is the number of samples an architecture has, 0 without limit; nil
	// for an evaluator without pools.
	PoolSize func(a space.Arch) int
	// FinalPool is PoolSize of the evaluator of final utilities.
	FinalPool func(a space.Arch) int
	// Admit is asked before a move; nil lets every feasible candidate.
	Admit Admit
}

// Ask has requests evaluated. answers[i] belongs to requests[i]; an entry whose
// Failed is set has no utility. ErrStop ends the search early but well.
type Ask func(ctx context.Context, requests []Request) ([]Outcome, error)

// Outcome is an answer or a failure.
type Outcome struct {
	Answer
	Failed string // reason, "" for an answer
}

// ErrStop is what Ask returns when the search must end before its claim: budget
// spent or interrupted. It is wrapped with the reason.
var ErrStop = errors.New("stopped")

// Event is a step of the search, for journals and progress.
type Event struct {
	Kind     string // sigma, layer, retire, move, refuse, end
	Layer    int
	From, To string // keys
	Upper    float64
	Lower    float64
	D        float64
	Note     string
	Samples  int // evaluations so far
	Arms     int // architectures sampled so far
	Open     int // unretired neighbours
	EpsHat   float64
	Failures int
	Need     int // evaluations still needed at this incumbent, an estimate; -1 when unknown
}

// searcher is the search in progress. It is a deterministic function of problem,
// settings and the outcomes of what it asks: replaying the outcomes repeats it.
type searcher struct {
	p    Problem
	s    Settings
	ask  Ask
	emit func(Event)
	comp *Compensator
	sel  Selector

	arms        map[string]*arm
	order       []*arm // in the order of first sight
	comparisons map[[2]string]*comparison
	sigma       float64
	sigmaNote   SigmaReport
	samples     int
	failures    int
	incumbents  int // so far
	x           *arm
	hood        *hood
	moves       []Move
	pairing     bool              // at common seeds
	diff        *DiffReport       // of paired differences, while pairing
	doubts      []string          // about what was declared of them
	first       int               // index at which the present incumbent's time begins
	refused     map[string]string // by key: why the device refused
	refusals    []*arm            // in their order
	seconds     float64
	asked       int
	repeats     int  // samples beyond an architecture's first
	varies      bool // some repeat differed from the first
}

// hood is the incumbent's neighbourhood.
type hood struct {
	feasible   []Proposal
	arms       []*arm
	out        []bool // retired by the selector, or not evaluable
	infeasible []Proposal
	// Under ScheduleEpochs: this incumbent's part of δ, and the bounds' prior.
	delta   float64
	prior   anytime.Prior
	refused int // neighbours the device has refused at this incumbent
}

// Move is one change of incumbent.
type Move struct {
	Layer   int     `json:"layer"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	D       float64 `json:"d"`
	Lower   float64 `json:"lower"` // of f(to) − f(from) at the move
	Samples int     `json:"samples"`
	// Predicted costs in the first table.
	FromCost float64 `json:"from_cost"`
	ToCost   float64 `json:"to_cost"`
}

// Search runs the certifying search and returns its result. An error means that
// there is no result; stopping early does not.
func Search(ctx context.Context, p Problem, s Settings, ask Ask, emit func(Event)) (*Result, error) {
	if err := s.Complete(); err != nil {
		return nil, err
	}
	if err := p.Space.Validate(p.Anchor); err != nil {
		return nil, fmt.Errorf("anchor: %w", err)
	}
	if len(s.Fidelities) > 0 && p.PoolSize != nil {
		return nil, hint.Wrap(errors.New("selector multi-fidelity: the table's utilities are a finite pool, all of full fidelity"), "take another selector, or a table with ,noise=gaussian")
	}
	if s.Selector == "paired" && p.PoolSize != nil {
		return nil, hint.Wrap(errors.New("selector paired: the table's utilities are a finite pool, which has no seeds in common"), "take another selector, or a table with ,noise=gaussian")
	}
	if emit == nil {
		emit = func(Event) {}
	}
	sel, err := NewSelector(s.Selector, s)
	if err != nil {
		return nil, err
	}
	r := &searcher{
		p: p, s: s, ask: ask, emit: emit, sel: sel,
		comp: NewCompensator(p.Space, p.Bands),
		arms: map[string]*arm{}, comparisons: map[[2]string]*comparison{}, refused: map[string]string{},
		pairing: s.Selector == "paired" && !s.Published,
		sigma:   math.Inf(1), diff: &DiffReport{Value: math.Inf(1)}, // until they are known, nothing is
	}
	r.comp.All = s.Neighbours == NeighboursAll
	ok, _, dev, err := r.comp.Inside(p.Anchor)
	if err != nil {
		return nil, fmt.Errorf("anchor: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("anchor: its own cost is outside its band (ln ĝ/B = %.4g)", dev)
	}
	stop, err := "certified", error(nil)
	if s.Published {
		err = r.published(ctx)
		stop = "one pass done"
	} else {
		err = r.run(ctx)
	}
	if err != nil {
		if !errors.Is(err, ErrStop) {
			return nil, err
		}
		stop = err.Error()
	}
	gain, err := (*CertGain)(nil), error(nil)
	if stop == "certified" || s.Published {
		if gain, err = r.fresh(ctx); err != nil {
			if !errors.Is(err, ErrStop) {
				return nil, err
			}
			stop = err.Error()
		}
	}
	res := r.result(stop)
	res.Gain = gain
	r.emit(Event{Kind: "end", From: r.p.Anchor.Key(), To: r.x.key, Note: stop, Samples: r.samples, EpsHat: float64(res.EpsilonHat)})
	return res, nil
}

func (r *searcher) arm(a space.Arch, key string) *arm {
	if got, ok := r.arms[key]; ok {
		return got
	}
	got := &arm{arch: a, key: key}
	if r.p.PoolSize != nil {
		got.pool = r.p.PoolSize(a)
	}
	r.weigh(got)
	r.arms[key] = got
	r.order = append(r.order, got)
	return got
}

// adopt makes an architecture the incumbent and lists its neighbours.
func (r *searcher) adopt(a *arm) {
	r.x = a
	r.incumbents++
	f, inf := r.admissible(r.comp.Neighbourhood(a.arch))
	r.hood = &hood{feasible: f, infeasible: inf}
	for _, p := range f {
		r.hood.arms = append(r.hood.arms, r.arm(p.Arch, p.Key))
	}
	r.anew()
	if r.s.Schedule != ScheduleEpochs {
		return
	}
	r.hood.delta = r.epochDelta()
	// What led here favours the incumbent – it was chosen for its luck as well – and
	// is no evidence for it: the certificate rests on what is sampled from now on.
	if r.incumbents > 1 {
		r.leaveBehind()
	}
}

// run sweeps until a whole sweep retires everything at one incumbent.
func (r *searcher) run(ctx context.Context) error {
	r.adopt(r.arm(r.p.Anchor, r.p.Anchor.Key()))
	if err := r.calibrate(ctx); err != nil {
		return err
	}
	if r.s.Scope == ScopeAll {
		for {
			moved, err := r.settle(ctx, -1)
			if err != nil || !moved {
				return err
			}
		}
	}
	layers := r.p.Space.Layers()
	for l, clean := 0, 0; clean < layers; l = (l + 1) % layers {
		clean++
		for {
			// A layer's candidates are each other's neighbours, so what has been
			// sampled serves the new incumbent: stay until the layer is settled.
			moved, err := r.settle(ctx, l)
			if err != nil {
				return err
			}
			if !moved {
				break
			}
			clean = 1 // this layer, at the new incumbent
		}
	}
	return nil
}

// settle runs the selector on one layer (all of them for l < 0) until it moves
// or has retired every candidate.
func (r *searcher) settle(ctx context.Context, l int) (moved bool, err error) {
	var idx []int
	for i := range r.hood.feasible {
		if l < 0 || r.hood.feasible[i].Layer == l {
			idx = append(idx, i)
		}
	}
	r.emit(r.progress("layer", l))
	v := &View{Candidates: make([]Contender, len(idx)), Epsilon: r.s.Epsilon, Sigma: r.sigma, Move: r.s.Move, Batch: r.s.Batch}
	for {
		r.look(v, idx)
		d := r.sel.Select(v)
		for _, i := range d.Retire {
			r.hood.out[idx[i]] = true
			c := r.compare(r.x, r.hood.arms[idx[i]])
			r.emit(Event{Kind: "retire", Layer: r.hood.feasible[idx[i]].Layer, From: r.x.key, To: r.hood.arms[idx[i]].key,
				D: c.d, Upper: c.upper, Lower: c.lower, Samples: r.samples})
		}
		if d.Move >= 0 {
			if ok, err := r.admit(ctx, idx[d.Move]); err != nil || !ok {
				return true, err // refused: the scope is looked at anew, without it
			}
			z := r.hood.arms[idx[d.Move]]
			c := r.compare(r.x, z)
			m := Move{Layer: r.hood.feasible[idx[d.Move]].Layer, From: r.x.key, To: z.key, D: c.d, Lower: c.lower, Samples: r.samples}
			r.priced(&m)
			r.moves = append(r.moves, m)
			r.adopt(z)
			r.emit(Event{Kind: "move", Layer: m.Layer, From: m.From, To: m.To, D: c.d, Upper: c.upper, Lower: c.lower, Samples: r.samples})
			return true, nil
		}
		if len(d.Sample) == 0 {
			return false, nil
		}
		var want []*arm
		for _, i := range d.Sample {
			if i < 0 {
				want = append(want, r.x)
			} else {
				want = append(want, r.hood.arms[idx[i]])
			}
		}
		if err := r.sampleAt(ctx, want, d.Level); err != nil {
			return false, err
		}
		if r.asked++; r.asked%progressEvery == 0 {
			r.emit(r.progress("step", l))
		}
		if r.x.dead() {
			return false, fmt.Errorf("the incumbent %s cannot be evaluated: %s", r.x.key, r.x.reason)
		}
	}
}

// look refreshes a selector's view.
func (r *searcher) look(v *View, idx []int) {
	v.Incumbent = r.contender(r.x)
	for i := range r.s.Fidelities {
		v.Incumbent.Low = append(v.Incumbent.Low, LevelView{N: r.x.level(i).evidence.N})
	}
	v.Pull = 0
	for j, i := range idx {
		z := r.hood.arms[i]
		c := r.contender(z)
		if z.dead() {
			c.Retired, c.Upper, c.Lower, c.W = true, math.Inf(1), math.Inf(-1), math.Inf(1)
		} else {
			k := r.compare(r.x, z)
			c.D, c.W, c.Upper, c.Lower = k.d, k.w, k.upper, k.lower
			c.Retired = r.hood.out[i]
			if c.Low = k.low; c.Low == nil && len(r.s.Fidelities) > 0 {
				r.low(&k, r.x, z)
				c.Low = k.low
			}
		}
		v.Candidates[j] = c
		v.Pull += c.Weight * float64(c.N) * float64(c.N)
	}
	v.Pull *= float64(len(r.hood.arms)) / float64(max(len(idx), 1))
}

func (r *searcher) contender(a *arm) Contender {
	c := Contender{N: a.evidence.N, Left: a.left(), Mean: a.all.Center, Weight: 1}
	if a.seconds > 0 && r.seconds > 0 && len(a.values) > 0 {
		c.Weight = a.seconds / float64(len(a.values)) / (r.seconds / float64(r.samples))
	}
	return c
}

// sample has one more sample of each arm evaluated, in order. An arm may occur
// several times.
func (r *searcher) sample(ctx context.Context, arms []*arm) error {
	return r.sampleAt(ctx, arms, nil)
}

// sampleAt is sample at the levels of fidelity given, nil for the full one.
func (r *searcher) sampleAt(ctx context.Context, arms []*arm, levels []int) error {
	var requests []Request
	var who []*arm
	var at []int
	for i, a := range arms {
		level := 0
		if levels != nil {
			level = levels[i]
		}
		stream, fidelity := r.streamOf(level)
		seedKey, next := a.key, &a.next
		switch {
		case level > 0:
			next = &a.level(level - 1).next
		case a.left() == 0:
			continue
		case r.pairing: // common random numbers: no seed used before this time is used again
			seedKey, a.next = "", max(a.next, r.first)
		}
		requests = append(requests, Request{Arch: a.arch, Key: a.key, Stream: stream, Index: *next,
			Seed: SampleSeed(r.s.Seed, stream, seedKey, *next), Fidelity: fidelity})
		*next++
		who, at = append(who, a), append(at, level)
	}
	if len(requests) == 0 {
		return errors.New("search: the selector asks only for architectures that have no samples left")
	}
	outcomes, err := r.ask(ctx, requests)
	if err != nil {
		return err
	}
	if len(outcomes) != len(requests) {
		return fmt.Errorf("search: %d outcomes for %d requests", len(outcomes), len(requests))
	}
	for i, o := range outcomes {
		a := who[i]
		if o.Failed != "" {
			r.failures++
			if at[i] > 0 {
				a.level(at[i]-1).failures++
				continue
			}
			a.failures++
			a.reason = o.Failed
			continue
		}
		if math.IsNaN(o.Utility) || math.IsInf(o.Utility, 0) {
			return fmt.Errorf("search: utility %g of %s is not a number", o.Utility, a.key)
		}
		if at[i] > 0 {
			d := a.level(at[i] - 1)
			d.values = append(d.values, o.Utility)
			d.sum += o.Utility
			r.samples++
			r.weighLevel(a, at[i]-1)
			continue
		}
		if len(a.values) > 0 {
			r.repeats++
			r.varies = r.varies || o.Utility != a.values[0]
		}
		a.add(o.Utility)
		a.at(requests[i].Index, o.Utility)
		a.seconds += o.Seconds
		r.seconds += o.Seconds
		r.samples++
		r.weigh(a)
	}
	return r.deterministic()
}

// open counts the feasible neighbours not yet retired.
func (r *searcher) open() int {
	n := 0
	for _, z := range r.hood.arms {
		if !r.retired(z) {
			n++
		}
	}
	return n
}

// epsilonHat is the largest upper bound over the feasible neighbours: with
// probability 1−δ no neighbour is better by more. 0 when there is none.
func (r *searcher) epsilonHat() float64 {
	worst := math.Inf(-1)
	if len(r.hood.arms) == 0 {
		return 0
	}
	for _, z := range r.hood.arms {
		if z.dead() {
			continue
		}
		worst = max(worst, r.looked(r.x, z, false).upper)
	}
	return worst
}

// priced notes the predicted costs of a move's ends.
func (r *searcher) priced(m *Move) {
	price := func(key string) float64 {
		c, err := r.p.Bands[0].Cost.Cost(r.arms[key].arch)
		if err != nil { // it was priced when it was proposed
			return math.NaN()
		}
		return c.Value
	}
	m.FromCost, m.ToCost = price(m.From), price(m.To)
}

// progressEvery is how many steps pass between two estimates of what is left:
// each costs as much as hundreds of steps of selection.
const progressEvery = 32

// progress describes where the search is.
func (r *searcher) progress(kind string, l int) Event {
	e := Event{Kind: kind, Layer: l, From: r.x.key, Samples: r.samples, Arms: len(r.order), Open: r.open(),
		EpsHat: r.epsilonHat(), Failures: r.failures}
	incumbent := 0
	for _, z := range r.hood.arms {
		if r.retired(z) || z.dead() {
			continue
		}
		k := r.looked(r.x, z, false)
		more := r.more(z, k, max(r.s.Epsilon-k.d, r.s.Epsilon/4))
		nx, nz := max(len(r.x.values), 1), max(len(z.values), 1)
		e.Need += more * nz / (nx + nz)
		incumbent = max(incumbent, more*nx/(nx+nz))
	}
	e.Need += incumbent
	return e
}
