// Package half converts between float32 and the two 16-bit floating point
// formats, rounding to nearest, ties to even, as the hardware does.
package half

import "math"

// FromFloat32 rounds f to IEEE 754 binary16; what is too large becomes an
// infinity, a NaN stays a NaN.
func FromFloat32(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	exp := int(b>>23&0xff) - 127
	man := b & 0x7fffff
	switch {
	case exp == 128 && man != 0:
		return sign | 0x7e00
	case exp > 15:
		return sign | 0x7c00
	case exp >= -14: // normal
		v := uint32(exp+15)<<10 | man>>13
		return sign | uint16(roundEven(v, man&0x1fff, 0x1000))
	case exp >= -25: // subnormal: the implicit bit becomes explicit and shifts out
		man |= 0x800000
		shift := uint(-exp - 14 + 13)
		return sign | uint16(roundEven(man>>shift, man&(1<<shift-1), 1<<(shift-1)))
	}
	return sign
}

// roundEven adds one to v when the cut-off rest is above half, or is half and v
// is odd. A carry into the exponent is the right next number.
func roundEven(v, rest, half uint32) uint32 {
	if rest > half || rest == half && v&1 == 1 {
		return v + 1
	}
	return v
}

// ToFloat32 widens binary16; it is exact.
func ToFloat32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h >> 10 & 0x1f)
	man := uint32(h & 0x3ff)
	switch exp {
	case 0:
		f := float32(man) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | man<<13)
}

// BFromFloat32 rounds f to bfloat16.
func BFromFloat32(f float32) uint16 {
	b := math.Float32bits(f)
	if f != f {
		return uint16(b>>16) | 0x40
	}
	return uint16(roundEven(b>>16, b&0xffff, 0x8000))
}

// BToFloat32 widens bfloat16; it is exact.
func BToFloat32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
