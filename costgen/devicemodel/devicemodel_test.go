package devicemodel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/lut"
)

// truth is the cost of a kernel of the device that tests invent, in microseconds: a roofline
// with blocked channels, and another algorithm for some 3×3 convolutions.
func truth(op lut.Op) float64 {
	w := workOf(op)
	block := func(c float64) float64 { return math.Ceil(c/8) * 8 }
	rate := 20e3 // multiply-adds per microsecond
	if w.window == 9 && w.stride == 1 && w.cin >= 32 && w.cout >= 32 {
		rate *= 2.2
	}
	if op.Attr("act") == "silu" {
		rate *= 0.9
	}
	macs := w.rows * w.window * block(w.cin) * block(w.cout)
	if op.Kind == "dwconv" {
		macs, rate = w.rows*w.window*block(w.cout), 3e3
	}
	return 2 + math.Hypot(macs/rate, (w.read+w.written+w.weights)/8e3)
}

// invented draws a kernel such as networks have.
func invented(r *rand.Rand) lut.Op {
	widths := []int{8, 12, 16, 20, 24, 32, 36, 40, 48, 56, 64, 72, 80, 96, 112, 120, 128, 144, 160, 192, 240, 256, 320, 384}
	sides := []int{7, 14, 28, 56}
	side := sides[r.IntN(len(sides))]
	act := []string{"relu", "silu"}[r.IntN(2)]
	if r.IntN(4) == 0 {
		return lut.NewOp("dwconv", lut.FP32, map[string]string{"act": act, "k": []string{"3", "5"}[r.IntN(2)], "s": "1"},
			map[string]int{"c": widths[r.IntN(len(widths))], "h": side, "w": side})
	}
	k := []string{"1", "1", "3"}[r.IntN(3)]
	return lut.NewOp("conv", lut.FP32, map[string]string{"act": act, "k": k, "s": "1"},
		map[string]int{"cin": widths[r.IntN(len(widths))], "cout": widths[r.IntN(len(widths))], "h": side, "w": side})
}

// campaign measures kernels of the invented device to a relative error.
func campaign(r *rand.Rand, kernels int, noise float64) []Observation {
	var obs []Observation
	for range kernels {
		op := invented(r)
		us := truth(op)
		obs = append(obs, One(op, us*(1+noise*r.NormFloat64()), noise*us))
	}
	return obs
}

func network(r *rand.Rand, kernels int) (terms []Term, us float64) {
	for range kernels {
		op := invented(r)
		terms = append(terms, Term{op, 1})
		us += truth(op)
	}
	return terms, us
}

func fitted(t testing.TB, obs []Observation) *Model {
	t.Helper()
	m, err := Fit(obs)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestUnseenKernelsOfAnInventedDevice(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	obs := campaign(r, 400, 0.01)
	m := fitted(t, obs)
	var rms, inside, n float64
	for range 40 {
		terms, us := network(r, 50)
		e := m.Price(terms)
		if e.Missing > 0 {
			t.Fatalf("%d kernels have no price", e.Missing)
		}
		shares := 0.0
		for _, p := range e.Parts {
			shares += p.Share
		}
		if math.Abs(shares-1) > 1e-6 {
			t.Fatalf("shares of the variance add up to %v", shares)
		}
		rel := e.Value/us - 1
		rms += rel * rel
		if e.Lo <= us && us <= e.Hi {
			inside++
		}
		n++
	}
	rms = math.Sqrt(rms / n)
	t.Logf("RMSPE %.2f %%, %v of %v inside", 100*rms, inside, n)
	if rms > 0.03 {
		t.Errorf("networks of unseen kernels are %.2f %% off", 100*rms)
	}
	if inside < 0.6*n {
		t.Errorf("%v of %v networks lie in their intervals", inside, n)
	}
}

func TestMeasuredKernelsKeepTheirCost(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	obs := campaign(r, 100, 0.001)
	odd := lut.NewOp("conv", lut.FP32, map[string]string{"act": "relu", "k": "1", "s": "1"}, map[string]int{"cin": 100, "cout": 100, "h": 28, "w": 28})
	obs = append(obs, One(odd, 3*truth(odd), 0.001*truth(odd)))
	e := fitted(t, obs).Price([]Term{{odd, 2}})
	if e.Parts[0].Status != Measured || math.Abs(e.Value/(6*truth(odd))-1) > 0.01 {
		t.Errorf("a kernel measured at three times its kind's cost is priced %v, %s; want %v", e.Value, e.Parts[0].Status, 6*truth(odd))
	}
}

func TestSumsTeach(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	obs := campaign(r, 150, 0.25)
	var nets [][]Term
	var us []float64
	for range 20 {
		terms, v := network(r, 30)
		nets, us = append(nets, terms), append(us, v)
	}
	rms := func(m *Model) float64 {
		s := 0.0
		for i := range nets {
			rel := m.Price(nets[i]).Value/us[i] - 1
			s += rel * rel / float64(len(nets))
		}
		return math.Sqrt(s)
	}
	alone := rms(fitted(t, obs))
	for range 60 {
		terms, v := network(r, 12)
		obs = append(obs, Observation{Terms: terms, Value: v * (1 + 0.01*r.NormFloat64()), StdErr: 0.01 * v})
	}
	m := fitted(t, obs)
	both := rms(m)
	t.Logf("RMSPE %.2f %% from noisy kernels, %.2f %% with sums", 100*alone, 100*both)
	if both > 0.8*alone {
		t.Errorf("sums take the error from %.2f %% to %.2f %% only", 100*alone, 100*both)
	}
	// A sum that was observed is known as well as it was measured, and its shares add up.
	o := obs[len(obs)-1]
	e := m.Price(o.Terms)
	if half := (e.Hi - e.Lo) / 2 / e.Value; half > 0.025 || math.Abs(e.Value/o.Value-1) > 0.03 {
		t.Errorf("an observed sum of %v ± 1 %% is priced %v ± %.1f %%", o.Value, e.Value, 100*half)
	}
	shares := 0.0
	for _, p := range e.Parts {
		shares += p.Share
	}
	if math.Abs(shares-1) > 1e-3 {
		t.Errorf("shares of the variance add up to %v", shares)
	}
}

func TestGainsPredictWhatMeasuringNarrows(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	obs := campaign(r, 60, 0.02)
	m := fitted(t, obs)
	terms, _ := network(r, 20)
	var candidates []Candidate
	for _, x := range terms {
		candidates = append(candidates, Candidate{Terms: []Term{x}, StdErr: 0.01 * truth(x.Op), Seconds: 2})
	}
	candidates = append(candidates, Candidate{Terms: []Term{{lut.NewOp("softmax", lut.FP32, nil, map[string]int{"m": 4, "n": 4}), 1}}, StdErr: 1, Seconds: 1})
	gains := m.Gains(candidates, [][]Term{terms})
	if !math.IsNaN(gains[len(gains)-1]) {
		t.Errorf("a kernel without a price gains %v", gains[len(gains)-1])
	}
	gains = gains[:len(gains)-1]
	best := 0
	for i, g := range gains {
		if !(g >= 0) {
			t.Errorf("%s gains %v", candidates[i].Terms[0].Op, g)
		}
		if g > gains[best] {
			best = i
		}
	}
	sd := func(e Estimate) float64 { return math.Log(e.Hi/e.Lo) / 2 / normal95 }
	before := sd(m.Price(terms))
	op := terms[best].Op
	after := sd(fitted(t, append(obs, One(op, truth(op), 0.01*truth(op)))).Price(terms))
	got, want := before-after, 2*gains[best]
	t.Logf("standard deviation %.4f → %.4f, promised %.4f less", before, after, want)
	if got < want/3 || got > 3*want {
		t.Errorf("measuring the best candidate takes %.4f off the relative deviation, promised %.4f", got, want)
	}
}

func TestUnknownIsNeverZero(t *testing.T) {
	m := fitted(t, campaign(rand.New(rand.NewPCG(9, 10)), 50, 0.01))
	e := m.Price([]Term{{lut.NewOp("softmax", lut.FP32, nil, map[string]int{"m": 4, "n": 4}), 1},
		{lut.NewOp("conv", lut.INT8, map[string]string{"k": "1"}, map[string]int{"cin": 8, "cout": 8, "h": 7, "w": 7}), 1},
		{lut.NewOp("conv", lut.FP32, map[string]string{"act": "relu", "k": "1", "s": "1"}, map[string]int{"cin": 4096, "cout": 4096, "h": 7, "w": 7}), 1}})
	var got []Status
	for _, p := range e.Parts {
		got = append(got, p.Status)
	}
	if fmt.Sprint(got) != "[missing missing extrapolated]" || e.Missing != 2 {
		t.Errorf("a kind, a precision and a size never seen are %v, %d missing", got, e.Missing)
	}
	for _, obs := range [][]Observation{nil, {{}}, {{Terms: []Term{{lut.Op{Kind: "conv"}, 1}}, Value: 1}}} {
		if _, err := Fit(obs); err == nil {
			t.Errorf("%+v is fitted", obs)
		}
	}
}

// stored is a model as it is read back from a table: its data and what these make.
func stored(t *testing.T, m *Model) (*lut.Model, *Model) {
	t.Helper()
	tab, err := lut.New(lut.File{Format: lut.Format, Metric: lut.Latency, Unit: "us", Policy: lut.PolicyRaw, Model: m.Data()})
	if err != nil {
		t.Fatal(err)
	}
	read, err := lut.Decode(tab.Encode())
	if err != nil {
		t.Fatal(err)
	}
	out, err := FromData(read.File().Model)
	if err != nil {
		t.Fatal(err)
	}
	return read.File().Model, out
}

func TestAModelSurvivesItsTable(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	obs := campaign(r, 120, 0.05)
	for range 10 {
		terms, v := network(r, 12)
		obs = append(obs, Observation{Terms: terms, Value: v, StdErr: 0.01 * v, Family: string(rune('a' + r.IntN(3)))})
	}
	m := fitted(t, obs)
	read, again := stored(t, m)
	for range 20 {
		terms, _ := network(r, 20)
		terms = append(terms, obs[r.IntN(100)].Terms...)
		a, b := m.Price(terms), again.Price(terms)
		if math.Abs(a.Value/b.Value-1) > 1e-4 || math.Abs((a.Hi-a.Lo)/(b.Hi-b.Lo)-1) > 1e-2 || fmt.Sprint(a.Parts[0].Status) != fmt.Sprint(b.Parts[0].Status) {
			t.Errorf("%v ± %v before, %v ± %v after", a.Value, a.Hi-a.Lo, b.Value, b.Hi-b.Lo)
		}
	}
	read.Processes[0].Features[0].Name = "colour"
	if _, err := FromData(read); err == nil {
		t.Error("a feature that nobody knows is accepted")
	}
}
