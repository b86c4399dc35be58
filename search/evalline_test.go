package search

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/isocost/isocost/internal/strictjson"
)

// entries are evaluations and their like, usual and not.
func entries(rng *rand.Rand) Entry {
	texts := []string{"a|b:2:int8", "", `q"uote`, `back\slash`, "tab\t", "é", "\x7f", "<&>", "\u2028"}
	numbers := []float64{0, math.Copysign(0, -1), 1, -0.1, 1e-6, 9.9e-7, 1e21, 9.99e20, 5e-324, math.MaxFloat64, rng.NormFloat64(), math.Exp(60 * rng.NormFloat64())}
	rare := func() bool { return rng.IntN(8) == 0 }
	e := Entry{Kind: EntryEval, Arch: texts[0], Stream: StreamSearch, Index: ptr(rng.IntN(1000) - 10), Seed: ptr(rng.Uint64()), Utility: ptr(numbers[rng.IntN(len(numbers))])}
	if rare() {
		e.Arch = texts[rng.IntN(len(texts))]
	}
	if rare() {
		e.Stream = texts[rng.IntN(len(texts))]
	}
	if rare() {
		e.Kind = EntryFail
	}
	if rare() {
		e.Utility = nil
	}
	if rare() {
		e.Parts = map[string]float64{"accuracy": 1}
	}
	if rare() {
		e.Fidelity = ptr(0.5)
	}
	if rare() {
		e.Note = "a note"
	}
	return e
}

// The fast text of an evaluation is strictjson's, and is read to the same entry; a line with
// any byte changed is read as strictjson reads it, or left to it.
func TestEvaluationsAreWrittenAndReadAsJSON(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	fast, names := 0, map[string]string{}
	for range 3000 {
		e := entries(rng)
		want, err := strictjson.Line(e)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := lineOf(nil, &e); err != nil || string(got) != string(want) {
			t.Fatalf("%s\nis written %s (%v)", want, got, err)
		}
		for range 8 {
			line := append([]byte(nil), want...)
			if rng.IntN(2) == 0 {
				line[rng.IntN(len(line))] = ` "0159.,:-{}eE+\x`[rng.IntN(16)]
			}
			var got, slow Entry
			if !got.parseEval(line, names) {
				continue
			}
			fast++
			if err := strict(line, &slow); err != nil || !reflect.DeepEqual(got, slow) {
				t.Fatalf("%s\nis read as %+v; strictly as %+v, %v", line, got, slow, err)
			}
		}
	}
	if fast < 1000 {
		t.Fatalf("only %d lines were read fast", fast)
	}
}
