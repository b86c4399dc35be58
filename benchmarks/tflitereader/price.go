package tflitereader

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

// least is how many inputs the operators have that need more than one.
var least = map[tflitefb.Op]int{tflitefb.Conv2D: 2, tflitefb.DepthwiseConv2D: 2, tflitefb.FullyConnected: 2, tflitefb.TransposeConv: 3,
	tflitefb.Add: 2, tflitefb.Sub: 2, tflitefb.Mul: 2, tflitefb.Div: 2, tflitefb.Minimum: 2, tflitefb.Maximum: 2,
	tflitefb.SquaredDifference: 2, tflitefb.Pow: 2, tflitefb.Prelu: 2, tflitefb.BatchMatMul: 2, tflitefb.Split: 2, tflitefb.SplitV: 3, tflitefb.Gather: 2,
	tflitefb.Transpose: 2, tflitefb.Pad: 2, tflitefb.PadV2: 2, tflitefb.Mean: 2, tflitefb.Sum: 2, tflitefb.ReduceMax: 2, tflitefb.ReduceMin: 2, tflitefb.ReduceProd: 2}

// whole says what an operator lacks to be understood at all: "" for one whose inputs
// and output can be relied on.
func (r *reader) whole(o *operator) string {
	least := max(1, least[o.Code])
	if len(o.Outputs) == 0 || len(o.Inputs) < least {
		return "it has too few inputs or outputs"
	}
	for i := range least {
		if o.Inputs[i] < 0 {
			return "an input is left out"
		}
	}
	for _, t := range slices.Concat(o.Inputs, o.Outputs) {
		if t >= 0 && size(r.m.Tensors[t].Shape) == 0 {
			return "an empty tensor"
		}
	}
	return ""
}

// price is an operator's key, why it is free, or why it is neither.
func (r *reader) price(o *operator) (op lut.Op, free, why string) {
	if why := r.whole(o); why != "" {
		return op, "", why
	}
	if r.constant[o.Outputs[0]] {
		return op, network.FreeConstant, ""
	}
	switch o.kind {
	case "":
	case "layernorm": // of rows, whatever holds them
		s := r.m.Tensors[o.input].Shape
		op, why = r.element(o, o.kind, o.input, nil)
		op = lut.NewOp(o.kind, op.Precision, nil, map[string]int{"seq": r.outer(s[:len(s)-1]), "dim": int(s[len(s)-1])})
		return op, "", why
	default:
		op, why = r.element(o, o.kind, o.input, nil)
		return op, "", why
	}
	if kind, ok := unary[o.Code]; ok {
		return r.function(o, kind)
	}
	switch o.Code {
	case tflitefb.Conv2D, tflitefb.DepthwiseConv2D:
		op, why = r.conv(o)
	case tflitefb.TransposeConv:
		op, why = r.deconv(o)
	case tflitefb.FullyConnected:
		op, why = r.linear(o)
	case tflitefb.BatchMatMul:
		op, why = r.matmul(o)
	case tflitefb.AveragePool2D, tflitefb.MaxPool2D:
		op, why = r.pool(o)
	case tflitefb.Mean, tflitefb.Sum, tflitefb.ReduceMax, tflitefb.ReduceMin, tflitefb.ReduceProd:
		op, why = r.reduce(o)
	case tflitefb.Add, tflitefb.Sub, tflitefb.Mul, tflitefb.Div, tflitefb.Minimum, tflitefb.Maximum, tflitefb.SquaredDifference:
		op, why = r.binary(o)
	case tflitefb.Pow, tflitefb.Square:
		op, why = r.power(o)
	case tflitefb.Softmax:
		op, why = r.softmax(o)
	case tflitefb.Concatenation, tflitefb.Split, tflitefb.SplitV:
		op, why = r.parts(o)
	case tflitefb.Slice, tflitefb.StridedSlice, tflitefb.Pad, tflitefb.PadV2, tflitefb.BroadcastTo, tflitefb.Gather:
		return r.copied(o)
	case tflitefb.Reshape, tflitefb.Squeeze, tflitefb.ExpandDims:
		return r.reshape(o)
	case tflitefb.Transpose:
		return r.transpose(o)
	case tflitefb.ResizeBilinear, tflitefb.ResizeNearestNeighbor:
		op, why = r.resize(o)
	case tflitefb.DepthToSpace, tflitefb.SpaceToDepth:
		op, why = r.blocks(o)
	case tflitefb.Quantize, tflitefb.Dequantize:
		op, why = r.convert(o)
	default:
		why = "the catalogue has no such operator"
	}
	return op, "", why
}

// precision follows the number types of a tensor that is computed with and of the
// weights, where there are any. Float tensors with weights of bytes are quantised at
// run time.
func (r *reader) precision(t, weights int32) (lut.Precision, string) {
	switch typ := r.m.Tensors[t].Type; typ {
	case tflitefb.Float32:
		if weights >= 0 && r.from[weights] == nil && r.m.Tensors[weights].Type == tflitefb.Int8 {
			return lut.INT8Dyn, ""
		}
		return lut.FP32, ""
	case tflitefb.Int8:
		return lut.INT8, ""
	default:
		return "", fmt.Sprintf("numbers of type %s", typ)
	}
}

// clamp is the activation in an operator's options, "" for none. In int8 a clamp at
// zero or six is none: the number format clamps.
func clamp(o *operator, prec lut.Precision) (act, why string) {
	switch v := o.Options.Value("fused_activation_function"); v {
	case tflitefb.ActNone:
	case tflitefb.ActRelu:
		act = "relu"
	case tflitefb.ActRelu6:
		act = "relu6"
	default:
		return "", fmt.Sprintf("a fused activation of number %.0f", v)
	}
	if prec == lut.INT8 {
		act = ""
	}
	return act, ""
}

// element is a key of an element-wise kind on tensor t.
func (r *reader) element(o *operator, kind string, t int32, attrs map[string]string) (lut.Op, string) {
	prec, why := r.precision(t, -1)
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp(kind, prec, attrs, r.at(r.m.Tensors[t].Shape)), ""
}

// size is the number of elements.
func size(shape []int32) int {
	n := 1
	for _, d := range shape {
		n *= int(d)
	}
	return n
}

// isMap reports a tensor of maps, channels last.
func (r *reader) isMap(s []int32) bool { return len(s) == 4 && int(s[0]) == r.batch }

// at are the axes of a tensor: of maps c, h, w; of rows seq, dim; a lone row is a vector.
func (r *reader) at(s []int32) map[string]int {
	if r.isMap(s) {
		return map[string]int{"c": int(s[3]), "h": int(s[1]), "w": int(s[2])}
	}
	if len(s) == 0 {
		return map[string]int{"c": 1, "h": 1, "w": 1}
	}
	return r.rows(s, len(s)-1)
}

// rows are seq and dim where a row holds the dimensions from axis a on.
func (r *reader) rows(s []int32, a int) map[string]int {
	seq, dim := r.outer(s[:a]), size(s[a:])
	if seq == 1 {
		return map[string]int{"c": dim, "h": 1, "w": 1}
	}
	return map[string]int{"seq": seq, "dim": dim}
}

// outer is how many elements the leading dimensions have, without the batch.
func (r *reader) outer(s []int32) int {
	n := size(s)
	if len(s) > 0 && int(s[0]) == r.batch {
		n /= r.batch
	}
	return max(1, n)
}

func pair(h, w int) string {
	if h == w {
		return strconv.Itoa(h)
	}
	return fmt.Sprintf("%dx%d", h, w)
}
