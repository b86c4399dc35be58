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
	price  func(*Fused, *graph.Operator) (op lut.Op, free, why string)
}

// keyed is a price that is always a key or the reason why there is none.
func keyed(f func(*Fused, *graph.Operator) (lut.Op, string)) func(*Fused, *graph.Operator) (op lut.Op, free, why string) {
	return func(r *Fused, o *graph.Operator) (op lut.Op, free, why string) {
		op, why = f(r, o)
		return op, "", why
	}
}

var operators map[tflitefb.Op]operator

func init() { // its entries look others up
	operators = map[tflitefb.Op]operator{
		// Convolutions and pools.
		tflitefb.Conv2D:          {inputs: 2, price: keyed((*Fused).conv)},
		tflitefb.DepthwiseConv2D: {inputs: 2, price: keyed((*Fused).conv)},
		tflitefb.TransposeConv:   {inputs: 3, price: keyed((*Fused).deconv)},
		tflitefb.AveragePool2D:   {price: keyed((*Fused).pool)},
		tflitefb.MaxPool2D:       {price: keyed((*Fused).pool)},

		// Products of matrices.
		tflitefb.FullyConnected: {inputs: 2, price: keyed((*Fused).linear)},
		tflitefb.BatchMatMul:    {inputs: 2, price: keyed((*Fused).matmul)},

		// Reductions and softmax.
		tflitefb.Mean:       {inputs: 2, price: keyed((*Fused).reduce)},
		tflitefb.Sum:        {inputs: 2, price: keyed((*Fused).reduce)},
		tflitefb.ReduceMax:  {inputs: 2, price: keyed((*Fused).reduce)},
		tflitefb.ReduceMin:  {inputs: 2, price: keyed((*Fused).reduce)},
		tflitefb.ReduceProd: {inputs: 2, price: keyed((*Fused).reduce)},
		tflitefb.Softmax:    {price: keyed((*Fused).softmax)},

		// Of two tensors.
		tflitefb.Add:               {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Sub:               {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Mul:               {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Div:               {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Minimum:           {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Maximum:           {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.SquaredDifference: {inputs: 2, price: keyed((*Fused).binary)},
		tflitefb.Pow:               {inputs: 2, price: keyed((*Fused).power)},
		tflitefb.Square:            {price: keyed((*Fused).power)},
		tflitefb.Prelu:             {inputs: 2},

		// What only moves numbers.
		tflitefb.Concatenation:         {price: keyed((*Fused).parts)},
		tflitefb.Split:                 {inputs: 2, price: keyed((*Fused).parts)},
		tflitefb.SplitV:                {inputs: 3, price: keyed((*Fused).parts)},
		tflitefb.Slice:                 {price: (*Fused).copied},
		tflitefb.StridedSlice:          {price: (*Fused).copied},
		tflitefb.Pad:                   {inputs: 2, price: (*Fused).copied},
		tflitefb.PadV2:                 {inputs: 2, price: (*Fused).copied},
		tflitefb.BroadcastTo:           {price: (*Fused).copied},
		tflitefb.Gather:                {inputs: 2, price: (*Fused).copied},
		tflitefb.Reshape:               {price: (*Fused).reshape},
		tflitefb.Squeeze:               {price: (*Fused).reshape},
		tflitefb.ExpandDims:            {price: (*Fused).reshape},
		tflitefb.Transpose:             {inputs: 2, price: (*Fused).transpose},
		tflitefb.ResizeBilinear:        {price: keyed((*Fused).resize)},
		tflitefb.ResizeNearestNeighbor: {price: keyed((*Fused).resize)},
		tflitefb.DepthToSpace:          {price: keyed((*Fused).blocks)},
		tflitefb.SpaceToDepth:          {price: keyed((*Fused).blocks)},

		// Conversions.
		tflitefb.Quantize:   {price: keyed((*Fused).convert)},
		tflitefb.Dequantize: {price: keyed((*Fused).convert)},
	}
}
