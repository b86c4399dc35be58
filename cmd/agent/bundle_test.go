package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/bundle"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/record"
)

// A bundle is all the agent needs: elsewhere, without this repository and without
// an environment, it finds its own libraries and measures with each.
func TestBundleRunsFromItsOwnFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the agent as a bundle does: make test")
	}
	libs := map[string]string{} // by runtime
	for _, name := range []string{"onnxruntime", "litert"} {
		libs[name] = nativelib.Require(t, name)
		if own := os.Getenv(strings.ToUpper("ISOCOST_" + name)); own != "" {
			nativelib.MissingRuntime(t, name, fmt.Errorf("%s comes from %s, not from .native", name, own))
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	native := filepath.Dir(filepath.Dir(filepath.Dir(libs["onnxruntime"])))
	code, stdout, talk := runAgent(t, "bundle", "--agent", self, "--native", native, "--name", "here", "--runtime", "onnxruntime,litert", "--json", "-o", out)
	if code != 0 {
		t.Fatalf("bundle: %d %s", code, talk)
	}
	var m bundle.Manifest
	if err := json.Unmarshal([]byte(stdout), &m); err != nil || m.Target != "here" || m.OS != runtime.GOOS {
		t.Fatalf("%v: %+v", err, m)
	}
	dir := filepath.Join(out, "agent-here")
	there := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("./agent", args...)
		cmd.Dir = dir
		cmd.Env = []string{"HOME=" + out, asProgram + "=1"} // nothing else
		var talk strings.Builder
		cmd.Stderr = &talk
		stdout, err := cmd.Output()
		// bench ends with 3 when the time is up before every case is measured.
		if err != nil && (args[0] != "bench" || cmd.ProcessState.ExitCode() != 3) {
			t.Fatalf("%v: %v %s", args, err, talk.String())
		}
		return string(stdout)
	}

	var d struct {
		Runtimes []struct{ Name, Version, Path, Error string }
	}
	if err := json.Unmarshal([]byte(there("device", "--probe", "0", "--json")), &d); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, r := range d.Runtimes {
		found[r.Name] = r.Path
	}
	for backend, name := range map[string]string{"ort": "onnxruntime", "tflite": "litert"} {
		want := filepath.Join(dir, "lib", name, filepath.Base(libs[name]))
		if real, err := filepath.EvalSymlinks(want); err == nil {
			want = real
		}
		if found[backend] != want {
			t.Errorf("%s is found in %q, want %q", backend, found[backend], want)
		}
	}

	there("plan", "--family", "gap", "-o", filepath.Join(out, "plan.jsonl"))
	for _, backend := range []string{"ort", "tflite"} {
		timed := 0
		for rounds := 6; timed == 0 && rounds <= 96; rounds *= 4 { // a busy machine may disturb the first six
			protocol := filepath.Join(out, fmt.Sprint(rounds, ".yaml"))
			text := fmt.Sprintf("format: isocost/protocol/v1\nwarmup: {runs: 1, seconds: 0.01, max_seconds: 0.05}\nstop: {max_rounds: %d}\n", rounds)
			if err := os.WriteFile(protocol, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			rec := filepath.Join(out, fmt.Sprint(backend, rounds, ".jsonl"))
			there("bench", "--plan", filepath.Join(out, "plan.jsonl"), "--backend", backend, "--protocol", protocol, "--max-time", "2m", "-o", rec)
			files, err := record.Read(rec)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range files[0].Records {
				if r.Record != nil && r.Record.EstimateUS != nil {
					timed++
				}
			}
			if files[0].Header.Runtime.Backend != backend {
				t.Errorf("%s: %+v", backend, files[0].Header.Runtime)
			}
		}
		if timed == 0 {
			t.Errorf("%s: no record holds a time", backend)
		}
	}
}
