package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/nativelib"
)

// agentProgram builds the real program once per test: probing starts it again.
func agentProgram(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "agent")
	if out, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return exe
}

func decodeRuntimes(t *testing.T, out []byte) map[string]nativeReport {
	t.Helper()
	reports := map[string]nativeReport{}
	for line := range strings.Lines(string(out)) {
		var r nativeReport
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		reports[r.Name] = r
	}
	return reports
}

func TestRuntimesList(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	stdout, stderr, code := agentMain("", "runtimes", "--json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	all := decodeRuntimes(t, []byte(stdout))
	if len(all) != len(nativelib.Known().Runtimes) {
		t.Errorf("%d runtimes, the manifest has %d", len(all), len(nativelib.Known().Runtimes))
	}
	if r := all["onnxruntime"]; r.Licence != "MIT" || len(r.SHA256) != 64 || r.From == "" || r.Verified {
		t.Errorf("%+v", r)
	}
	for _, r := range all {
		if (r.Path == "") != (r.Hint != "") {
			t.Errorf("a runtime is found, or its hint says how to get it: %+v", r)
		}
	}
	if _, stderr, code := agentMain("", "runtimes", "list", "nonesuch"); code != cli.ExitUsage || !strings.Contains(stderr, "hint: the names are onnxruntime") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestRuntimesVerify(t *testing.T) {
	lib := nativelib.Require(t, "onnxruntime")
	exe := agentProgram(t)
	out, err := exec.Command(exe, "runtimes", "verify", "--json", "onnxruntime").Output()
	if err != nil {
		t.Fatal(err)
	}
	r := decodeRuntimes(t, out)["onnxruntime"]
	runs := map[string]bool{}
	for _, p := range r.Providers {
		runs[p.Name] = p.Runs
		if !p.Runs && p.Error == "" {
			t.Errorf("%s fails without saying why", p.Name)
		}
	}
	if !r.Verified || !runs["cpu"] || r.Path != lib || !strings.HasPrefix(r.Version, "1.") {
		t.Errorf("%+v", r)
	}

	// A library that takes its process along must not take this program.
	dir := t.TempDir()
	source, crash := filepath.Join(dir, "crash.c"), filepath.Join(dir, "libonnxruntime.so.1")
	if err := os.WriteFile(source, []byte("void *OrtGetApiBase(void) { *(volatile int *)0 = 1; return 0; }"), 0o666); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.Command("cc", "-shared", "-fPIC", "-o", crash, source).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, msg)
	}
	cmd := exec.Command(exe, "runtimes", "verify", "--json", "onnxruntime")
	cmd.Env = append(os.Environ(), "ISOCOST_ONNXRUNTIME="+dir)
	out, err = cmd.Output()
	if cmd.ProcessState.ExitCode() != cli.ExitPartial {
		t.Errorf("exit %d, %v", cmd.ProcessState.ExitCode(), err)
	}
	if r := decodeRuntimes(t, out)["onnxruntime"]; r.Verified || !strings.Contains(r.Error, "SIGSEGV") || r.From != "ISOCOST_ONNXRUNTIME" {
		t.Errorf("%+v", r)
	}
	// Nor agent device, which says all else.
	cmd = exec.Command(exe, "device", "--json", "--probe", "0")
	cmd.Env = append(os.Environ(), "ISOCOST_ONNXRUNTIME="+dir)
	out, err = cmd.Output()
	if err != nil {
		t.Fatalf("agent device beside a crashing library: %v", err)
	}
	var d deviceReport
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Runtimes {
		if r.Name == "ort" && (!strings.Contains(r.Reason, "SIGSEGV") || r.Cure == "" || r.Version != "") {
			t.Errorf("%+v", r)
		}
	}
	if len(d.Runtimes) < 2 || d.ID == "" {
		t.Errorf("the report lacks the rest: %d runtimes, id %q", len(d.Runtimes), d.ID)
	}
}

func TestRuntimesVerifyWebGPU(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of software Vulkan: make test")
	}
	nativelib.Require(t, "onnxruntime")
	nativelib.Require(t, "onnxruntime-webgpu")
	nativelib.SoftwareVulkan(t)
	out, err := exec.Command(agentProgram(t), "runtimes", "verify", "--json", "onnxruntime-webgpu").Output()
	if err != nil {
		t.Fatal(err)
	}
	r := decodeRuntimes(t, out)["onnxruntime-webgpu"]
	if !r.Verified || len(r.Providers) != 1 || r.Providers[0] != (providerReport{Name: "webgpu", Runs: true}) || len(r.Devices) == 0 || !r.Devices[0].Software {
		t.Errorf("%+v", r)
	}
}
