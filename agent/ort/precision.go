package ort

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/lut"
)

// arithmetic are the kernels that do a model's work: whose element type is the
// precision a model ran in. Names are ONNX's and, in the optimised graph, those
// of ONNX Runtime's own domain.
var arithmetic = []string{
	"Conv", "FusedConv", "NhwcFusedConv", "ConvTranspose", "QLinearConv", "QLinearConvTranspose", "ConvInteger", "MatMul", "FusedMatMul", "Gemm", "FusedGemm",
	"QLinearMatMul", "QGemm", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "MatMulNBits", "Attention", "QAttention", "MultiHeadAttention",
}

// movement are the kernels that only change types or layout: where they are all
// there is between inputs and outputs, a precision was not computed in.
var movement = []string{
	"Cast", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ReorderInput", "ReorderOutput", "Transpose", "Reshape", "Identity",
	"Squeeze", "Unsqueeze", "Flatten", "MemcpyToHost", "MemcpyFromHost", "Shape", "Gather", "Slice", "Concat", "Split",
}

// wants are the element types in which a kernel of a precision reads its first
// input, or where weights alone are small, its second.
var wants = map[lut.Precision][]string{
	lut.FP32:    {"float32"},
	lut.FP16:    {"float16"},
	lut.BF16:    {"bfloat16"},
	lut.INT8:    {"int8", "uint8"},
	lut.INT8Dyn: {"int8", "uint8"},
}

// judge decides whether a model of a precision ran natively, from the kernels of
// the optimised graph with the types they really read: a Cast or a
// DequantizeLinear in front of a float32 convolution shows as a convolution that
// reads float32, whatever the model was declared as.
//
// A provider that compiles parts of a model into kernels of its own (OpenVINO,
// TensorRT, QNN…) does not tell what they compute in: then neither is said, and
// why.
//
// What counts is the arithmetic (convolutions, matrix products, attention); in a
// model without any, every kernel that is not mere movement of data. All must run
// in the precision: one that does not makes the model emulated.
func judge(kernels []agent.KernelTime, precision lut.Precision) agent.Execution {
	if own := pick(kernels, compiled); len(own) > 0 {
		return agent.Execution{Why: fmt.Sprintf("provider %s compiled %d kernels of its own (%s), which do not tell what they compute in",
			own[0].Provider, len(own), own[0].Op)}
	}
	counted := pick(kernels, func(op string) bool { return slices.Contains(arithmetic, op) })
	if len(counted) == 0 {
		counted = pick(kernels, func(op string) bool { return !slices.Contains(movement, op) })
	}
	if len(counted) == 0 {
		counted = kernels
	}
	native := 0
	var other []string
	for _, k := range counted {
		if ran(k, precision) {
			native++
		} else {
			read := "nothing"
			if len(k.In) > 0 {
				read = k.In[0].DType
			}
			other = append(other, fmt.Sprintf("%s reads %s", k.Op, read))
		}
	}
	if len(other) == 0 {
		return agent.Execution{Mode: agent.Native, Why: fmt.Sprintf("all %d kernels that compute run in %s", native, precision)}
	}
	slices.Sort(other)
	other = slices.Compact(other)
	return agent.Execution{Mode: agent.Emulated,
		Why: fmt.Sprintf("%d of %d kernels that compute run in another precision: %s", len(counted)-native, len(counted), strings.Join(other, ", "))}
}

// compiled says whether a kernel's name is one a provider made up
// (OpenVINO-EP-subgraph_3, TRTKernel_graph_7): operators' names have neither sign.
func compiled(op string) bool { return strings.ContainsAny(op, "-_") }

// ran says whether a kernel computed in a precision.
func ran(k agent.KernelTime, precision lut.Precision) bool {
	if precision == lut.INT8W {
		// Int8 weights, floating-point arithmetic: a kernel that unpacks them itself.
		return k.Op == "MatMulNBits" || len(k.In) > 1 && strings.HasPrefix(k.In[0].DType, "float") && slices.Contains(wants[lut.INT8], k.In[1].DType)
	}
	if k.Op == "DynamicQuantizeMatMul" {
		// Quantises its float input itself; the weights tell.
		return precision == lut.INT8Dyn && len(k.In) > 1 && slices.Contains(wants[precision], k.In[1].DType)
	}
	return len(k.In) > 0 && slices.Contains(wants[precision], k.In[0].DType)
}

func pick(kernels []agent.KernelTime, keep func(op string) bool) []agent.KernelTime {
	var out []agent.KernelTime
	for _, k := range kernels {
		if keep(k.Op) {
			out = append(out, k)
		}
	}
	return out
}
