package tflite

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

// A kernel of these runtimes computes in the types of its tensors: nothing is
// converted behind the file's back, except that XNNPACK can be forced to half
// precision, that it and a GPU may widen weights in advance, and that a GPU
// computes integers in floating point. So the file's types decide, and for
// XNNPACK's arithmetic the types its kernels name themselves.

// arithmetic are the operators that do a model's work.
var arithmetic = []tflitefb.Op{tflitefb.Conv2D, tflitefb.DepthwiseConv2D, tflitefb.FullyConnected, tflitefb.BatchMatMul, tflitefb.TransposeConv}

// movement are those that only change types or layout.
var movement = []tflitefb.Op{tflitefb.Quantize, tflitefb.Dequantize, tflitefb.Cast, tflitefb.Reshape, tflitefb.Transpose, tflitefb.Concatenation,
	tflitefb.Split, tflitefb.Slice, tflitefb.Pad, tflitefb.PadV2, tflitefb.StridedSlice, tflitefb.Gather}

// computesIn is the precision in which an operator of the file computes.
func computesIn(m *tflitefb.Model, op tflitefb.Operator) lut.Precision {
	kind := func(i int) tflitefb.TensorType {
		if i < len(op.Inputs) && op.Inputs[i] >= 0 {
			return m.Tensors[op.Inputs[i]].Type
		}
		return -1
	}
	x, w := kind(0), kind(1)
	if op.Code == tflitefb.TransposeConv { // shape, weights, input
		x, w = kind(2), kind(1)
	}
	switch {
	case x == tflitefb.Int8 || x == tflitefb.Uint8:
		return lut.INT8
	case x == tflitefb.Float32 && w == tflitefb.Int8:
		return lut.INT8Dyn
	case x == tflitefb.Float16:
		return lut.FP16
	case x == tflitefb.BFloat16:
		return lut.BF16
	case x == tflitefb.Float32:
		return lut.FP32
	}
	return ""
}

// kernelPrecision reads the types XNNPACK puts into the name of a kernel that does
// arithmetic: "Fully Connected (NC, QDU8, F32, QC8W) GEMM". "" is any other kernel.
func kernelPrecision(tag string) lut.Precision {
	if !strings.Contains(tag, "Convolution") && !strings.Contains(tag, "Deconvolution") &&
		!strings.Contains(tag, "Fully Connected") && !strings.Contains(tag, "Matrix Multiply") {
		return ""
	}
	_, types, _ := strings.Cut(tag, "(")
	types, _, _ = strings.Cut(types, ")")
	list := strings.Split(types, ", ")
	has := func(prefixes ...string) bool {
		return slices.ContainsFunc(list, func(t string) bool {
			return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(t, p) })
		})
	}
	switch {
	case has("QD"):
		return lut.INT8Dyn
	case has("F32", "F16") && has("QC8W", "QC4W", "QB4W"):
		return lut.INT8W
	case has("QS8", "QC8", "QU8"):
		return lut.INT8
	case has("F16"):
		return lut.FP16
	case has("BF16"):
		return lut.BF16
	case has("F32"):
		return lut.FP32
	}
	return ""
}

// judge decides whether a model of a precision ran natively. half says that the
// session was forced to half precision, kernels are those that ran (none when the
// runtime cannot say).
func judge(m *tflitefb.Model, kernels []agent.PlacedNode, provider string, precision lut.Precision, half bool, cpu string) agent.Execution {
	emulated := func(format string, args ...any) agent.Execution {
		return agent.Execution{Mode: agent.Emulated, Why: fmt.Sprintf(format, args...)}
	}
	ran := func(p lut.Precision) lut.Precision {
		switch {
		case half && p == lut.FP32:
			return lut.FP16
		case provider == GPU && p != lut.FP32:
			return lut.FP32
		}
		return p
	}
	counted := map[lut.Precision]int{}
	for _, k := range kernels {
		if p := kernelPrecision(k.Op); p != "" && k.Provider == XNNPACK {
			counted[p]++
		}
	}
	named := len(counted) > 0
	// The library's own kernels, or all where kernels do not name their types.
	for _, pass := range [][]tflitefb.Op{arithmetic, nil} {
		if pass == nil && len(counted) > 0 {
			break
		}
		for _, op := range m.Operators {
			if pass != nil && !slices.Contains(pass, op.Code) || pass == nil && slices.Contains(movement, op.Code) {
				continue
			}
			if named && !slices.ContainsFunc(kernels, func(k agent.PlacedNode) bool { return k.Provider == Builtin && k.Op == op.Code.String() }) {
				continue // counted by its kernel's name
			}
			if p := computesIn(m, op); p != "" {
				counted[ran(p)]++
			}
		}
	}
	total, other := 0, []string{}
	for p, n := range counted {
		total += n
		if p != precision {
			other = append(other, fmt.Sprintf("%d in %s", n, p))
		}
	}
	slices.Sort(other)
	switch {
	case total == 0 && ran(precision) == precision && touches(m, precision):
		return agent.Execution{Mode: agent.Native, Why: fmt.Sprintf("its kernels only convert and move, to or from %s", precision)}
	case total == 0:
		return emulated("no kernel computes in %s", precision)
	case len(other) > 0:
		return emulated("of %d kernels that compute, %s run in another precision", total, strings.Join(other, ", "))
	case precision == lut.FP16 && provider != GPU && cpu != "":
		return emulated("all %d kernels that compute run in fp16, but %s", total, cpu)
	}
	return agent.Execution{Mode: agent.Native, Why: fmt.Sprintf("all %d kernels that compute run in %s", total, precision)}
}

// touches says whether an operator reads or writes activations of a precision.
func touches(m *tflitefb.Model, p lut.Precision) bool {
	kind, ok := map[lut.Precision]tflitefb.TensorType{lut.FP32: tflitefb.Float32, lut.FP16: tflitefb.Float16, lut.INT8: tflitefb.Int8}[p]
	return ok && slices.ContainsFunc(m.Operators, func(op tflitefb.Operator) bool {
		return slices.ContainsFunc(append(slices.Clone(op.Inputs), op.Outputs...), func(i int32) bool {
			return i >= 0 && m.Tensors[i].Type == kind && m.Tensors[i].Data == nil
		})
	})
}

// noHalfArithmetic says in words that this CPU has no half-precision arithmetic,
// only conversions; "" when it has.
func noHalfArithmetic() string {
	flag := map[string]string{"arm64": "asimdhp", "amd64": "avx512_fp16"}[runtime.GOARCH]
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || flag == "" {
		return "whether this CPU has half-precision arithmetic is unknown"
	}
	if slices.Contains(strings.Fields(string(info)), flag) {
		return ""
	}
	return "this CPU has no half-precision arithmetic (" + flag + "), it converts to fp32 and back"
}

// wantsHalf says that a model was built for half precision throughout, so that a
// CPU which has it should compute in it.
func wantsHalf(g *graph.Graph) bool {
	if g == nil {
		return false
	}
	half := false
	for _, n := range g.Nodes {
		for _, v := range n.Out {
			if v.DType != graph.Float16 {
				return false
			}
			half = true
		}
	}
	return half
}
