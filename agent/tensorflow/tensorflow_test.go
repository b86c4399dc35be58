//go:build tensorflow

package tensorflow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

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
		Bad:   []agent.Model{build(t, "resize[f=2,mode=cubic]/fp32@c=8,h=4,w=4")},
		Input: &agent.Tensor{Name: "input", DType: "float32", Shape: []int{1, 3, 16, 16}, Data: make([]byte, 4*3*16*16)},
		// The binding makes C arrays of feeds, fetches and targets at each run.
		MaxAllocs: 20,
	})
}

// TestCatalogueAgreesWithTheReference runs every chain of the catalogue's test file in every precision
// and compares it with the reference interpreter.
func TestCatalogueAgreesWithTheReference(t *testing.T) {
	ran, models, told := map[lut.Precision]int{}, 0, 0
	for _, m := range backendtest.Catalogue(t, "../../benchmarks/testdata/kernels.txt") {
		if slices.ContainsFunc(m.Chain, func(op lut.Op) bool { return op.Attr("mode") == "cubic" }) {
			continue // no form
		}
		t.Run(m.Name(), func(t *testing.T) {
			if runChain(t, m.Chain) {
				told++
			}
		})
		ran[m.Precision]++
		models++
	}
	// The others are reciprocals and products of a layer's normalised numbers in 8 and 16 bits, and
	// norms of them, which are all alike.
	if told < models-models/50 {
		t.Errorf("only %d of %d models tell right from wrong", told, models)
	}
	t.Logf("ran %v", ran)
}

// runChain returns whether the comparison could have failed.
func runChain(t *testing.T, c benchmarks.Chain) (telling bool) {
	telling = true
	var keys []string
	for _, op := range c {
		keys = append(keys, op.String())
	}
	m := build(t, keys...)
	s, err := New().Open(context.Background(), m, cpu)
	if err != nil {
		t.Fatalf("%v: %v", keys, err)
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
	limits, err := reference.Tolerance(m.Graph, in)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range m.Graph.Outputs {
		want := agent.Tensor{Name: v.Name, DType: dtypes[v.DType], Shape: v.Shape, Data: encode(ref[v.Name], v.DType)}
		n, err := agent.CompareTensors(got[i:i+1], []agent.Tensor{want})
		if err != nil {
			t.Fatal(err)
		}
		limit := limits[v.Name]
		if !(n.RelRMS <= limit) {
			t.Errorf("%v: output %s: relative RMS error %.3g of %.3g, more than %.3g", keys, v.Name, n.RelRMS, n.Scale, limit)
		}
		if !tells(t, got[i], want, limit) {
			t.Logf("tells nothing: %v: output %s: tolerance %.3g", keys, v.Name, limit)
			telling = false
		}
	}
	return telling
}

// tells says whether a tolerance can fail: the same numbers in reverse order are outside it,
// and so are zeros, which are off by 1. An output that is nearly constant does not tell, nor
// one that is all rounding.
func tells(t *testing.T, got, want agent.Tensor, limit float64) bool {
	t.Helper()
	numbers := 1
	for _, d := range got.Shape {
		numbers *= d
	}
	size := len(got.Data) / numbers
	var reversed []byte
	for i := numbers - 1; i >= 0; i-- {
		reversed = append(reversed, got.Data[i*size:(i+1)*size]...)
	}
	got.Data = reversed
	n, err := agent.CompareTensors([]agent.Tensor{got}, []agent.Tensor{want})
	if err != nil {
		t.Fatal(err)
	}
	return n.RelRMS > limit && limit < 1
}

func TestRefusalsAreUnsupported(t *testing.T) {
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

// TestExecutionIsSaidPerPrecision: the verdict follows the operations that ran, not the model's name.
func TestExecutionIsSaidPerPrecision(t *testing.T) {
	bf16 := agent.Emulated // where oneDNN is off, or the processor has no such arithmetic
	if oneDNN() && slices.ContainsFunc(arithmetic(lut.BF16), func(f string) bool { return slices.Contains(arithmeticHere(), f) }) {
		bf16 = agent.Native
	}
	for key, want := range map[string]record.Execution{
		"softmax/fp32@m=4,n=8":                      agent.Native,
		"softmax/bf16@m=4,n=8":                      agent.Emulated, // of single elements
		"softmax/int8dyn@m=4,n=8":                   agent.Emulated,
		"conv[k=3]/fp32@cin=16,cout=16,h=8,w=8":     agent.Native,
		"conv[k=3]/bf16@cin=16,cout=16,h=8,w=8":     bf16, // oneDNN's
		"linear/bf16@cin=32,cout=16,m=4":            bf16,
		"conv[k=3]/int8@cin=16,cout=16,h=8,w=8":     agent.Emulated,
		"reshape[to=flat]/bf16@c=4,h=4,w=4":         agent.Native,
		"transpose[perm=1-0]/fp16@d0=4,d1=8":        agent.Native,
		"linear[act=relu]/int8w@cin=32,cout=16,m=4": agent.Emulated,
	} {
		op, err := lut.ParseOp(key)
		if err != nil {
			t.Fatal(err)
		}
		e, err := New().Execution(context.Background(), build(t, key), cpu, op.Precision)
		if err != nil || e.Mode != want || e.Why == "" {
			t.Errorf("%s: %+v, %v; want %s", key, e, err, want)
		}
	}
}

// TestGraphIsJudgedNativeOrEmulated: what the graphs of other machines would mean.
func TestGraphIsJudgedNativeOrEmulated(t *testing.T) {
	conv := func(op string, dtype uint64) []operation {
		return []operation{{op: "Const", dtype: 1}, {op: "Cast"}, {op: op, dtype: dtype}, {op: "Relu", dtype: 1}}
	}
	for name, c := range map[string]struct {
		ops   []operation
		p     lut.Precision
		cpu   bool
		flags []string
		want  record.Execution
	}{
		"oneDNN without the arithmetic": {conv("_MklNativeFusedConv2D", 14), lut.BF16, true, []string{"AVX512_CORE"}, agent.Emulated},
		"Eigen with the arithmetic":     {conv("Conv2D", 14), lut.BF16, true, arithmetic(lut.BF16), agent.Emulated},
		"both":                          {conv("_MklNativeFusedConv2D", 14), lut.BF16, true, arithmetic(lut.BF16), agent.Native},
		"widened by the optimiser":      {conv("_MklNativeFusedConv2D", 1), lut.BF16, true, arithmetic(lut.BF16), agent.Emulated},
		"a GPU":                         {conv("Conv2D", 19), lut.FP16, false, nil, agent.Native},
		"nothing":                       {nil, lut.FP32, true, nil, agent.Emulated},
	} {
		if e := judge(c.ops, c.p, c.cpu, c.flags); e.Mode != c.want || e.Why == "" {
			t.Errorf("%s: %+v, want %s", name, e, c.want)
		}
	}
}

// TestOptimisedGraphIsRead: what runs is read from the runtime's own graph, fused.
func TestOptimisedGraphIsRead(t *testing.T) {
	p, err := New().Placement(context.Background(), build(t, "conv[act=relu6,k=3]/fp32@cin=16,cout=16,h=8,w=8"), cpu)
	if err != nil || len(p.Nodes) != 1 || !strings.Contains(p.Nodes[0].Op, "FusedConv2D") || p.Nodes[0].Provider != "cpu" {
		t.Errorf("%+v, %v; want one fused convolution", p, err)
	}
	for _, torn := range []string{"\x1a", "\x1a\x05a", "\x1a\x02\x0a\x09", "\x1f", "\x1a\x80"} {
		if ops, err := partitions([]byte(torn)); err == nil {
			t.Errorf("%q is read as %v", torn, ops)
		}
	}
}
