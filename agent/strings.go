package agent

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// JoinStrings is the Data of a string tensor: each element in UTF-8, followed by
// a zero byte.
func JoinStrings(list []string) []byte {
	var b []byte
	for _, s := range list {
		b = append(append(b, s...), 0)
	}
	return b
}

// Strings returns the elements of a string tensor.
func (t Tensor) Strings() ([]string, error) {
	if t.DType != "string" || len(t.Data) > 0 && t.Data[len(t.Data)-1] != 0 {
		return nil, fmt.Errorf("tensor %s: %d bytes of %q are not strings", t.Name, len(t.Data), t.DType)
	}
	list := strings.Split(string(t.Data), "\x00")
	return list[:len(list)-1], nil // what follows the last zero byte is nothing
}

// SynthesiseStrings makes n strings for an input, drawn as Synthesise draws wide
// integers and for the same reason: each is "0" or "1", which a model may look up,
// hash, split or read as a number.
func SynthesiseStrings(n int, seed uint64, index int) []string {
	r := rand.New(rand.NewPCG(seed, uint64(index)))
	out := make([]string, n)
	for i := range out {
		out[i] = string('0' + rune(r.Uint32()&1))
	}
	return out
}
