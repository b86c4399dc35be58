package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// What is planned at a batch is measured at it, whatever the built-in protocol says; a
// protocol file that says another, and models of two batches in one plan, are refused.
func TestPlanIsMeasuredAtItsBatch(t *testing.T) {
	dir := t.TempDir()
	model := func(name string, batch int) string {
		op, err := lut.ParseOp("conv[k=3,s=1]/fp32@cin=16,cout=32,h=14,w=14")
		if err != nil {
			t.Fatal(err)
		}
		g, err := benchmarks.Build(benchmarks.Chain{op}, benchmarks.BuildOptions{Batch: batch})
		if err != nil {
			t.Fatal(err)
		}
		data, err := onnxwriter.Write(g)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".onnx")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	eight, one := model("eight", 8), model("one", 1)
	plan, rec, proto := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl"), filepath.Join(dir, "protocol.yaml")
	if code, _, talk := runAgent(t, "plan", "--model", eight, "--set", "none", "-o", plan); code != 0 {
		t.Fatalf("exit %d: %s", code, talk)
	}
	if p, err := benchmarks.OpenPlan(plan); err != nil || p.Batch != 8 {
		t.Fatalf("planned at batch %d: %v", p.Batch, err)
	}
	if err := os.WriteFile(proto, []byte("format: isocost/protocol/v1\nbatch: 2\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	bench := []string{"bench", "--plan", plan, "--backend", "sim", "--sim-device", "../../examples/sim-device.yaml", "-o", rec}
	if code, _, talk := runAgent(t, append(bench, "--protocol", proto)...); code != cli.ExitUsage || !strings.Contains(talk, "planned at batch 8") || !strings.Contains(talk, "has batch 2") {
		t.Errorf("exit %d: %s", code, talk)
	}
	if code, _, talk := runAgent(t, bench...); code != 0 {
		t.Fatalf("exit %d: %s", code, talk)
	}
	files, err := record.Read(rec)
	if err != nil {
		t.Fatal(err)
	}
	if n, known := files[0].Header.Protocol.Batch(); n != 8 || !known {
		t.Errorf("measured at batch %d, known %v", n, known)
	}
	if code, _, talk := runAgent(t, "plan", "--model", eight, one, "-o", plan); code != cli.ExitFailed || !strings.Contains(talk, "eight.onnx takes 8 items at once") || !strings.Contains(talk, "one.onnx takes 1") {
		t.Errorf("exit %d: %s", code, talk)
	}
}

func TestNegativeLimitsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"bench", "net.onnx", "--max-time", "-5s"}, {"bench", "net.onnx", "--memory", "-5"}, {"runtimes", "--timeout", "-1s"}, {"device", "--probe", "-1s"},
	} {
		if _, stderr, code := agentMain("", args...); code != cli.ExitUsage || !strings.Contains(stderr, args[len(args)-2]) {
			t.Errorf("%q: exit %d: %s", args, code, stderr)
		}
	}
}
