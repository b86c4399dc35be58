package costgen

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/lut"
)

// unseen is a campaign in which two of three cells were never measured, and whose networks are
// of four families.
func unseen(seed uint64) Source {
	d := &device{rng: rand.New(rand.NewPCG(seed, 22)), noise: 0.01, scale: 1, startup: 3}
	s := d.source(24, 40)
	kept := s.Records[:0]
	cells := 0
	for i, l := range s.Records {
		if l.Kind == role.Cell {
			if cells++; cells%3 != 0 {
				continue
			}
		} else {
			l.Name = fmt.Sprintf("%c%s", "abcd"[i%4], l.Name[3:])
		}
		kept = append(kept, l)
	}
	s.Records = kept
	return s
}

func TestAModelPricesWhatWasNotMeasured(t *testing.T) {
	plain, err := Compile(t.Context(), []Source{unseen(30)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a := plain.File().Audit; a != nil && a.Errors.N > 20 {
		t.Fatalf("knots alone price %d networks: nothing is unseen", a.Errors.N)
	}
	var tab *lut.Table
	inside, n := 0.0, 0.0
	for seed := range uint64(4) {
		if tab, err = Compile(t.Context(), []Source{unseen(30 + seed)}, Options{Model: true}); err != nil {
			t.Fatal(err)
		}
		m, a := tab.File().Model, tab.File().Audit
		if m == nil || m.Families != 4 || m.Networks != 24 {
			t.Fatalf("the table's model is %+v", m)
		}
		t.Logf("left out %.2f %%, widen %.2f, context %.3f; audit %+v, inside %v", 100*m.RMSPE, m.Widen, m.Context, a.Errors, a.Interval)
		if a.Errors.N != 40 || a.Errors.RMSPE > 0.02 { // of which 1 % is the networks' own noise
			t.Errorf("%d networks are %.2f %% off", a.Errors.N, 100*a.Errors.RMSPE)
		}
		inside, n = inside+40*a.Interval.Inside, n+40
	}
	if inside < 0.92*n {
		t.Errorf("%v of %v networks lie inside their intervals", inside, n)
	}

	// The same records in another order, and the same table from its file.
	mixed := unseen(33)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(mixed.Records), func(i, j int) {
		mixed.Records[i], mixed.Records[j] = mixed.Records[j], mixed.Records[i]
	})
	again, err := Compile(t.Context(), []Source{mixed}, Options{Model: true})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(tab.Encode(), again.Encode()) {
		t.Error("the order of the records changes the table")
	}
	read, err := lut.Decode(tab.Encode())
	if err != nil {
		t.Fatal(err)
	}
	d := &device{}
	var kernels []Kernel
	for i, op := range d.ops()[:30] {
		kernels = append(kernels, Kernel{fmt.Sprint(i), op})
	}
	wide := lut.NewOp("conv", lut.FP32, map[string]string{"k": "1", "s": "1"}, map[string]int{"cin": 512, "cout": 512, "h": 28, "w": 28})
	for _, k := range []struct {
		extra lut.Op
		total bool
	}{{wide, true}, {lut.NewOp("softmax", lut.FP32, nil, map[string]int{"m": 8, "n": 8}), false}} {
		p, err := Predict(read, "net", append(slices.Clone(kernels), Kernel{"extra", k.extra}), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if k.total != (p.Total != nil) {
			t.Errorf("with %s the total is %v, missing %v", k.extra, p.Total, p.Missing)
		}
		sum, status := 0.0, map[string]int{}
		for _, x := range p.Kernels {
			status[string(x.Status)]++
		}
		for _, share := range p.Basis {
			sum += share
		}
		if sum < 0.999999 || sum > 1.000001 || status["measured"] != 10 || k.total && (status["extrapolated"] != 1 || !p.Extrapolated) {
			t.Errorf("it rests on %v, of kernels %v", p.Basis, status)
		}
	}
}

func TestAPlanNarrowsWhatItWasMadeFor(t *testing.T) {
	tab, err := Compile(t.Context(), []Source{unseen(30)}, Options{Model: true})
	if err != nil {
		t.Fatal(err)
	}
	by, err := NewPredictor(tab)
	if err != nil {
		t.Fatal(err)
	}
	var kernels []Kernel
	for i, op := range (&device{}).ops()[:30] {
		kernels = append(kernels, Kernel{fmt.Sprint(i), op})
	}
	p, err := by.Predict("net", kernels, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	plan, chosen, cannot, keyless, err := by.PlanNarrowing([]*Prediction{p}, 5, 1)
	if err != nil || len(cannot) > 0 || keyless > 0 {
		t.Fatal(err, cannot, keyless)
	}
	seconds := 0.0
	for _, n := range chosen {
		seconds += n.Seconds
		i := slices.IndexFunc(p.Kernels, func(k PricedKernel) bool { return k.Key.String() == n.Op.String() })
		if i < 0 || p.Kernels[i].Status == devicemodel.Measured || !(n.Gain > 0) {
			t.Errorf("%s is chosen, which is measured or of another network, for a gain of %v", n.Op, n.Gain)
		}
	}
	if len(chosen) == 0 || seconds > 5 || plan.Counts()[role.Cell] != len(chosen) {
		t.Errorf("%d kernels of %.1f s are chosen for 5 s, the plan has %v", len(chosen), seconds, plan.Counts())
	}
	// A table prices beyond its knots by its model, for whoever asks the table itself.
	wide := lut.NewOp("conv", lut.FP32, map[string]string{"k": "1", "s": "1"}, map[string]int{"cin": 64, "cout": 64, "h": 28, "w": 28})
	if c, err := tab.Cost(wide); err != nil || !c.Extrapolated || !(c.Lo < c.Value && c.Value < c.Hi) {
		t.Errorf("the table prices a kernel beyond its knots %+v, %v", c, err)
	}
	if _, err := tab.Cost(lut.NewOp("softmax", lut.FP32, nil, map[string]int{"m": 8, "n": 8})); err == nil {
		t.Error("the table prices a kind that was never measured")
	}
}
