package costgen

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// countdown is a context that ends after it was asked so often: a moment of the work rather
// than of a clock.
type countdown struct {
	context.Context
	left atomic.Int64
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// falling is a family whose costs fall at chance, of so many cells.
func falling(n int) Source {
	s := cells(n, n)
	rng := rand.New(rand.NewPCG(2, 4))
	for i := range s.Records {
		r := &s.Records[i].Record
		v := *r.EstimateUS * (1 + 0.3*rng.Float64())
		r.EstimateUS = &v
		r.CI95US = &record.Interval{v * 0.999, v * 1.001}
	}
	return s
}

// A compilation ends at whatever moment its context does, by the context's error and without a
// table, and begins little more: everything that takes long asks.
func TestCompileEndsWithItsContext(t *testing.T) {
	model := unseen(30)
	for _, test := range []struct {
		name string
		s    Source
		opt  Options
	}{
		{"cells", cells(3000, 500), Options{}},
		{"strict", falling(1000), Options{Policy: lut.PolicyStrict}},
		{"falls", falling(200), Options{}},
		{"model and networks", model, Options{Model: true}},
		{"levelled", model, Options{Level: true, Audit: []Source{model}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			whole := &countdown{Context: t.Context()}
			whole.left.Store(math.MaxInt64)
			if _, err := Compile(whole, []Source{test.s}, test.opt); err != nil {
				t.Fatal(err)
			}
			asked := math.MaxInt64 - whole.left.Load()
			if asked < int64(len(test.s.Records)) {
				t.Errorf("it asked its context %d times for %d records", asked, len(test.s.Records))
			}
			for k := range int64(12) {
				ctx := &countdown{Context: t.Context()}
				ctx.left.Store(asked * k / 12)
				tab, err := Compile(ctx, []Source{test.s}, test.opt)
				if !errors.Is(err, context.Canceled) || tab != nil {
					t.Fatalf("ended after %d of %d questions: %v, a table: %v", asked*k/12, asked, err, tab != nil)
				}
				if after := -ctx.left.Load(); after > 1000 {
					t.Errorf("ended after %d of %d questions it asked %d times more", asked*k/12, asked, after)
				}
			}
		})
	}
}
