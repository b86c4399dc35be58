package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modulespace"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// A block of the catalogue costs as a module what it costs as a key, within the noise of
// one interleaved campaign. What that noise is, a second module says, which is the first
// with other weights.
func TestABlockCostsTheSameAsAModule(t *testing.T) {
	if testing.Short() {
		t.Skip("a campaign of ten seconds on ONNX Runtime")
	}
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	lib := &benchmarks.Library{}
	type block struct{ key, module, twin string }
	var blocks []block
	planner := &benchmarks.Planner{Seed: 1, Source: "blocks as modules", Modules: lib}
	for _, text := range []string{
		"mbconv[act=relu6,k=3,res=1,s=1]/P@cin=24,cout=24,h=28,mid=144,w=28",
		"mbconv[act=relu6,k=5,s=2]/P@cin=24,cout=40,h=28,mid=96,w=28",
		"resbasic/P@cin=32,cout=32,h=14,mid=32,w=14",
		"fusedmbconv[act=relu,k=3,res=1]/P@cin=24,cout=24,h=28,mid=72,w=28",
	} {
		for _, p := range []lut.Precision{lut.FP32, lut.INT8} {
			op, err := lut.ParseOp(strings.ReplaceAll(text, "/P@", "/"+string(p)+"@"))
			if err != nil {
				t.Fatal(err)
			}
			b := block{key: op.String()}
			if err := planner.Cell(op); err != nil {
				t.Fatal(err)
			}
			for seed, to := range []*string{&b.module, &b.twin} {
				f, err := modulespace.Export(lib, dir, "block", benchmarks.Chain{op}, uint64(seed+1))
				if err != nil {
					t.Fatal(err)
				}
				if err := planner.Cell(f.Key); err != nil {
					t.Fatal(err)
				}
				*to = f.Key.String()
			}
			blocks = append(blocks, b)
		}
	}
	plan, rec := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl")
	if err := os.WriteFile(plan, planner.Plan().Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	// Rounds end it, not seconds, of which a busy machine may leave too few.
	protocol := filepath.Join(dir, "protocol.yaml")
	const rounds = "format: isocost/protocol/v1\nthreads: 1\nestimator: quantile\nquantile: 0.25\nstop: {interval: 0.00001, max_rounds: 100, max_seconds: 3600}\ndrift: {correct: false, allow: 0.1}\n"
	if err := os.WriteFile(protocol, []byte(rounds), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, talk := runAgent(t, "bench", "--plan", plan, "--backend", "ort", "--protocol", protocol, "--max-time", "10m", "-o", rec); code != 0 && code != 3 {
		t.Fatalf("exit code %d\n%s", code, talk)
	}
	files, err := record.Read(rec)
	if err != nil {
		t.Fatal(err)
	}
	costs := map[string]record.Record{}
	for _, l := range files[0].Records {
		if l.Record.Key != nil && l.Record.EstimateUS != nil && l.Record.CI95US != nil {
			costs[l.Record.Key.String()] = *l.Record
		}
	}
	var differences, floor []float64
	for _, b := range blocks {
		key, module, twin := costs[b.key], costs[b.module], costs[b.twin]
		if key.EstimateUS == nil || module.EstimateUS == nil || twin.EstimateUS == nil {
			t.Errorf("%s was not measured all three ways", b.key)
			continue
		}
		k, m, w := *key.EstimateUS, *module.EstimateUS, *twin.EstimateUS
		differences, floor = append(differences, math.Abs(m/k-1)), append(floor, math.Abs(w/m-1))
		half := math.Hypot(key.CI95US[1]-key.CI95US[0], module.CI95US[1]-module.CI95US[0]) / 2
		t.Logf("%7.1f µs as a key, %7.1f as a module (%+.1f %%, intervals ±%.1f %%), %7.1f with other weights: %s", k, m, 100*(m/k-1), 100*half/k, w, b.key)
		if apart := math.Abs(w - m); math.Abs(m-k) > 3*half+0.1*k+apart {
			t.Errorf("%s: %.1f µs as a key, %.1f as a module, beyond three times the intervals (±%.1f), a tenth and what other weights make (%.1f)", b.key, k, m, half, apart)
		}
	}
	if len(differences) == 0 {
		t.Fatal("nothing was compared")
	}
	got, noise := stats.Median(differences), stats.Median(floor)
	t.Logf("median difference %.2f %%; noise floor %.2f %%, by modules of other weights", 100*got, 100*noise)
	if got > 0.02+3*noise {
		t.Errorf("the median difference, %.2f %%, is beyond the noise floor of %.2f %%", 100*got, 100*noise)
	}
}

// A runtime for which the modules have no form says so before anything is measured.
func TestModulesNeedAFormForTheRuntime(t *testing.T) {
	dir := t.TempDir()
	if err := modulespace.Example().Write(dir); err != nil {
		t.Fatal(err)
	}
	plan := filepath.Join(dir, "plan.jsonl")
	if out, talk, code := agentMain("", "plan", "--space", filepath.Join(dir, "space.yaml"), "-o", plan); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out, talk)
	}
	_, talk, code := agentMain("", "bench", "--plan", plan, "--backend", "tflite", "-o", filepath.Join(dir, "rec.jsonl"))
	for _, want := range []string{"is of modules, and the backend tflite cannot run the form that module ", "hint: --backend ort; for LiteRT give every module a .tflite form"} {
		if code != 1 || !strings.Contains(talk, want) {
			t.Errorf("exit code %d, no %q in\n%s", code, want, talk)
		}
	}
}
