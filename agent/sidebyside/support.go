package sidebyside

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/internal/half"
	"github.com/isocost/isocost/lut"
)

// SupportCases are the examples of the catalogue's kinds in the precisions given, those of
// them that it can build and of which something runs.
func SupportCases(precisions []lut.Precision) ([]Case, error) {
	var cases []Case
	for _, kind := range benchmarks.Kinds() {
		for _, p := range precisions {
			chain, err := benchmarks.Example(kind, p)
			if err != nil {
				continue // a precision that the kind does not have
			}
			if g, err := benchmarks.Build(chain, benchmarks.BuildOptions{Shapes: true}); err != nil {
				return nil, err
			} else if len(g.Nodes) > 0 {
				cases = append(cases, Case{Name: kind, Precision: p, Chain: chain})
			}
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("no kind of the catalogue is in %v", precisions)
	}
	return cases, nil
}

// Support opens every case on every lane, runs it once and compares it with the
// reference interpreter (RelRMS); nothing is timed. It fails only on cancellation
// or a case that cannot be built.
func Support(ctx context.Context, cases []Case, lanes []Lane, s Settings) ([]Result, error) {
	var results []Result
	for i, c := range cases {
		g, err := benchmarks.Build(c.Chain, benchmarks.BuildOptions{Batch: 1, Seed: s.Seed})
		if err != nil {
			return nil, err
		}
		inputs, tensors := draw(g, s.Seed)
		ref, err := reference.Run(g, inputs)
		if err != nil {
			return nil, fmt.Errorf("reference of %s: %w", c.Name, err)
		}
		var want []agent.Tensor
		for _, v := range g.Outputs {
			want = append(want, agent.Tensor{Name: v.Name, DType: "float32", Shape: v.Shape, Data: float32Bytes(ref[v.Name])})
		}
		for _, l := range lanes {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			s.tell(float64(i)/float64(len(cases)), c.Name+" in "+string(c.Precision)+" on "+l.Name)
			r := Result{Case: c.Name, Precision: c.Precision, Lane: l.Name}
			s.support(ctx, c, l, tensors, want, &r)
			results = append(results, r)
		}
	}
	return results, nil
}

func (s Settings) support(ctx context.Context, c Case, l Lane, inputs func(dtype string) map[string]agent.Tensor, want []agent.Tensor, r *Result) {
	fail := func(err error) { r.Outcome, r.Detail = outcome(err), err.Error() }
	info, err := l.Backend.Info()
	if err != nil {
		fail(err)
		return
	}
	// A TensorFlow Lite file of a half-precision model has float32 inputs.
	half := "float16"
	if strings.HasPrefix(string(info.Format), "tflite") {
		half = "float32"
	}
	l.Options.Inputs = inputs(half)
	session, out, err := s.prepare(ctx, c, l, r)
	if err != nil {
		fail(err)
		return
	}
	defer session.Close()
	n, err := agent.CompareTensors(out, want)
	if err != nil {
		r.Outcome, r.Detail = Mismatch, err.Error()
		return
	}
	r.RelRMS, r.Outcome = &n.RelRMS, OK
	if limit := s.Tolerance[string(c.Precision)]; !(n.RelRMS <= limit) {
		r.Outcome, r.Detail = Mismatch, fmt.Sprintf("relative RMS error %.3g against the reference, tolerance %.3g", n.RelRMS, limit)
	}
}

// draw makes standard normal inputs: as numbers, and as tensors of the graph with
// its half-precision inputs in the type given.
func draw(g *graph.Graph, seed uint64) (map[string][]float32, func(half string) map[string]agent.Tensor) {
	numbers := map[string][]float32{}
	for i, v := range g.Inputs {
		data := make([]byte, 4*v.Len())
		agent.Synthesise(data, "float32", seed, i)
		x := make([]float32, v.Len())
		for j := range x {
			x[j] = round(v.DType, math.Float32frombits(binary.LittleEndian.Uint32(data[4*j:])))
		}
		numbers[v.Name] = x
	}
	return numbers, func(half string) map[string]agent.Tensor {
		tensors := map[string]agent.Tensor{}
		for _, v := range g.Inputs {
			tensors[v.Name] = tensor(v, numbers[v.Name], half)
		}
		return tensors
	}
}

func round(t graph.DType, x float32) float32 {
	switch t {
	case graph.Float16:
		return half.ToFloat32(half.FromFloat32(x))
	case graph.BFloat16:
		return math.Float32frombits(uint32(half.BFromFloat32(x)) << 16)
	}
	return x
}

func tensor(v *graph.Value, x []float32, as string) agent.Tensor {
	t := agent.Tensor{Name: v.Name, DType: "float32", Shape: v.Shape, Data: float32Bytes(x)}
	switch {
	case v.DType == graph.Float16 && as == "float16":
		t.DType, t.Data = "float16", nil
		for _, f := range x {
			t.Data = binary.LittleEndian.AppendUint16(t.Data, half.FromFloat32(f))
		}
	case v.DType == graph.BFloat16:
		t.DType, t.Data = "bfloat16", nil
		for _, f := range x {
			t.Data = binary.LittleEndian.AppendUint16(t.Data, half.BFromFloat32(f))
		}
	}
	return t
}

func float32Bytes(v []float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
