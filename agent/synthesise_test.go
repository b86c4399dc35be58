package agent

import (
	"bytes"
	"math"
	"testing"
)

func TestSynthesisedInputs(t *testing.T) {
	for dtype, size := range elementSize {
		n := 4000
		a, b, c, d := make([]byte, n*size), make([]byte, n*size), make([]byte, n*size), make([]byte, n*size)
		Synthesise(a, dtype, 1, 0)
		Synthesise(b, dtype, 1, 0)
		Synthesise(c, dtype, 2, 0)
		Synthesise(d, dtype, 1, 1)
		if !bytes.Equal(a, b) || bytes.Equal(a, c) || bytes.Equal(a, d) {
			t.Errorf("%s: elements must follow seed and index", dtype)
		}
		v, err := Tensor{DType: dtype, Data: a}.Floats()
		if err != nil {
			t.Fatal(err)
		}
		var sum, squares, low, high float64
		for _, x := range v {
			sum, squares, low, high = sum+x, squares+x*x, min(low, x), max(high, x)
		}
		mean, ms := sum/float64(n), squares/float64(n)
		switch dtype {
		case "float32", "float64", "float16", "bfloat16": // standard errors are 0.016 and 0.022
			if math.Abs(mean) > 0.08 || math.Abs(ms-1) > 0.11 {
				t.Errorf("%s: mean %g, mean square %g, want 0 and 1", dtype, mean, ms)
			}
		case "int8":
			if low != -128 || high != 127 {
				t.Errorf("%s: from %g to %g", dtype, low, high)
			}
		case "uint8":
			if low != 0 || high != 255 {
				t.Errorf("%s: from %g to %g", dtype, low, high)
			}
		default:
			if low != 0 || high != 1 || mean < 0.4 || mean > 0.6 {
				t.Errorf("%s: from %g to %g, mean %g", dtype, low, high, mean)
			}
		}
	}
}
