package child

import (
	"context"
	"fmt"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// check runs a model and its reference once on the same inputs and compares what
// they compute. It opens sessions of its own: never the timed ones.
func (s *server) check(ctx context.Context, q Check) error {
	if err := s.send(Report{Begin: true, Model: q.Model.ID}); err != nil {
		return err
	}
	r := Report{Model: q.Model.ID}
	n, err := s.compare(ctx, q)
	switch {
	case err != nil:
		r.Failed = failure(q.Model.ID, err)
	case !(n.RelRMS <= q.Tolerance):
		r.Numeric = n
		r.Failed = &Failure{q.Model.ID, record.NumericMismatch, fmt.Sprintf("relative RMS error %.3g against %s, tolerance %.3g", n.RelRMS, n.Reference, q.Tolerance)}
	default:
		r.Numeric = n
	}
	return s.send(r)
}

func (s *server) compare(ctx context.Context, q Check) (*record.Numeric, error) {
	run := func(as lut.Precision, opt agent.Options) ([]agent.Tensor, error) {
		info, err := s.backend.Info()
		if err != nil {
			return nil, err
		}
		spec := s.buildSpec(info.Format)
		spec.Precision = as
		model, err := s.Build(q.Model, spec)
		if err != nil {
			return nil, err
		}
		opt.Inputs = inputsFor(s.options.Inputs, model)
		session, err := s.backend.Open(ctx, model, opt)
		if err != nil {
			return nil, err
		}
		defer session.Close()
		reader, ok := session.(agent.OutputReader)
		if !ok {
			return nil, fmt.Errorf("%w: outputs cannot be read back", agent.ErrUnsupported)
		}
		if err := session.Run(); err != nil {
			return nil, err
		}
		return reader.Outputs()
	}
	got, err := run("", s.options)
	if err != nil {
		return nil, err
	}
	opt, name := s.options, "the same model on cpu"
	if q.Reference != "" {
		name = fmt.Sprintf("its %s form on cpu", q.Reference)
	}
	opt.Provider, opt.ProviderOptions = "cpu", nil
	want, err := run(q.Reference, opt)
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	n, err := agent.CompareTensors(got, want)
	if err != nil {
		return nil, err
	}
	n.Reference, n.Tolerance = name, q.Tolerance
	return &n, nil
}
