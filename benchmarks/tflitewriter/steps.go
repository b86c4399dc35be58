package tflitewriter

import "github.com/isocost/isocost/internal/tflitefb"

// Into emits a floating-point operator of numbers.
func (w *Writer) Into(y int32, code tflitefb.Op, in ...int32) {
	switch code {
	case tflitefb.Add, tflitefb.Sub, tflitefb.Mul, tflitefb.Div:
		w.Arithmetic(code, tflitefb.ActNone, y, in...)
	case tflitefb.Square:
		w.Emit(code, 1, in, []int32{y}, tflitefb.Options{Type: tflitefb.SquareOptions})
	default:
		w.Emit(code, 1, in, []int32{y}, tflitefb.Options{})
	}
}

// Step is Into a tensor of its own, like the first operand.
func (w *Writer) Step(name string, code tflitefb.Op, in ...int32) int32 {
	y := w.Like(in[0], name)
	w.Into(y, code, in...)
	return y
}
