package devicemodel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/lut"
)

// A product of two maps was never measured alone, sums of two were: it costs what they do, not what products with
// one number for each channel do.
func TestAlikeKindsShareAPrice(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	obs := campaign(r, 60, 0.01)
	at := func(c, side int) map[string]int { return map[string]int{"c": c, "h": side, "w": side} }
	for _, side := range []int{7, 14, 28, 56} {
		for _, c := range []int{32, 96, 256} {
			n := float64(c * side * side)
			add, scale := lut.NewOp("add", lut.FP32, nil, at(c, side)), lut.NewOp("mul", lut.FP32, map[string]string{"b": "c"}, at(c, side))
			obs = append(obs, One(add, 1+n/1e4, 0.01*n/1e4+0.01), One(scale, 3+n/1e3, 0.01*n/1e3+0.01))
		}
	}
	mul := lut.NewOp("mul", lut.FP32, nil, at(160, 28))
	want := 1 + 160*28*28/1e4
	if e := fitted(t, obs).Price([]Term{{mul, 1}}); math.Abs(math.Log(e.Value/want)) > math.Log(1.6) {
		t.Errorf("a product of two maps is priced %.1f, sums say %.1f", e.Value, want)
	}
}
