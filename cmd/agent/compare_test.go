package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent/sidebyside"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/nativelib"
)

func compare(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = program().Run(context.Background(), append([]string{"compare"}, args...),
		cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }})
	return code, out.String(), errs.String()
}

// TestCompareTimes runs one operator on all three libraries: times on each, and
// equal results.
func TestCompareTimes(t *testing.T) {
	for _, r := range []string{"onnxruntime", "litert", "tflite"} {
		nativelib.Require(t, r)
	}
	code, stdout, stderr := compare(t, "--json", "--rounds", "3", "--precision", "fp32,int8", "--op", "conv[k=3]/P@cin=16,cout=16,h=28,w=28")
	if code != cli.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	dec := json.NewDecoder(strings.NewReader(stdout))
	n := 0
	for ; dec.More(); n++ {
		var r sidebyside.Result
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Outcome != sidebyside.OK || r.MinUS == nil || !(*r.MinUS > 0) || *r.MedianUS < *r.MinUS || r.N != 12 || r.RelRMS == nil || r.Execution != "native" {
			t.Errorf("%+v", r)
		}
	}
	if n != 6 {
		t.Errorf("%d results for two precisions on three lanes", n)
	}
}

func TestCompareSupport(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole catalogue: make test")
	}
	nativelib.Require(t, "litert")
	code, stdout, stderr := compare(t, "--support", "--lane", "litert:cpu", "--lane", "litert:xnnpack", "--precision", "int8,bf16")
	if code != cli.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(stdout) {
		lines[strings.Join(strings.Fields(line), " ")] = true
	}
	for _, want := range []string{"conv int8 native native", "conv bf16 unsupported unsupported", "hswish int8 native fallback"} {
		if !lines[want] {
			t.Errorf("no line %q in\n%s", want, stdout)
		}
	}
}

func TestCompareRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"is not RUNTIME:PROVIDER": {"--lane", "ort"},
		"is none of":              {"--lane", "nothing:cpu"},
		"--precision \"fp8\"":     {"--precision", "fp8"},
		"takes no arguments":      {"net.onnx"},
		"leave --op out":          {"--support", "--op", "x"},
	} {
		code, _, stderr := compare(t, args...)
		if code != cli.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
}
