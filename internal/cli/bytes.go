package cli

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Bytes is a number of bytes and the value of a flag that takes one: 3000000000, 3GB or
// 2.5GiB. A bare 3G, which programs read in both ways, is refused.
type Bytes int64

// byteUnits are powers of ten and of two, each by its name in small letters.
var byteUnits = map[string]float64{
	"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

var errBytes = errors.New("want bytes, such as 3000000000, 3GB (powers of ten) or 3GiB (powers of two)")

// String is the number, without a unit.
func (b *Bytes) String() string { return strconv.FormatInt(int64(*b), 10) }

// Type names the flag's value.
func (b *Bytes) Type() string { return "BYTES" }

// Set reads a number and its unit. Errors: no such unit, no number of 0 or more.
func (b *Bytes) Set(text string) error {
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit, ok := byteUnits[strings.ToLower(text[len(number):])]
	if !ok {
		return errBytes
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(n >= 0) || n*unit >= math.MaxInt64 {
		return errBytes
	}
	*b = Bytes(n * unit)
	return nil
}
