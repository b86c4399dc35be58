package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// EncodeHeader returns the header's canonical line, without the newline.
func EncodeHeader(h Header) ([]byte, error) {
	if err := h.Validate(); err != nil {
		return nil, err
	}
	return marshal(h)
}

// EncodeLine returns a line's canonical text, without the newline. It refuses
// what Decode would refuse.
func EncodeLine(l Line) ([]byte, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return marshal(l)
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode a record line: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// RoundUS rounds a time in microseconds to a thousandth, the resolution of the
// clocks, so that the journal stays small.
func RoundUS(us float64) float64 { return math.Round(us*1000) / 1000 }
