// Package explore finds good architectures of a cost: it proposes what to evaluate
// next anywhere in the band, also many changes away from the anchor. It proves
// nothing and holds no bounds: a search explores first and then certifies what it
// found, on samples that were taken for that.
package explore

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/isocost/isocost/search/space"
)

// Method is a way of exploring.
type Method string

// Methods.
const (
	Random    Method = "random"    // networks of the band, drawn at random
	Evolution Method = "evolution" // regularised evolution (Real et al., AAAI 2019)
	GP        Method = "gp"        // Bayesian optimisation with a Gaussian process
)

// maxEvaluations bounds an exploration: a Gaussian process of n evaluations costs n³.
const maxEvaluations = 2000

// Plan says how a search explores: so many evaluations by a method.
type Plan struct {
	Method      Method `json:"method"`
	Evaluations int    `json:"evaluations"` // at most, where Auto
	// Auto explores about twice as long as the certificate will take (Worth), AutoLeast
	// evaluations at least.
	Auto bool `json:"auto,omitempty"`
	// Rules are those that proposals are made by: Rules now, 0 in plans of before there
	// were any, whose searches must repeat.
	Rules int `json:"rules,omitempty"`
}

// Rules of Parse's plans. From 1 on the process proposes evaluated architectures, too, and where
// the claim would be vacuous Auto explores longer; from 2 on it knows smoother kernels, and Auto
// explores twice as long as the certificate will take.
const Rules = 2

// Bounds of an exploration whose length is not given.
const (
	AutoLeast     = 40
	autoUncertain = 160 // where there will be no certificate, or nobody knows how long it takes
	autoMost      = 320
)

// Certificate is about how many evaluations a certificate takes over k neighbours of one
// noise: 2(ln 1/δ + 3)·(σ/ε)²·(1+√k)², √k times as many of the incumbent as of a
// neighbour, whose difference is then within ε. -1 where the noise is not known.
func Certificate(sigma, epsilon, delta float64, k int) int {
	root := 1 + math.Sqrt(float64(k))
	n := 2 * (math.Log(1/delta) + 3) * (sigma / epsilon) * (sigma / epsilon) * root * root
	if !(n < 1e9) { // NaN, too
		return -1
	}
	return int(n)
}

// Worth returns the length that an exploration is worth where none is given: twice what the
// certificate at the end will take, so that the proof is a third of a search and a better start
// makes it shorter. What is known of the utilities is no better guide: stopping when the process
// expects little more stops where the process is wrong (decisions 0513 and 0516).
func (p *Plan) Worth(sigma, epsilon, delta float64, k int) int {
	if !p.Auto {
		return p.Evaluations
	}
	n := Certificate(sigma, epsilon, delta, k)
	if n < 0 {
		return p.Uncertain()
	}
	if p.Rules > 1 {
		n *= 2
	}
	return min(max(n, AutoLeast), p.Evaluations)
}

// Uncertain returns the length where no certificate's length says it.
func (p *Plan) Uncertain() int {
	if p.Auto && p.Rules > 1 {
		return min(autoUncertain, p.Evaluations)
	}
	return p.Evaluations
}

// Parse reads METHOD:N, as in gp:30, or METHOD:auto; nil for none.
func Parse(text string) (*Plan, error) {
	if text == "none" {
		return nil, nil
	}
	name, count, ok := strings.Cut(text, ":")
	p := &Plan{Method: Method(name), Auto: count == "auto", Evaluations: autoMost, Rules: Rules}
	if !p.Auto {
		n, err := strconv.Atoi(count)
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is not none, gp:auto, gp:N, evolution:N or random:N", text)
		}
		p.Evaluations = n
	}
	return p, p.Check()
}

// Check says what is wrong with a plan.
func (p *Plan) Check() error {
	switch {
	case p == nil:
		return nil
	case p.Method != Random && p.Method != Evolution && p.Method != GP:
		return fmt.Errorf("unknown method %q: there are gp, evolution and random", p.Method)
	case p.Rules < 0 || p.Rules > Rules:
		return fmt.Errorf("rules %d are not known: there are 0 to %d", p.Rules, Rules)
	case p.Evaluations < 1 || p.Evaluations > maxEvaluations:
		return fmt.Errorf("%d evaluations are not from 1 to %d", p.Evaluations, maxEvaluations)
	}
	return nil
}

// String returns what Parse reads.
func (p *Plan) String() string {
	if p == nil {
		return "none"
	}
	if p.Auto {
		return fmt.Sprintf("%s:auto", p.Method)
	}
	return fmt.Sprintf("%s:%d", p.Method, p.Evaluations)
}

// Evaluation is one sample of an architecture's utility.
type Evaluation struct {
	Arch    space.Arch
	Utility float64
	Failed  bool // there is no utility
}

// Explorer proposes what to evaluate. It is a deterministic function of its seed
// and of what it is told, so that a replay repeats it.
type Explorer interface {
	// Propose returns n architectures of the band to be evaluated once each, all at
	// the same time; fewer when there are no more. An architecture may come again:
	// its utility is noisy.
	Propose(n int) []space.Arch
	// Tell takes evaluations, of proposals or of anything else in the space.
	Tell(evaluations []Evaluation)
	// Noise estimates the standard deviation of one evaluation's noise; NaN when it
	// cannot.
	Noise() float64
	// Ranked lists the evaluated architectures of the band, the most promising first.
	Ranked() []Candidate
}

// Candidate is an evaluated architecture.
type Candidate struct {
	Arch  space.Arch
	Score float64 // the estimate it is ranked by, in utility units
	N     int     // samples
}

// New returns a plan's explorer of a band. sigma is the noise of one evaluation,
// nil when it is not known.
func New(p *Plan, b *Band, sigma *float64, seed uint64) Explorer {
	rng := rand.New(rand.NewPCG(seed, 0xe59104e))
	seen := &record{band: b, at: map[string]*sampled{}}
	switch p.Method {
	case Evolution:
		return &evolution{record: seen, rng: rng, size: min(max(p.Evaluations/4, 4), maxPopulation)}
	case GP:
		return &bayes{record: seen, rng: rng, sigma: sigma, again: p.Rules > 0, scales: scalesOf(p.Rules)}
	}
	return &random{record: seen, rng: rng}
}

// record keeps what has been evaluated.
type record struct {
	band  *Band
	at    map[string]*sampled
	order []*sampled // in the order of their first evaluation
}

// sampled is one evaluated architecture.
type sampled struct {
	arch     space.Arch
	key      string
	sum      float64
	n        int
	failures int
	inside   bool
	proposed int // times it was proposed and not answered yet
}

func (s *sampled) mean() float64 { return s.sum / float64(s.n) }

func (r *record) of(a space.Arch) *sampled {
	key := a.Key()
	if s, ok := r.at[key]; ok {
		return s
	}
	s := &sampled{arch: a.Clone(), key: key, inside: r.band.Inside(a)}
	r.at[key] = s
	r.order = append(r.order, s)
	return s
}

// Tell implements Explorer.
func (r *record) Tell(evaluations []Evaluation) {
	for _, e := range evaluations {
		s := r.of(e.Arch)
		s.proposed = max(s.proposed-1, 0)
		if e.Failed {
			s.failures++
			continue
		}
		s.sum += e.Utility
		s.n++
	}
}

// ranked orders the evaluated architectures of the band by a score.
func (r *record) ranked(score func(*sampled) float64) []Candidate {
	var out []Candidate
	for _, s := range r.order {
		if s.inside && s.n > 0 {
			out = append(out, Candidate{s.arch, score(s), s.n})
		}
	}
	sortStable(out, func(a, b Candidate) bool { return a.Score > b.Score })
	return out
}

// Noise implements Explorer: means of single evaluations do not tell.
func (r *record) Noise() float64 { return math.NaN() }

// Ranked implements Explorer by the mean of the samples.
func (r *record) Ranked() []Candidate { return r.ranked((*sampled).mean) }

// random draws networks of the band.
type random struct {
	*record
	rng *rand.Rand
}

func (e *random) Propose(n int) []space.Arch {
	var out []space.Arch
	for range n {
		if a, ok := e.fresh(e.rng); ok {
			out = append(out, a)
		}
	}
	return out
}

// freshTries says how many draws are made for one that has not been evaluated.
const freshTries = 50

// fresh draws an architecture of the band that has not been evaluated yet, or an
// evaluated one when the band seems to hold no other.
func (r *record) fresh(rng *rand.Rand) (space.Arch, bool) {
	var last space.Arch
	found := false
	for range freshTries {
		a, ok := r.band.Draw(rng)
		if !ok {
			break
		}
		last, found = a, true
		if s, known := r.at[a.Key()]; !known || s.n+s.failures+s.proposed == 0 {
			break
		}
	}
	if found {
		r.of(last).proposed++
	}
	return last, found
}
