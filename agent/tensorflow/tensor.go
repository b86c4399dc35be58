//go:build tensorflow

package tensorflow

import (
	"bytes"
	"encoding/binary"
	"math"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"
)

// deviceShape is a shape as TensorFlow has it: N,H,W,C for four dimensions.
func deviceShape(s []int) []int {
	if len(s) != 4 {
		return s
	}
	return []int{s[0], s[2], s[3], s[1]}
}

// toDevice moves axis 1 of four to the end.
func toDevice(data []float32, s []int) []float32 {
	if len(s) != 4 {
		return data
	}
	return permute(data, s, [4]int{0, 2, 3, 1})
}

// fromDevice is its inverse; s is the graph's shape.
func fromDevice(data []float32, s []int) []float32 {
	if len(s) != 4 {
		return data
	}
	return permute(data, deviceShape(s), [4]int{0, 3, 1, 2})
}

// permute gives the array of shape s the axes perm[0], perm[1]… of the old one.
func permute(data []float32, s []int, perm [4]int) []float32 {
	stride := [4]int{s[1] * s[2] * s[3], s[2] * s[3], s[3], 1}
	out := make([]float32, 0, len(data))
	for a := range s[perm[0]] {
		for b := range s[perm[1]] {
			for c := range s[perm[2]] {
				base := a*stride[perm[0]] + b*stride[perm[1]] + c*stride[perm[2]]
				for d := range s[perm[3]] {
					out = append(out, data[base+d*stride[perm[3]]])
				}
			}
		}
	}
	return out
}

// floatTensor makes a float32 tensor.
func floatTensor(data []float32, shape []int) (*tf.Tensor, error) {
	b := make([]byte, 0, 4*len(data))
	for _, f := range data {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return tf.ReadTensor(tf.Float, longs(shape), bytes.NewReader(b))
}

// intTensor makes an int32 vector, or a scalar from one number when scalar is set.
func intTensor(data []int, scalar bool) (*tf.Tensor, error) {
	if scalar {
		return tf.NewTensor(int32(data[0]))
	}
	v := make([]int32, len(data))
	for i, x := range data {
		v[i] = int32(x)
	}
	return tf.NewTensor(v)
}

// floats reads a float32 tensor.
func floats(t *tf.Tensor) ([]float32, error) {
	var b bytes.Buffer
	if _, err := t.WriteContentsTo(&b); err != nil {
		return nil, err
	}
	out := make([]float32, b.Len()/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b.Bytes()[4*i:]))
	}
	return out, nil
}

func longs(s []int) []int64 {
	out := make([]int64, len(s))
	for i, d := range s {
		out[i] = int64(d)
	}
	return out
}
