package tflite

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/agent"
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

// float16 rounds f to IEEE 754 binary16, to nearest, ties to even.
func float16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	abs := b & 0x7fffffff
	switch {
	case abs >= 0x7f800000: // infinity, not a number
		if abs > 0x7f800000 {
			return sign | 0x7e00
		}
		return sign | 0x7c00
	case abs >= 0x477ff000: // 65520 and more
		return sign | 0x7c00
	case abs < 0x38800000: // below 2^-14: units of 2^-24
		q := math.RoundToEven(float64(math.Float32frombits(abs)) * (1 << 24))
		return sign | uint16(q)
	}
	abs += 0xfff + abs>>13&1
	return sign | uint16((abs-0x38000000)>>13)
}

// fromFloat16 widens a binary16.
func fromFloat16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp, man := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0:
		f := float32(man) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}

// isHalf says whether every float32 in data is exactly a binary16, and whether any
// is not zero.
func isHalf(data []byte) (half, nonzero bool) {
	half = true
	for i := 0; i+4 <= len(data); i += 4 {
		f := math.Float32frombits(binary.LittleEndian.Uint32(data[i:]))
		if f != 0 {
			nonzero = true
		}
		if g := fromFloat16(float16(f)); g != f && f == f {
			half = false
		}
	}
	return half, nonzero
}
