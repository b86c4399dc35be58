package graph

import "math"

// Quant is affine quantisation: real = Scale[i]·(q − Zero[i]). One element means
// per tensor, more mean per slice of Axis.
type Quant struct {
	Scale []float32
	Zero  []int32
	Axis  int
}

// Channel says which of v's scales its element i, in row-major order, has.
func (v *Value) Channel(i int) int {
	n := len(v.Quant.Scale)
	if n == 1 {
		return 0
	}
	for _, d := range v.Shape[v.Quant.Axis+1:] {
		i /= d
	}
	return i % n
}

// Quantized is x as the integer that element i of v holds: round half to even of
// x/scale plus zero, clamped to v's type.
func (v *Value) Quantized(i int, x float32) int64 {
	lo, hi := -128.0, 127.0
	switch v.DType {
	case Uint8:
		lo, hi = 0, 255
	case Int32:
		lo, hi = math.MinInt32, math.MaxInt32
	}
	c := v.Channel(i)
	return int64(min(hi, max(lo, math.RoundToEven(float64(x)/float64(v.Quant.Scale[c]))+float64(v.Quant.Zero[c]))))
}

// Integers are the elements of a quantised weight as they are stored, in row-major
// order.
func (v *Value) Integers() []int64 {
	out := make([]int64, len(v.Data))
	for i, x := range v.Data {
		out[i] = v.Quantized(i, x)
	}
	return out
}

// Dequantized is the real number that q stands for as element i of v.
func (v *Value) Dequantized(i int, q int64) float64 {
	c := v.Channel(i)
	return float64(q-int64(v.Quant.Zero[c])) * float64(v.Quant.Scale[c])
}
