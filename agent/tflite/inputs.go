package tflite

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
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
			synthesise(t.Data, t.DType, opt.Seed, i)
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

// synthesise fills data with elements of the numpy type dtype, drawn from seed and
// the input's index. Floating-point elements are uniform in [-1, 1): the range of
// a normalised image, far from overflow in half precision. Int8 and uint8 take
// their whole range; wider integers are 0 or 1, because they are indices or masks.
func synthesise(data []byte, dtype string, seed uint64, index int) {
	r := rand.New(rand.NewPCG(seed, uint64(index)))
	le := binary.LittleEndian
	unit := func() float32 { return float32(2*r.Float64() - 1) }
	size := map[string]int{"int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8}[dtype]
	switch dtype {
	case "float32":
		for i := 0; i+4 <= len(data); i += 4 {
			le.PutUint32(data[i:], math.Float32bits(unit()))
		}
	case "float64":
		for i := 0; i+8 <= len(data); i += 8 {
			le.PutUint64(data[i:], math.Float64bits(float64(unit())))
		}
	case "float16":
		for i := 0; i+2 <= len(data); i += 2 {
			le.PutUint16(data[i:], float16(unit()))
		}
	case "bfloat16":
		for i := 0; i+2 <= len(data); i += 2 {
			b := math.Float32bits(unit())
			le.PutUint16(data[i:], uint16((b+0x7fff+b>>16&1)>>16)) // to nearest, ties to even
		}
	case "int8", "uint8":
		for i := range data {
			data[i] = byte(r.Uint32())
		}
	case "bool":
		for i := range data {
			data[i] = byte(r.Uint32() & 1)
		}
	default:
		for i := 0; size > 0 && i+size <= len(data); i += size {
			data[i] = byte(r.Uint32() & 1)
		}
	}
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
