package trial

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/space"
)

// fake answers by a function of the seed and of how often it was opened.
type fake struct {
	opened  int
	utility func(r search.Request, opened int) (float64, error)
}

func (f fake) Evaluate(_ context.Context, r search.Request) (search.Answer, error) {
	v, err := f.utility(r, f.opened)
	return search.Answer{Utility: v}, err
}
func (f fake) Identity() search.Identity { return search.Identity{Spec: "fake"} }

func run(t *testing.T, utility func(r search.Request, opened int) (float64, error)) (*Report, error) {
	t.Helper()
	var archs []space.Arch
	for _, key := range []string{"a|a", "a|b", "b|a"} {
		a, err := space.ParseArch(key)
		if err != nil {
			t.Fatal(err)
		}
		archs = append(archs, a)
	}
	opened := 0
	var mu sync.Mutex
	clock := time.Unix(0, 0)
	return Run(context.Background(), Options{Archs: archs, Seeds: 50, Seed: 1, Workers: 4,
		Open: func() (search.Evaluator, error) { opened++; return fake{opened, utility}, nil },
		Now:  func() time.Time { mu.Lock(); defer mu.Unlock(); clock = clock.Add(time.Second); return clock }})
}

// gauss is noise that follows from the seed.
func gauss(r search.Request) float64 { return 0.1 * rand.New(rand.NewPCG(r.Seed, 1)).NormFloat64() }

func TestTrialMeasuresTheSpread(t *testing.T) {
	r, err := run(t, func(q search.Request, _ int) (float64, error) {
		return float64(strings.Count(q.Key, "b")) + gauss(q), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Sound(); err != nil {
		t.Error(err)
	}
	// Over 147 degrees of freedom s is within a sixth of the true 0.1 but for one time in 200.
	if r.Nu != 147 || math.Abs(*r.S-0.1) > 0.017 || *r.Upper != anytime.SigmaUpper(*r.S, 147, 0.01) {
		t.Errorf("s %g, upper %g, ν %d", *r.S, *r.Upper, r.Nu)
	}
	if want := math.Sqrt(1.0 / 3); math.Abs(*r.Between-want) > 0.05 {
		t.Errorf("between %g, want about %g", *r.Between, want)
	}
	if r.Asked != 153 || r.Repeated != 3 || len(r.Differing) != 0 || r.Seconds < 1 {
		t.Errorf("%+v", r)
	}
}

func TestTrialFindsWhatIsUnsound(t *testing.T) {
	for name, c := range map[string]struct {
		utility func(q search.Request, opened int) (float64, error)
		want    string
	}{
		"forgets its seed": {func(q search.Request, opened int) (float64, error) { return gauss(q) + float64(opened), nil }, "3 of 3 requests answered otherwise"},
		"ignores its seed": {func(q search.Request, _ int) (float64, error) { return 1, nil }, "the seed changes nothing"},
		"fails at one": {func(q search.Request, _ int) (float64, error) {
			if q.Key == "b|a" {
				return 0, &search.Failure{Reason: "no room"}
			}
			return gauss(q), nil
		}, "50 of 152 requests have no utility"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := run(t, c.utility)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Sound(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := run(t, func(search.Request, int) (float64, error) { return 0, errors.New("cannot start") }); err == nil {
		t.Error("an evaluator that cannot be asked has a report")
	}
}

// The estimate is what selection at that noise really takes, of the order of the lower
// bound, and falls with the square of ε.
func TestEstimate(t *testing.T) {
	for _, k := range []int{1, 5, 40} {
		c := Estimate(0.1, k, 0.05, 0.05)
		if !(c.Samples > c.LowerBound) || c.Samples > 20*c.LowerBound {
			t.Errorf("k %d: %g samples, lower bound %g", k, c.Samples, c.LowerBound)
		}
		fine := Estimate(0.1, k, 0.005, 0.05)
		if ratio := fine.Samples / c.Samples; ratio < 100 || ratio > 200 {
			t.Errorf("k %d: a tenth of ε costs %g times as much, want 100 and a logarithm", k, ratio)
		}
		n := c.Samples / (float64(k) + math.Sqrt(float64(k)))
		arm := func(n float64) anytime.Evidence { return anytime.Infinite(0.1, int(n), 0, anytime.DefaultRho) }
		if w := anytime.Width(arm(math.Ceil(math.Sqrt(float64(k))*n)), arm(math.Ceil(n)), 0.05/float64(k)); w > 0.05 {
			t.Errorf("k %d: the half-width at the estimate is %g", k, w)
		}
	}
	if c := Estimate(0, 3, 0.1, 0.05); c.Samples != 0 {
		t.Errorf("without noise %+v", c)
	}
}

func ExampleEstimate() {
	c := Estimate(0.003, 12, 0.005, 0.05)
	fmt.Printf("%.0f evaluations, at least %.0f\n", c.Samples, c.LowerBound)
	// Output: 139 evaluations, at least 38
}
