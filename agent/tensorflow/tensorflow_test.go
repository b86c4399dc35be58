//go:build tensorflow

package tensorflow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// tolerance is the root mean square error allowed against the reference, relative
// to its root mean square. fp32: summation order. fp16 and bf16: 11 and 8 bits of
// mantissa, rounded at every operation of a dozen.
var tolerance = map[lut.Precision]float64{lut.FP32: 1e-5, lut.FP16: 2e-2, lut.BF16: 5e-2}

func build(t testing.TB, keys ...string) agent.Model {
	t.Helper()
	var c benchmarks.Chain
	for _, k := range keys {
		op, err := lut.ParseOp(k)
		if err != nil {
			t.Fatal(err)
		}
		c = append(c, op)
	}
	m, err := agent.Build(benchmarks.Model{Chain: c}, agent.BuildSpec{Format: "graph", Batch: 1, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	m.Name, m.ID = keys[0], keys[0]
	return m
}

var cpu = agent.Options{Provider: "cpu", Threads: 1, Seed: 1}

func TestConformance(t *testing.T) {
	backendtest.Run(t, backendtest.Config{
		New:      func(testing.TB) agent.Backend { return New() },
		Provider: "cpu",
		Models: []agent.Model{
			build(t, "conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=8,h=16,w=16"),
			build(t, "mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=8,cout=8,h=8,mid=24,w=8"),
			build(t, "linear/fp32@cin=16,cout=8,m=4"),
		},
		Bad:   []agent.Model{build(t, "conv[k=1]/int8@cin=8,cout=8,h=4,w=4")},
		Input: &agent.Tensor{Name: "input", DType: "float32", Shape: []int{1, 3, 16, 16}, Data: make([]byte, 4*3*16*16)},
		// The binding makes C arrays of feeds, fetches and targets at each run.
		MaxAllocs: 20,
	})
}

// TestCatalogue runs every chain of the catalogue's test file in every precision
// and compares it with the reference interpreter.
func TestCatalogue(t *testing.T) {
	text, err := os.ReadFile("../../benchmarks/testdata/kernels.txt")
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var keys []string
		for line := range strings.SplitSeq(strings.Trim(block, "\n"), "\n") {
			prec, _, isResult := strings.Cut(line, ": ")
			if !isResult {
				if !strings.HasPrefix(line, "#") {
					keys = append(keys, line)
				}
				continue
			}
			var c []string
			for _, key := range keys {
				c = append(c, strings.ReplaceAll(key, "/P@", "/"+prec+"@"))
			}
			t.Run(fmt.Sprintf("%s/%s", strings.Split(keys[len(keys)/2], "/")[0], prec), func(t *testing.T) {
				if runChain(t, c, lut.Precision(prec)) {
					ran[prec]++
				}
			})
		}
	}
	if ran["fp32"] < 20 || ran["fp16"] < 20 {
		t.Errorf("too few models ran: %v", ran)
	}
	t.Logf("ran %v", ran)
}

// runChain reports whether TensorFlow has a form of the chain; it is then right.
func runChain(t *testing.T, keys []string, p lut.Precision) bool {
	m := build(t, keys...)
	s, err := New().Open(context.Background(), m, cpu)
	quantised := slices.ContainsFunc(m.Graph.Nodes, func(n *graph.Node) bool {
		return slices.ContainsFunc(slices.Concat(n.In, n.Out), func(v *graph.Value) bool { return v.Quant != nil })
	})
	if quantised {
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, agent.ErrUnsupported) {
			t.Errorf("a quantised graph: %v, want ErrUnsupported", err)
		}
		return false
	}
	if err != nil {
		if !errors.Is(err, agent.ErrUnsupported) {
			t.Errorf("%v does not wrap ErrUnsupported", err)
		}
		t.Logf("no form: %v", err)
		return false
	}
	defer s.Close()
	got, err := s.(agent.OutputReader).Outputs()
	if err != nil {
		t.Fatal(err)
	}
	in := map[string][]float32{}
	for i, v := range m.Graph.Inputs {
		if in[v.Name], err = inputData(v, cpu, i); err != nil {
			t.Fatal(err)
		}
	}
	ref, err := reference.Run(m.Graph, in)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range m.Graph.Outputs {
		want := agent.Tensor{Name: v.Name, DType: dtypes[v.DType], Shape: v.Shape, Data: encode(ref[v.Name], v.DType)}
		n, err := agent.CompareTensors(got[i:i+1], []agent.Tensor{want})
		if err != nil {
			t.Fatal(err)
		}
		limit := tolerance[p]
		if limit == 0 {
			limit = tolerance[lut.FP32]
		}
		if n.RelRMS > limit {
			t.Errorf("output %s: relative RMS error %.3g, more than %g", v.Name, n.RelRMS, limit)
		}
	}
	return true
}

func TestRefusals(t *testing.T) {
	m := build(t, "linear/fp32@cin=16,cout=8,m=4")
	for name, c := range map[string]struct {
		opt  agent.Options
		want string
		hint string
	}{
		"no GPU":              {agent.Options{Provider: "gpu", Threads: 1}, "sees no GPU", "NVIDIA driver"},
		"option":              {agent.Options{Provider: "cpu", Threads: 1, ProviderOptions: map[string]string{"x": "1"}}, `no option "x"`, "leave it out"},
		"threads fixed":       {agent.Options{Provider: "cpu", Threads: 2}, "fixes once", "process of its own"},
		"no threads":          {agent.Options{Provider: "cpu"}, "at least 1", ""},
		"input of that name":  {agent.Options{Provider: "cpu", Threads: 1, Inputs: map[string]agent.Tensor{"z": {}}}, `no input "z"`, ""},
		"input of that shape": {agent.Options{Provider: "cpu", Threads: 1, Inputs: map[string]agent.Tensor{"input": {}}}, "wants float32", ""},
	} {
		if s, err := New().Open(context.Background(), m, cpu); err != nil { // one thread is the process's choice
			t.Fatal(err)
		} else {
			s.Close()
		}
		info, err := New().Info()
		if err != nil {
			t.Fatal(err)
		}
		if name == "no GPU" && slices.Contains(info.Providers, "gpu") {
			continue
		}
		s, err := New().Open(context.Background(), m, c.opt)
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%s: %v (%s); want %q (%q)", name, err, hint.Of(err), c.want, c.hint)
		}
	}
	if _, err := New().Open(context.Background(), agent.Model{Name: "file", Path: "net.pb"}, cpu); !errors.Is(err, agent.ErrUnsupported) {
		t.Errorf("a model file: %v", err)
	}
}

func TestExecution(t *testing.T) {
	for p, want := range map[lut.Precision]string{
		lut.FP32: agent.Native, lut.FP16: agent.Emulated, lut.BF16: agent.Emulated, lut.INT8Dyn: agent.Emulated, lut.INT8W: agent.Emulated,
	} {
		e, err := New().Execution(context.Background(), build(t, fmt.Sprintf("softmax/%s@m=4,n=8", p)), cpu, p)
		if err != nil || e.Mode != want || e.Why == "" {
			t.Errorf("%s: %+v, %v; want %s", p, e, err, want)
		}
	}
}
