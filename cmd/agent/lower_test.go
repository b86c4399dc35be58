package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/kernelfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/nativelib"
)

func TestLoweredModelIsWritten(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	out := filepath.Join(dir, "add.kernels.json")
	if stdout, stderr, code := agentMain("", "lower", "testdata/add.onnx", "-o", out); code != 0 || stdout != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	f, err := kernelfile.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if f.Model != "add.onnx" || f.Runtime.Backend != "ort" || len(f.Network.Kernels) != 1 || f.Network.Kernels[0].Op.Kind != "add" || len(f.Network.Unpriced) != 0 {
		t.Errorf("%+v", f)
	}
	// The same to standard output, and by name into a folder.
	whole, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if stdout, _, code := agentMain("", "lower", "testdata/add.onnx"); code != 0 || stdout != string(whole) {
		t.Errorf("exit %d, standard output differs from the file:\n%s", code, stdout)
	}
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := agentMain("", "lower", "testdata/add.onnx", "testdata/add.onnx", "-o", dir); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if again, err := os.ReadFile(out); err != nil || string(again) != string(whole) {
		t.Errorf("the folder's file differs: %v", err)
	}
}

func TestLowerRefuses(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	out := filepath.Join(t.TempDir(), "x.json")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, cli.ExitUsage, "no model is named"},
		{[]string{"nonesuch.onnx"}, cli.ExitFailed, "no such file"},
		{[]string{"lower_test.go"}, cli.ExitFailed, "is it an ONNX model"},
		{[]string{"testdata/add.onnx", "testdata/add.onnx"}, cli.ExitUsage, "need a folder"},
		{[]string{"testdata/add.onnx", "--dim", "n=1"}, cli.ExitUsage, `no model has a dimension "n"`},
		{[]string{"testdata/add.onnx", "--provider", "nonesuch"}, cli.ExitFailed, "has only"},
		{[]string{"testdata/add.onnx", "--backend", "sim"}, cli.ExitUsage, "ONNX Runtime"},
	} {
		stdout, stderr, code := agentMain("", append([]string{"lower", "-o", out}, c.args...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d, %q, %q; want %d, %q", c.args, code, stdout, stderr, c.code, c.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%v left a file behind", c.args)
		}
	}
}
