// Package trial tries an evaluator before a search rests on it: does it answer, does it
// answer the same when asked the same, how far do its seeds spread, how long does it take –
// and from that, what a search would cost. It makes no claim: a search calibrates the noise
// itself.
package trial

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/space"
)

// Options say what an evaluator is asked.
type Options struct {
	// Open starts the evaluator and is called twice: what it answered is asked again of a
	// process that remembers nothing. Whoever calls Run closes what it opened.
	Open    func() (search.Evaluator, error)
	Archs   []space.Arch // at least one
	Seeds   int          // per architecture, at least two
	Seed    uint64       // of the seeds
	Workers int          // requests at a time
	Now     func() time.Time
}

// Report holds what an evaluator did.
type Report struct {
	Asked    int       `json:"asked"`
	Failures []Failure `json:"failures"`
	// Repeated pairs were asked twice, Differing of them answered otherwise.
	Repeated  int       `json:"repeated"`
	Differing []Differs `json:"differing"`
	// S is the pooled standard deviation between seeds with Nu degrees of freedom, Upper a
	// bound on it that fails with probability Beta. Absent where no architecture has two
	// answers.
	S     *float64 `json:"s,omitempty"`
	Upper *float64 `json:"upper,omitempty"`
	Nu    int      `json:"nu"`
	Beta  float64  `json:"beta"`
	// Between is the standard deviation of the architectures' means; absent for one.
	Between *float64 `json:"between,omitempty"`
	// Seconds per evaluation: the median, and the first, which starts the program.
	Seconds float64 `json:"seconds"`
	First   float64 `json:"first_seconds"`
}

// Failure is a request without a utility.
type Failure struct {
	Arch   string `json:"arch"`
	Seed   uint64 `json:"seed"`
	Reason string `json:"reason"`
}

// Differs is a request with two utilities.
type Differs struct {
	Arch   string  `json:"arch"`
	Seed   uint64  `json:"seed"`
	First  float64 `json:"first"`
	Second float64 `json:"second"`
}

// beta is the probability that the spread exceeds its bound, as a search has it.
const beta = 0.01

// Run asks. An error is an evaluator that cannot be asked at all.
func Run(ctx context.Context, o Options) (*Report, error) {
	if len(o.Archs) == 0 || o.Seeds < 2 {
		return nil, errors.New("a trial needs an architecture and two seeds")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Report{Beta: beta, Failures: []Failure{}, Differing: []Differs{}}
	var reqs []search.Request
	for _, a := range o.Archs {
		for i := range o.Seeds {
			reqs = append(reqs, search.Request{Arch: a, Key: a.Key(), Stream: search.StreamSearch, Index: i,
				Seed: search.SampleSeed(o.Seed, "trial", a.Key(), i), Fidelity: 1})
		}
	}
	first, err := o.pass(ctx, reqs, r, true)
	if err != nil {
		return nil, err
	}
	var again []search.Request
	var before []float64
	for i := range o.Archs {
		if at := i * o.Seeds; !math.IsNaN(first[at]) {
			again, before = append(again, reqs[at]), append(before, first[at])
		}
	}
	if len(again) > 0 {
		second, err := o.pass(ctx, again, r, false)
		if err != nil {
			return nil, err
		}
		for i, v := range second {
			if math.IsNaN(v) {
				continue
			}
			if r.Repeated++; v != before[i] {
				r.Differing = append(r.Differing, Differs{again[i].Key, again[i].Seed, before[i], v})
			}
		}
	}
	r.spread(first, o.Seeds)
	return r, nil
}

// pass asks a fresh evaluator; a failed request is NaN. The first request is asked alone,
// so that starting is not in the others' time.
func (o *Options) pass(ctx context.Context, reqs []search.Request, r *Report, timed bool) ([]float64, error) {
	e, err := o.Open()
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(reqs))
	var mu sync.Mutex
	var took []float64
	one := func(i int) error {
		began := o.Now()
		a, err := e.Evaluate(ctx, reqs[i])
		seconds := o.Now().Sub(began).Seconds()
		var f *search.Failure
		mu.Lock()
		defer mu.Unlock()
		r.Asked++
		switch {
		case errors.As(err, &f):
			out[i] = math.NaN()
			r.Failures = append(r.Failures, Failure{reqs[i].Key, reqs[i].Seed, f.Reason})
		case err != nil:
			return err
		default:
			out[i] = a.Utility
		}
		took = append(took, seconds)
		return nil
	}
	if err := one(0); err != nil {
		return nil, err
	}
	errs := make([]error, len(reqs))
	var wg sync.WaitGroup
	room := make(chan struct{}, max(o.Workers, 1))
	for i := 1; i < len(reqs); i++ {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			errs[i] = one(i)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if timed {
		r.First = took[0]
		rest := slices.Sorted(slices.Values(took[1:]))
		r.Seconds = rest[len(rest)/2]
	}
	return out, nil
}

// spread settles the noise from seeds per architecture.
func (r *Report) spread(values []float64, seeds int) {
	ss := 0.0
	var means []float64
	for group := range slices.Chunk(values, seeds) {
		n, sum := 0, 0.0
		for _, v := range group {
			if !math.IsNaN(v) {
				n++
				sum += v
			}
		}
		if n == 0 {
			continue
		}
		mean := sum / float64(n)
		means = append(means, mean)
		for _, v := range group {
			if !math.IsNaN(v) {
				ss += (v - mean) * (v - mean)
			}
		}
		r.Nu += n - 1
	}
	if r.Nu > 0 {
		s := math.Sqrt(ss / float64(r.Nu))
		upper := anytime.SigmaUpper(s, r.Nu, beta)
		r.S, r.Upper = &s, &upper
	}
	if len(means) > 1 {
		m, v := 0.0, 0.0
		for _, x := range means {
			m += x / float64(len(means))
		}
		for _, x := range means {
			v += (x - m) * (x - m) / float64(len(means)-1)
		}
		v = math.Sqrt(v)
		r.Between = &v
	}
}

// Sound says what keeps a search from resting on the evaluator; nil for nothing.
func (r *Report) Sound() error {
	var problems []error
	if len(r.Failures) > 0 {
		problems = append(problems, fmt.Errorf("%d of %d requests have no utility", len(r.Failures), r.Asked))
	}
	if len(r.Differing) > 0 {
		problems = append(problems, fmt.Errorf("%d of %d requests answered otherwise when asked again", len(r.Differing), r.Repeated))
	}
	if r.S != nil && *r.S == 0 {
		problems = append(problems, errors.New("the seed changes nothing: no confidence can be stated"))
	}
	return errors.Join(problems...)
}

// Cost estimates what a search would take.
type Cost struct {
	Neighbours int     `json:"neighbours"`
	Epsilon    float64 `json:"epsilon"`
	Delta      float64 `json:"delta"`
	// Samples certify a final whose neighbours are all exactly as good: the hardest case
	// that there is. LowerBound is the least any procedure needs for it.
	Samples    float64 `json:"samples"`
	LowerBound float64 `json:"lower_bound"`
}

// Estimate is the cost of certifying that none of k neighbours is better by more than
// epsilon, at noise sigma: each neighbour is sampled n times and the final √k times as
// often, until the half-width of the difference is epsilon.
func Estimate(sigma float64, k int, epsilon, delta float64) Cost {
	c := Cost{Neighbours: k, Epsilon: epsilon, Delta: delta}
	if k == 0 || sigma == 0 {
		return c
	}
	root := math.Sqrt(float64(k))
	wide := func(n float64) bool {
		arm := func(n float64) anytime.Evidence {
			return anytime.Infinite(sigma, int(math.Ceil(n)), 0, anytime.DefaultRho)
		}
		return anytime.Width(arm(root*n), arm(n), delta/float64(k)) > epsilon
	}
	lo, hi := 1.0, 2.0
	for wide(hi) && hi < 1e12 {
		lo, hi = hi, 2*hi
	}
	for hi-lo > 0.5 {
		if mid := (lo + hi) / 2; wide(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	c.Samples = math.Ceil(hi) * (float64(k) + root)
	gaps := make([]float64, k)
	for i := range gaps {
		gaps[i] = epsilon
	}
	c.LowerBound = anytime.Certificate(sigma, gaps, delta)
	return c
}
