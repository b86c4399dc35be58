package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// TestPeakMemoryFromPlanToTable: agent plan, agent bench on ONNX Runtime, costgen compile:
// what unseen networks take, predicted from their operators, against what the runtime
// asked for. Records without an interval of latency are as good as others.
func TestPeakMemoryFromPlanToTable(t *testing.T) {
	if testing.Short() {
		t.Skip("measures a plan and compiles it: make test")
	}
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	plan, rec := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl")
	if code, _, talk := runAgent(t, "plan", "--space", "../../examples/tiny-cnn/space.yaml", "--calibrate", "6", "--audit", "30", "-o", plan); code != 0 {
		t.Fatal(talk)
	}
	code, out, talk := runAgent(t, "bench", "--plan", plan, "--metric", "latency,memory", "--numeric-check=false", "--max-time", "300ms", "-o", rec)
	if code != 0 && code != 1 && code != 3 { // few latencies have an interval in so short a time
		t.Fatal(code, out, talk)
	}
	files, err := record.Read(rec)
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for _, e := range files[0].Records {
		r := e.Record
		if r == nil || r.Kind == "anchor" {
			continue
		}
		m := r.Memory
		if m == nil || m.Source != record.Requests || m.PeakActBytes == nil || m.LivenessBytes == nil {
			t.Errorf("%s (%s): nothing was counted: %+v", r.Name, r.Kind, m)
			continue
		}
		counted++
		if *m.PeakActBytes != *m.LivenessBytes {
			t.Errorf("%s: %d bytes taken, %d by the plan of the runtime's own graph", r.Name, *m.PeakActBytes, *m.LivenessBytes)
		}
		if r.Kind == "e2e" && (m.PeakRSSBytes == nil || *m.PeakRSSBytes <= 0) {
			t.Errorf("%s: the process grew by %v", r.Name, m.PeakRSSBytes)
		}
	}
	if counted < 60 {
		t.Errorf("only %d records were counted; exit code %d: %s", counted, code, talk)
	}
	table, err := costgen.Compile(t.Context(), []costgen.Source{costgen.FromFile(files[0])}, costgen.Options{Metric: lut.Memory})
	if err != nil {
		t.Fatal(err)
	}
	a := table.File().Audit
	if a == nil || a.Errors.N < 25 || a.Errors.RMSPE > 0.05 || a.Errors.Max > 0.15 {
		t.Fatalf("the table was judged by %+v", a)
	}
	t.Logf("%d records; %d unseen networks, RMSPE %.2f %%, worst %.1f %%", counted, a.Errors.N, 100*a.Errors.RMSPE, 100*a.Errors.Max)
}

// TestMemoryInGroups: a plan that does not fit at once under --memory is measured in groups in
// the time it has, and no case is lost.
func TestMemoryInGroups(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for ten seconds: make test")
	}
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	plan, rec := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl")
	if code, _, talk := runAgent(t, "plan", "--space", "../../examples/tiny-cnn/space.yaml", "--calibrate", "4", "--audit", "4", "-o", plan); code != 0 {
		t.Fatal(talk)
	}
	protocol := filepath.Join(dir, "protocol.yaml")
	if err := os.WriteFile(protocol, []byte("format: isocost/protocol/v1\nestimator: quantile\nstop: {max_rounds: 12}\nwarmup: {max_seconds: 1}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	code, out, talk := runAgent(t, "bench", "--plan", plan, "--protocol", protocol, "--memory", "10000000", "--max-time", "10m", "-o", rec) // twelve rounds end it long before
	if code != 0 && code != 3 {
		t.Fatal(code, out, talk)
	}
	if !strings.Contains(out, "groups of what fits into memory at once") {
		t.Errorf("it all fitted: the test shows nothing:\n%s", out)
	}
	files, err := record.Read(rec)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range files[0].Records {
		if e.Record.CI95US == nil {
			t.Errorf("%s has no interval: %s", e.Record.Name, e.Record.Detail)
		}
	}
	if end := files[0].End; end == nil || end.DeviceS > 600 {
		t.Errorf("ten minutes became %+v", end)
	}
}
