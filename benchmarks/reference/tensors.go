package reference

import "math"

// Product is the number of elements of a shape.
func Product(s []int) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Broadcast maps element i of a tensor of shape out to an operand of shape in,
// aligned at the last axis.
func Broadcast(i int, out, in []int) int {
	k, stride := 0, 1
	for j := len(out) - 1; j >= 0; j-- {
		at := i % out[j]
		i /= out[j]
		if p := j - (len(out) - len(in)); p >= 0 {
			if in[p] > 1 {
				k += at * stride
			}
			stride *= in[p]
		}
	}
	return k
}

// Lines calls on with each line of a along an axis, in the order of the reduced tensor.
func Lines(a []float32, shape []int, axis int, on func(i int, line []float32)) {
	d, inner := shape[axis], Product(shape[axis+1:])
	line := make([]float32, d)
	for i := range len(a) / d {
		for j := range d {
			line[j] = a[(i/inner*d+j)*inner+i%inner]
		}
		on(i, line)
	}
}

// Mean is the mean of f of each number, of the numbers themselves where f is nil.
func Mean(x []float32, f func(float64) float64) float64 {
	var sum float64
	for _, v := range x {
		if f != nil {
			sum += f(float64(v))
		} else {
			sum += float64(v)
		}
	}
	return sum / float64(len(x))
}

// Dynamic rounds x to ONNX's DynamicQuantizeLinear: uint8 over its own range,
// which is widened to hold 0.
func Dynamic(x []float32) []float32 {
	lo, hi := 0.0, 0.0
	for _, v := range x {
		lo, hi = min(lo, float64(v)), max(hi, float64(v))
	}
	s := (hi - lo) / 255
	if s == 0 {
		return x
	}
	zero := math.RoundToEven(min(255, max(0, -lo/s)))
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32((min(255, max(0, math.RoundToEven(float64(v)/s)+zero)) - zero) * s)
	}
	return out
}
