package benchmarks_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

var startORT = sync.OnceValue(func() error {
	lib, err := nativelib.Host().Find("onnxruntime", "")
	if err != nil {
		return err
	}
	ort.SetSharedLibraryPath(lib.Path)
	return ort.InitializeEnvironment(ort.WithLogLevelError())
})

// needORT skips the test when the library is missing, or fails it where the
// native tests are required.
func needORT(t *testing.T) {
	t.Helper()
	if err := startORT(); err != nil {
		nativelib.MissingRuntime(t, "onnxruntime", err)
	}
}

// runORT runs a model once and returns its outputs as float32 and the optimised
// graph it ran.
func runORT(t *testing.T, model []byte, g *graph.Graph, in map[string][]float32) (map[string][]float32, *onnx.Graph, error) {
	t.Helper()
	opt, err := ort.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer opt.Destroy()
	opt.SetIntraOpNumThreads(1)
	opt.SetLogSeverityLevel(ort.LoggingLevelError)
	path := filepath.Join(t.TempDir(), "optimised.onnx")
	opt.SetOptimizedModelFilePath(path)
	var inNames, outNames []string
	var inVals, outVals []ort.Value
	for _, v := range g.Inputs {
		inNames = append(inNames, v.Name)
		inVals = append(inVals, ortTensor(t, v, in[v.Name]))
	}
	for _, v := range g.Outputs {
		outNames = append(outNames, v.Name)
		outVals = append(outVals, ortTensor(t, v, make([]float32, v.Len())))
	}
	s, err := ort.NewAdvancedSessionWithONNXData(model, inNames, outNames, inVals, outVals, opt)
	if err != nil {
		return nil, nil, err
	}
	defer s.Destroy()
	if err := s.Run(); err != nil {
		return nil, nil, err
	}
	out := map[string][]float32{}
	for i, v := range g.Outputs {
		out[v.Name] = ortFloats(t, v, outVals[i])
		outVals[i].Destroy()
	}
	for _, v := range inVals {
		v.Destroy()
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Decode(data)
	if err != nil {
		t.Fatalf("decode the optimised model: %v", err)
	}
	return out, m.Graph, nil
}

func ortTensor(t *testing.T, v *graph.Value, data []float32) ort.Value {
	t.Helper()
	var shape ort.Shape
	for _, d := range v.Shape {
		shape = append(shape, int64(d))
	}
	var x ort.Value
	var err error
	switch v.DType {
	case graph.Float32:
		x, err = ort.NewTensor(shape, slices.Clone(data))
	case graph.Float16:
		x, err = ort.NewCustomDataTensor(shape, onnx.FloatTensor("", onnx.Float16, data).Raw, ort.TensorElementDataTypeFloat16)
	case graph.BFloat16:
		x, err = ort.NewCustomDataTensor(shape, onnx.FloatTensor("", onnx.BFloat16, data).Raw, ort.TensorElementDataTypeBFloat16)
	default:
		t.Fatalf("no ort tensor of type %d", v.DType)
	}
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func ortFloats(t *testing.T, v *graph.Value, x ort.Value) []float32 {
	t.Helper()
	switch y := x.(type) {
	case *ort.Tensor[float32]:
		return slices.Clone(y.GetData())
	case *ort.CustomDataTensor:
		typ := onnx.Float16
		if v.DType == graph.BFloat16 {
			typ = onnx.BFloat16
		}
		f, err := onnx.RawTensor(v.Name, typ, y.GetData(), v.Shape...).Floats()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	t.Fatalf("output of type %T", x)
	return nil
}

func randomInputs(g *graph.Graph) map[string][]float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	in := map[string][]float32{}
	for _, v := range g.Inputs {
		x := make([]float32, v.Len())
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		in[v.Name] = x
	}
	return in
}

// chain parses keys separated by spaces.
func chain(t testing.TB, keys string) benchmarks.Chain {
	t.Helper()
	var c benchmarks.Chain
	for _, k := range strings.Fields(keys) {
		op, err := lut.ParseOp(k)
		if err != nil {
			t.Fatal(err)
		}
		c = append(c, op)
	}
	return c
}

// distance is the root mean square difference relative to the reference's root
// mean square, and the largest difference relative to the same.
func distance(got, want []float32) (rms, worst float64) {
	var dd, ww float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		if math.IsNaN(d) {
			return math.Inf(1), math.Inf(1)
		}
		dd += d * d
		ww += float64(want[i]) * float64(want[i])
		worst = max(worst, math.Abs(d))
	}
	n := math.Sqrt(ww/float64(len(want))) + 1e-9
	return math.Sqrt(dd/float64(len(want))) / n, worst / n
}

// kernels counts the optimised graph's operators, without constants and what
// moves no data.
func kernels(g *onnx.Graph) string {
	count := map[string]int{}
	for _, n := range g.Nodes {
		count[n.Op]++
	}
	var out []string
	for op, k := range count {
		if k == 1 {
			out = append(out, op)
		} else {
			out = append(out, fmt.Sprintf("%s*%d", op, k))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
