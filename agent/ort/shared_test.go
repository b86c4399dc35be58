//go:build cgo

package ort

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
)

// coldModel is an operator and the layer that a cold frame reads.
func coldModel(t *testing.T, cout int, spare int) agent.Model {
	t.Helper()
	linear := func(in, out int) lut.Op {
		return lut.NewOp("linear", lut.FP32, nil, map[string]int{"m": 1, "cin": in, "cout": out})
	}
	chain := benchmarks.Chain{linear(32, cout)}
	for range spare {
		chain = append(chain, linear(cout, cout))
	}
	chain = append(chain, linear(cout, 16), linear(16, 1<<16))
	m, err := agent.Build(benchmarks.Model{ID: "m", Chain: chain}, agent.BuildSpec{Format: agent.FormatONNX, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Large) != 1 || len(m.Large[0].Data) != 4<<20 {
		t.Fatalf("the model has %d large constants", len(m.Large))
	}
	return m
}

// TestLargeConstantsAreKeptOnce: forty models that read the same four megabytes take less
// than twice that, compute what they compute alone, and give all of it back.
func TestLargeConstantsAreKeptOnce(t *testing.T) {
	lib := nativelib.Require(t, "onnxruntime")
	b := New(Config{Library: lib})
	l, err := b.load()
	if err != nil {
		t.Fatal(err)
	}
	opt := agent.Options{Provider: "cpu", Threads: 1, Seed: 1}
	outputs := func(m agent.Model) []byte {
		s, err := b.Open(context.Background(), m, opt)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		out, err := s.(agent.OutputReader).Outputs()
		if err != nil {
			t.Fatal(err)
		}
		return out[0].Data
	}
	var models []agent.Model
	for i := range 40 {
		models = append(models, coldModel(t, 8+i, i%3))
	}
	alone := models[7]
	alone.Large = nil
	want := outputs(alone)
	var open []agent.Session
	before := residentKB(t)
	for i, m := range models {
		s, err := b.Open(context.Background(), m, opt)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		if i == 7 {
			out, err := s.(agent.OutputReader).Outputs()
			if err != nil || !bytes.Equal(out[0].Data, want) {
				t.Errorf("shared constants give another result: %v", err)
			}
		}
		stats, err := s.(agent.MemoryReporter).MemoryStats()
		if err != nil || stats.InUse < 4<<20 {
			t.Errorf("a model of four megabytes of weights reports %d: %v", stats.InUse, err)
		}
		open = append(open, s)
	}
	if n := len(l.shared.constants); n != 1 {
		t.Errorf("%d constants are kept, want one", n)
	}
	// Alone each takes four megabytes and more: 160.
	if grown := residentKB(t) - before; grown > 60<<10 {
		t.Errorf("40 models took %d KiB", grown)
	} else {
		t.Logf("40 models took %d KiB", grown)
	}
	for _, s := range open {
		s.Close()
	}
	if len(l.shared.constants)+len(l.shared.packings) != 0 {
		t.Errorf("closed sessions left %d constants and %d packings", len(l.shared.constants), len(l.shared.packings))
	}
}

// residentKB returns the resident memory of the process.
func residentKB(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		nativelib.Missing(t, err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
