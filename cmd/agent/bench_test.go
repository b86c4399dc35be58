package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/record"
)

// The test binary is the real program when this variable is set; its measuring
// child inherits it.
const asProgram = "ISOCOST_TEST_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(program().Main())
	}
	os.Exit(m.Run())
}

func runAgent(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var out, talk strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &talk
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), talk.String()
}

// TestBenchSaysThatSomeFailed: a case that crashes costs its record, and the exit
// code says so – also when the finished campaign is asked for again.
func TestBenchSaysThatSomeFailed(t *testing.T) {
	dir := t.TempDir()
	plan, rec, dev := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl"), filepath.Join(dir, "device.yaml")
	if code, _, talk := runAgent(t, "plan", "--family", "conv", "-o", plan); code != 0 {
		t.Fatalf("plan: %d %s", code, talk)
	}
	text, err := os.ReadFile("../../examples/sim-device.yaml")
	if err != nil {
		t.Fatal(err)
	}
	faulty := strings.Replace(string(text), "faults: []", "faults: [{match: 'cout=12,', at: open, kind: crash}]", 1)
	if err := os.WriteFile(dev, []byte(faulty), 0o644); err != nil || faulty == string(text) {
		t.Fatal("no fault was put in", err)
	}
	for range 2 {
		code, out, talk := runAgent(t, "bench", "--plan", plan, "--backend", "sim", "--sim-device", dev, "--max-time", "5s", "-o", rec)
		if code != 3 || !strings.Contains(out, "crashed:SIGSEGV") || !strings.Contains(talk, "cases failed") || !strings.Contains(talk, "hint: ") {
			t.Errorf("exit code %d, want 3 and the reason:\n%s%s", code, out, talk)
		}
	}
	files, err := record.Read(rec)
	if err != nil || files[0].End == nil || files[0].End.Failed == 0 || files[0].End.Failed == files[0].End.Cases {
		t.Errorf("%v, %+v: some must fail, not all", err, files)
	}
}

// TestBenchRefusesAProviderOnce: what fails for every model is one error, not a record
// for every case.
func TestBenchRefusesAProviderOnce(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	plan, rec := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl")
	if code, _, talk := runAgent(t, "plan", "--family", "conv", "-o", plan); code != 0 {
		t.Fatalf("plan: %d %s", code, talk)
	}
	for _, c := range []struct{ flag, want string }{
		{"--provider=nonesuch", "provider nonesuch: "},
		{"--provider-option=fast=1", `provider cpu has no option "fast"`},
	} {
		code, out, talk := runAgent(t, "bench", "--plan", plan, "--backend", "ort", c.flag, "-o", rec)
		if code != 1 || out != "" || strings.Count(talk, "error:") != 1 || !strings.Contains(talk, c.want) || !strings.Contains(talk, "hint: ") {
			t.Errorf("%s: exit code %d, want 1, one error and its cure:\n%s%s", c.flag, code, out, talk)
		}
		if _, err := os.Stat(rec); err == nil {
			t.Errorf("%s left records behind", c.flag)
		}
	}
}

func TestBenchOnTheSimulatedDevice(t *testing.T) {
	dir := t.TempDir()
	plan, rec := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl")
	if code, _, talk := runAgent(t, "plan", "--family", "conv", "-o", plan); code != 0 {
		t.Fatalf("plan: %d %s", code, talk)
	}
	sim := []string{"bench", "--plan", plan, "--backend", "sim", "--sim-device", "../../examples/sim-device.yaml", "--max-time", "5s", "-o", rec}
	code, out, talk := runAgent(t, append(sim, "--json")...)
	if code != 0 {
		t.Fatalf("bench: %d %s", code, talk)
	}
	var report benchReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	files, err := record.Read(rec)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(files[0].Records); n < 10 || n != len(report.Results) || report.End.Cases != n {
		t.Errorf("%d records in the file, %d in the report, %d by the end line", n, len(report.Results), report.End.Cases)
	}
	for _, r := range report.Results {
		if r.EstimateUS != nil && (r.MedianUS == nil || r.MADUS == nil || r.CI95US == nil || r.N == 0 || len(r.Validity) == 0) {
			t.Errorf("%s: a number without its evidence", r.Name)
		}
	}
	before, err := os.ReadFile(rec)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"again", sim, 0, "records: "},
		{"another protocol", append(sim[:len(sim):len(sim)], "--estimator", "min"), 1, "another protocol"},
		{"no plan", []string{"bench"}, 2, "nothing to measure"},
		{"both", append(sim[:len(sim):len(sim)], "net.onnx"), 2, "not both"},
		{"no file", []string{"bench", "--plan", plan, "--backend", "sim"}, 2, "give -o"},
		{"standard output", []string{"bench", "--plan", plan, "--backend", "sim", "--sim-device", "../../examples/sim-device.yaml", "-o", "-"}, 2, "give -o FILE"},
		{"no device", []string{"bench", "--plan", plan, "--backend", "sim", "-o", filepath.Join(dir, "x")}, 1, "--sim-device"},
		{"bad estimator", append(sim[:len(sim):len(sim)], "--estimator", "mean"), 2, "median, quantile or min"},
		{"absent model", []string{"bench", "nosuch.onnx"}, 1, "nosuch.onnx"},
		{"bad dim", []string{"bench", "testdata/add.onnx", "--dim", "H"}, 2, "NAME=N"},
		{"unknown dim", []string{"bench", "testdata/add.onnx", "--dim", "Q=3"}, 2, `no model has a dimension "Q"`},
		{"list", []string{"bench", "--list-io", "testdata/add.onnx"}, 0, "float32["},
		{"protocol", []string{"bench", "--print-protocol", "--threads", "3"}, 0, "threads: 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, talk := runAgent(t, c.args...)
			if code != c.code || !strings.Contains(out+talk, c.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s%s", code, c.code, c.want, out, talk)
			}
			if c.code != 0 && !strings.Contains(talk, "hint: ") {
				t.Errorf("no hint: %s", talk)
			}
		})
	}
	if after, _ := os.ReadFile(rec); string(after) != string(before) {
		t.Error("the finished record file was changed")
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("a refused command left a file")
	}
}

// TestBenchRefusesTooLittleTime: a campaign that cannot give every case an interval is refused
// before it measures, says how long it would have to be, and goes on from there.
func TestBenchRefusesTooLittleTime(t *testing.T) {
	dir := t.TempDir()
	plan := filepath.Join(dir, "plan.jsonl")
	if code, _, talk := runAgent(t, "plan", "--family", "conv", "-o", plan); code != 0 {
		t.Fatal(talk)
	}
	bench := func(time string) (int, string) {
		code, _, talk := runAgent(t, "bench", "--plan", plan, "--backend", "sim", "--sim-device", "../../examples/sim-device.yaml",
			"--max-time", time, "-o", filepath.Join(dir, "rec.jsonl"))
		return code, talk
	}
	for _, time := range []string{"1ms", "500ms"} {
		code, talk := bench(time)
		var need int
		at := strings.Index(talk, "give --max-time ")
		if code != 1 || at < 0 {
			t.Fatalf("exit %d: %s", code, talk)
		}
		if _, err := fmt.Sscanf(talk[at:], "give --max-time %ds", &need); err != nil {
			t.Fatalf("%v: %s", err, talk)
		}
		if time == "500ms" {
			if !strings.Contains(talk, "the 6 rounds that an interval needs") || !strings.Contains(talk, "cases fit into 0.5 s") {
				t.Errorf("it does not say why, or what would fit: %s", talk)
			}
			if code, talk := bench(fmt.Sprint(need, "s")); code != 0 {
				t.Errorf("the %d s that were asked for do not do: exit %d, %s", need, code, talk)
			}
		}
	}
}

// TestBenchRecordsGoToAFile: a pipe could not be read back, and opening it would wait for
// ever.
func TestBenchRecordsGoToAFile(t *testing.T) {
	plan := filepath.Join(t.TempDir(), "plan.jsonl")
	if code, _, talk := runAgent(t, "plan", "--family", "relu", "-o", plan); code != 0 {
		t.Fatal(talk)
	}
	for _, path := range []string{os.DevNull, t.TempDir()} {
		code, _, talk := runAgent(t, "bench", "--plan", plan, "--backend", "sim", "--sim-device", "../../examples/sim-device.yaml", "-o", path)
		if code != 1 || !strings.Contains(talk, "not a regular file") {
			t.Errorf("%s: exit %d, %s", path, code, talk)
		}
	}
	code, _, talk := runAgent(t, "bench", "--plan", plan, "--backend", "sim", "--sim-device", "../../examples/sim-device.yaml", "-o", plan)
	if code != 1 || !strings.Contains(talk, "not a record file") {
		t.Errorf("exit %d, %s", code, talk)
	}
}

// A campaign that is interrupted before anything is measured names no file, since there is none.
func TestInterruptedBeforeAnything(t *testing.T) {
	dir := t.TempDir()
	plan, rec := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl")
	if code, _, talk := runAgent(t, "plan", "--space", "../../examples/tiny-cnn/space.yaml", "-o", plan); code != 0 {
		t.Fatal(talk)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, talk bytes.Buffer
	code := program().Run(ctx, []string{"bench", "--plan", plan, "--backend", "sim", "--sim-device", "../../examples/sim-device.yaml", "-o", rec},
		cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, Getenv: os.Getenv})
	if _, err := os.Stat(rec); code != cli.ExitInterrupted || (err != nil) != strings.Contains(talk.String(), "nothing was measured yet") {
		t.Errorf("code %d, the file: %v\n%s", code, err, &talk)
	}
}
