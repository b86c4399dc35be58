package search

import (
	"bytes"
	"math"
	"strconv"

	"github.com/isocost/isocost/internal/strictjson"
)

// A journal is nearly all evaluations. Their lines are written and read here as strictjson
// does, at a fraction of its cost; what is unlike the usual – parts, a fidelity, an escape in a
// name – is left to it, and so is every error.

// lineOf is the canonical text of an entry, in the memory of to where that is large enough.
func lineOf(to []byte, e *Entry) ([]byte, error) {
	if text, ok := e.appendEval(to[:0]); ok {
		return text, nil
	}
	return strictjson.Line(e)
}

// appendEval appends the text of a usual evaluation; ok is false for any other entry.
func (e *Entry) appendEval(to []byte) (text []byte, ok bool) {
	if e.Kind != EntryEval || e.Index == nil || e.Seed == nil || e.Utility == nil || !e.usual() || !plain(e.Arch) || !plain(e.Stream) {
		return nil, false
	}
	to = append(append(append(to, evalArch...), e.Arch...), evalStream...)
	to = append(append(to, e.Stream...), evalIndex...)
	to = append(strconv.AppendInt(to, int64(*e.Index), 10), evalSeed...)
	to = append(strconv.AppendUint(to, *e.Seed, 10), evalUtility...)
	if to, ok = appendNumber(to, *e.Utility); !ok {
		return nil, false
	}
	return append(to, '}'), true
}

// usual says that an evaluation has the fields of every evaluation and no other.
func (e *Entry) usual() bool {
	return e.Arch != "" && e.Stream != "" && e.Fidelity == nil && e.Parts == nil && e.Seconds == nil && e.Layer == nil && e.From == "" && e.To == "" &&
		e.D == nil && e.Upper == nil && e.Lower == nil && e.Samples == nil && e.Open == nil && e.EpsHat == nil && e.Table == 0 && e.Measured == nil &&
		e.State == nil && e.Note == ""
}

// What stands between the fields of an evaluation's line.
const (
	evalArch    = `{"kind":"eval","arch":"`
	evalStream  = `","stream":"`
	evalIndex   = `","index":`
	evalSeed    = `,"seed":`
	evalUtility = `,"utility":`
)

// parseEval reads the line of a usual evaluation and reports whether it was one, to the byte as
// appendEval writes it. Texts that names holds are not made again: a million evaluations are of
// few architectures and streams.
func (e *Entry) parseEval(line []byte, names map[string]string) bool {
	rest, ok := line, true
	until := func(mark string) (field []byte) {
		i := bytes.Index(rest, []byte(mark))
		if i < 0 {
			ok = false
			return nil
		}
		field, rest = rest[:i], rest[i+len(mark):]
		return field
	}
	if len(until(evalArch)) != 0 || !ok {
		return false
	}
	arch, stream, index, seed := until(evalStream), until(evalIndex), until(evalSeed), until(evalUtility)
	if !ok || len(rest) == 0 || rest[len(rest)-1] != '}' {
		return false
	}
	n, err1 := strconv.Atoi(string(index))
	s, err2 := strconv.ParseUint(string(seed), 10, 64)
	u, err3 := strconv.ParseFloat(string(rest[:len(rest)-1]), 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return false
	}
	numbers := &evalNumbers{n, s, u}
	read := Entry{Kind: EntryEval, Arch: once(names, arch), Stream: once(names, stream), Index: &numbers.index, Seed: &numbers.seed, Utility: &numbers.utility}
	var buffer [512]byte
	again, ok := read.appendEval(buffer[:0])
	if !ok || string(again) != string(line) {
		return false
	}
	*e = read
	return true
}

// evalNumbers are an evaluation's numbers, allocated together.
type evalNumbers struct {
	index   int
	seed    uint64
	utility float64
}

// once is the text, the one in names where it is there.
func once(names map[string]string, b []byte) string {
	s, ok := names[string(b)]
	if !ok {
		s = string(b)
		names[s] = s
	}
	return s
}

// plain says that JSON writes a text as it is.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// appendNumber appends a number as encoding/json writes it where it writes no exponent; ok is
// false where it does.
func appendNumber(to []byte, v float64) (text []byte, ok bool) {
	if a := math.Abs(v); v != 0 && !(a >= 1e-6 && a < 1e21) || math.IsNaN(v) {
		return nil, false
	}
	return strconv.AppendFloat(to, v, 'f', -1, 64), true
}
