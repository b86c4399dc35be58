package search

import (
	"crypto/sha256"
	"encoding/binary"
)

// SampleSeed is the seed of one sample: the same for the same run seed, stream,
// architecture and index, and unrelated to any other. Architectures do not share
// seeds, so that their noises are independent (the paired selector passes an
// empty key: common random numbers). It stays below 2^53, where JSON numbers are
// exact.
func SampleSeed(run uint64, stream, key string, index int) uint64 {
	h := sha256.New()
	h.Write([]byte("isocost/seed/v1\x00"))
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], run)
	binary.LittleEndian.PutUint64(b[8:], uint64(index))
	h.Write(b[:])
	h.Write([]byte(stream))
	h.Write([]byte{0})
	h.Write([]byte(key))
	return binary.LittleEndian.Uint64(h.Sum(nil)) >> 11
}
