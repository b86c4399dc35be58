//go:build cgo

package tflite

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/lut"
)

// TestKernelsOnFile: every model of the catalogue runs as exactly the kernels named in
// testdata/kernels-litert.txt and kernels-tflite.txt: fused as declared, nothing
// folded away, no conversion that the file does not have. "builtin" marks a kernel
// of the library's own, all others are XNNPACK's. With LiteRT, whose profiler takes
// 71 MB per session, fp16 and int8w are left out: their kernels on this processor are
// fp32's, as the verdict emulated says.
func TestKernelsOnFile(t *testing.T) {
	if testing.Short() {
		t.Skip("profiles every operator: make test")
	}
	kinds(t, func(t *testing.T, b *Backend) {
		version := pinnedVersion(t, b)
		if version == "" {
			t.Skip("the kernels of another processor are not on file")
		}
		info, err := b.Info()
		if err != nil {
			t.Fatal(err)
		}
		path := "testdata/kernels-" + b.lib.kind + ".txt"
		want := readKernels(t, path)
		var out strings.Builder
		fmt.Fprintf(&out, "# Chains and the kernels %s %s makes of them on amd64 with provider cpu; go test -run Kernels -update rewrites.\n", b.lib.kind, version)
		var last string
		for _, m := range tfliteModels(t) {
			if b.lib.kind == LiteRT && (m.Precision == lut.FP16 || m.Precision == lut.INT8W) {
				continue
			}
			chain := strings.Join(m.Keys, "\n")
			if chain != last {
				fmt.Fprintf(&out, "\n%s\n", chain)
				last = chain
			}
			t.Run(m.Name(), func(t *testing.T) {
				got := "newer than this library"
				if count := kernelsOf(t, b, info.Format, m); count != nil {
					got = listed(count)
				}
				fmt.Fprintf(&out, "%s: %s\n", m.Precision, got)
				if old := want[chain+"\n"+string(m.Precision)]; got != old && !golden.Update() {
					t.Errorf("%v runs as\n  %s\nwant\n  %s", m.Chain, got, old)
				}
			})
		}
		if golden.Update() {
			golden.Write(t, path, []byte(out.String()))
		}
	})
}

func readKernels(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !golden.Update() {
		t.Fatal(err)
	}
	want := map[string]string{}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var keys []string
		for line := range strings.SplitSeq(strings.Trim(block, "\n"), "\n") {
			if prec, kernels, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, "#") {
				want[strings.Join(keys, "\n")+"\n"+prec] = kernels
			} else {
				keys = append(keys, line)
			}
		}
	}
	return want
}

// kernelsOf counts the kernels of a model; nil where it is newer than the library.
func kernelsOf(t *testing.T, b *Backend, format agent.Format, m backendtest.CatalogueModel) map[string]int {
	t.Helper()
	model, _ := buildModel(t, format, m.Chain)
	// Half precision is not forced, so that a processor that has it runs the same kernels.
	p, err := b.Placement(context.Background(), model, agent.Options{Provider: CPU, Threads: 1, ProviderOptions: map[string]string{"fp16": "0"}})
	if b.lib.kind == Classic && err != nil && newer(model.Graph) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, n := range p.Nodes {
		op := strings.TrimPrefix(n.Op, XNNPACK+": ")
		// Whether activations quantised at run time are signed depends on the CPU.
		count[strings.ReplaceAll(op, "QDU8", "QD8")]++
	}
	return count
}

func listed(count map[string]int) string {
	var list []string
	for op, k := range count {
		if k > 1 {
			op = fmt.Sprintf("%s ×%d", op, k)
		}
		list = append(list, op)
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}
