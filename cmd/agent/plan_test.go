package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/cli"
)

func TestPlanFromSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.jsonl")
	var stdout, stderr bytes.Buffer
	env := cli.Env{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" }}
	args := []string{"plan", "--space", "../../examples/mobile-cnn/space.yaml", "--calibrate", "3", "--audit", "5", "--seed", "7", "-o", path, "--json"}
	if code := program().Run(context.Background(), args, env); code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	plan, err := benchmarks.OpenPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	var summary struct {
		SHA256   string  `json:"sha256"`
		Cells    int     `json:"cells"`
		Networks int     `json:"networks"`
		Estimate float64 `json:"estimate_s"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &summary); err != nil {
		t.Fatalf("%v: %s", err, &stdout)
	}
	if summary.SHA256 != plan.SHA256() || summary.Cells < 150 || summary.Networks != 8 || summary.Estimate <= 0 {
		t.Errorf("summary %+v", summary)
	}
	// Law: what networks are the sum of is planned, and no network is in both sets.
	cells, networks := map[string]bool{}, map[string]string{}
	for _, c := range plan.Cases {
		if c.Key != nil {
			cells[c.Key.String()] = true
		}
	}
	for _, c := range plan.Cases {
		for _, op := range c.Ops {
			if !cells[op.String()] {
				t.Errorf("%s needs %s, which is not a cell of the plan", c.Name, op)
			}
		}
		if c.Role == role.Network {
			if other := networks[c.Ops.String()]; other != "" {
				t.Errorf("%s and %s are one network", c.Name, other)
			}
			networks[c.Ops.String()] = c.Name
		}
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if code := program().Run(context.Background(), args, env); code != cli.ExitOK {
		t.Fatalf("again: exit code %d: %s", code, &stderr)
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(first, again) {
		t.Error("the same seed gave another plan")
	}
}

func TestPlanRefuses(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "plan.jsonl")
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("format: isocost/space/v9\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, cli.ExitUsage, "nothing to plan"},
		{[]string{"--family", "conv", "--precision", "fp31"}, cli.ExitUsage, "unknown precision"},
		{[]string{"--family", "warp"}, cli.ExitUsage, "hint: families with a grid"},
		{[]string{"--family", "conv", "--knots", "1", "--copies", "1"}, cli.ExitUsage, "--copies 1"},
		{[]string{"--space", filepath.Join(dir, "none.yaml")}, cli.ExitFailed, "hint:"},
		{[]string{"--space", bad}, cli.ExitFailed, "bad.yaml:1"},
		{[]string{"--space", "../../examples/tiny-cnn/space.yaml", "--audit", "100000000"}, cli.ExitUsage, "at most 10000"},
	} {
		var stderr bytes.Buffer
		env := cli.Env{Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: &stderr, Getenv: func(string) string { return "" }}
		code := program().Run(context.Background(), append([]string{"plan", "-o", out}, test.args...), env)
		if code != test.code || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%q: exit code %d, want %d with %q:\n%s", test.args, code, test.code, test.want, &stderr)
		}
		if _, err := os.Stat(out); err == nil {
			t.Fatalf("%q left a plan behind", test.args)
		}
	}
}
