package record

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/strictjson"
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
	return encodeLine(l)
}

func encodeLine(l Line) ([]byte, error) {
	if l.Visit != nil {
		if text, ok := l.Visit.append(nil); ok {
			return text, nil
		}
	}
	return marshal(l)
}

// append appends a visit's line as marshal writes it, at a tenth of its cost: nearly all
// of a file is visits. ok is false when the model's name needs escapes or a number an
// exponent.
func (v *Visit) append(to []byte) (text []byte, ok bool) {
	if len(v.US) == 0 {
		return nil, false
	}
	for _, c := range []byte(v.Model) {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return nil, false
		}
	}
	to = slices.Grow(to, 96+len(v.Model)+12*len(v.US))
	to = strconv.AppendInt(append(to, `{"visit":{"group":`...), int64(v.Group), 10)
	to = strconv.AppendInt(append(to, `,"round":`...), int64(v.Round), 10)
	to = strconv.AppendInt(append(to, `,"seq":`...), int64(v.Seq), 10)
	to = append(append(append(to, `,"model":"`...), v.Model...), `","at_s":`...)
	if to, ok = appendDecimal(to, v.AtS, 6); !ok {
		return nil, false
	}
	to = append(to, `,"us":`...)
	for i, us := range v.US {
		to = append(to, "[,"[min(i, 1)])
		if to, ok = appendDecimal(to, us, 3); !ok {
			return nil, false
		}
	}
	to = append(to, ']')
	for i, p := range v.Preempted {
		if i == 0 {
			to = append(to, `,"preempted":`...)
		}
		to = strconv.AppendInt(append(to, "[,"[min(i, 1)]), int64(p), 10)
	}
	if len(v.Preempted) > 0 {
		to = append(to, ']')
	}
	return append(to, "}}"...), true
}

// appendDecimal appends the shortest text of v ≥ 0 that reads as v, without an exponent.
// Of a number with few digits and at most so many places that is these digits: a float64
// holds any 15 apart.
func appendDecimal(to []byte, v float64, places int) (text []byte, ok bool) {
	scale := 1.0
	for range places {
		scale *= 10
	}
	n := math.Round(v * scale)
	if !(n >= 0 && n < 1e15) || n/scale != v || math.Signbit(v) {
		if !(v >= 1e-6 && v < 1e21) { // where encoding/json turns to exponents
			return nil, false
		}
		return strconv.AppendFloat(to, v, 'f', -1, 64), true
	}
	whole, rest := uint64(n)/uint64(scale), uint64(n)%uint64(scale)
	to = strconv.AppendUint(to, whole, 10)
	if rest == 0 {
		return to, true
	}
	to = append(to, '.')
	for unit := uint64(scale) / 10; rest > 0; unit /= 10 {
		to = append(to, byte('0'+rest/unit))
		rest %= unit
	}
	return to, true
}

func marshal(v any) ([]byte, error) {
	text, err := strictjson.Line(v)
	if err != nil {
		return nil, fmt.Errorf("encode a record line: %w", err)
	}
	return text, nil
}

// RoundUS rounds a time in microseconds to a thousandth, the resolution of the
// clocks, so that the journal stays small.
func RoundUS(us float64) float64 { return math.Round(us*1000) / 1000 }

// RoundS rounds a time in seconds to a microsecond.
func RoundS(s float64) float64 { return math.Round(s*1e6) / 1e6 }

// CleanDetail makes a runtime's message fit for a record: valid UTF-8, one paragraph,
// at most 600 characters.
func CleanDetail(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	const most = 600
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}
