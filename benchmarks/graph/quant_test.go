package graph

import (
	"math"
	"slices"
	"testing"
)

func TestQuantisedNumbers(t *testing.T) {
	v := &Value{DType: Int8, Shape: []int{2, 3, 1}, Data: []float32{-0.1, 1, 1000, -0.05, -64, 2},
		Quant: &Quant{Scale: []float32{0.5, 0.25, 2}, Zero: []int32{0, -2, 0}, Axis: 1}}
	if got, want := v.Integers(), []int64{0, 2, 127, 0, -128, 1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := v.Dequantized(4, -128); got != -31.5 {
		t.Errorf("the real number is %v, want -31.5", got)
	}
	v = &Value{DType: Int8, Shape: []int{2, 3}, Data: []float32{0.5, 1.5, 300, -2.5, -1000, 7}, Quant: &Quant{Scale: []float32{1, 2}, Zero: []int32{0, 0}}}
	if got, want := v.Integers(), []int64{0, 2, 127, -1, -128, 4}; !slices.Equal(got, want) { // halves to even; scales along axis 0
		t.Errorf("%v, want %v", got, want)
	}
	for dtype, want := range map[DType][]int64{Uint8: {0, 255}, Int8: {-128, 127}, Int32: {math.MinInt32, math.MaxInt32}} {
		v := &Value{DType: dtype, Shape: []int{2}, Data: []float32{-1e12, 1e12}, Quant: &Quant{Scale: []float32{1}, Zero: []int32{0}}}
		if got := v.Integers(); !slices.Equal(got, want) {
			t.Errorf("type %v clamps to %v, want %v", dtype, got, want)
		}
	}
}
