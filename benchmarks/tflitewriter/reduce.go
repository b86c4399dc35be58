package tflitewriter

import (
	"slices"

	"github.com/isocost/isocost/internal/tflitefb"
)

// Without is the order of the axes that are left when one goes.
func (l Layout) Without(axis int) Layout {
	out := slices.Delete(slices.Clone(l), l.Axis(axis), l.Axis(axis)+1)
	for i := range out {
		if out[i] > axis {
			out[i]--
		}
	}
	return out
}

// ReduceOp emits a reduction of the file's axes.
func (w *Writer) ReduceOp(code tflitefb.Op, x, y int32, keep bool, axes ...int32) {
	values := map[string]float64{"keep_dims": 0}
	if keep {
		values["keep_dims"] = 1
	}
	w.Emit(code, w.Version(x, 2), []int32{x, w.Int32s(axes...)}, []int32{y}, tflitefb.Options{Type: tflitefb.ReducerOptions, Values: values})
}
