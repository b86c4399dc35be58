package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent/sim"
	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// TestEnergyAndMemoryFromPlanToTable: agent plan, agent bench with all three metrics
// on the simulated device of examples/ (without its drift, bursts and preemptions), and the tables
// that costgen compiles of the records. The energies are the device's true ones.
func TestEnergyAndMemoryFromPlanToTable(t *testing.T) {
	if testing.Short() {
		t.Skip("measures a plan and compiles it: make test")
	}
	dir := t.TempDir()
	plan, rec, dev := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl"), filepath.Join(dir, "device.yaml")
	text, err := os.ReadFile("../../examples/sim-device.yaml")
	if err != nil {
		t.Fatal(err)
	}
	calm := string(text)
	for _, r := range [][2]string{{"per_hour: 0.5", "per_hour: 0"}, {"share: 0.03", "share: 0"}, {"per_s: 2", "per_s: 0"}, {"  - {after_s: 1500, for_s: 60, slowdown: 1.4}\n", ""}} {
		if !strings.Contains(calm, r[0]) {
			t.Fatalf("the example device has no %q", r[0])
		}
		calm = strings.Replace(calm, r[0], r[1], 1)
	}
	if err := os.WriteFile(dev, []byte(calm), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := sim.Read(dev)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, talk := runAgent(t, "plan", "--space", "../../examples/tiny-cnn/space.yaml", "-o", plan); code != 0 {
		t.Fatal(talk)
	}
	if code, out, talk := runAgent(t, "bench", "--plan", plan, "--backend", "sim", "--sim-device", dev, "--metric", "latency,energy,memory", "-o", rec); code != 0 {
		t.Fatal(out, talk)
	}
	files, err := record.Read(rec)
	if err != nil {
		t.Fatal(err)
	}
	for _, metric := range []lut.Metric{lut.Energy, lut.Memory} {
		table, err := costgen.Compile(t.Context(), []costgen.Source{costgen.FromFile(files[0])}, costgen.Options{Metric: metric})
		if err != nil {
			t.Fatalf("%s: %v", metric, err)
		}
		seen := 0
		for _, e := range files[0].Records {
			r := e.Record
			if r.Key == nil || r.Key.Kind != "mbconv" {
				continue
			}
			got, err := table.Cost(*r.Key)
			if err != nil {
				t.Errorf("%s of %s: %v", metric, r.Key, err)
				continue
			}
			want := 0.0
			if metric == lut.Energy {
				if want, err = d.OpMJ(*r.Key); err != nil {
					t.Fatal(err)
				}
			} else {
				want = float64(*r.Memory.LivenessBytes)
			}
			if off := math.Abs(got.Value/want - 1); off > 0.03 {
				t.Errorf("%s of %s: the table says %.4g, the truth is %.4g", metric, r.Key, got.Value, want)
			}
			seen++
		}
		if seen < 5 {
			t.Errorf("%s: only %d blocks in the table", metric, seen)
		}
		if a := table.File().Audit; a == nil || a.Errors.N < 30 {
			t.Errorf("%s: the table was judged by %+v", metric, a)
		} else {
			t.Logf("%s: %d networks, RMSPE %.2f %%", metric, a.Errors.N, 100*a.Errors.RMSPE)
		}
	}
}
