package tflite

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/half"
	"github.com/isocost/isocost/internal/hint"
)

// inputData returns the bytes of every input in the file's layout: those of
// opt.Inputs where given, else synthesised from opt.Seed in the graph's order, so
// that equal seeds mean equal tensors in every backend.
func inputData(infos []tensorInfo, opt agent.Options, graphLayout bool) ([][]byte, error) {
	names := map[string]bool{}
	data := make([][]byte, len(infos))
	for i, info := range infos {
		names[info.name] = true
		shape := info.shape
		if graphLayout && len(shape) == 4 {
			shape = []int{shape[0], shape[3], shape[1], shape[2]}
		}
		t := agent.Tensor{Name: info.name, DType: info.dtype, Shape: shape, Data: make([]byte, info.bytes)}
		if given, ok := opt.Inputs[info.name]; ok {
			if given.DType != t.DType || !slices.Equal(given.Shape, shape) || len(given.Data) != info.bytes {
				return nil, hint.Wrap(fmt.Errorf("input %q is given as %s%v, the model wants %s%v", info.name, given.DType, given.Shape, t.DType, shape),
					"agent bench --list-io prints what the model wants")
			}
			t = given
		} else {
			agent.Synthesise(t.Data, t.DType, opt.Seed, i)
		}
		if graphLayout {
			t = toFile(t, info.size)
		}
		data[i] = t.Data
	}
	for name := range opt.Inputs {
		if !names[name] {
			return nil, hint.Wrap(fmt.Errorf("the model has no input %q", name), "agent bench --list-io prints the inputs")
		}
	}
	return data, nil
}

// isHalf says whether every float32 in data is exactly a binary16, and whether any
// is not zero.
func isHalf(data []byte) (all, nonzero bool) {
	all = true
	for i := 0; i+4 <= len(data); i += 4 {
		f := math.Float32frombits(binary.LittleEndian.Uint32(data[i:]))
		if f != 0 {
			nonzero = true
		}
		if g := half.ToFloat32(half.FromFloat32(f)); g != f && f == f {
			all = false
		}
	}
	return all, nonzero
}
