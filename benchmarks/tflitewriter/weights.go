package tflitewriter

import (
	"encoding/binary"
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// constant is a weight as the file's tensor in a layout. Half-precision weights
// come behind a DEQUANTIZE.
func (w *Writer) constant(v *graph.Value, l Layout) int32 {
	return w.Shaped(v, l, l.Apply(v.Shape), false)
}

// Shaped is constant with another shape for the same bytes in layout order;
// widen puts int8 weights behind a DEQUANTIZE.
func (w *Writer) Shaped(v *graph.Value, l Layout, shape []int32, widen bool) int32 {
	key := fmt.Sprintf("w %p %v %v %v", v, l, shape, widen)
	if i, ok := w.constants[key]; ok {
		return i
	}
	t := tflitefb.Tensor{Name: v.Name, Shape: shape}
	switch v.DType {
	case graph.Float32:
		t.Type, t.Data = tflitefb.Float32, float32Bytes(permuted(v.Data, v.Shape, l))
	case graph.Float16:
		t.Type, t.Data = tflitefb.Float16, float16Bytes(permuted(v.Data, v.Shape, l))
		widen = true
	case graph.Int8:
		t.Type, t.Quant = tflitefb.Int8, fileQuant(v, 0)
		if len(t.Quant.Scale) > 1 {
			t.Quant.Axis = int32(fileAxis(v, l, shape))
		}
		for _, q := range permuted(v.Integers(), v.Shape, l) {
			t.Data = append(t.Data, byte(int8(q)))
		}
	case graph.Int32:
		t.Type, t.Quant = tflitefb.Int32, fileQuant(v, 0)
		values := v.Ints
		if v.Data != nil {
			values = v.Integers()
		}
		for _, q := range values {
			t.Data = binary.LittleEndian.AppendUint32(t.Data, uint32(int32(q)))
		}
	default:
		Fail("%w: weight %s has an element type that is not stored", ErrNoForm, v.Name)
	}
	i := w.Add(t)
	if widen {
		j := w.Add(tflitefb.Tensor{Name: v.Name + ".f", Type: tflitefb.Float32, Shape: shape})
		// Versions of DEQUANTIZE: 2 int8, 3 float16, 5 per channel.
		version := int32(3)
		if t.Type == tflitefb.Int8 {
			version = 2
			if len(t.Quant.Scale) > 1 {
				version = 5
			}
		}
		w.Emit(tflitefb.Dequantize, version, []int32{i}, []int32{j}, tflitefb.Options{Type: tflitefb.DequantizeOptions})
		i = j
	}
	w.constants[key] = i
	return i
}

// fileAxis is the file's dimension along which v's scales stand. A shape with more
// dimensions than the layout has them, of length one, after the first.
func fileAxis(v *graph.Value, l Layout, shape []int32) int {
	a := l.Axis(v.Quant.Axis)
	if a > 0 {
		a += len(shape) - len(l)
	}
	return a
}

// permuted reorders row-major elements of a shape to a layout.
func permuted[E any](data []E, shape []int, l Layout) []E {
	identity := true
	for i, a := range l {
		identity = identity && i == a
	}
	if identity {
		return data
	}
	strides := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = n
		n *= shape[i]
	}
	out := make([]E, 0, n)
	index := make([]int, len(l))
	for range n {
		at := 0
		for i, a := range l {
			at += index[i] * strides[a]
		}
		out = append(out, data[at])
		for i := len(l) - 1; i >= 0; i-- {
			if index[i]++; index[i] < shape[l[i]] {
				break
			}
			index[i] = 0
		}
	}
	return out
}
