//go:build cgo

package ort

import (
	"context"
	"slices"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/stats"
)

// BenchmarkHarnessOverhead compares a visit of the harness – clock, preemption
// count, interface call, cgo – with a loop in C over the same session, block by
// block in turn, and fails above the 1.02 that the project allows for models of
// 50 µs and more. Run it on a quiet machine: go test ./agent/ort -bench Overhead
func BenchmarkHarnessOverhead(b *testing.B) {
	m, err := agent.Build(benchmarks.Model{ID: "reference", Chain: benchmarks.DriftReference()}, agent.BuildSpec{Format: "onnx", Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	opened, err := backend(b).Open(context.Background(), m, agent.Options{Provider: "cpu", Threads: 1, Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer opened.Close()
	bare := opened.(metered).session
	const block = 50
	var harness, loop []float64
	for b.Loop() {
		us, _, err := child.TakeSamples(opened, agent.WallClock{}, 1, block, 1, 2)
		if err != nil {
			b.Fatal(err)
		}
		harness = append(harness, us...)
		if _, err := bare.bareLoop(2); err != nil {
			b.Fatal(err)
		}
		ns, err := bare.bareLoop(block)
		if err != nil {
			b.Fatal(err)
		}
		for _, t := range ns {
			loop = append(loop, float64(t)/1e3)
		}
	}
	h, l := stats.Median(harness), stats.Median(loop)
	b.ReportMetric(h, "harness-µs")
	b.ReportMetric(l, "bare-µs")
	b.ReportMetric(h/l, "ratio")
	b.ReportMetric(slices.Min(harness)/slices.Min(loop), "ratio-of-minima")
	if l >= 50 && len(loop) >= 20*block && h/l > 1.02 {
		b.Errorf("the harness takes %.2f µs where a bare loop takes %.2f: ratio %.3f, at most 1.02 is allowed", h, l, h/l)
	}
}
