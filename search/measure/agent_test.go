package measure

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

func TestReadTakesTheTablesMetric(t *testing.T) {
	archs := []space.Arch{{Layers: []space.Layer{{Choice: "a"}}}, {Layers: []space.Layer{{Choice: "b"}}}}
	text := []byte(`{"device":{"id":"d"},"results":[
		{"kind":"e2e","name":"a","estimate_us":1,"ci95_us":[1,1],"n":9,"validity":["ok"],"energy":{"net_mj":4,"std_err_mj":0.5},
		 "memory":{"peak_activation_bytes":0,"liveness_bytes":2048}},
		{"kind":"e2e","name":"b","estimate_us":2,"ci95_us":[2,2],"n":9,"validity":["ok"]}]}`)
	for metric, want := range map[lut.Metric][3]float64{lut.Energy: {4, 4 - 0.98, 4 + 0.98}, lut.Memory: {2048, 2048, 2048}} {
		got, _, err := read(text, archs, metric)
		if err != nil {
			t.Fatal(err)
		}
		if m := got[0]; m.Value != want[0] || math.Abs(m.Lo-want[1]) > 1e-9 || math.Abs(m.Hi-want[2]) > 1e-9 || m.Unit != lut.Units[metric] {
			t.Errorf("%s: %+v, want %v", metric, m, want)
		}
		if got[1].Value != 0 {
			t.Errorf("%s: a latency stands in: %+v", metric, got[1])
		}
	}
}

func TestReadPairsByName(t *testing.T) {
	archs := []space.Arch{{Layers: []space.Layer{{Choice: "a"}}}, {Layers: []space.Layer{{Choice: "b"}}}, {Layers: []space.Layer{{Choice: "c"}}}}
	got, _, err := read([]byte(`{"backend":"ort","device":{"id":"d"},"results":[
		{"kind":"anchor","name":"a","estimate_us":1,"ci95_us":[1,1],"n":1,"validity":["ok"]},
		{"kind":"e2e","name":"b","estimate_us":20,"ci95_us":[19,21],"n":40,"validity":["ok"]},
		{"kind":"e2e","name":"a","n":0,"validity":["timeout"]}]}`), archs, lut.Latency)
	if err != nil {
		t.Fatal(err)
	}
	if got[1].Value != 20 || got[1].Lo != 19 || got[1].N != 40 || got[1].Device != "d" {
		t.Errorf("b: %+v", got[1])
	}
	if got[0].Value != 0 || got[0].Validity[0] != "timeout" {
		t.Errorf("a failed case has a value: %+v", got[0])
	}
	if got[2].Value != 0 || got[2].Validity[0] != "missing" {
		t.Errorf("a case that is not there: %+v", got[2])
	}
	if _, _, err := read([]byte("Segmentation fault"), archs, lut.Latency); err == nil {
		t.Error("garbage was read")
	}
}

// TestAgentMeasures starts the real agent on the real runtime.
func TestAgentMeasures(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the agent and measures: make test")
	}
	lib := nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	program := filepath.Join(dir, "agent")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/isocost/isocost/cmd/agent").CombinedOutput(); err != nil {
		t.Fatalf("build agent: %v\n%s", err, out)
	}
	s, err := space.OpenMeasured("../../examples/mobile-cnn/space.yaml")
	if err != nil {
		t.Fatal(err)
	}
	small := s.Default()
	for l := range small.Layers {
		small.Layers[l].Width = 0
	}
	text, err := exec.Command(program, "bench", "--print-protocol", "--estimator", "min", "--threads", "1").Output()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	protocol := lut.Protocol{SHA256: hex.EncodeToString(sum[:]), YAML: string(text)}
	a := &Agent{Space: s, Program: program, Args: []string{"--ort-lib", lib, "--max-time", "10s"}, Target: "local", Dir: filepath.Join(dir, "m"),
		Table: lut.File{Metric: lut.Latency, Runtime: lut.Runtime{Library: lut.Library{Backend: "ort", Provider: "cpu"}, Threads: 1}, Protocol: protocol}, Stderr: os.Stderr}
	got, err := a.Measure(context.Background(), []space.Arch{s.Default(), small})
	if err != nil {
		t.Fatal(err)
	}
	// A loaded machine may measure badly, which the record then says; what must hold
	// is that each architecture comes back with its evidence.
	if len(got) != 2 {
		t.Fatalf("%d measurements of 2 architectures", len(got))
	}
	for _, m := range got {
		if len(m.Validity) == 0 || m.Device == "" {
			t.Errorf("measurement without validity or device: %+v", m)
		}
		if m.Protocol != protocol.SHA256 {
			t.Errorf("measured under protocol %s, not the table's %s", m.Protocol, protocol.SHA256)
		}
		if m.Value == 0 && m.Validity[0] == "ok" || m.Value > 0 && (m.Lo > m.Value || m.Hi < m.Value || m.N == 0) {
			t.Errorf("measurement without evidence: %+v", m)
		}
	}
	a.Table.Device.ID = "another"
	if _, err := a.Measure(context.Background(), []space.Arch{s.Default(), small}); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("a table of another device: %v", err)
	}
	a.Program = filepath.Join(dir, "nothing")
	if _, err := a.Measure(context.Background(), []space.Arch{s.Default()}); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("an agent that is not there: %v", err)
	}
}
