package graph

import (
	"fmt"
	"slices"
)

// required are the inputs that an operator of ONNX cannot be without; one not here needs
// the first (operator schemas, opset 11–21). An operator of another domain needs none.
var required = map[string][]int{"Constant": {}, "RandomNormal": {}, "RandomUniform": {}, "Loop": {}, "Scan": {}}

func init() {
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Pow", "Mod", "And", "Or", "Xor", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual",
		"Conv", "ConvTranspose", "ConvInteger", "MatMul", "MatMulInteger", "Gemm", "Gather", "GatherElements", "GatherND", "Expand", "PRelu", "DequantizeLinear",
		"QuantizeLinear", "BitwiseAnd", "BitwiseOr", "BitShift", "GridSample", "CumSum"} {
		required[op] = []int{0, 1}
	}
	for _, op := range []string{"Where", "Range", "LSTM", "GRU", "RNN", "OneHot", "ScatterElements", "ScatterND", "InstanceNormalization", "GroupNormalization"} {
		required[op] = []int{0, 1, 2}
	}
	required["BatchNormalization"] = []int{0, 1, 2, 3, 4}
	required["QLinearConv"] = []int{0, 1, 2, 3, 4, 5, 6, 7}
	required["QLinearMatMul"] = required["QLinearConv"]
}

// whole fails for a node without what its operator cannot be without.
func whole(n *Node) error {
	if !slices.ContainsFunc(n.Out, func(v *Value) bool { return v != nil }) {
		return fmt.Errorf("node %q (%s) has no output", n.Name, n.Op)
	}
	if n.Src.Domain != "" && n.Src.Domain != "ai.onnx" {
		return nil
	}
	needs, ok := required[n.Op]
	if !ok {
		needs = []int{0}
	}
	for _, i := range needs {
		if n.Input(i) == nil {
			return fmt.Errorf("node %q (%s) has no input %d", n.Name, n.Op, i)
		}
	}
	return nil
}
