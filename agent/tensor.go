package agent

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Tensor is a concrete array: row-major little-endian elements; of strings, what
// JoinStrings makes.
type Tensor struct {
	Name  string
	DType string // numpy's name: float32, float16, bfloat16, int8, int64, bool, string…
	Shape []int
	Data  []byte
}

var elementSize = map[string]int{
	"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2,
	"int32": 4, "uint32": 4, "float32": 4, "int64": 8, "uint64": 8, "float64": 8,
}

// ElementBytes is the size of an element of a numpy type, 0 for text and for unknown ones.
func ElementBytes(dtype string) int { return elementSize[dtype] }

// Floats returns the elements as float64.
func (t Tensor) Floats() ([]float64, error) {
	size, ok := elementSize[t.DType]
	if !ok || len(t.Data)%size != 0 {
		return nil, fmt.Errorf("tensor %s: %d bytes of %q are not numbers", t.Name, len(t.Data), t.DType)
	}
	out := make([]float64, len(t.Data)/size)
	le := binary.LittleEndian
	for i := range out {
		b := t.Data[i*size:]
		switch t.DType {
		case "bool", "uint8":
			out[i] = float64(b[0])
		case "int8":
			out[i] = float64(int8(b[0]))
		case "int16":
			out[i] = float64(int16(le.Uint16(b)))
		case "uint16":
			out[i] = float64(le.Uint16(b))
		case "float16":
			out[i] = float16(le.Uint16(b))
		case "bfloat16":
			out[i] = float64(math.Float32frombits(uint32(le.Uint16(b)) << 16))
		case "int32":
			out[i] = float64(int32(le.Uint32(b)))
		case "uint32":
			out[i] = float64(le.Uint32(b))
		case "float32":
			out[i] = float64(math.Float32frombits(le.Uint32(b)))
		case "int64":
			out[i] = float64(int64(le.Uint64(b)))
		case "uint64":
			out[i] = float64(le.Uint64(b))
		case "float64":
			out[i] = math.Float64frombits(le.Uint64(b))
		}
	}
	return out, nil
}

// float16 is IEEE 754 binary16.
func float16(h uint16) float64 {
	sign := 1.0
	if h>>15 != 0 {
		sign = -1
	}
	exp, frac := int(h>>10&31), float64(h&1023)
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}
