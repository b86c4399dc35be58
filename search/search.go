package search

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/explore"
	"github.com/isocost/isocost/search/selector"
	"github.com/isocost/isocost/search/space"
)

// Problem is a search problem: a space, the bands around the anchor's budgets,
// and the anchor.
type Problem struct {
	Space  space.Space
	Bands  []Band
	Anchor space.Arch
	// Start says where the search begins, an architecture of the anchor's band; its zero
	// value is the anchor.
	Start space.Arch
	// Known are evaluations that an explorer starts from. No bound rests on them.
	Known []explore.Evaluation
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

// ErrStop is returned by Ask when the search must end before its claim: budget
// spent or interrupted. It is wrapped with the reason.
var ErrStop = errors.New("stopped")

// EventKind names a step of the search.
type EventKind string

// Kinds of events.
const (
	EventExplore   EventKind = "explore" // the band is being explored
	EventStart     EventKind = "start"   // the first incumbent, when it is not simply the anchor
	EventSigma     EventKind = "sigma"   // the noise is known
	EventLayer     EventKind = "layer"   // a scope is looked at
	EventStep      EventKind = "step"    // some samples later
	EventRetire    EventKind = "retire"
	EventMove      EventKind = "move"
	EventRefuse    EventKind = "refuse"    // the device refused a candidate
	EventApart     EventKind = "apart"     // from now on each network has its own noise
	EventCalibrate EventKind = "calibrate" // the noise is being calibrated
	EventFresh     EventKind = "fresh"     // anchor and final are sampled at fresh seeds
	EventEnd       EventKind = "end"
)

// Event is a step of the search, for journals and progress.
type Event struct {
	Kind     EventKind
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
	// Best is the estimated utility of the best network of the anchor's cost so far, Anchor
	// that of the anchor; NaN without samples.
	Best, Anchor float64
	Moves        int // so far
}

// searcher is the search in progress. It is a deterministic function of problem,
// settings and the outcomes of what it asks: replaying the outcomes repeats it.
type searcher struct {
	p        Problem
	s        Settings
	ask      Ask
	emit     func(Event)
	comp     *Compensator
	rule     selector.Selector
	evidence Evidence
	base     *evidence.Base // of evidence, whatever its kind

	arms      map[string]*evidence.Arm
	order     []*evidence.Arm // in the order in which they were first proposed
	sigmaNote SigmaReport
	failures  int
	x         *evidence.Arm // the incumbent
	hood      *hood
	moves     []Move
	refused   map[string]string // by key: why the device refused
	refusals  []*evidence.Arm   // in their order
	asked     int
	heard     map[*evidence.Arm]int // samples by which an arm was looked at for loud noise
	explored  *CertExploration      // nil when the search simply began at the anchor
}

// hood is the incumbent's neighbourhood.
type hood struct {
	feasible   []Proposal
	arms       []*evidence.Arm
	out        []bool // retired by the selector, or not evaluable
	infeasible []Proposal
	refused    int // neighbours the device has refused at this incumbent
	drawn      int // from the band
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
	if s.Selector == Paired && p.PoolSize != nil {
		return nil, hint.Wrap(errors.New("selector paired: the table's utilities are a finite pool, which has no seeds in common"), "take another selector, or a table with ,noise=gaussian")
	}
	if s.BandShare > 0 && p.Admit != nil {
		return nil, hint.Wrap(errors.New("certify: a claim about the whole band is about predicted costs: a device that refuses networks would change what the band is"), "measure none, or certify neighbours")
	}
	if emit == nil {
		emit = func(Event) {}
	}
	rule, err := selector.New(ruleOf[s.Selector])
	if err != nil {
		return nil, err
	}
	base := evidence.NewBase(s.Rho, s.MoveScore, s.Epsilon)
	r := &searcher{
		p: p, s: s, ask: ask, emit: emit, rule: rule, base: base, evidence: newEvidence(base, &s),
		comp: NewCompensator(p.Space, p.Bands), arms: map[string]*evidence.Arm{}, refused: map[string]string{},
	}
	r.comp.Neighbours = s.Neighbours
	ok, _, dev, err := r.comp.Inside(p.Anchor)
	if err != nil {
		return nil, fmt.Errorf("anchor: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("anchor: its own cost is outside its band (ln ĝ/B = %.4g)", dev)
	}
	if p.Start.Layers != nil {
		if err := p.Space.Validate(p.Start); err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
		if ok, _, dev, err = r.comp.Inside(p.Start); err != nil {
			return nil, fmt.Errorf("start: %w", err)
		} else if !ok {
			return nil, hint.Wrap(fmt.Errorf("start: %s is outside the anchor's band (ln ĝ/B = %.4g)", p.Start.Key(), dev), "a start has the anchor's cost; another cost is another anchor")
		}
	}
	stop, err := StopCertified, error(nil)
	if s.Published {
		err = r.published(ctx)
		stop = StopOnePass
	} else {
		err = r.run(ctx)
	}
	if err != nil {
		if !errors.Is(err, ErrStop) {
			return nil, err
		}
		stop = Stop(err.Error())
	}
	gain, err := (*CertGain)(nil), error(nil)
	if stop == StopCertified || s.Published {
		if gain, err = r.fresh(ctx); err != nil {
			if !errors.Is(err, ErrStop) {
				return nil, err
			}
			stop = Stop(err.Error())
		}
	}
	res := r.result(stop)
	res.Gain = gain
	r.emit(Event{Kind: EventEnd, From: r.p.Anchor.Key(), To: r.x.Key, Note: string(stop), Samples: r.base.Samples, EpsHat: float64(res.EpsilonHat)})
	return res, nil
}

func (r *searcher) arm(a space.Arch, key string) *evidence.Arm {
	if got, ok := r.arms[key]; ok {
		return got
	}
	got := &evidence.Arm{Arch: a, Key: key}
	if r.p.PoolSize != nil {
		got.Pool = r.p.PoolSize(a)
	}
	r.evidence.Weigh(got)
	r.arms[key] = got
	r.order = append(r.order, got)
	return got
}

// adopt makes an architecture the incumbent and lists its neighbours, and the networks
// that are drawn from the band beside them.
func (r *searcher) adopt(a *evidence.Arm) error {
	r.x = a
	f, inf := r.admissible(r.comp.Neighbourhood(a.Arch))
	r.hood = &hood{feasible: f, infeasible: inf}
	for _, p := range f {
		r.hood.arms = append(r.hood.arms, r.arm(p.Arch, p.Key))
	}
	r.base.Epoch.Next(len(r.hood.arms))
	if err := r.draw(); err != nil {
		return err
	}
	r.anew()
	// What led here favours the incumbent – it was chosen for its luck as well – and
	// is not evidence for it: the certificate rests on what is sampled from now on.
	if r.base.Epoch.Incumbent > 1 {
		r.evidence.LeaveBehind(r.order)
	}
	if r.s.early == 0 {
		r.base.Settle(r.x)
	}
	return nil
}

// anew forgets which neighbours were retired, and has their set's share of δ.
func (r *searcher) anew() {
	r.hood.out = make([]bool, len(r.hood.arms))
	r.base.Epoch.Neighbours = len(r.hood.arms)
	r.base.Epoch.Delta = r.epochDelta()
	r.evidence.Forget(r.x, r.hood.arms)
}

// run sweeps until a whole sweep retires everything at one incumbent.
func (r *searcher) run(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
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
	r.emit(r.progress(EventLayer, l))
	look := &evidence.Look{}
	for {
		r.look(look, idx)
		c := r.rule.Choose(&selector.View{Candidates: look.Candidate, Epsilon: r.s.Epsilon, Move: r.s.Move})
		for _, i := range c.Retire {
			r.hood.out[idx[i]] = true
			k := look.Known[i]
			r.emit(Event{Kind: EventRetire, Layer: r.hood.feasible[idx[i]].Layer, From: r.x.Key, To: look.Z[i].Key,
				D: k.D, Upper: k.Upper, Lower: k.Lower, Samples: r.base.Samples})
		}
		if c.Move >= 0 {
			if ok, err := r.admit(ctx, idx[c.Move]); err != nil || !ok {
				return true, err // refused: the scope is looked at anew, without it
			}
			z, k := look.Z[c.Move], look.Known[c.Move]
			m := Move{Layer: r.hood.feasible[idx[c.Move]].Layer, From: r.x.Key, To: z.Key, D: k.D, Lower: k.Lower, Samples: r.base.Samples}
			r.priced(&m)
			r.moves = append(r.moves, m)
			if err := r.adopt(z); err != nil {
				return false, err
			}
			r.emit(Event{Kind: EventMove, Layer: m.Layer, From: m.From, To: m.To, D: k.D, Upper: k.Upper, Lower: k.Lower, Samples: r.base.Samples})
			return true, nil
		}
		if c.Done {
			return false, nil
		}
		wants := r.evidence.Plan(look, c)
		if len(wants) == 0 {
			return false, nil
		}
		if err := r.sample(ctx, look.Z, wants); err != nil {
			return false, err
		}
		if apart, err := r.apart(); apart || err != nil {
			return true, err
		}
		if r.asked++; r.asked%progressEvery == 0 {
			r.emit(r.progress(EventStep, l))
		}
		if r.x.Dead() {
			return false, fmt.Errorf("the incumbent %s cannot be evaluated: %s", r.x.Key, r.x.Reason)
		}
	}
}

// look refreshes what is known of the neighbours with these indices.
func (r *searcher) look(l *evidence.Look, idx []int) {
	*l = evidence.Look{X: r.x, Batch: r.s.Batch, Z: l.Z[:0], Known: l.Known[:0], Candidate: l.Candidate[:0]}
	for _, i := range idx {
		z := r.hood.arms[i]
		k := evidence.Comparison{Upper: math.Inf(1), Lower: math.Inf(-1), W: math.Inf(1)}
		c := selector.Candidate{N: z.Evidence(), Left: z.Left(), Retired: true}
		if !z.Dead() {
			k = r.evidence.Compare(r.x, z, true)
			c.Retired, c.Promise = r.hood.out[i], r.evidence.Promise(k, r.x, z)
		}
		c.Lower, c.Upper = k.Lower, k.Upper
		l.Z, l.Known, l.Candidate = append(l.Z, z), append(l.Known, k), append(l.Candidate, c)
	}
}

// each is one sample of each arm.
func each(arms []*evidence.Arm) []evidence.Want {
	out := make([]evidence.Want, len(arms))
	for i := range arms {
		out[i].Z = i
	}
	return out
}

// sample has samples evaluated, in order; wants are indices into zs. An arm may
// occur several times.
func (r *searcher) sample(ctx context.Context, zs []*evidence.Arm, wants []evidence.Want) error {
	var requests []Request
	var who []*evidence.Arm
	var as []evidence.Sample
	for _, w := range wants {
		a := r.x
		if w.Z >= 0 {
			a = zs[w.Z]
		}
		s, ok := r.evidence.Next(a, w.Level)
		if !ok {
			continue
		}
		requests = append(requests, Request{Arch: a.Arch, Key: a.Key, Stream: s.Stream, Index: s.Index,
			Seed: SampleSeed(r.s.Seed, s.Stream, s.Seeds, s.Index), Fidelity: s.Fidelity})
		who, as = append(who, a), append(as, s)
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
		switch {
		case o.Failed != "":
			r.failures++
			r.evidence.Fail(who[i], as[i], o.Failed)
		case math.IsNaN(o.Utility) || math.IsInf(o.Utility, 0):
			return fmt.Errorf("search: utility %g of %s is not a number", o.Utility, who[i].Key)
		case r.s.UtilityRange != nil && (o.Utility < r.s.UtilityRange[0] || o.Utility > r.s.UtilityRange[1]):
			return hint.Wrap(fmt.Errorf("search: utility %g of %s is outside the declared range, %g to %g", o.Utility, who[i].Key, r.s.UtilityRange[0], r.s.UtilityRange[1]), "declare the range that utilities have: --utility-range")
		default:
			r.evidence.Take(who[i], as[i], o.Utility, o.Seconds)
		}
	}
	return r.deterministic()
}

// open counts the feasible neighbours not yet retired.
func (r *searcher) open() int {
	n := 0
	for _, z := range r.hood.arms {
		if !r.evidence.Retired(r.x, z) {
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
		if z.Dead() {
			continue
		}
		worst = max(worst, r.evidence.Compare(r.x, z, false).Upper)
	}
	return worst
}

// priced notes the predicted costs of a move's ends.
func (r *searcher) priced(m *Move) {
	price := func(key string) float64 {
		c, err := r.p.Bands[0].Cost.Cost(r.arms[key].Arch)
		if err != nil { // it was priced when it was proposed
			return math.NaN()
		}
		return c.Value
	}
	m.FromCost, m.ToCost = price(m.From), price(m.To)
}

// progressEvery says how many steps pass between two estimates of what is left:
// each costs as much as hundreds of steps of selection.
const progressEvery = 32

// progress describes where the search is.
func (r *searcher) progress(kind EventKind, l int) Event {
	e := Event{Kind: kind, Layer: l, From: r.x.Key, Samples: r.base.Samples, Arms: len(r.order), Open: r.open(),
		EpsHat: r.epsilonHat(), Failures: r.failures, Best: r.base.Center(r.x), Anchor: r.base.Center(r.arms[r.p.Anchor.Key()]), Moves: len(r.moves)}
	incumbent := 0
	for _, z := range r.hood.arms {
		if r.evidence.Retired(r.x, z) || z.Dead() {
			continue
		}
		k := r.evidence.Compare(r.x, z, false)
		more := r.evidence.Further(r.x, z, k, max(r.s.Epsilon-k.D, r.s.Epsilon/4))
		nx, nz := max(len(r.x.Values), 1), max(len(z.Values), 1)
		e.Need += more * nz / (nx + nz)
		incumbent = max(incumbent, more*nx/(nx+nz))
	}
	e.Need += incumbent
	return e
}
