package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/record"
)

// measuringChild finds the measuring child of a process, 0 when there is none.
func measuringChild(parent int) int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var pid, ppid int
		var state string
		// pid (comm) state ppid …; comm may hold anything but ends with the last bracket.
		head, rest, ok := strings.Cut(string(text), " (")
		at := strings.LastIndex(rest, ") ")
		if !ok || at < 0 {
			continue
		}
		fmt.Sscan(head, &pid)
		fmt.Sscan(rest[at+2:], &state, &ppid)
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if ppid == parent && strings.Contains(string(line), childName) {
			return pid
		}
	}
	return 0
}

// allowed lists, thread by thread, the CPUs that a process may run on.
func allowed(pid int) (masks []string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
				masks = append(masks, strings.TrimSpace(v))
			}
		}
	}
	return masks
}

// startBench starts agent bench on a product that takes its two threads a while.
func startBench(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	const n = 256
	model := writeModel(t, t.TempDir(), "product", &onnx.Graph{Inputs: []*onnx.ValueInfo{open("a", onnx.Float, n, n), open("b", onnx.Float, n, n)},
		Outputs: []*onnx.ValueInfo{open("y", onnx.Float, n, n)}, Nodes: []*onnx.Node{node("MatMul", "a b", "y")}})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"bench", model, "--threads", "2", "--max-time", "2s"}, args...)...)
	cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	cmd.Stderr = &strings.Builder{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

// TestCoresHoldEveryThread: with --cores every thread of the measuring child, ONNX
// Runtime's own included, may run there only, and the records say so.
func TestCoresHoldEveryThread(t *testing.T) {
	if testing.Short() {
		t.Skip("measures on every set of cores: make test")
	}
	nativelib.Require(t, "onnxruntime")
	if runtime.NumCPU() < 2 {
		t.Skip("one CPU: any core set is all of them")
	}
	rec := filepath.Join(t.TempDir(), "rec.jsonl")
	cmd := startBench(t, nil, "--cores", "1", "-o", rec)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	most := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(20 * time.Millisecond):
		}
		if pid := measuringChild(cmd.Process.Pid); pid != 0 {
			masks := allowed(pid)
			most = max(most, len(masks))
			for _, m := range masks {
				if m != "1" {
					t.Fatalf("a thread of the measuring child may run on CPUs %s: %v", m, masks)
				}
			}
		}
	}
	// Go's own are about five; the pool of two threads is one more beside the caller.
	if most < 3 {
		t.Errorf("at most %d threads were seen: the test shows nothing; %v", most, cmd.Stderr)
	}
	files, err := record.Read(rec)
	if err != nil {
		t.Fatal(err, cmd.Stderr)
	}
	if h := files[0].Header; h.Device.Cores != "1" || !strings.Contains(h.Protocol.YAML, `cores: "1"`) {
		t.Errorf("the header says cores %q", h.Device.Cores)
	}
}

// TestClocksSurviveAKilledBench: agent bench under the policy locked sets the clocks
// of its device, is killed with SIGKILL, and the next agent bench puts them back
// before it measures.
func TestClocksSurviveAKilledBench(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a real campaign: make test")
	}
	nativelib.Require(t, "onnxruntime")
	root, cache := boardTree(t, "../../agent/device/testdata/x86-server.txtar"), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const turbo = "sys/devices/system/cpu/intel_pstate/no_turbo"
	write(turbo, "0\n")
	write("proc/sys/kernel/random/boot_id", "3d2c1b0a-0000-4000-8000-000000000000\n")
	for _, p := range []string{"0", "1", "2", "3"} {
		write("sys/devices/system/cpu/cpufreq/policy"+p+"/scaling_available_governors", "performance powersave\n")
		write("sys/devices/system/cpu/cpufreq/policy"+p+"/base_frequency", "2000000\n")
	}
	setting := func() string {
		text, err := os.ReadFile(filepath.Join(root, turbo))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	protocol := filepath.Join(t.TempDir(), "locked.yaml")
	if err := os.WriteFile(protocol, []byte("format: isocost/protocol/v1\nclock: locked\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := []string{"XDG_CACHE_HOME=" + cache}
	cmd := startBench(t, env, "--sysroot", root, "--protocol", protocol)
	deadline := time.Now().Add(30 * time.Second)
	for setting() != "1" || measuringChild(cmd.Process.Pid) == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("the clocks were not locked: %v", cmd.Stderr)
		}
		time.Sleep(10 * time.Millisecond)
	}
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	if setting() != "1" {
		t.Fatal("a process that was killed restored the clocks: the test shows nothing")
	}
	next := startBench(t, env, "--sysroot", root)
	next.Wait()
	if talk := fmt.Sprint(next.Stderr); setting() != "0" || !strings.Contains(talk, "restored what a killed run left") {
		t.Errorf("no_turbo is %s; the agent said: %s", setting(), talk)
	}
}
