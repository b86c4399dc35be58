package study

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// fidelity asks the evaluator of final utilities about the anchors and finals. A
// certificate is about the proxy; this says what that is worth.
func (r *runner) fidelity(ctx context.Context, res *Results) error {
	if r.Config.Final == "" {
		return nil
	}
	ev, err := r.Open(ctx, r.Config.Final, r.sp, 0)
	if err != nil {
		return err
	}
	if c, ok := ev.(interface{ Close() error }); ok {
		defer c.Close()
	}
	id := ev.Identity()
	id.Spec = baseSpec(id.Spec)
	f := &Fidelity{Evaluator: id}
	// The proxy of an architecture is its mean over the seeds it was judged with.
	sums, counts := map[string]float64{}, map[string]float64{}
	bands := map[[2]string]map[string]bool{}
	add := func(u Unit, key string, e *Estimate, inside bool) {
		if e == nil {
			return
		}
		sums[key] += e.Mean
		counts[key]++
		if b := [2]string{u.Anchor, u.Table}; inside {
			if bands[b] == nil {
				bands[b] = map[string]bool{}
			}
			bands[b][key] = true
		}
	}
	for _, u := range res.Units {
		add(u, u.Anchor, u.AnchorUtility, true)
		add(u, u.Final, u.Utility, u.Inside)
	}
	finals := map[string]float64{}
	var proxy, final []float64
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		a, err := space.ParseArch(key)
		if err != nil {
			return err
		}
		n := 1
		if p, ok := ev.(search.Pooled); ok {
			n = max(p.PoolSize(a), 1)
		}
		sum, got := 0.0, 0
		for i := range n {
			o, err := r.evaluateFinal(ctx, ev, a, key, i)
			if err != nil {
				return fmt.Errorf("final utility of %s: %w", key, err)
			}
			if o.Failed == "" {
				sum += o.Utility
				got++
			}
		}
		if got == 0 {
			continue
		}
		finals[key] = sum / float64(got)
		proxy, final = append(proxy, sums[key]/counts[key]), append(final, finals[key])
	}
	f.Archs = len(final)
	if rho := search.ProxyRank(proxy, final); rho != nil {
		f.Spearman = *rho
	}
	for _, band := range bands {
		proxy, final = nil, nil
		for _, key := range slices.Sorted(maps.Keys(band)) {
			if v, ok := finals[key]; ok {
				proxy, final = append(proxy, sums[key]/counts[key]), append(final, v)
			}
		}
		pairs, wrong := search.ProxyPairs(proxy, final)
		f.Pairs += pairs
		f.Wrong += wrong
	}
	res.Fidelity = f
	return nil
}

func (r *runner) evaluateFinal(ctx context.Context, ev search.Evaluator, a space.Arch, key string, i int) (search.Outcome, error) {
	q := search.Request{Arch: a, Key: key, Stream: search.StreamSearch, Index: i, Seed: search.SampleSeed(0, search.StreamFinal, key, i), Fidelity: 1}
	answer, err := ev.Evaluate(ctx, q)
	var f *search.Failure
	if errors.As(err, &f) {
		return search.Outcome{Failed: cmp.Or(f.Reason, "failed without a reason")}, nil
	}
	return search.Outcome{Answer: answer}, err
}
