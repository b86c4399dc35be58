package lut

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/isocost/isocost/internal/golden"
)

func op(t testing.TB, key string) Op {
	t.Helper()
	o, err := ParseOp(key)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func opOf(name string) Op {
	op, err := ParseOp(name)
	if err != nil {
		panic(err)
	}
	return op
}

func knot(cost float64, at ...int) Knot {
	return Knot{At: at, Raw: cost, Corrected: cost, Lo: cost * 0.99, Hi: cost * 1.01, N: 100, Reason: Measured, Records: []string{"c1"}}
}

// testFile has a full conv grid with cost cin·cout, a line over square images
// and a scattered family.
func testFile() File {
	conv := Family{Op: opOf("conv[k=1,s=1]/fp32"), Axes: []string{"cin", "cout", "h", "w"}}
	for _, cin := range []int{8, 16, 32} {
		for _, cout := range []int{8, 24} {
			conv.Knots = append(conv.Knots, knot(float64(cin*cout), cin, cout, 28, 28))
		}
	}
	area := Family{Op: opOf("dwconv[k=3,s=1]/fp32"), Axes: []string{"c", "h", "w"}}
	for _, h := range []int{7, 14, 28} {
		area.Knots = append(area.Knots, knot(float64(h*h), 8, h, h))
	}
	scattered := Family{Op: opOf("linear/fp32"), Axes: []string{"cin", "cout", "m"}, Knots: []Knot{
		knot(10, 16, 100, 1), knot(12, 24, 100, 1), knot(50, 64, 200, 1),
	}}
	sequence := Family{Op: opOf("linear/fp32"), Axes: []string{"cin", "seq"}, Knots: []Knot{knot(7, 16, 5)}} // the same kind on other axes
	// Whole blocks of 16 along cin, and a slower path where cout is not a multiple of 16.
	stairs := Family{Op: opOf("linear/int8"), Axes: []string{"cin", "cout"}, Stairs: []Staircase{
		{Axis: "cin", Period: 16, Whole: true},
		{Axis: "cout", Period: 16, Factors: []Factor{{Residue: 8, Log: math.Log(2), SE: 0.1}, {At: []int{32, 0}, Residue: 8, Log: math.Log(3), SE: 0.05}}},
	}}
	for _, k := range [][3]int{{16, 16, 1}, {16, 40, 2}, {16, 64, 1}, {32, 16, 1}, {32, 40, 3}, {32, 64, 1}} {
		stairs.Knots = append(stairs.Knots, knot(float64(k[0]*k[1]*k[2]), k[0], k[1]))
	}
	return File{
		Format: Format, Metric: Latency, Unit: "us", Policy: "isotonic",
		Device:   Device{ID: "d1", Model: "test <&>", CPU: "x", OS: "linux", Arch: "amd64", Cores: "0"},
		Families: []Family{conv, area, scattered, sequence, stairs},
		Inputs:   []Input{{"cells", strings.Repeat("ab", 32), 12}},
	}
}

func testTable(t testing.TB) *Table {
	t.Helper()
	tab, err := New(testFile())
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestCostInterpolates(t *testing.T) {
	tab := testTable(t)
	for _, c := range []struct {
		key  string
		want float64
	}{
		{"conv[k=1,s=1]/fp32@cin=16,cout=24,h=28,w=28", 16 * 24},
		{"conv[k=1,s=1]/fp32@cin=24,cout=16,h=28,w=28", 24 * 16}, // bilinear is exact for products
		{"conv[k=1,s=1]/fp32@cin=9,cout=23,h=28,w=28", 9 * 23},
		{"dwconv[k=3,s=1]/fp32@c=8,h=20,w=20", 400}, // linear in the area
		{"linear/fp32@cin=20,cout=100,m=1", 11},
		{"linear/fp32@cin=16,seq=5", 7},
		{"linear/int8@cin=16,cout=48", 16 * 48},
		{"linear/int8@cin=16,cout=24", 16 * 24 * 2}, // as at 40, the only other odd block
		{"linear/int8@cin=32,cout=24", 32 * 24 * 3}, // on a line with a factor of its own
		{"linear/int8@cin=24,cout=48", 32 * 48},     // paid as 32
		{"linear/int8@cin=24,cout=56", 32 * 56 * 2}, // on a line that has none
		{"linear/int8@cin=32,cout=40", 32 * 40 * 3}, // a knot
	} {
		got, err := tab.Cost(op(t, c.key))
		if err != nil {
			t.Errorf("%s: %v", c.key, err)
			continue
		}
		if math.Abs(got.Value-c.want) > 1e-9 || got.Lo > got.Value || got.Hi < got.Value || got.Extrapolated {
			t.Errorf("%s costs %+v, want %v", c.key, got, c.want)
		}
	}
}

// A factor that the knots around do not share is in doubt by its standard error.
func TestAStaircaseWidensTheInterval(t *testing.T) {
	sharp := testFile()
	for i := range sharp.Families {
		for j := range sharp.Families[i].Stairs {
			for n := range sharp.Families[i].Stairs[j].Factors {
				sharp.Families[i].Stairs[j].Factors[n].SE = 0
			}
		}
	}
	without, err := New(sharp)
	if err != nil {
		t.Fatal(err)
	}
	tab := testTable(t)
	for key, share := range map[string]float64{ // of the knots with another residue
		"linear/int8@cin=16,cout=56": 2. / 3, // 64
		"linear/int8@cin=16,cout=48": 2. / 3, // 40
		"linear/int8@cin=16,cout=24": 2. / 3, // 16
	} {
		a, err := tab.Cost(op(t, key))
		if err != nil {
			t.Fatal(err)
		}
		b, err := without.Cost(op(t, key))
		if err != nil {
			t.Fatal(err)
		}
		half := func(c Cost) float64 { return (c.Hi - c.Lo) / 2 / c.Value }
		got := math.Sqrt(half(a)*half(a) - half(b)*half(b))
		if want := 1.96 * 0.1 * share; a.Value != b.Value || math.Abs(got-want) > 0.01 {
			t.Errorf("%s: the factors add %.4f to the half-width, want %.4f", key, got, want)
		}
	}
}

func TestCostRefuses(t *testing.T) {
	tab := testTable(t)
	for _, c := range []struct {
		key  string
		want error
		says string
	}{
		{"conv[k=3,s=1]/fp32@cin=16,cout=24,h=28,w=28", ErrUnknownOp, "conv[k=1,s=1]/fp32"},
		{"conv[k=1,s=1]/int8@cin=16,cout=24,h=28,w=28", ErrUnknownOp, "int8"},
		{"conv[k=1,s=1]/fp32@cin=16,cout=24,h=28", ErrUnknownOp, "axes"},
		{"gap/fp32@c=8,h=1,w=1", ErrUnknownOp, "gap/fp32"},
		{"conv[k=1,s=1]/fp32@cin=4,cout=24,h=28,w=28", ErrOutOfRange, "cin=4, measured from 8 to 32"},
		{"conv[k=1,s=1]/fp32@cin=8,cout=24,h=14,w=28", ErrOutOfRange, "h=14, measured from 28 to 28"},
		{"linear/fp32@cin=64,cout=150,m=1", ErrOutOfRange, "no measured neighbours bracket cout=150"},
	} {
		_, err := tab.Cost(op(t, c.key))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v saying %q", c.key, err, c.want, c.says)
		}
		if h, ok := err.(interface{ Hint() string }); !ok || h.Hint() == "" {
			t.Errorf("%s: %v has no hint", c.key, err)
		}
	}
	c, err := tab.Extrapolate(op(t, "conv[k=1,s=1]/fp32@cin=64,cout=24,h=28,w=28"))
	if err != nil || !c.Extrapolated || c.Value != 64*24 {
		t.Errorf("Extrapolate = %+v, %v", c, err)
	}
	if _, err := tab.Extrapolate(op(t, "gap/fp32@c=8,h=1,w=1")); !errors.Is(err, ErrUnknownOp) {
		t.Errorf("Extrapolate invents operators: %v", err)
	}
}

// Law: on isotonic knots, scattered anyhow, a dominating query never costs less
// than a knot it dominates nor more than one that dominates it.
func TestInterpolationKeepsTheOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		f := testFile()
		fam := Family{Op: opOf("linear/fp32"), Axes: []string{"cin", "cout"}}
		for cin := 8; cin <= 64; cin += 8 {
			for cout := 8; cout <= 64; cout += 8 {
				if rng.IntN(3) > 0 {
					fam.Knots = append(fam.Knots, knot(math.Ceil(float64(cin)/16)*math.Ceil(float64(cout)/24), cin, cout))
				}
			}
		}
		f.Families = []Family{fam}
		tab, err := New(f)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			q := NewOp("linear", FP32, nil, map[string]int{"cin": 8 + rng.IntN(57), "cout": 8 + rng.IntN(57)})
			c, err := tab.Cost(q)
			if errors.Is(err, ErrOutOfRange) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range fam.Knots {
				at := []int{q.At[0].Value, q.At[1].Value}
				if dominates(at, k.At) && c.Value < k.Corrected || dominates(k.At, at) && c.Value > k.Corrected {
					t.Fatalf("%s costs %v against the knot %v of %v", q, c.Value, k.At, k.Corrected)
				}
			}
		}
	}
}

func TestNetworkCalibrates(t *testing.T) {
	f := testFile()
	f.Calibration = &Calibration{Model: "affine+kernels+curve", A: 1.1, B: 5, C: 2, N: 3, SumLo: 100, SumHi: 1000,
		Curve: []Point{{100, 90}, {200, 210}}, Residual95: 0.1}
	tab, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	ops := []Op{op(t, "conv[k=1,s=1]/fp32@cin=8,cout=8,h=28,w=28"), op(t, "dwconv[k=3,s=1]/fp32@c=8,h=7,w=7")}
	// Σ = 64 + 49 = 113; affine 1.1·113 + 5 + 2·2 = 133.3; curve 90 + 120·0.333.
	want := 90 + 120*0.333
	got, err := tab.Network(ops)
	if err != nil || math.Abs(got.Value-want) > 1e-9 || got.Lo > want*0.91 || got.Hi < want*1.09 || got.Extrapolated {
		t.Errorf("Network = %+v, %v; want %v with 10 %% to both sides", got, err, want)
	}
	if got := tab.Calibrate(113, 2); math.Abs(got-want) > 1e-9 {
		t.Errorf("Calibrate = %v, want %v", got, want)
	}
	if got, _ := tab.Network(ops[:1]); !got.Extrapolated {
		t.Error("a sum below the fitted ones is not marked")
	}
	if got, err := tab.Network(append(ops, op(t, "gap/fp32@c=8,h=1,w=1"))); !errors.Is(err, ErrUnknownOp) {
		t.Errorf("an unknown operator costs %+v", got)
	}
	neg := Calibration{A: 1, B: -50, SumLo: 100, SumHi: 200}
	last := 0.0
	for sum := 1.0; sum < 300; sum++ {
		y := neg.Apply(sum, 1)
		if y <= last {
			t.Fatalf("calibration with a negative intercept gives %v after %v at %v", y, last, sum)
		}
		last = y
	}
}

func TestEncodeDecode(t *testing.T) {
	f := testFile()
	eta := 0.031
	f.Calibration = &Calibration{Model: "scale", A: 1.01, N: 20, SumLo: 1, SumHi: 2}
	// The SHA-256 of "p: 1\n".
	f.Protocol = Protocol{SHA256: "c9310131ae1b79e0647ff57c962506955f2bc6b25221ad146eb97ffe650f2746", YAML: "p: 1\n"}
	f.Audit = &Audit{Delta: .05, Beta: .05, K: 59, Eta: &eta, Networks: []Network{{Case: "n1", Kernels: 3, Measured: 1, Sum: 2, Predicted: 3}}}
	tab, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	data := tab.Encode()
	back, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Encode(), data) || back.Hash() != tab.Hash() {
		t.Error("decoded and encoded again, the bytes differ")
	}
	for what, edit := range map[string][2]string{
		"other format":       {"isocost/lut/v1", "isocost/lut/v9"},
		"unknown field":      {`"metric":`, `"surprise":1,"metric":`},
		"negative cost":      {`"raw":128,`, `"raw":-128,`},
		"other protocol":     {`"yaml":"p: 1`, `"yaml":"p: 2`},
		"zero cost":          {`"raw":128,"corrected":128`, `"raw":0,"corrected":0`},
		"infinite":           {`"raw":128,`, `"raw":1e999,`},
		"NaN":                {`"raw":128,`, `"raw":NaN,`},
		"duplicate field":    {`"unit":"us"`, `"unit":"us","unit":"us"`},
		"other spelling":     {`"raw":128,`, `"raw":128.0,`},
		"wrong unit":         {`"unit":"us"`, `"unit":"ms"`},
		"bad hash":           {"abab", "ab"},
		"no operator":        {`"family":"linear/fp32"`, `"family":"linear/fp33"`},
		"cost off its range": {`"lo":126.72`, `"lo":129`},
		"eta without n":      {`"missing":0`, `"missing":3`},
		"trailing":           {"\"}\n", "\"}\n{}"},
		"period of one":      {`"period":16`, `"period":1`},
		"foreign axis":       {`"axis":"cout","period"`, `"axis":"h","period"`},
		"residue too large":  {`"residue":8`, `"residue":16`},
		"negative se":        {`"se":0.1`, `"se":-0.1`},
		"damaged cost":       {`"hi":129.28`, `"hi":129.29`},
		"no hash":            {`"sha256":"` + hashOf(data), `"sha256":"`},
		"duplicate factor":   {`"at":[32,0]`, `"at":[]`},
	} {
		edited := bytes.Replace(data, []byte(edit[0]), []byte(edit[1]), 1)
		if bytes.Equal(edited, data) {
			t.Fatalf("%s: nothing to edit", what)
		}
		if _, err := Decode(edited); err == nil {
			t.Errorf("%s: accepted", what)
		} else if h, ok := err.(interface{ Hint() string }); !ok || h.Hint() == "" {
			t.Errorf("%s: %v has no hint", what, err)
		}
	}
	var bad *FormatError
	if _, err := Decode(bytes.Replace(data, []byte(`"family":"linear/fp32"`), []byte(`"family":"linear/fp33"`), 1)); !errors.As(err, &bad) ||
		bad.Line != 1+bytes.Count(data[:bytes.Index(data, []byte(`"family":"linear/fp32"`))], []byte("\n")) {
		t.Errorf("a family that is not an operator: %v on the wrong line", err)
	}
	for n := range len(data) {
		if _, err := Decode(data[:n]); err == nil {
			t.Fatalf("accepted a table torn at byte %d", n)
		}
	}
}

func TestATableIsSafeForConcurrentUse(t *testing.T) {
	tab := testTable(t)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				cin, cout := 8+(i*7+g)%25, 8+(i*5+g)%17
				got, err := tab.Cost(NewOp("conv", FP32, map[string]string{"k": "1", "s": "1"}, map[string]int{"cin": cin, "cout": cout, "h": 28, "w": 28}))
				if err != nil {
					t.Error(err)
					return
				}
				if math.Abs(got.Value-float64(cin*cout)) > 1e-9 {
					t.Errorf("%d×%d costs %v", cin, cout, got.Value)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzDecode(f *testing.F) {
	file := testFile()
	eta := 0.1
	file.Calibration = &Calibration{Model: "scale", A: 1, N: 1, SumLo: 1, SumHi: 2, Curve: []Point{{1, 2}}}
	file.Audit = &Audit{Delta: .05, Beta: .05, K: 1, Eta: &eta}
	tab, err := New(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tab.Encode())
	f.Add([]byte(`{"format":"isocost/lut/v1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tab, err := Decode(data)
		if err != nil {
			return
		}
		if !bytes.Equal(tab.Encode(), data) {
			t.Fatal("accepted bytes that Encode would not write")
		}
		for _, fam := range tab.File().Families {
			op := fam.Member(fam.Knots[0].At)
			if c, err := tab.Cost(op); err != nil || !(c.Value > 0) {
				t.Fatalf("%s: %+v, %v", op, c, err)
			}
		}
	})
}

func BenchmarkCost(b *testing.B) {
	tab := testTable(b)
	o := op(b, "conv[k=1,s=1]/fp32@cin=16,cout=24,h=28,w=28")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tab.Cost(o); err != nil {
			b.Fatal(err)
		}
	}
}

// The committed vector reads, answers, and is what this version writes.
func TestTableOnFileIsReadToTheByte(t *testing.T) {
	f := testFile()
	eta := 0.031
	f.Overhead = &Overhead{Value: 2, Lo: 1.5, Hi: 2.5, N: 50, Records: []string{"o1"}}
	f.Calibration = &Calibration{Model: "affine", A: 1.01, B: 3, N: 20, SumLo: 50, SumHi: 5000, Residual95: 0.02,
		Candidates: []Candidate{{"scale", 0.03}, {"affine", 0.01}}, Records: []string{"n1", "n2"}}
	f.Audit = &Audit{Delta: .05, Beta: .05, K: 59, Eta: &eta, Feasible: []Feasible{{Tau: .05, Pairs: 4, Inside: 1}}}
	f.Warnings = []Warning{{Code: "violation", Key: "conv[k=1,s=1]/fp32@cin=16,cout=8,h=28,w=28", Detail: "an example", P: 0.001}}
	tab, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	const path = "testdata/small.lut.json"
	golden.File(t, path, tab.Encode()) // what differs is a change of the format
	back, err := Decode(tab.Encode())
	if err != nil {
		t.Fatal(err)
	}
	got, err := back.Network([]Op{op(t, "linear/fp32@cin=20,cout=100,m=1"), op(t, "conv[k=1,s=1]/fp32@cin=9,cout=23,h=28,w=28")})
	if want := 1.01*(11+9*23+2) + 3; err != nil || math.Abs(got.Value-want) > 1e-9 {
		t.Errorf("the vector's network costs %+v, %v; want %v", got, err, want)
	}
}

// hashOf is the hash that a table's last line names.
func hashOf(table []byte) string {
	at := bytes.LastIndex(table, []byte(hashField)) + len(hashField)
	return string(table[at : at+64])
}
