package costgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// usual are the caches of a device that does not say what it has.
var usual = reachOf(lut.Caches{})

// Law: prices of moved bytes that networks really pay are found, and predict
// networks the fit never saw; without leave they are not tried.
func TestTrafficIsFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	truth := lut.Calibration{A: 1.02, Traffic: &lut.Traffic{Linear: 33e-6, Conv: 20e-6, Spill: 12e-6, Near: usual.near, From: 8 << 20, To: 24 << 20}}
	var points []point
	for i := range 26 {
		m := moved{linear: 1e6 * (1 + 20*rng.Float64()), conv: 1e6 * (1 + 30*rng.Float64()*rng.Float64()), spill: 30e6 * rng.Float64(), live: 4e6}
		x := 2000 + 9000*rng.Float64()
		y := truth.Apply(x+beyond(&truth, m), 50) * (1 + 0.005*rng.NormFloat64())
		points = append(points, point{fmt.Sprintf("n%02d", i), x, y, 50, m, ""})
	}
	c, _ := calibrate(t.Context(), points, &usual)
	if c == nil || c.Traffic == nil || c.Model != "scale+traffic by kind" {
		t.Fatalf("chose %+v", c)
	}
	if c.Fitted.RMSPE > 0.012 || c.Fitted.RMSPE > c.Raw.RMSPE/5 {
		t.Errorf("cross-validated error %.4f, raw %.4f", c.Fitted.RMSPE, c.Raw.RMSPE)
	}
	if got := c.Traffic; math.Abs(got.Linear/33e-6-1) > 0.15 || math.Abs(got.Conv/20e-6-1) > 0.25 || got.From != 8<<20 || got.To != 24<<20 {
		t.Errorf("found %+v", got)
	}
	if plain, _ := calibrate(t.Context(), points, nil); plain.Traffic != nil {
		t.Errorf("traffic was priced without leave: %+v", plain.Traffic)
	}
}

// Law: a price is never negative, and a network within the caches pays nothing.
func TestTrafficIsNotNegative(t *testing.T) {
	var points []point
	for i := range 14 {
		m := moved{linear: float64(i) * 2e6, conv: 20e6, live: 1e6}
		x := 3000 + 500*float64(i%5)
		points = append(points, point{fmt.Sprintf("n%02d", i), x, x * (1 - 0.002*float64(i)), 40, m, ""}) // more bytes, less time
	}
	c, ok := fitTraffic(2, usual, points)
	if !ok {
		t.Fatal("no fit")
	}
	if c.Traffic.Linear < 0 || c.Traffic.Conv < 0 || c.Traffic.Spill < 0 || c.A <= 0 {
		t.Errorf("negative: %+v %+v", c, c.Traffic)
	}
	c.Traffic.Linear = 1
	if d := beyond(&c, moved{linear: 1e6, live: 1e6}); d != 0 {
		t.Errorf("a network of 2 MB pays %v", d)
	}
}

// Law: a network that streams far more of a kind than those of the fit together is not
// predicted by what their noise says of that kind: the common price holds it.
func TestTrafficOutsideTheFittedNetworks(t *testing.T) {
	truth := lut.Calibration{A: 1.02, Traffic: &lut.Traffic{Linear: 30e-6, Conv: 21e-6, Spill: 10.5e-6, Near: usual.near, From: 4 << 20, To: 16 << 20}}
	stranger := point{x: 5000, kernels: 50, moved: moved{linear: 60e6, conv: 1e6, live: 4e6}}
	want := truth.Apply(stranger.x+beyond(&truth, stranger.moved), stranger.kernels)
	worst := 0.0
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 7))
		var points []point
		for i := range 23 {
			m := moved{linear: 1e6 * rng.Float64(), conv: 30e6 * rng.Float64() * rng.Float64(), spill: 20e6 * rng.Float64(), live: 4e6}
			x := 1000 + 9000*rng.Float64()
			y := truth.Apply(x+beyond(&truth, m), 50) * (1 + 0.03*rng.NormFloat64())
			points = append(points, point{fmt.Sprintf("n%02d", i), x, y, 50, m, ""})
		}
		c, ok := fitTraffic(2, usual, points)
		if !ok {
			t.Fatalf("seed %d: no fit", seed)
		}
		got := c.Apply(stranger.x+beyond(&c, stranger.moved), stranger.kernels)
		worst = max(worst, math.Abs(got/want-1))
	}
	if worst > 0.7 { // 8 without what is believed of the prices
		t.Errorf("the stranger is off by up to %.0f %%", 100*worst)
	}
	t.Logf("off by at most %.0f %%", 100*worst)
}

func TestBytesThatOperatorsMove(t *testing.T) {
	var ops []lut.Op
	for _, key := range []string{"conv[k=3,s=2]/fp32@cin=64,cout=128,h=112,w=112", "dwconv[k=3,s=1]/int8@c=128,h=56,w=56", "linear/fp32@cin=512,cout=1000,m=1", "unknown/fp32@c=3"} {
		op, err := lut.ParseOp(key)
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, op)
	}
	want := moved{linear: 512 * 1000 * 4, conv: 64*128*9*4 + 128*9,
		spill: float64(4*64*112*112 - usual.near + 4*128*56*56 - usual.near + 2*(128*56*56-usual.near)), live: 4*64*112*112 + 4*128*56*56}
	if got := movedBy(ops, usual.near); got != want {
		t.Errorf("moved %+v, want %+v", got, want)
	}
	// The weights of a module are in its file: nothing is fitted as if there were none.
	module, err := lut.ParseOp("module[id=0123456789ab,name=mine]/fp32@cin=8,cout=8,h=4,hout=4,w=4,width=1,wout=4")
	if err != nil {
		t.Fatal(err)
	}
	m := movedBy(append(ops, module), usual.near)
	if !m.unknown {
		t.Errorf("with a module: moved %+v", m)
	}
	if c, ok := fitTraffic(1, usual, []point{{"a", 1, 1, 1, m, ""}, {"b", 2, 2, 2, m, ""}, {"c", 3, 3, 3, m, ""}}); ok {
		t.Errorf("fitted %+v", c.Traffic)
	}
}

// Law: a network named to judge leaves the fit, and its audit is what a stranger's is.
func TestJudgedNetworkLeavesTheFit(t *testing.T) {
	s := newDevice(3, 0.01).source(12, 0)
	name := ""
	for _, l := range s.Records {
		if l.Record.Kind == "e2e" {
			name = title(&l.Record)
			break
		}
	}
	tab, err := Compile(t.Context(), []Source{s}, Options{Judge: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	f := tab.File()
	if f.Calibration.N != 11 || f.Audit == nil || f.Audit.Errors.N != 1 {
		t.Fatalf("calibrated on %d, audit %+v", f.Calibration.N, f.Audit)
	}
}

// Law: of a noisy record whose whole interval is negative only its noise is believed,
// and its family tells the rest; one that claims to be ok is refused.
func TestNegativeNoiseIsCensored(t *testing.T) {
	for validity, kept := range map[record.Validity]bool{"noisy": true, "ok": false} {
		s := newDevice(4, 0.01).source(0, 0)
		r := &s.Records[0].Record
		truth, v := *r.EstimateUS, -5.0
		r.EstimateUS, r.CI95US, r.Validity = &v, &record.Interval{-9, -1}, []record.Validity{validity}
		tab, err := Compile(t.Context(), []Source{s}, Options{Policy: "raw"})
		if err != nil {
			t.Fatal(err)
		}
		c, err := tab.Cost(*r.Key)
		if kept && (err != nil || c.Value <= 0 || c.Lo > truth || c.Hi < truth) {
			t.Errorf("noisy: %+v %v; the truth is %v", c, err, truth)
		}
		if !kept && err == nil {
			for _, w := range tab.File().Warnings {
				kept = kept || w.Code == "non-positive"
			}
			if !kept {
				t.Errorf("ok: %+v", c)
			}
		}
	}
}

// Law: where caches end follows the device's, in proportion, and is as ever where it says nothing.
func TestReachFollowsTheCaches(t *testing.T) {
	if want := (reach{256 << 10, []int{4 << 20, 8 << 20, 12 << 20}, []int{16 << 20, 24 << 20, 32 << 20, 48 << 20}}); !reflect.DeepEqual(usual, want) {
		t.Errorf("of a device that does not say: %+v, want %+v", usual, want)
	}
	small := reachOf(lut.Caches{Core: 512 << 10, Last: 2 << 20})
	if small.near != 128<<10 || small.from[0] != 256<<10 || !slices.Contains(small.to, 2<<20) {
		t.Errorf("of half a megabyte and two: %+v", small)
	}
	// A small board's networks outgrow 2 MiB: the traffic is found where it begins.
	truth := lut.Calibration{A: 1, Traffic: &lut.Traffic{Linear: 300e-6, Conv: 210e-6, Spill: 105e-6, Near: small.near, From: 512 << 10, To: 2 << 20}}
	rng := rand.New(rand.NewPCG(3, 4))
	var points []point
	for i := range 26 {
		m := moved{linear: 2e6 * rng.Float64() * rng.Float64(), conv: 1e6 * rng.Float64(), spill: 2e6 * rng.Float64(), live: 1e5}
		x := 2000 + 3000*rng.Float64()
		points = append(points, point{fmt.Sprintf("n%02d", i), x, truth.Apply(x+beyond(&truth, m), 50) * (1 + 0.003*rng.NormFloat64()), 50, m, ""})
	}
	for _, l := range []struct {
		at     *reach
		within bool
	}{{&small, true}, {&usual, false}} {
		if c, _ := calibrate(t.Context(), points, l.at); c == nil || (c.Fitted.RMSPE < 0.01) != l.within {
			t.Errorf("with caches that end at %v: %+v", l.at.to, c)
		}
	}
}

// The caches of records reach the table, whichever of its files says them.
func TestCachesReachTheTable(t *testing.T) {
	d := newDevice(3, 0.01)
	old, said := d.source(12, 0), d.source(12, 0)
	said.Header.Device.Caches = lut.Caches{Core: 512 << 10, Last: 2 << 20}
	for i := range said.Records {
		said.Records[i].Record.Case += "x"
	}
	for _, sources := range [][]Source{{old, said}, {said, old}} {
		table, err := Compile(t.Context(), sources, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := table.File().Device.Caches; got != said.Header.Device.Caches {
			t.Errorf("the table's caches are %+v", got)
		}
	}
}

// TestAFamilyCountsOnce: six chains of one network whose kernels are mispriced neither set the scale nor choose a
// form for all others.
func TestAFamilyCountsOnce(t *testing.T) {
	var points []point
	for i := range 12 {
		x := 1000 * float64(i+1)
		points = append(points, point{id: fmt.Sprintf("n%02d", i), x: x, y: 1.05 * x, kernels: 20, family: fmt.Sprintf("f%02d", i)})
	}
	for i := range 30 {
		x := 5000 + float64(i)
		points = append(points, point{id: fmt.Sprintf("z%02d", i), x: x, y: 1.6 * x, kernels: 100, family: "odd"})
	}
	c, _ := calibrate(t.Context(), points, &usual)
	if c == nil || c.Model != "scale" || math.Abs(c.A/1.05-1) > 0.03 {
		t.Errorf("calibrated by %+v, want a scale of 1.05", c)
	}
}
