package deviceplan

import (
	"math"
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/tier"
)

// TestLongChainsLieAcrossTheCensus: the long chains of a first campaign have light, middling and heavy weights as
// the census's networks have, not those of the cheapest.
func TestLongChainsLieAcrossTheCensus(t *testing.T) {
	tier.Slow(t, "plans three minutes of measuring")
	r := Request{Census: builtIn(t), Seconds: 180, Schedule: schedule, Seed: 1, PerNetwork: 0}
	plan, err := Plan(r)
	if err != nil {
		t.Fatal(err)
	}
	var have, want []float64
	families := map[string]bool{}
	for _, c := range plan.Cases {
		if c.Role == role.Network && !IsShort(c.Name) {
			bytes, err := weightsOf(c.Ops)
			if err != nil {
				t.Fatal(err)
			}
			have = append(have, float64(bytes))
			families[FamilyOf(c.Name)] = true
		}
	}
	known := sizes{}
	for i := range r.Census.Networks {
		if w, _, ok := known.of(&r.Census.Networks[i]); ok {
			want = append(want, w)
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	if len(have) < 6 || 3*len(families) < 2*len(have) {
		t.Fatalf("%d long chains of %d families", len(have), len(families))
	}
	for _, q := range []float64{0.25, 0.5, 0.75} {
		h, w := have[int(q*float64(len(have)))], want[int(q*float64(len(want)))]
		t.Logf("quantile %.2f of %d: chains %.2f MB, networks %.2f MB", q, len(have), h/1e6, w/1e6)
		if o := math.Abs(math.Log2(h / w)); !(o < 1.5) {
			t.Errorf("at the quantile %v chains have %.2f MB of weights, networks %.2f MB", q, h/1e6, w/1e6)
		}
	}
}

func TestCorput(t *testing.T) {
	for i, want := range []float64{0.5, 0.25, 0.75, 0.125, 0.625} {
		if got := corput(i + 1); got != want {
			t.Errorf("point %d is %v, want %v", i+1, got, want)
		}
	}
}
