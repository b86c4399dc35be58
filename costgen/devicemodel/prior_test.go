package devicemodel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/lut"
)

// threads returns the cost on a second invented device of what takes us on the first: large kernels are almost twice as
// fast, small ones not, and a window of 5×5 is slower than that.
func threads(op lut.Op, us float64) float64 {
	v := 1.5 + 0.55*us
	if op.Attr("k") == "5" {
		v *= 1.2
	}
	return v
}

// same is the first invented device.
func same(_ lut.Op, us float64) float64 { return us }

// another returns the cost on a device unrelated to the first.
func another(op lut.Op, _ float64) float64 {
	v := 1.0
	for i, c := range op.At {
		v += math.Sin(float64((i + 2) * c.Value))
	}
	return 200 * math.Exp(2*v)
}

func measured(r *rand.Rand, n int, noise float64, cost func(lut.Op, float64) float64) []Observation {
	var obs []Observation
	for range n {
		op := invented(r)
		us := cost(op, truth(op))
		obs = append(obs, One(op, us*(1+noise*r.NormFloat64()), noise*us))
	}
	return obs
}

// A second device of the same kind needs a fraction of the kernels; a prior that does not fit is dropped.
func TestAPriorThatFitsSpares(t *testing.T) {
	rms := func(m *Model, cost func(lut.Op, float64) float64) float64 {
		r := rand.New(rand.NewPCG(23, 24))
		s := 0.0
		for range 30 {
			terms, _ := network(r, 30)
			us := 0.0
			for _, x := range terms {
				us += cost(x.Op, truth(x.Op))
			}
			e := m.Price(terms)
			if e.Missing > 0 {
				t.Fatalf("%d kernels have no price", e.Missing)
			}
			s += math.Pow(e.Value/us-1, 2) / 30
		}
		return math.Sqrt(s)
	}
	for _, device := range []struct {
		name        string
		prior, cost func(lut.Op, float64) float64
		fits        bool
	}{{"alike", same, threads, true}, {"unlike", another, same, false}} {
		first := fitted(t, measured(rand.New(rand.NewPCG(21, 22)), 400, 0.02, device.prior))
		obs := measured(rand.New(rand.NewPCG(25, 26)), 30, 0.05, device.cost)
		cold := fitted(t, obs)
		warm, err := FitFrom(t.Context(), first, lut.Caches{}, obs)
		if err != nil {
			t.Fatal(err)
		}
		without, with := rms(cold, device.cost), rms(warm, device.cost)
		t.Logf("%s: %.2f %% without the prior, %.2f %% with it; it rests on it in %v", device.name, 100*without, 100*with, warm.Leans())
		if device.fits && (with > 0.6*without || len(warm.Leans()) == 0) {
			t.Errorf("a prior of a device alike takes the error from %.2f %% to %.2f %%", 100*without, 100*with)
		}
		if !device.fits && (with > 1.1*without || len(warm.Leans()) > 0) {
			t.Errorf("a prior of a device unlike takes the error from %.2f %% to %.2f %%", 100*without, 100*with)
		}
	}
}

// A model with a prior survives its table, and can itself be a prior; a kind that only the prior knows has a price.
func TestAPriorSurvivesTheTable(t *testing.T) {
	r := rand.New(rand.NewPCG(27, 28))
	first := fitted(t, append(campaign(r, 120, 0.02), One(lut.NewOp("softmax", lut.FP32, nil, map[string]int{"m": 64, "n": 64}), 9, 0.1)))
	again := func(m *Model) *Model {
		_, out := stored(t, m)
		return out
	}
	second, err := FitFrom(t.Context(), again(first), lut.Caches{}, measured(r, 40, 0.02, threads))
	if err != nil {
		t.Fatal(err)
	}
	third, err := FitFrom(t.Context(), again(second), lut.Caches{}, measured(r, 40, 0.02, threads))
	if err != nil {
		t.Fatal(err)
	}
	softmax := Term{lut.NewOp("softmax", lut.FP32, nil, map[string]int{"m": 128, "n": 64}), 1}
	for _, m := range []*Model{second, third} {
		if len(m.Leans()) == 0 {
			t.Fatal("it rests on no prior")
		}
		read := again(m)
		for range 20 {
			terms, _ := network(r, 20)
			terms = append(terms, softmax)
			a, b := m.Price(terms), read.Price(terms)
			if a.Missing != 0 || math.Abs(a.Value/b.Value-1) > 1e-4 || math.Abs((a.Hi-a.Lo)/(b.Hi-b.Lo)-1) > 1e-2 {
				t.Errorf("%v ± %v before with %d missing, %v ± %v after", a.Value, a.Hi-a.Lo, a.Missing, b.Value, b.Hi-b.Lo)
			}
		}
		if e := m.Price([]Term{softmax}); e.Parts[0].Status != Extrapolated {
			t.Errorf("a kind that only the prior knows is %s", e.Parts[0].Status)
		}
	}
	bad := second.Data()
	bad.Prior = nil
	if _, err := lut.New(lut.File{Format: lut.Format, Metric: lut.Latency, Unit: "us", Policy: lut.PolicyRaw, Model: bad}); err == nil {
		t.Error("a table whose model lacks its prior is accepted")
	}
}
