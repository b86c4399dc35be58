//go:build cgo

package tflite

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
)

// TestFramesKeepTheirOperator: what a frame subtracts leaves exactly the operator's own kernels on
// LiteRT. testdata/frames-litert.txt names them for one operator of each kind in
// fp32 and int8: how many more (or fewer) of each kernel the model with the operator
// has than the one without. Kernels that differ in size alone cancel here.
func TestFramesKeepTheirOperator(t *testing.T) {
	if testing.Short() {
		t.Skip("profiles every operator: make test")
	}
	const path = "testdata/frames-litert.txt"
	b := New(Config{Library: nativelib.Require(t, LiteRT), Search: nativelib.Host()})
	if pinnedVersion(t, b) == "" {
		t.Skip("the kernels of another processor are not on file")
	}
	text, err := os.ReadFile(path)
	if err != nil && !golden.Update() {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, kernels, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		want[key] = kernels
	}
	var out strings.Builder
	out.WriteString("# What frames leave of each operator on LiteRT (amd64); go test -run Frames -update rewrites.\n")
	seen := map[string]bool{}
	for _, m := range tfliteModels(t) {
		for _, op := range m.Chain {
			kind := op.Kind + string(op.Precision)
			if op.Precision != lut.FP32 && op.Precision != lut.INT8 || seen[kind] || op.Kind == "maxpool" && op.Attr("k") == "1" {
				continue
			}
			seen[kind] = true
			got := frameKernels(t, b, op)
			fmt.Fprintf(&out, "%s: %s\n", op, got)
			if golden.Update() {
				continue
			}
			if w, ok := want[op.String()]; !ok || got != w {
				t.Errorf("%s leaves\n  %s\nwant\n  %s", op, got, w)
			}
			if got == "" && op.Kind != "relayout" { // of which nothing is built
				t.Errorf("%s leaves nothing: the runtime folds it away", op)
			}
		}
	}
	if golden.Update() {
		golden.Write(t, path, []byte(out.String()))
	}
}

// frameKernels is the difference of a frame in kernels.
func frameKernels(t *testing.T, b *Backend, op lut.Op) string {
	t.Helper()
	frame, err := benchmarks.Frame(op)
	if err != nil {
		t.Fatal(err)
	}
	net := map[string]int{}
	for _, term := range frame {
		for name, n := range kernelsOf(t, b, "tflite", backendtest.CatalogueModel{Chain: term.Chain}) {
			net[name] += int(term.Coef) * n
		}
	}
	var list []string
	for name, n := range net {
		if n != 0 {
			list = append(list, fmt.Sprintf("%+d %s", n, name))
		}
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

// pinnedVersion is the version of the library where its kernels are on file, "" elsewhere.
func pinnedVersion(t *testing.T, b *Backend) string {
	t.Helper()
	info, err := b.Info()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOARCH != "amd64" {
		return ""
	}
	rt, _ := nativelib.Known().Runtime(b.lib.kind)
	version := rt.Pinned(info.Path, info.SHA256)
	if version == "" {
		nativelib.MissingRuntime(t, b.lib.kind, fmt.Errorf("%s is not the pinned library, whose kernels are on file", info.Path))
	}
	return version
}
