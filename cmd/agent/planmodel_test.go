package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/lut"
)

func TestPlanFromModel(t *testing.T) {
	dir := t.TempDir()
	block, err := lut.ParseOp("mbconv[act=hswish,k=5,res=1,s=1,se=4]/fp32@cin=40,cout=40,h=28,mid=120,w=28")
	if err != nil {
		t.Fatal(err)
	}
	g, err := benchmarks.Build(benchmarks.Chain{block}, benchmarks.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnxwriter.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(dir, "models", "block.onnx")
	if err := os.MkdirAll(filepath.Dir(model), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(model, data, 0o666); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (int, string, string) {
		var out, talk bytes.Buffer
		code := program().Run(context.Background(), args, cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, Getenv: func(string) string { return "" }})
		return code, out.String(), talk.String()
	}
	path := filepath.Join(dir, "plan.jsonl")
	code, _, talk := run("plan", "--model", model, model, "-o", path)
	if code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, talk)
	}
	plan, err := benchmarks.OpenPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	n := plan.Counts()
	if n[role.Cell] != 8 || n[role.Network] != 1 {
		t.Errorf("planned %v, want the block's 8 kernels and the model, once", n)
	}
	for _, c := range plan.Cases {
		if c.Role == role.Network {
			if len(c.Ops) != 8 || c.Set != role.Audit {
				t.Errorf("the network is the sum of %d kernels, set %q", len(c.Ops), c.Set)
			}
			for _, m := range plan.Models {
				if m.ID == c.Terms[0].Model && m.File != "models/block.onnx" {
					t.Errorf("the model is named %q, not relative to the plan", m.File)
				}
			}
		}
	}
	other := filepath.Join(dir, "models", "other.onnx")
	if err := os.WriteFile(other, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if code, _, talk := run("plan", "--model", model, "--calibrate-model", other, "-o", path); code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, talk)
	}
	if plan, err = benchmarks.OpenPlan(path); err != nil {
		t.Fatal(err)
	}
	sets := map[string]role.Set{}
	for _, c := range plan.Cases {
		if c.Role == role.Network {
			sets[c.Name] = c.Set
		}
	}
	if len(sets) != 2 || sets["block"] != role.Audit || sets["other"] != role.Calibrate {
		t.Errorf("networks %v, want block to audit and other to calibrate", sets)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"plan", "--model", filepath.Join(dir, "none.onnx")}, cli.ExitFailed, "hint: name a model file"},
		{[]string{"plan", "--model", path}, cli.ExitFailed, "agent lower writes it again"},
		{[]string{"plan", "--model", model, "--family", "conv"}, cli.ExitUsage, "plans of their own"},
		{[]string{"plan", "--family", "conv", "--dim", "N=1"}, cli.ExitUsage, "--dim needs --model"},
		{[]string{"plan", "--model", model, "--set", "fit"}, cli.ExitUsage, "none of audit, calibrate, none"},
	} {
		if code, _, talk := run(c.args...); code != c.code || !strings.Contains(talk, c.want) {
			t.Errorf("%v: exit %d (want %d), talk %q does not say %q", c.args, code, c.code, talk, c.want)
		}
	}
}
