package benchmarks_test

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sys/cpu"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/lut"
)

// tolerance is the root mean square error allowed against the reference, relative
// to the reference's root mean square. fp32: summation order only. fp16: the CPU
// provider computes in fp32 between casts, or in fp16; each layer rounds to 11
// bits. int8: the reference rounds to the same grids; a kernel may round a tie
// the other way, one step of 255 over a range of ±5σ in one of 25 elements, and
// ONNX Runtime's integer bilinear resize truncates.
var tolerance = map[lut.Precision]float64{
	lut.FP32: 1e-5, lut.FP16: 2e-2, lut.BF16: 2e-1, lut.INT8: 2e-2, lut.INT8Dyn: 2e-2, lut.INT8W: 1e-2,
}

// TestModelsOnONNXRuntime checks every model of testdata/kernels.txt three ways:
// the runtime accepts it, its result agrees with the reference interpreter, and
// the optimised graph holds exactly the kernels named there.
//
// The file has one chain per block, its keys one per line with P for the precision, and
// below each precision with the kernels ONNX Runtime makes of it on amd64, or "not
// implemented" where its CPU provider rejects the model.
func TestModelsOnONNXRuntime(t *testing.T) {
	needORT(t)
	const file = "testdata/kernels.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	checkKernels := kernelsOnFile()
	var out strings.Builder
	seen := map[string]bool{}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var keys []string
		for line := range strings.SplitSeq(strings.Trim(block, "\n"), "\n") {
			prec, want, isResult := strings.Cut(line, ": ")
			if !isResult {
				fmt.Fprintln(&out, line)
				if !strings.HasPrefix(line, "#") {
					keys = append(keys, line)
				}
				continue
			}
			c := chain(t, strings.ReplaceAll(strings.Join(keys, " "), "/P@", "/"+prec+"@"))
			for _, op := range c {
				seen[op.Kind] = true
			}
			got := want
			t.Run(fmt.Sprintf("%s/%s", c[len(c)/2].Family(), prec), func(t *testing.T) {
				got = checkModel(t, c)
				if checkKernels && got != want && !golden.Update() {
					t.Errorf("%v runs as\n  %s\nwant\n  %s", c, got, want)
				}
			})
			fmt.Fprintf(&out, "%s: %s\n", prec, got)
		}
		out.WriteByte('\n')
	}
	for _, k := range benchmarks.Kinds() {
		if seen[k] {
			continue
		}
		if !golden.Update() {
			t.Errorf("%s: no model of kind %q; go test -update adds its example", file, k)
			continue
		}
		out.WriteString(exampleModel(t, k))
	}
	if golden.Update() {
		golden.Write(t, file, []byte(strings.TrimRight(out.String(), "\n")+"\n"))
	}
}

// kernelsOnFile reports that the kernels of this library and processor are on file: those
// of the pinned library on x86 with vectors of 16 floats. Elsewhere models are only run
// and compared.
func kernelsOnFile() bool {
	return runtime.GOARCH == "amd64" && cpu.X86.HasAVX512F && strings.HasPrefix(ort.GetVersion(), "1.32.")
}

// exampleModel is a block of kernels.txt: the example of a kind, in the frame that it has
// in the first precision, in every precision.
func exampleModel(t *testing.T, kind string) string {
	t.Helper()
	var out strings.Builder
	var keys []string
	for _, p := range []lut.Precision{lut.FP32, lut.INT8, lut.FP16, lut.INT8Dyn, lut.INT8W, lut.BF16} {
		c, err := benchmarks.Example(kind, p)
		if err != nil {
			continue // a precision that the kind does not have
		}
		if keys == nil {
			sum, err := benchmarks.Frame(c[len(c)-1])
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range sum[0].Chain {
				keys = append(keys, strings.ReplaceAll(op.String(), "/"+string(p)+"@", "/P@"))
			}
			fmt.Fprintln(&out, strings.Join(keys, "\n"))
		}
		fmt.Fprintf(&out, "%s: %s\n", p, checkModel(t, chain(t, strings.ReplaceAll(strings.Join(keys, " "), "/P@", "/"+string(p)+"@"))))
	}
	return out.String() + "\n"
}

// checkModel builds, runs and compares one chain and returns its kernels.
func checkModel(t *testing.T, c benchmarks.Chain) string {
	t.Helper()
	g, err := benchmarks.Build(c, benchmarks.BuildOptions{Batch: 1, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	model, err := onnxwriter.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	in := randomInputs(g)
	got, opt, err := runORT(t, model, g, in)
	if err != nil && strings.Contains(err.Error(), "Could not find an implementation") {
		return "not implemented"
	}
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}
	want, err := reference.Run(g, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range g.Outputs {
		if spread(want[v.Name]) == 0 {
			t.Errorf("%v: the reference's output %s is constant: it proves nothing", c, v.Name)
		}
		rms, worst := distance(got[v.Name], want[v.Name])
		if !finite(got[v.Name]) {
			t.Errorf("%v: output %s holds a value that is not a number", c, v.Name)
		}
		if rms > tolerance[c[len(c)-1].Precision] {
			t.Errorf("%v: output %s is off by rms %.2g, worst %.2g of the reference's rms", c, v.Name, rms, worst)
		}
	}
	return kernels(opt)
}

func finite(x []float32) bool {
	return !slices.ContainsFunc(x, func(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) })
}

func spread(x []float32) float32 {
	lo, hi := x[0], x[0]
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	return hi - lo
}

// allOps are the operators of testdata/kernels.txt in each precision named there.
func allOps(t testing.TB) []lut.Op {
	t.Helper()
	text, err := os.ReadFile("testdata/kernels.txt")
	if err != nil {
		t.Fatal(err)
	}
	var ops []lut.Op
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var keys []string
		for line := range strings.SplitSeq(strings.Trim(block, "\n"), "\n") {
			if prec, _, isResult := strings.Cut(line, ": "); isResult {
				ops = append(ops, chain(t, strings.ReplaceAll(strings.Join(keys, " "), "/P@", "/"+prec+"@"))...)
			} else if !strings.HasPrefix(line, "#") {
				keys = append(keys, line)
			}
		}
	}
	return ops
}
