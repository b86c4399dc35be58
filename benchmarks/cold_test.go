package benchmarks

import (
	"testing"

	"github.com/isocost/isocost/lut"
)

// warmAndCold are an operator's frame and its cold frame.
func warmAndCold(t *testing.T, key string) (warm, sum Sum) {
	t.Helper()
	op, err := lut.ParseOp(key)
	if err != nil {
		t.Fatal(err)
	}
	if warm, err = Frame(op); err != nil {
		t.Fatal(err)
	}
	if sum, err = (&Planner{}).cold(op, warm); err != nil {
		t.Fatal(err)
	}
	return warm, sum
}

// What a cold frame adds is the same in every member of a difference, so that it
// cancels, and reads more than a second-level cache; operators whose models end in
// no vector stay as they are.
func TestColdCancels(t *testing.T) {
	for _, key := range []string{
		"conv[act=relu6,k=1,s=1]/fp32@cin=32,cout=64,h=14,w=14",
		"conv[k=3,s=2]/int8@cin=32,cout=64,h=14,w=14",
		"dequantize/int8@c=32,h=28,w=28",
		"quantize/int8@c=3,h=224,w=224",
		"linear/fp32@cin=64,cout=32,m=49",
		"linear/int8@cin=64,cout=32,m=49",
		"split[n=3]/fp32@dim=96,seq=784",
	} {
		warm, sum := warmAndCold(t, key)
		tail := map[string]float64{}
		for i, s := range sum {
			if s.Coef != warm[i].Coef || len(s.Chain) < len(warm[i].Chain)+2 {
				t.Fatalf("%s: member %d is %v", key, i, s)
			}
			last := s.Chain[len(s.Chain)-1]
			tail[last.String()] += s.Coef
			if _, err := Build(s.Chain, BuildOptions{Shapes: true}); err != nil {
				t.Errorf("%s: %v", key, err)
			}
			in, _ := last.Coord("cin")
			out, _ := last.Coord("cout")
			if 4*in*out < 4<<20 {
				t.Errorf("%s: reads %d bytes", key, 4*in*out)
			}
		}
		for k, c := range tail {
			if c != 0 {
				t.Errorf("%s: %s is left over %v times", key, k, c)
			}
		}
	}
	// A transposition stays as it is; what is small, in a network's warm memory, has
	// the same end as others but streams nothing.
	for key, more := range map[string]int{"transpose[perm=0-2-1]/fp32@d0=2,d1=3,d2=4": 0, "dequantize/int8@dim=64,seq=49": 2, "hsigmoid/fp32@dim=96,seq=1": 1} {
		if warm, sum := warmAndCold(t, key); len(sum[0].Chain) != len(warm[0].Chain)+more {
			t.Errorf("%s: %v", key, sum[0].Chain)
		}
	}
}
