//go:build tensorflow

package tensorflow

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/lut"
)

// elementTypes are TensorFlow's numbers (types.proto) of the precisions that are one.
var elementTypes = map[lut.Precision]uint64{lut.FP32: 1, lut.FP16: 19, lut.BF16: 14}

// moves says that an operation computes nothing: it is idle, converts or moves.
func (o operation) moves() bool {
	switch strings.TrimPrefix(o.op, "_Mkl") {
	case "Cast", "Transpose", "Reshape", "ExpandDims", "Squeeze", "ConcatV2", "SplitV", "Split", "Slice", "StridedSlice", "Pad", "PadV2", "Tile",
		"BroadcastTo", "DepthToSpace", "SpaceToDepth", "GatherV2", "Shape":
		return true
	}
	return o.idle()
}

// multiplies says that an operation is a convolution or a product of matrices, which
// do a model's work.
func (o operation) multiplies() bool {
	return strings.Contains(o.op, "Conv2D") || strings.Contains(o.op, "Conv2d") || strings.Contains(o.op, "MatMul")
}

// judge decides by the optimised graph whether a model ran natively. On CPUs oneDNN
// (operations _Mkl…) multiplies 16-bit floats as such where the processor has the
// arithmetic (here holds what of it there is; see arithmetic). Everything else is widened: Eigen's
// arithmetic on Eigen::half and Eigen::bfloat16 converts each element to float and
// back (Eigen/src/Core/arch/Default/Half.h and BFloat16.h), and so do oneDNN's
// operations on single elements.
func judge(ops []operation, precision lut.Precision, cpu bool, here []string) agent.Execution {
	emulated := func(format string, args ...any) agent.Execution {
		return agent.Execution{Mode: agent.Emulated, Why: fmt.Sprintf(format, args...)}
	}
	want, ok := elementTypes[precision]
	if !ok {
		return emulated("nothing here computes in integers: the graph is in float32")
	}
	var work []operation
	for _, pick := range []func(operation) bool{operation.multiplies, func(o operation) bool { return !o.moves() }} {
		if work == nil {
			for _, o := range ops {
				if pick(o) && o.dtype != 0 {
					work = append(work, o)
				}
			}
		}
	}
	if len(work) == 0 {
		if slices.ContainsFunc(ops, func(o operation) bool { return o.dtype == want }) {
			return agent.Execution{Mode: agent.Native, Why: fmt.Sprintf("its operations only move %s", precision)}
		}
		return emulated("no operation computes in %s", precision)
	}
	other, widened := 0, 0
	for _, o := range work {
		if o.dtype != want {
			other++
		} else if !o.multiplies() || !strings.HasPrefix(o.op, "_Mkl") {
			widened++
		}
	}
	switch {
	case other > 0:
		return emulated("%d of %d operations that compute have another type", other, len(work))
	case !cpu || precision == lut.FP32:
		return agent.Execution{Mode: agent.Native, Why: fmt.Sprintf("all %d operations that compute are of %s", len(work), precision)}
	case widened > 0:
		return emulated("%d of %d operations compute in float32 between conversions", widened, len(work))
	}
	has := arithmetic(precision)
	if i := slices.IndexFunc(has, func(f string) bool { return slices.Contains(here, f) }); i >= 0 {
		return agent.Execution{Mode: agent.Native, Why: fmt.Sprintf("oneDNN computes all %d operations, with %s", len(work), has[i])}
	}
	return emulated("oneDNN computes all %d operations, but it has no %s here", len(work), strings.Join(has, " or "))
}

// arithmetic names what stands for arithmetic in a precision: instruction sets of oneDNN on
// x86, processor flags on ARM.
func arithmetic(p lut.Precision) []string {
	if runtime.GOARCH == "arm64" {
		return map[lut.Precision][]string{lut.BF16: {"bf16"}, lut.FP16: {"asimdhp"}}[p]
	}
	fp16 := []string{"AVX512_CORE_FP16", "AVX512_CORE_AMX", "AVX512_CORE_AMX_FP16"}
	return map[lut.Precision][]string{lut.BF16: append([]string{"AVX512_CORE_BF16"}, fp16...), lut.FP16: fp16}[p]
}

// arithmeticHere are the names that this process has: the instruction set oneDNN keeps to,
// or the processor's flags.
func arithmeticHere() []string {
	if runtime.GOARCH == "arm64" {
		return processor()
	}
	return []string{isaOf(processor(), maxISA(os.Getenv))}
}
