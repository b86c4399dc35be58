package ort

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// synthesise fills data with elements of the numpy type dtype, drawn from seed
// and the input's index, so that equal seeds give equal inputs on every machine.
//
// Floating-point elements are uniform in [-1, 1): the range of a normalised
// image, and far from overflow in half precision. Int8 and uint8 take their whole
// range. Wider integers are 0 or 1, because they are indices (of tokens, of
// gathered rows) or masks, and any index but the first few may be out of range.
func synthesise(data []byte, dtype string, seed uint64, index int) {
	r := rand.New(rand.NewPCG(seed, uint64(index)))
	le := binary.LittleEndian
	unit := func() float64 { return 2*r.Float64() - 1 }
	switch dtype {
	case "float32":
		for i := 0; i+4 <= len(data); i += 4 {
			le.PutUint32(data[i:], math.Float32bits(float32(unit())))
		}
	case "float64":
		for i := 0; i+8 <= len(data); i += 8 {
			le.PutUint64(data[i:], math.Float64bits(unit()))
		}
	case "float16":
		for i := 0; i+2 <= len(data); i += 2 {
			le.PutUint16(data[i:], float16(float32(unit())))
		}
	case "bfloat16":
		for i := 0; i+2 <= len(data); i += 2 {
			le.PutUint16(data[i:], bfloat16(float32(unit())))
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
		size := map[string]int{"int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8}[dtype]
		clear(data)
		for i := 0; size > 0 && i+size <= len(data); i += size {
			data[i] = byte(r.Uint32() & 1)
		}
	}
}

// bfloat16 rounds to nearest, ties to even: the upper half of the float32.
func bfloat16(f float32) uint16 {
	b := math.Float32bits(f)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// float16 rounds f, |f| ≤ 65504, to IEEE 754 binary16, to nearest, ties to even.
func float16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	exp := int(b>>23&0xff) - 127
	man := b & 0x7fffff
	switch {
	case exp < -25:
		return sign
	case exp < -14: // subnormal: units of 2^-24
		man |= 0x800000
		shift := uint(-exp - 1)
		half := uint32(1) << (shift - 1)
		q := man >> shift
		if rest := man & (1<<shift - 1); rest > half || rest == half && q&1 == 1 {
			q++
		}
		return sign | uint16(q)
	}
	h := uint32(exp+15)<<10 | man>>13
	if rest := man & 0x1fff; rest > 0x1000 || rest == 0x1000 && h&1 == 1 {
		h++
	}
	return sign | uint16(h)
}
