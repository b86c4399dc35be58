package litertmodel

import (
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/internal/tflitefb/graph"
	"github.com/isocost/isocost/lut"
)

// operator describes one operator of the format. Functions of one input are here only for
// their inputs: their names (elementwise.go) say the rest.
type operator struct {
	inputs int // how many it needs, where that is more than one
	price  rule
}

// A rule makes an operator's key, or says why it is free or has none. One that suits several
// operators is given the kind that the operator is.
type rule func(*Fused, *graph.Operator) (op lut.Op, free, why string)

// keyed is a rule by which nothing is free.
func keyed(f func(*Fused, *graph.Operator) (lut.Op, string)) rule {
	return func(r *Fused, o *graph.Operator) (op lut.Op, free, why string) {
		op, why = f(r, o)
		return op, "", why
	}
}

// as is a rule for operators of one kind.
func as(kind string, f func(*Fused, *graph.Operator, string) (lut.Op, string)) rule {
	return keyed(func(r *Fused, o *graph.Operator) (lut.Op, string) { return f(r, o, kind) })
}

// moved is a rule for operators of one kind that may have nothing to move.
func moved(kind string, f func(*Fused, *graph.Operator, string) (op lut.Op, free, why string)) rule {
	return func(r *Fused, o *graph.Operator) (op lut.Op, free, why string) { return f(r, o, kind) }
}

func pool(kind, global string) rule {
	return func(r *Fused, o *graph.Operator) (op lut.Op, free, why string) { return r.pool(o, kind, global) }
}

// Kinds that converters write as several operators (fuse.go).
const (
	sigmoidKind     = "silu"
	hardSigmoidKind = "hsigmoid"
	normKind        = "layernorm"
)

var operators map[tflitefb.Op]operator

func init() { // its entries look others up
	conv, product := convolutions{"conv", "dwconv"}.key, products{"linear", "matmul"}
	convert := conversions{"quantize", "dequantize"}.key
	reduced := func(op, overPixels string) rule { return keyed(reduction{"reduce", op, overPixels}.key) }
	operators = map[tflitefb.Op]operator{
		// Convolutions and pools.
		tflitefb.Conv2D:          {inputs: 2, price: keyed(conv)},
		tflitefb.DepthwiseConv2D: {inputs: 2, price: keyed(conv)},
		tflitefb.TransposeConv:   {inputs: 3, price: as("deconv", (*Fused).transposed)},
		tflitefb.AveragePool2D:   {price: pool("avgpool", "gap")},
		tflitefb.MaxPool2D:       {price: pool("maxpool", "")},

		// Products of matrices.
		tflitefb.FullyConnected: {inputs: 2, price: keyed(product.connected)},
		tflitefb.BatchMatMul:    {inputs: 2, price: keyed(product.batched)},

		// Reductions and softmax.
		tflitefb.Mean:       {inputs: 2, price: reduced("mean", "gap")},
		tflitefb.Sum:        {inputs: 2, price: reduced("sum", "")},
		tflitefb.ReduceMax:  {inputs: 2, price: reduced("max", "")},
		tflitefb.ReduceMin:  {inputs: 2, price: reduced("min", "")},
		tflitefb.ReduceProd: {inputs: 2, price: reduced("prod", "")},
		tflitefb.Softmax:    {price: as("softmax", (*Fused).normalised)},

		// Of two tensors.
		tflitefb.Add:               {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Sub:               {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Mul:               {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Div:               {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Minimum:           {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Maximum:           {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.SquaredDifference: {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Pow:               {inputs: 2, price: as("pow", (*Fused).power)},
		tflitefb.Square:            {price: as("pow", (*Fused).power)},
		tflitefb.Prelu:             {inputs: 2, price: as("prelu", (*Fused).function)},

		// What only moves numbers.
		tflitefb.Concatenation:         {price: as("concat", (*Fused).parts)},
		tflitefb.Split:                 {inputs: 2, price: as("split", (*Fused).parts)},
		tflitefb.SplitV:                {inputs: 3, price: as("split", (*Fused).parts)},
		tflitefb.Slice:                 {price: moved("slice", (*Fused).copied)},
		tflitefb.StridedSlice:          {price: moved("slice", (*Fused).copied)},
		tflitefb.Pad:                   {inputs: 2, price: moved("pad", (*Fused).copied)},
		tflitefb.PadV2:                 {inputs: 2, price: moved("pad", (*Fused).copied)},
		tflitefb.BroadcastTo:           {price: moved("expand", (*Fused).copied)},
		tflitefb.Gather:                {inputs: 2, price: as("gather", (*Fused).gathered)},
		tflitefb.Reshape:               {price: moved("reshape", (*Fused).reshaped)},
		tflitefb.Squeeze:               {price: moved("reshape", (*Fused).reshaped)},
		tflitefb.ExpandDims:            {price: moved("reshape", (*Fused).reshaped)},
		tflitefb.Transpose:             {inputs: 2, price: moved("transpose", (*Fused).permuted)},
		tflitefb.ResizeBilinear:        {price: as("resize", (*Fused).resized)},
		tflitefb.ResizeNearestNeighbor: {price: as("resize", (*Fused).resized)},
		tflitefb.DepthToSpace:          {price: as("depthtospace", (*Fused).blocks)},
		tflitefb.SpaceToDepth:          {price: as("spacetodepth", (*Fused).blocks)},

		// Conversions.
		tflitefb.Quantize:   {price: keyed(convert)},
		tflitefb.Dequantize: {price: keyed(convert)},
	}
}
