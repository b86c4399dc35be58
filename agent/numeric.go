package agent

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// check runs a model and its reference once on the same inputs and compares what
// they compute. It opens sessions of its own: never the timed ones.
func (s *childState) check(ctx context.Context, q checkRequest) error {
	if err := s.send(report{Begin: true, Model: q.Model.ID}); err != nil {
		return err
	}
	r := report{Model: q.Model.ID}
	n, err := s.compare(ctx, q)
	switch {
	case err != nil:
		r.Failed = &failReport{validityOf(err), cleanDetail(err.Error())}
	case !(n.RelRMS <= q.Tolerance):
		r.Numeric = n
		r.Failed = &failReport{record.NumericMismatch, fmt.Sprintf("relative RMS error %.3g against %s, tolerance %.3g", n.RelRMS, n.Reference, q.Tolerance)}
	default:
		r.Numeric = n
	}
	return s.send(r)
}

func (s *childState) compare(ctx context.Context, q checkRequest) (*record.Numeric, error) {
	run := func(as lut.Precision, opt Options) ([]Tensor, error) {
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
		reader, ok := session.(OutputReader)
		if !ok {
			return nil, fmt.Errorf("%w: outputs cannot be read back", ErrUnsupported)
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
	n, err := CompareTensors(got, want)
	if err != nil {
		return nil, err
	}
	n.Reference, n.Tolerance = name, q.Tolerance
	return &n, nil
}

// CompareTensors compares outputs element by element. RelRMS is the root mean
// square of the differences over the root mean square of want; it is +Inf where
// an output is not finite and the reference is. Shapes must agree.
func CompareTensors(got, want []Tensor) (record.Numeric, error) {
	var n record.Numeric
	if len(got) != len(want) {
		return n, fmt.Errorf("%d outputs where the reference has %d", len(got), len(want))
	}
	var se, ss float64
	var count int
	for i := range got {
		a, err := got[i].Floats()
		if err != nil {
			return n, err
		}
		b, err := want[i].Floats()
		if err != nil {
			return n, err
		}
		if len(a) != len(b) {
			return n, fmt.Errorf("output %d has %d elements where the reference has %d", i, len(a), len(b))
		}
		for j := range a {
			d := math.Abs(a[j] - b[j])
			if a[j] == b[j] || math.IsNaN(a[j]) && math.IsNaN(b[j]) {
				d = 0
			}
			if math.IsNaN(d) {
				d = math.Inf(1)
			}
			n.MaxAbs = max(n.MaxAbs, d)
			se += d * d
			if !math.IsInf(b[j], 0) && !math.IsNaN(b[j]) {
				ss += b[j] * b[j]
			}
		}
		count += len(a)
	}
	if count == 0 {
		return n, fmt.Errorf("no output elements to compare")
	}
	n.Scale = math.Sqrt(ss / float64(count))
	rms := math.Sqrt(se / float64(count))
	switch {
	case rms == 0:
	case n.Scale == 0:
		n.RelRMS = math.MaxFloat64
	default:
		n.RelRMS = min(rms/n.Scale, math.MaxFloat64)
	}
	n.MaxAbs = min(n.MaxAbs, math.MaxFloat64)
	return n, nil
}

// Floats returns the elements as float64.
func (t Tensor) Floats() ([]float64, error) {
	size, ok := elementSize[t.DType]
	if !ok || len(t.Data)%size != 0 {
		return nil, fmt.Errorf("tensor %s: %d bytes of %q are no numbers", t.Name, len(t.Data), t.DType)
	}
	out := make([]float64, len(t.Data)/size)
	le := binary.LittleEndian
	for i := range out {
		b := t.Data[i*size:]
		switch t.DType {
		case "bool", "uint8":
			out[i] = float64(b[0])
		case "int8":
			out[i] = float64(int8(b[0]))
		case "int16":
			out[i] = float64(int16(le.Uint16(b)))
		case "uint16":
			out[i] = float64(le.Uint16(b))
		case "float16":
			out[i] = float16(le.Uint16(b))
		case "bfloat16":
			out[i] = float64(math.Float32frombits(uint32(le.Uint16(b)) << 16))
		case "int32":
			out[i] = float64(int32(le.Uint32(b)))
		case "uint32":
			out[i] = float64(le.Uint32(b))
		case "float32":
			out[i] = float64(math.Float32frombits(le.Uint32(b)))
		case "int64":
			out[i] = float64(int64(le.Uint64(b)))
		case "uint64":
			out[i] = float64(le.Uint64(b))
		case "float64":
			out[i] = math.Float64frombits(le.Uint64(b))
		}
	}
	return out, nil
}

// float16 is IEEE 754 binary16.
func float16(h uint16) float64 {
	sign := 1.0
	if h>>15 != 0 {
		sign = -1
	}
	exp, frac := int(h>>10&31), float64(h&1023)
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}
