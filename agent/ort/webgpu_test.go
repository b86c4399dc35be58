//go:build cgo

package ort

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
)

// webgpu returns the backend with the WebGPU plugin on software Vulkan. Numbers
// taken there mean nothing; what runs, where, and what comes out does.
func webgpu(t *testing.T) *Backend {
	nativelib.Require(t, "onnxruntime")
	path := nativelib.Require(t, "onnxruntime-webgpu")
	nativelib.SoftwareVulkan(t)
	return New(Config{Search: nativelib.Host(), EPLibraries: map[string]string{"webgpu": path}})
}

func webgpuOptions(transfers bool) agent.Options {
	return agent.Options{Provider: "webgpu", Threads: 1, Seed: 1, Transfers: transfers}
}

// squareModel is two matrix products of n×n: work enough to be seen in time.
func squareModel(n int) []byte {
	return testModel{
		in: []testValue{{"x", 1, []any{n, n}}}, out: []testValue{{"y", 1, []any{n, n}}},
		nodes: []testNode{
			{op: "MatMul", in: []string{"x", "x"}, out: []string{"a"}},
			{op: "MatMul", in: []string{"a", "x"}, out: []string{"y"}},
		},
	}.bytes()
}

func TestWebGPUConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of software Vulkan: make test")
	}
	b := webgpu(t)
	backendtest.Run(t, backendtest.Config{
		New:      func(testing.TB) agent.Backend { return b },
		Provider: "webgpu",
		Models:   []agent.Model{{Name: "add", ID: "add", Bytes: addModel()}, {Name: "conv", ID: "conv", Bytes: convModel(1)}},
		Bad:      []agent.Model{{Name: "unknown operator", ID: "unknown", Bytes: unknownOp()}},
		Input:    &agent.Tensor{Name: "x", DType: "float32", Shape: []int{1, 3}, Data: floats(4, 5, 6)},
	})
}

func TestWebGPUAgreesWithCPU(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of software Vulkan: make test")
	}
	b := webgpu(t)
	for name, model := range map[string][]byte{"conv": convModel(1), "square": squareModel(32)} {
		want := outputs(t, open(t, b, model, agent.Options{Seed: 1}))
		for _, transfers := range []bool{true, false} {
			s, err := b.Open(context.Background(), agent.Model{Name: name, Bytes: model}, webgpuOptions(transfers))
			if err != nil {
				t.Fatal(err)
			}
			got, err := agent.CompareTensors(outputs(t, s), want)
			if err != nil || got.RelRMS > 1e-5 {
				t.Errorf("%s, transfers %v: relative RMS error %g, %v", name, transfers, got.RelRMS, err)
			}
			s.Close()
		}
	}
}

func TestWebGPUPlacement(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of software Vulkan: make test")
	}
	b := webgpu(t)
	p, err := b.Placement(context.Background(), agent.Model{Bytes: convModel(1)}, webgpuOptions(true))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Nodes) == 0 || slices.ContainsFunc(p.Nodes, func(n agent.PlacedNode) bool { return n.Provider != "webgpu" }) {
		t.Errorf("not all on webgpu: %+v", p.Nodes)
	}
	e, err := b.Execution(context.Background(), agent.Model{Bytes: convModel(1)}, webgpuOptions(true), lut.FP32)
	if err != nil || e.Mode != agent.Native {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestWebGPURefusesFallback: the plugin has no kernel for dynamic quantisation.
func TestWebGPURefusesFallback(t *testing.T) {
	b := webgpu(t)
	s, err := b.Open(context.Background(), agent.Model{Name: "dynamic", Bytes: dynamicModel()}, webgpuOptions(true))
	if err == nil {
		s.Close()
		t.Fatal("a model that needs the CPU was opened in webgpu's name")
	}
	if !errors.Is(err, agent.ErrFallback) {
		t.Errorf("%v does not wrap ErrFallback", err)
	}
	p, err := b.Placement(context.Background(), agent.Model{Bytes: dynamicModel()}, webgpuOptions(true))
	if err != nil || !slices.ContainsFunc(p.Nodes, func(n agent.PlacedNode) bool { return n.Provider == "cpu" }) {
		t.Errorf("placement does not show the fallback: %+v, %v", p, err)
	}
}

// TestWebGPUWaits: with transfers excluded the run call returns before the device
// is done; Run must not.
func TestWebGPUWaits(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of software Vulkan: make test")
	}
	b := webgpu(t)
	best := map[bool]time.Duration{true: time.Hour, false: time.Hour}
	waits := func() bool { return best[false] >= best[true]/4 }
	for round := 0; round == 0 || round < 5 && !waits(); round++ { // a busy machine may need some to show its best
		for _, transfers := range []bool{true, false} {
			s, err := b.Open(context.Background(), agent.Model{Bytes: squareModel(256)}, webgpuOptions(transfers))
			if err != nil {
				t.Fatal(err)
			}
			for i := range 5 {
				start := time.Now()
				if err := s.Run(); err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					best[transfers] = min(best[transfers], time.Since(start))
				}
			}
			s.Close()
		}
	}
	t.Logf("transfers included %v, excluded %v", best[true], best[false])
	if !waits() {
		t.Errorf("without transfers a run takes %v, with them %v: it did not wait for the device", best[false], best[true])
	}
}

// TestWebGPUHalf: SwiftShader has no f16 shaders, which the plugin finds out at the
// first run; a device that has them must be right.
func TestWebGPUHalf(t *testing.T) {
	b := webgpu(t)
	s, err := b.Open(context.Background(), agent.Model{Name: "half", Bytes: convModel(10)}, webgpuOptions(true))
	if err == nil {
		err = s.Run()
		s.Close()
	}
	if err != nil && !errors.Is(err, agent.ErrUnsupported) {
		t.Errorf("%v does not wrap ErrUnsupported", err)
	}
}

func TestPluginErrors(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	ort := nativelib.Require(t, "onnxruntime")
	for name, path := range map[string]string{"missing": "nonesuch.so", "noplugin": ort} {
		_, err := New(Config{Search: nativelib.Host(), EPLibraries: map[string]string{name: path}}).Info()
		if err == nil {
			t.Errorf("%s was registered", name)
		} else {
			t.Log(err)
		}
	}
}
