package agent

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/isocost/isocost/internal/half"
)

// Synthesise fills data with little-endian elements of the numpy type dtype,
// drawn from seed and the input's index in the model, so that equal seeds mean
// equal tensors in every backend and on every machine.
//
// Floating-point elements are standard normal, which is what the catalogue's
// weights and quantisation scales assume and what a normalised image is. Int8
// and uint8 take their whole range. Wider integers are 0 or 1, because they are
// indices (of tokens, of gathered rows) or masks, and any index but the first few
// may be out of range.
func Synthesise(data []byte, dtype string, seed uint64, index int) {
	r := rand.New(rand.NewPCG(seed, uint64(index)))
	le := binary.LittleEndian
	switch dtype {
	case "float32":
		for i := 0; i+4 <= len(data); i += 4 {
			le.PutUint32(data[i:], math.Float32bits(float32(r.NormFloat64())))
		}
	case "float64":
		for i := 0; i+8 <= len(data); i += 8 {
			le.PutUint64(data[i:], math.Float64bits(r.NormFloat64()))
		}
	case "float16":
		for i := 0; i+2 <= len(data); i += 2 {
			le.PutUint16(data[i:], half.FromFloat32(float32(r.NormFloat64())))
		}
	case "bfloat16":
		for i := 0; i+2 <= len(data); i += 2 {
			le.PutUint16(data[i:], half.BFromFloat32(float32(r.NormFloat64())))
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
		size := elementSize[dtype]
		clear(data)
		for i := 0; size > 0 && i+size <= len(data); i += size {
			data[i] = byte(r.Uint32() & 1)
		}
	}
}
