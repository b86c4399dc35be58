package evaluator

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// smallSpace has four layers, so that the reference interpreter is fast.
func smallSpace(t testing.TB) *space.Measured {
	t.Helper()
	s, err := space.ReadMeasured("small.yaml", []byte(`
format: isocost/space/v1
name: small
input: {channels: 3, height: 8, width: 8}
width: {scope: layer, divisor: 4, ratios: [0.5, 1, 1.5]}
precisions: [fp32, int8]
choices:
  a: {op: mbconv, k: 3, e: 2, act: relu6}
  b: {op: mbconv, k: 5, e: 3, act: relu}
stem:
  - {op: conv, k: 3, s: 2, out: 8, act: relu6}
stages:
  - {name: s1, channels: 8, stride: 1, layers: 2}
  - {name: s2, channels: 12, stride: 2, layers: 2}
head:
  - {op: gap}
  - {op: linear, out: 10}
default: {choice: a, width: 1, precision: fp32}
`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// buildAgent builds the real agent.
func buildAgent(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/isocost/isocost/cmd/agent").CombinedOutput(); err != nil {
		t.Fatalf("build agent: %v\n%s", err, out)
	}
	return path
}

// TestONNXScores runs the evaluator in ONNX Runtime and compares NASWOT and ACor
// with those of the reference interpreter, computed outside the graph.
func TestONNXScores(t *testing.T) {
	tier.Slow(t, "builds the agent")
	lib := nativelib.Require(t, "onnxruntime")
	s := smallSpace(t)
	ctx := context.Background()
	e, err := OpenONNX(ctx, "batch=4", ONNXOptions{Space: s, Agent: buildAgent(t), Args: []string{"--ort-lib", lib}, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, key := range []string{"a:1:fp32|b:2:fp32|a:fp32|b:1:fp32", "a:1:fp32|b:2:int8|a:int8|b:1:fp32"} {
		a, err := space.ParseArch(key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.score(ctx, a, 42)
		if err != nil {
			t.Fatal(err)
		}
		want := referenceScores(t, s, a, 4, 42)
		tolerance := 1e-3
		if a.Layers[1].Precision == lut.INT8 {
			tolerance = 0.15 // int8 rounding may differ by one step and turn a unit over
		}
		for i := range got {
			if math.Abs(got[i]-want[i]) > tolerance*math.Max(1, math.Abs(want[i])) {
				t.Errorf("%s: scores %v, the reference says %v", key, got, want)
			}
		}
		again, err := e.score(ctx, a, 42)
		if err != nil || again != got {
			t.Errorf("%s: asked again %v, %v; was %v", key, again, err, got)
		}
		other, err := e.score(ctx, a, 43)
		if err != nil || other == got {
			t.Errorf("%s: another seed gives %v, %v", key, other, err)
		}
	}
	if _, err := e.Evaluate(ctx, search.Request{Arch: s.Default(), Key: s.Default().Key(), Seed: 1}); err == nil {
		t.Error("an evaluation before the scale is fixed")
	}
	state, err := e.Calibrate(ctx, space.Sample(s, 6, 1), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(state); err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(json.RawMessage(`{"format":"x"}`)); err == nil {
		t.Error("a foreign scale was restored")
	}
	ans, err := e.Evaluate(ctx, search.Request{Arch: s.Default(), Key: s.Default().Key(), Seed: 1})
	if err != nil || ans.Parts["naswot"] == 0 || math.IsNaN(ans.Utility) {
		t.Errorf("answer %+v, %v", ans, err)
	}
}

func TestONNXWithoutAgent(t *testing.T) {
	_, err := OpenONNX(context.Background(), "", ONNXOptions{Space: smallSpace(t), Agent: "/nonexistent/agent"})
	if err == nil {
		t.Error("an agent that is not there was started")
	}
	for _, spec := range []string{"batch=1", "side=2", "what=3", "batch"} {
		if _, err := OpenONNX(context.Background(), spec, ONNXOptions{Space: smallSpace(t), Agent: "/nonexistent/agent"}); err == nil || errors.Is(err, exec.ErrNotFound) {
			t.Errorf("spec %q: %v", spec, err)
		}
	}
}

// referenceScores computes both scores from the reference interpreter's values of
// every activation, with the same weights and inputs.
func referenceScores(t *testing.T, s *space.Measured, a space.Arch, n int, seed uint64) (p [2]float64) {
	t.Helper()
	chain, err := s.Lower(a)
	if err != nil {
		t.Fatal(err)
	}
	g, err := benchmarks.Build(chain, benchmarks.BuildOptions{Batch: n, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	g.Outputs = nil
	for _, node := range g.Nodes {
		if node.Fused != nil {
			g.Outputs = append(g.Outputs, node.Out[0])
		}
	}
	values, err := reference.Run(g, map[string][]float32{"input": gaussian(seed, g.Inputs[0].Len())})
	if err != nil {
		t.Fatal(err)
	}
	gram := make([]float32, n*n)
	units := 0
	var last []float32
	for _, v := range g.Outputs {
		x := values[v.Name]
		size := len(x) / n
		units += size
		mean := make([]float32, size)
		for k := range mean {
			sum := 0.0
			for i := range n {
				sum += float64(x[i*size+k])
			}
			mean[k] = float32(sum / float64(n))
		}
		for i := range n {
			for j := range n {
				for k := range size {
					if (x[i*size+k] > mean[k]) == (x[j*size+k] > mean[k]) {
						gram[i*n+j]++
					} else {
						gram[i*n+j]--
					}
				}
			}
		}
		last = x
	}
	if p[0], err = naswot(gram, n, units); err != nil {
		t.Fatal(err)
	}
	size := len(last) / n
	corr := make([]float32, n*n)
	for i := range n {
		for j := range n {
			corr[i*n+j] = float32(pearson(last[i*size:(i+1)*size], last[j*size:(j+1)*size]))
		}
	}
	if p[1], err = acor(corr, n); err != nil {
		t.Fatal(err)
	}
	return p
}

func pearson(x, y []float32) float64 {
	var mx, my, xy, xx, yy float64
	for i := range x {
		mx += float64(x[i]) / float64(len(x))
		my += float64(y[i]) / float64(len(x))
	}
	for i := range x {
		dx, dy := float64(x[i])-mx, float64(y[i])-my
		xy += dx * dy
		xx += dx * dx
		yy += dy * dy
	}
	return xy / math.Sqrt(xx*yy)
}

// gaussian returns what agent feeds a model's first float32 input with.
func gaussian(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}
