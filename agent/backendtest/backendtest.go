// Package backendtest is the suite every agent.Backend must pass: what a
// campaign relies on, stated once. An adapter's test calls Run.
package backendtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
)

// Config says how to reach the backend and what it can run.
type Config struct {
	// New makes a backend; it is called once per subtest.
	New func(t testing.TB) agent.Backend
	// Provider is one that works here, normally "cpu".
	Provider string
	// Models are at least two different small models that the backend runs, in the
	// form it takes (Bytes, Path, Graph or Chain).
	Models []agent.Model
	// Bad are models the runtime rejects. Random bytes are tried besides.
	Bad []agent.Model
	// Input overrides an input of Models[0] by name and must change its outputs; nil
	// when the model has no input to override.
	Input *agent.Tensor
	// MaxAllocs bounds the heap allocations of one Session.Run: the harness turns the
	// collector off while timing, so a few are borne, but each costs time.
	MaxAllocs float64
	// Threads are tried besides 1.
	Threads []int
}

// Run runs the suite.
func Run(t *testing.T, c Config) {
	t.Helper()
	if len(c.Models) < 2 || c.Provider == "" || c.New == nil {
		t.Fatal("backendtest: New, Provider and two models are needed")
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, Config)
	}{
		{"Info", testInfo},
		{"RunsAndCloses", testLifecycle},
		{"RejectsBadModels", testBad},
		{"RefusesUnknownProvider", testProvider},
		{"HonoursCancellation", testCancel},
		{"SessionsAreIndependent", testIndependent},
		{"OutputsFollowSeedAndInputs", testOutputs},
		{"RunsWithThreads", testThreads},
		{"RunAllocatesLittle", testAllocs},
		{"ProvesPlacement", testPlacement},
		{"ReportsMemory", testMemory},
		{"Profiles", testProfile},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

func (c Config) options() agent.Options {
	return agent.Options{Provider: c.Provider, Threads: 1, Seed: 1}
}

func (c Config) open(t *testing.T, b agent.Backend, m agent.Model, opt agent.Options) agent.Session {
	t.Helper()
	s, err := b.Open(context.Background(), m, opt)
	if err != nil {
		t.Fatalf("open %s: %v", m.Name, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func run(t *testing.T, s agent.Session) {
	t.Helper()
	if err := s.Run(); err != nil {
		t.Fatalf("run: %v", err)
	}
}

// outputs runs a session and reads its outputs; ok is false when the backend
// cannot read them.
func outputs(t *testing.T, s agent.Session) (out []agent.Tensor, ok bool) {
	t.Helper()
	run(t, s)
	r, ok := s.(agent.OutputReader)
	if !ok {
		return nil, false
	}
	out, err := r.Outputs()
	if err != nil {
		t.Fatalf("outputs: %v", err)
	}
	if len(out) == 0 {
		t.Fatal("a model without outputs")
	}
	for i := range out { // the next Run may reuse the memory
		out[i].Data = bytes.Clone(out[i].Data)
	}
	return out, true
}

func same(a, b []agent.Tensor) bool {
	return slices.EqualFunc(a, b, func(x, y agent.Tensor) bool {
		return x.DType == y.DType && slices.Equal(x.Shape, y.Shape) && bytes.Equal(x.Data, y.Data)
	})
}

func testInfo(t *testing.T, c Config) {
	b := c.New(t)
	info, err := b.Info()
	if err != nil {
		t.Fatal(err)
	}
	if info.Backend == "" || info.Version == "" || info.Format == "" {
		t.Errorf("backend, version and format must be known: %+v", info)
	}
	if sum, err := hex.DecodeString(info.SHA256); err != nil || len(sum) != 32 {
		t.Errorf("the library's hash %q is not a SHA-256: records could not tell two libraries apart", info.SHA256)
	}
	if !slices.Contains(info.Providers, c.Provider) {
		t.Errorf("provider %q works but is not listed in %v", c.Provider, info.Providers)
	}
	again, err := b.Info()
	if err != nil || again.SHA256 != info.SHA256 || again.Version != info.Version {
		t.Errorf("the second answer differs: %+v, %v", again, err)
	}
}

func testLifecycle(t *testing.T, c Config) {
	b := c.New(t)
	for _, m := range c.Models {
		s := c.open(t, b, m, c.options())
		for range 5 {
			run(t, s)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close %s: %v", m.Name, err)
		}
		if err := s.Run(); err == nil {
			t.Errorf("%s: Run on a closed session must be an error", m.Name)
		}
		s.Close() // twice: an error is fine, a crash is not
	}
	// Opening again after closing works, many times over.
	for range 20 {
		s := c.open(t, b, c.Models[0], c.options())
		run(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func testBad(t *testing.T, c Config) {
	b := c.New(t)
	bad := append(slices.Clone(c.Bad),
		agent.Model{Name: "random bytes", ID: "bad1", Bytes: []byte("\x00\xffthis is no model\n\x08\x01")},
		agent.Model{Name: "nothing", ID: "bad2"})
	for _, m := range bad {
		s, err := b.Open(context.Background(), m, c.options())
		if err == nil {
			s.Close()
			t.Errorf("%s was opened", m.Name)
			continue
		}
		if !errors.Is(err, agent.ErrUnsupported) {
			t.Errorf("%s: %v does not wrap ErrUnsupported", m.Name, err)
		}
	}
	// The backend is as good as before.
	run(t, c.open(t, b, c.Models[0], c.options()))
}

func testProvider(t *testing.T, c Config) {
	b := c.New(t)
	opt := c.options()
	opt.Provider = "no-such-provider"
	s, err := b.Open(context.Background(), c.Models[0], opt)
	if err == nil {
		s.Close()
		t.Fatal("an unknown provider was taken: something else would have been measured in its name")
	}
	if !strings.Contains(err.Error(), opt.Provider) {
		t.Errorf("the error does not name the provider: %v", err)
	}
	checker, ok := b.(agent.ProviderChecker)
	if !ok {
		return
	}
	if err := checker.CheckProvider(opt); err == nil || !strings.Contains(err.Error(), opt.Provider) || hint.Of(err) == "" {
		t.Errorf("without a model: %v with the hint %q", err, hint.Of(err))
	}
	if err := checker.CheckProvider(c.options()); err != nil {
		t.Errorf("a provider that runs models fails without one: %v", err)
	}
}

func testCancel(t *testing.T, c Config) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s, err := c.New(t).Open(ctx, c.Models[0], c.options())
	if err == nil {
		s.Close()
		t.Fatal("a cancelled context was ignored")
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not wrap context.Canceled", err)
	}
}

func testIndependent(t *testing.T, c Config) {
	b := c.New(t)
	var alone, mixed [][]agent.Tensor
	for _, m := range c.Models {
		out, ok := outputs(t, c.open(t, b, m, c.options()))
		if !ok {
			t.Skip("the backend cannot read outputs back")
		}
		alone = append(alone, out)
	}
	var sessions []agent.Session
	for _, m := range c.Models {
		sessions = append(sessions, c.open(t, b, m, c.options()))
	}
	for range 3 { // interleaved, as a campaign does
		mixed = nil
		for _, s := range sessions {
			out, _ := outputs(t, s)
			mixed = append(mixed, out)
		}
	}
	for i := range alone {
		if !same(alone[i], mixed[i]) {
			t.Errorf("%s computes something else with other sessions open", c.Models[i].Name)
		}
	}
}

func testOutputs(t *testing.T, c Config) {
	b := c.New(t)
	opt := c.options()
	first, ok := outputs(t, c.open(t, b, c.Models[0], opt))
	if !ok {
		t.Skip("the backend cannot read outputs back")
	}
	for _, o := range first {
		v, err := o.Floats()
		if err != nil {
			t.Fatal(err)
		}
		n := 1
		for _, d := range o.Shape {
			n *= d
		}
		if len(v) != n {
			t.Errorf("output %s has %d elements for shape %v", o.Name, len(v), o.Shape)
		}
		for _, x := range v {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("output %s is not finite: synthesised inputs must be tame", o.Name)
			}
		}
	}
	if again, _ := outputs(t, c.open(t, b, c.Models[0], opt)); !same(first, again) {
		t.Error("the same seed gave other outputs")
	}
	opt.Seed = 2
	if other, _ := outputs(t, c.open(t, b, c.Models[0], opt)); same(first, other) {
		t.Error("another seed gave the same outputs: inputs are not synthesised from it")
	}
	if c.Input == nil {
		return
	}
	opt = c.options()
	opt.Inputs = map[string]agent.Tensor{c.Input.Name: *c.Input}
	given, _ := outputs(t, c.open(t, b, c.Models[0], opt))
	if same(first, given) {
		t.Error("a given input did not change the outputs")
	}
	opt.Seed = 3
	if again, _ := outputs(t, c.open(t, b, c.Models[0], opt)); !same(given, again) {
		t.Error("with its input given, the seed still changed the outputs")
	}
}

func testThreads(t *testing.T, c Config) {
	b := c.New(t)
	for _, n := range c.Threads {
		opt := c.options()
		opt.Threads = n
		s := c.open(t, b, c.Models[0], opt)
		run(t, s)
	}
}

func testAllocs(t *testing.T, c Config) {
	s := c.open(t, c.New(t), c.Models[0], c.options())
	run(t, s)
	var err error
	got := testing.AllocsPerRun(20, func() {
		if e := s.Run(); e != nil {
			err = e
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got > c.MaxAllocs {
		t.Errorf("Run allocates %v times, at most %v are allowed", got, c.MaxAllocs)
	}
}

func testPlacement(t *testing.T, c Config) {
	b := c.New(t)
	p, ok := b.(agent.Placer)
	if !ok {
		t.Skip("the backend cannot prove placement")
	}
	for _, m := range c.Models {
		got, err := p.Placement(context.Background(), m, c.options())
		if err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		if len(got.Nodes) == 0 {
			t.Errorf("%s: no node is placed", m.Name)
		}
		for _, n := range got.Nodes {
			if n.Op == "" || n.Provider == "" {
				t.Errorf("%s: %+v lacks its operator or provider", m.Name, n)
			}
		}
	}
}

func testMemory(t *testing.T, c Config) {
	s := c.open(t, c.New(t), c.Models[0], c.options())
	r, ok := s.(agent.MemoryReporter)
	if !ok {
		t.Skip("the runtime has no allocator statistics")
	}
	before, err := r.MemoryStats()
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	after, err := r.MemoryStats()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []agent.MemoryStats{before, after} {
		if m.InUse < 0 || m.MaxInUse < m.InUse {
			t.Errorf("impossible statistics %+v", m)
		}
	}
	if after.MaxInUse < before.MaxInUse {
		t.Errorf("the peak fell from %d to %d", before.MaxInUse, after.MaxInUse)
	}
}

func testProfile(t *testing.T, c Config) {
	b := c.New(t)
	p, ok := b.(agent.Profiler)
	if !ok {
		t.Skip("the backend cannot profile")
	}
	kernels, err := p.Profile(context.Background(), c.Models[0], c.options(), 3)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(kernels) == 0 {
		t.Fatal("a profile without kernels")
	}
	var total float64
	for _, k := range kernels {
		if k.Op == "" || !(k.US >= 0) {
			t.Errorf("kernel %+v", k)
		}
		total += k.US
	}
	if total <= 0 {
		t.Errorf("the kernels take %v µs together", total)
	}
}
