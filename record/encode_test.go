package record

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestVisitLinesAreJSON: a visit is written as encoding/json writes it, to the byte.
func TestVisitLinesAreJSON(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	number := func(places float64) float64 {
		switch rng.IntN(12) {
		case 0:
			return rng.ExpFloat64() * 1e-7
		case 1:
			return math.Float64frombits(rng.Uint64() &^ (1 << 63))
		case 2:
			return float64(rng.IntN(1000))
		case 3:
			return math.Round(rng.Float64()*1e15) / places
		}
		return math.Round(rng.ExpFloat64()*math.Pow(10, float64(rng.IntN(9)))*places) / places
	}
	fast := 0
	for i := range 200_000 {
		v := &Visit{Group: rng.IntN(3), Round: i, Seq: rng.IntN(500), Model: "m7e61e5130b10264", AtS: number(1e6)}
		for range 1 + rng.IntN(6) {
			v.US = append(v.US, number(1e3))
		}
		if rng.IntN(3) == 0 {
			v.Preempted = []int{0, 3}[:1+rng.IntN(2)]
		}
		if rng.IntN(50) == 0 {
			v.Model = []string{"a\"b", "a\\b", "gr\u00f6\u00dfe", "<&>", "a\nb", "a\u2028b", "a b", "\x7f"}[rng.IntN(8)]
		}
		want, err := marshal(Line{Visit: v})
		if err != nil {
			continue // NaN and infinities
		}
		got, ok := v.append(nil)
		if ok && string(got) != string(want) {
			t.Fatalf("%+v is written\n%s, by encoding/json\n%s", v, got, want)
		}
		if ok {
			fast++
		}
	}
	if fast < 50_000 {
		t.Errorf("only %d visits were written without encoding/json", fast)
	}
}
