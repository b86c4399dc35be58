package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/tier"
)

// TestDevicePlanIsWritten: a plan for a device covers public networks in the time given, and is a plan
// that bench reads.
func TestDevicePlanIsWritten(t *testing.T) {
	tier.Slow(t, "plans half a minute of measuring")
	out := filepath.Join(t.TempDir(), "device.plan.jsonl")
	code, _, stderr := runAgent(t, "plan", "--device", "--minutes", "0.5", "-o", out)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	plan, err := benchmarks.OpenPlan(out)
	if err != nil {
		t.Fatal(err)
	}
	n := plan.Counts()
	if n[role.Cell] < 20 || n[role.Network] < 5 || !strings.HasPrefix(plan.Source, "device: ") {
		t.Errorf("%d kernels and %d chains, source %q", n[role.Cell], n[role.Network], plan.Source)
	}
	for _, args := range [][]string{{"--device", "--family", "conv"}, {"--family", "conv", "--unseen", "x"}, {"--device", "--minutes", "0"}} {
		if code, _, stderr := runAgent(t, append([]string{"plan", "-o", out + ".no"}, args...)...); code != 2 {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
}
