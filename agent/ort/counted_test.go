//go:build cgo

package ort

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/ortmemory"
	"github.com/isocost/isocost/lut"
)

// counts holds what a model takes on the counting allocator, and what the reader plans from
// the runtime's own graph.
func counts(t *testing.T, b *Backend, m agent.Model) (took, planned int64) {
	t.Helper()
	opt := agent.Options{Provider: "cpu", Threads: 1, Seed: 1}
	data, err := b.Optimised(context.Background(), m, opt)
	if err != nil {
		t.Fatal(err)
	}
	net, err := onnxreader.Read(data, onnxreader.Options{Dims: m.Dims, Lowered: true})
	if err != nil {
		t.Fatal(err)
	}
	opt.CountMemory = true
	s, err := b.Open(context.Background(), m, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := s.(agent.MemoryReporter)
	idle, err := r.MemoryStats()
	if err != nil {
		t.Fatal(err)
	}
	if idle.Source != agent.FromRequests {
		t.Fatalf("counted by %q", idle.Source)
	}
	for range 2 {
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
	}
	after, err := r.MemoryStats()
	if err != nil {
		t.Fatal(err)
	}
	if after.InUse != idle.InUse {
		t.Errorf("%s: %d bytes in use between runs, %d after them", m.Name, idle.InUse, after.InUse)
	}
	return after.MaxInUse - idle.InUse, net.PeakBytes
}

// The plan that the reader makes of the runtime's optimised graph is what the runtime
// asks for, to the byte: blocked maps, shortcuts, buffers that wait to be used again,
// and the room of int8 kernels.
func TestPeakIsPlannedToTheByte(t *testing.T) {
	b := backend(t)
	for name, keys := range map[string][]string{
		"a convolution": {"conv[act=relu,k=3,s=2]/fp32@cin=3,cout=32,h=96,w=96"},
		"inverted residuals": {"conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=16,h=96,w=96", "mbconv[act=relu6,k=3,s=2]/fp32@cin=16,cout=24,h=48,mid=96,w=48",
			"mbconv[act=relu6,k=5,res=1,s=1]/fp32@cin=24,cout=24,h=24,mid=120,w=24", "mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=24,cout=24,h=24,mid=72,w=24",
			"gap/fp32@c=24,h=24,w=24", "linear/fp32@cin=24,cout=10,m=1"},
		"the same in int8": {"conv[act=relu6,k=3,s=2]/int8@cin=3,cout=16,h=96,w=96", "mbconv[act=relu6,k=3,s=2]/int8@cin=16,cout=24,h=48,mid=96,w=48",
			"mbconv[act=relu6,k=5,res=1,s=1]/int8@cin=24,cout=24,h=24,mid=120,w=24", "mbconv[act=relu6,k=3,res=1,s=1]/int8@cin=24,cout=24,h=24,mid=72,w=24",
			"gap/int8@c=24,h=24,w=24", "linear/int8@cin=24,cout=10,m=1"},
		"both": {"conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=16,h=96,w=96", "mbconv[act=relu6,k=3,s=2]/fp32@cin=16,cout=24,h=48,mid=96,w=48",
			"switch[from=fp32,res=1,to=int8]/int8@c=24,h=24,w=24", "mbconv[act=relu6,k=5,res=1,s=1]/int8@cin=24,cout=24,h=24,mid=104,w=24",
			"switch[from=int8,to=fp32]/fp32@c=24,h=24,w=24", "conv[act=relu,k=1,s=1]/fp32@cin=24,cout=64,h=24,w=24"},
		"squeeze and excite": {"conv[act=relu,k=3,s=1]/fp32@cin=3,cout=64,h=48,w=48", "se[r=4]/fp32@c=64,h=48,w=48"},
		"a silu":             {"conv[act=relu,k=3,s=1]/fp32@cin=3,cout=16,h=48,w=48", "conv[act=silu,k=1,s=1]/fp32@cin=16,cout=64,h=48,w=48"},
		"an encoder":         {"encoder[heads=4]/fp32@dim=128,mid=256,seq=64"},
	} {
		var chain benchmarks.Chain
		for _, k := range keys {
			op, err := lut.ParseOp(k)
			if err != nil {
				t.Fatal(err)
			}
			if op.Kind != "switch" { // Build puts it where precisions meet
				chain = append(chain, op)
			}
		}
		m, err := agent.Build(benchmarks.Model{ID: name, Chain: chain}, agent.BuildSpec{Format: "onnx", Batch: 1, Seed: 1})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		took, planned := counts(t, b, m)
		if took != planned || took == 0 {
			t.Errorf("%s: %d bytes taken, %d planned", name, took, planned)
			continue
		}
		near := 0.0
		if name == "an encoder" { // attention in the order of our file, not of the runtime's
			near = 0.15
		}
		if peak, err := ortmemory.ChainPeak(chain, 1, thisMachine(t), nil); err != nil || math.Abs(float64(peak)/float64(took)-1) > near {
			t.Errorf("%s: %d bytes taken, %d by the operators alone (%v)", name, took, peak, err)
		}
	}
}

// Exported networks, fp32 and int8: set ISOCOST_MODELS.
func TestPeaksOfExportedModels(t *testing.T) {
	dir := os.Getenv("ISOCOST_MODELS")
	if dir == "" {
		t.Skip("set ISOCOST_MODELS to a folder of models (scripts/export_models.py makes one)")
	}
	b := backend(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatal("no models in ", dir, err)
	}
	exact := 0
	for _, f := range files {
		took, planned := counts(t, b, agent.Model{Name: filepath.Base(f), Path: f, Dims: map[string]int{"N": 1}})
		if took == planned {
			exact++
			continue
		}
		off := float64(planned)/float64(took) - 1
		t.Logf("%-36s %9d bytes taken, %9d planned: %+.2f %%", strings.TrimSuffix(filepath.Base(f), ".onnx"), took, planned, 100*off)
		if math.Abs(off) > 0.02 {
			t.Errorf("%s: off by %.1f %%", filepath.Base(f), 100*off)
		}
	}
	t.Logf("%d of %d to the byte", exact, len(files))
}

// Counting is of host memory and of one session at a time; the timed session keeps its
// arena.
func TestCountedSessions(t *testing.T) {
	b := backend(t)
	m := agent.Model{Name: "conv", Bytes: convModel(1)}
	if _, err := b.Open(context.Background(), m, agent.Options{Provider: "cuda", Threads: 1, CountMemory: true}); !errors.Is(err, agent.ErrUnsupported) {
		t.Errorf("a GPU's memory: %v", err)
	}
	open(t, b, m.Bytes, agent.Options{CountMemory: true}).Close()
	s := open(t, b, m.Bytes, agent.Options{})
	if stats, err := s.(agent.MemoryReporter).MemoryStats(); err != nil || stats.Source == agent.FromRequests {
		t.Errorf("a timed session is counted by %q (%v)", stats.Source, err)
	}
}
