package evaluator

import (
	"context"
	"encoding/json"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// PerDevice evaluates architectures with a precision per device by an evaluator
// of the base space: the utility is the mean over the different variants the
// devices have, all with the request's seed. Where all precisions agree that is
// one evaluation.
func PerDevice(e search.Evaluator, sp *space.PerDevice) search.Evaluator {
	p := &perDevice{e, sp}
	if c, ok := e.(search.Calibrated); ok {
		return &calibratedPerDevice{p, c}
	}
	return p
}

type perDevice struct {
	search.Evaluator
	space *space.PerDevice
}

func (p *perDevice) Evaluate(ctx context.Context, r search.Request) (search.Answer, error) {
	variants := p.space.Variants(r.Arch)
	var out search.Answer
	for _, v := range variants {
		q := r
		q.Arch, q.Key = v, v.Key()
		a, err := p.Evaluator.Evaluate(ctx, q)
		if err != nil {
			return search.Answer{}, err
		}
		out.Utility += a.Utility / float64(len(variants))
		out.Seconds += a.Seconds
		if len(variants) == 1 {
			out.Parts = a.Parts
		}
	}
	return out, nil
}

// Close ends what the evaluator holds.
func (p *perDevice) Close() error {
	if c, ok := p.Evaluator.(Closer); ok {
		return c.Close()
	}
	return nil
}

type calibratedPerDevice struct {
	*perDevice
	inner search.Calibrated
}

// Calibrate fixes the scale on the variants.
func (c *calibratedPerDevice) Calibrate(ctx context.Context, archs []space.Arch, seed uint64) (json.RawMessage, error) {
	var all []space.Arch
	seen := map[string]bool{}
	for _, a := range archs {
		for _, v := range c.space.Variants(a) {
			if k := v.Key(); !seen[k] {
				seen[k] = true
				all = append(all, v)
			}
		}
	}
	return c.inner.Calibrate(ctx, all, seed)
}

func (c *calibratedPerDevice) Restore(state json.RawMessage) error { return c.inner.Restore(state) }

var _ search.Calibrated = (*calibratedPerDevice)(nil)
