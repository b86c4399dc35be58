package sim

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

func example(t testing.TB) *Device {
	d, err := Read("../../examples/sim-device.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func conv(p lut.Precision, cin, cout int) lut.Op {
	return lut.NewOp("conv", p, map[string]string{"k": "3", "s": "1", "act": "relu"},
		map[string]int{"cin": cin, "cout": cout, "h": 14, "w": 14})
}

func TestConformance(t *testing.T) {
	backendtest.Run(t, backendtest.Config{
		New: func(t testing.TB) agent.Backend {
			return New(example(t), func(kind string) { t.Fatalf("a fault struck: %s", kind) })
		},
		Provider: "cpu",
		Models: []agent.Model{
			{Name: "small", ID: "a", Chain: benchmarks.Chain{conv(lut.FP32, 8, 8)}},
			{Name: "larger", ID: "b", Chain: benchmarks.Chain{conv(lut.FP32, 8, 8), conv(lut.INT8, 8, 16)}},
		},
		Bad: []agent.Model{{Name: "unpriced", ID: "c", Chain: benchmarks.Chain{lut.NewOp("nosuch", lut.FP32, nil, nil)}}},
		// The simulated model has no declared inputs; any name enters its outputs.
		Input:   &agent.Tensor{Name: "input", DType: "float32", Shape: []int{1}, Data: []byte{0, 0, 128, 63}},
		Threads: []int{2},
	})
}

func TestFormulasEvaluate(t *testing.T) {
	vars := map[string]float64{"h": 14, "cout": 60}
	for text, want := range map[string]float64{
		"1": 1, "1+2*3": 7, "(1+2)*3": 9, "2^3^2": 512, "-2^2": 4, "10-2-3": 5, "8/2/2": 2,
		"1e-3*h": 0.014, "ceil(cout/8)*8": 64, "max(h, cout) + min(1,2)": 61, "sqrt(h*h)": 14, "floor(2.7)": 2,
	} {
		f, err := ParseFormula(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := f.Eval(vars)
		if err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("%s = %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "too early", "1+": "too early", "(1": "not closed", "1 2": "unexpected", "foo(1)": "unknown function",
		"min(1)": "two arguments", "1..2": "not a number", "$": "unexpected", strings.Repeat("(", 200): "too deep",
	} {
		if _, err := ParseFormula(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	f, _ := ParseFormula("nope*2")
	if _, err := f.Eval(vars); err == nil || !strings.Contains(err.Error(), `no "nope"`) {
		t.Errorf("an unknown name gives %v", err)
	}
	f, _ = ParseFormula("1/(h-14)")
	if _, err := f.Eval(vars); err == nil {
		t.Error("an infinite cost was accepted")
	}
}

func FuzzFormula(f *testing.F) {
	f.Add("2 + 1.1e-5*h*ceil(cout/8)*8")
	f.Add("-(1^2)")
	f.Fuzz(func(t *testing.T, text string) {
		formula, err := ParseFormula(text)
		if err != nil {
			return
		}
		v, err := formula.Eval(map[string]float64{"h": 3, "cout": 5})
		if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Fatalf("%q gives %v", text, v)
		}
	})
}

func TestTruthIsAdditive(t *testing.T) {
	d := example(t)
	a, b := conv(lut.FP32, 8, 8), conv(lut.FP32, 8, 16)
	ua, _ := d.OpUS(a)
	ub, err := d.OpUS(b)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.ModelUS(benchmarks.Chain{a, b})
	if err != nil || math.Abs(m-(d.OverheadUS+d.BoundaryUS+ua+ub)) > 1e-9 {
		t.Errorf("model %v, %v", m, err)
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := os.ReadFile("../../examples/sim-device.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{
		{"format: isocost/sim-device/v1", "format: other", "format"},
		{"overhead_us:", "overhead: 3\noverhead_us:", "unknown field \"overhead\""},
		{"jitter: ", "jitter: -", "noise.jitter"},
		{"h*w", "h*(w", "not closed"},
	} {
		changed := strings.Replace(string(good), c[0], c[1], 1)
		if changed == string(good) {
			t.Fatalf("%q does not occur", c[0])
		}
		_, err := Parse("device.yaml", []byte(changed))
		if err == nil || !strings.Contains(err.Error(), c[2]) || !strings.HasPrefix(err.Error(), "device.yaml:") || hint.Of(err) == "" {
			t.Errorf("%q → %q: error %v", c[0], c[1], err)
		}
	}
}

func TestNoiseHasTheStatedShape(t *testing.T) {
	d := &Device{Format: Format, Noise: Noise{Jitter: 0.05}, Drift: Drift{PerHour: 0}, Preempt: Preempt{PerS: 100, US: 1000}}
	if err := d.prepare(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(d)
	const n = 20000
	below, moved := 0, int64(0)
	for range n {
		before, sw := w.now, w.switches
		w.run(100, 0)
		if w.switches != sw {
			moved++
			continue
		}
		if (w.now-before).Seconds()*1e6 < 100 {
			below++
		}
	}
	if f := float64(below) / float64(n-moved); f < 0.48 || f > 0.52 {
		t.Errorf("%.3f of the runs are faster than the truth, the median should be it", f)
	}
	// 100 per second over 100 µs: one run in a hundred.
	if moved < 150 || moved > 260 {
		t.Errorf("%d of %d runs were preempted, about 200 should be", moved, n)
	}
}

// The example device prices everything that can be measured: a user's first plan
// must not end at a formula that asks for an axis the kind does not have.
func TestExampleDevicePricesEveryKind(t *testing.T) {
	d, err := Read("../../examples/sim-device.yaml")
	if err != nil {
		t.Fatal(err)
	}
	priced := 0
	for _, kind := range benchmarks.Kinds() {
		for _, p := range lut.Precisions {
			chain, err := benchmarks.Example(kind, p)
			if err != nil {
				continue // the kind does not exist in this precision
			}
			for _, op := range chain {
				if us, err := d.OpUS(op); err != nil || !(us > 0) {
					t.Errorf("%s: %v µs, %v", op, us, err)
				}
				priced++
			}
		}
	}
	if kinds := len(benchmarks.Kinds()); priced < 2*kinds {
		t.Errorf("%d operators of %d kinds were priced: the test looks at nothing", priced, kinds)
	}
}
