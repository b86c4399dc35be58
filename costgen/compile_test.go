package costgen

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// device is a made-up device whose true costs are known: a staircase in the
// channels, a price per kernel, a fixed overhead, and a systematic factor between
// the sum and the whole.
type device struct {
	rng                       *rand.Rand
	noise                     float64
	scale, perKernel, startup float64
}

func (d *device) true1(op lut.Op) float64 {
	cin, _ := op.Coord("cin")
	cout, _ := op.Coord("cout")
	h, _ := op.Coord("h")
	steps := func(c int) float64 { return math.Ceil(float64(c)/8) * 8 }
	v := steps(cin)*steps(cout)*float64(h*h)/2e4 + float64(h*h*cout)/5e3 + 0.5
	if op.Attr("k") == "3" {
		v *= 5
	}
	if op.Precision == lut.INT8 {
		v *= 0.6
	}
	return v
}

func (d *device) network(ops []lut.Op) float64 {
	sum := d.startup
	for _, op := range ops {
		sum += d.scale*d.true1(op) + d.perKernel
	}
	return sum
}

func (d *device) measured(v float64) (est float64, ci record.Interval) {
	est = v * (1 + d.noise*d.rng.NormFloat64())
	half := 1.96 * d.noise * v
	return est, record.Interval{est - half, est + half}
}

func (d *device) cell(op lut.Op) record.Record {
	est, ci := d.measured(d.true1(op))
	return record.Record{Kind: role.Cell, Case: "c:" + op.String(), Key: &op, Validity: []record.Validity{record.OK}, EstimateUS: &est, CI95US: &ci, N: 60, Rounds: 5, Stop: "target"}
}

func (d *device) e2e(id int, set role.Set, ops []lut.Op) record.Record {
	est, ci := d.measured(d.network(ops))
	between := est * d.noise
	ratio := 1.001
	return record.Record{Kind: role.Network, Set: set, Case: fmt.Sprintf("n%03d", id), Name: fmt.Sprintf("net%03d", id), Ops: ops,
		Validity: []record.Validity{record.OK}, EstimateUS: &est, CI95US: &ci, N: 60, Rounds: 5, BetweenUS: &between, ReferenceRatio: &ratio, Stop: "target"}
}

func (d *device) ops() []lut.Op {
	var ops []lut.Op
	for _, k := range []string{"1", "3"} {
		for _, p := range []lut.Precision{lut.FP32, lut.INT8} {
			for _, h := range []int{14, 28} {
				for cin := 8; cin <= 32; cin += 8 {
					for cout := 8; cout <= 48; cout += 8 {
						ops = append(ops, lut.NewOp("conv", p, map[string]string{"k": k, "s": "1"}, map[string]int{"cin": cin, "cout": cout, "h": h, "w": h}))
					}
				}
			}
		}
	}
	return ops
}

func (d *device) source(calibrate, audit int) Source {
	s := Source{Name: "rec.jsonl", Header: testHeader()}
	ops := d.ops()
	for _, op := range ops {
		s.Records = append(s.Records, Line{0, d.cell(op)})
	}
	for i := range calibrate + audit {
		set := role.Calibrate
		if i >= calibrate {
			set = role.Audit
		}
		var net []lut.Op
		for range 6 + d.rng.IntN(20) {
			net = append(net, ops[d.rng.IntN(len(ops))])
		}
		s.Records = append(s.Records, Line{0, d.e2e(i, set, net)})
	}
	for i := range s.Records {
		s.Records[i].Line = i + 2
	}
	return s
}

func testHeader() record.Header {
	return record.Header{
		Format: record.Format, Protocol: lut.Protocol{SHA256: strings.Repeat("ab", 32)},
		Device:  lut.Device{ID: "dev", Model: "m", CPU: "c", OS: "linux", Arch: "amd64", Cores: "0"},
		Runtime: lut.Runtime{Library: lut.Library{Backend: "sim", Version: "1", SHA256: strings.Repeat("cd", 32), Provider: "cpu"}, Threads: 1},
	}
}

func newDevice(seed uint64, noise float64) *device {
	return &device{rng: rand.New(rand.NewPCG(seed, 1)), noise: noise, scale: 1.1, perKernel: 0.4, startup: 20}
}

func TestCompileFindsTheDevice(t *testing.T) {
	d := newDevice(1, 0.01)
	tab, err := Compile(t.Context(), []Source{d.source(40, 80)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := tab.File()
	cal, a := f.Calibration, f.Audit
	if cal == nil || a == nil {
		t.Fatalf("calibration %v, audit %v; warnings %v", cal, a, f.Warnings)
	}
	if cal.Model != "affine+kernels" || math.Abs(cal.A-1.1) > 0.02 || math.Abs(cal.C-0.4) > 0.6 {
		t.Errorf("calibration is %s with a=%.3f b=%.2f c=%.3f, the device has 1.1, 20, 0.4", cal.Model, cal.A, cal.B, cal.C)
	}
	if a.Errors.RMSPE > 0.02 || a.Raw.RMSPE < 0.08 || a.Errors.Acc5 < 0.98 {
		t.Errorf("audit: %+v, raw %+v", a.Errors, a.Raw)
	}
	if a.Eta == nil || a.Missing != 0 || *a.Eta < a.Median || *a.Eta > a.Errors.Max || a.K != 80 {
		t.Errorf("eta %v, k %d, median %v, max %v", a.Eta, a.K, a.Median, a.Errors.Max)
	}
	if a.Interval.Inside < 0.9 || a.NoiseFloor == nil || math.Abs(a.NoiseFloor.MedianHalf-0.0196) > 1e-3 || a.Gamma != a.NoiseFloor.MedianHalf {
		t.Errorf("interval %+v, floor %+v, gamma %v", a.Interval, a.NoiseFloor, a.Gamma)
	}
	if a.Band.Bands < 3 || a.Band.SpearmanAll < 0.99 || a.Pair.N != 79 || len(a.Corners) == 0 {
		t.Errorf("band %+v, pair %+v, corners %d", a.Band, a.Pair, len(a.Corners))
	}
	if len(a.Feasible) != 3 || a.Feasible[1].Inside < 0.6 || a.Feasible[1].Inside <= a.Feasible[0].Inside {
		t.Errorf("feasible %+v", a.Feasible)
	}
	for _, fam := range f.Families {
		for i, k := range fam.Knots {
			if !slices.Equal(k.Records, []string{"c:" + fam.Member(fam.Knots[i].At).String()}) {
				t.Fatalf("%s %v traces to %v", fam.Name(), k.At, k.Records)
			}
			for j, l := range fam.Knots {
				if i != j && dominated(k.At, l.At) && k.Corrected > l.Corrected {
					t.Fatalf("%s: %v costs %v, %v costs %v", fam.Name(), k.At, k.Corrected, l.At, l.Corrected)
				}
			}
		}
	}
}

func dominated(a, b []int) bool {
	for d := range a {
		if a[d] > b[d] {
			return false
		}
	}
	return true
}

// Under isotonic a fall frees its own line alone, under regime every line of the
// family at that width.
func TestRegimeSplitsTheWholeFamily(t *testing.T) {
	var s Source
	s.Header, s.Name = testHeader(), "rec.jsonl"
	raw := [2][3]float64{{10, 20, 14}, {30, 40.2, 39.8}} // cin 8: a real fall; cin 16: noise
	for i, line := range raw {
		for j, v := range line {
			op := lut.NewOp("linear", lut.FP32, nil, map[string]int{"cin": 8 * (i + 1), "cout": 8 * (j + 1), "m": 1})
			s.Records = append(s.Records, Line{1, record.Record{Kind: role.Cell, Case: fmt.Sprint(i, j), Key: &op, Validity: []record.Validity{record.OK},
				EstimateUS: &v, CI95US: &record.Interval{v - 0.4, v + 0.4}, N: 50}})
		}
	}
	for policy, want := range map[lut.Policy][2][3]float64{
		"isotonic": {{10, 20, 14}, {30, 40, 40}},
		"regime":   {{10, 20, 14}, {30, 40.2, 39.8}},
		"strict":   {{10, 17, 17}, {30, 40, 40}},
	} {
		tab, err := Compile(t.Context(), []Source{s}, Options{Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		for n, k := range tab.File().Families[0].Knots {
			if math.Abs(k.Corrected-want[n/3][n%3]) > 1e-5 {
				t.Errorf("%s: %v is %v, want %v", policy, k.At, k.Corrected, want[n/3][n%3])
			}
		}
	}
}

// Law: shuffled records, and records spread over several files, give the same
// bytes.
func TestCompileIsDeterministic(t *testing.T) {
	s := newDevice(2, 0.05).source(30, 60)
	// Several records of one key, so that merging is in play.
	for i := range 20 {
		r := s.Records[i]
		v := *r.EstimateUS * 1.02
		r.EstimateUS = &v
		r.CI95US = &record.Interval{v * 0.9, v * 1.1}
		s.Records = append(s.Records, r)
	}
	want, err := Compile(t.Context(), []Source{s}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	for range 5 {
		rng.Shuffle(len(s.Records), func(i, j int) { s.Records[i], s.Records[j] = s.Records[j], s.Records[i] })
		cut := rng.IntN(len(s.Records))
		a, b := s, s
		a.Records, b.Records = s.Records[:cut], s.Records[cut:]
		got, err := Compile(t.Context(), []Source{a, b}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Encode(), want.Encode()) {
			t.Fatal("shuffled records compile to other bytes")
		}
	}
	// A file named twice is not further evidence.
	twice, err := Compile(t.Context(), []Source{s, s}, Options{})
	if err != nil || !bytes.Equal(twice.Encode(), want.Encode()) {
		t.Errorf("the same records twice compile to other bytes (%v)", err)
	}
	back, err := lut.Decode(want.Encode())
	if err != nil || !bytes.Equal(back.Encode(), want.Encode()) {
		t.Fatalf("the compiled table does not read back: %v", err)
	}
}

func TestCompileRefuses(t *testing.T) {
	base := newDevice(3, 0.01).source(0, 0)
	other := func(edit func(*record.Header)) Source {
		s := base
		s.Name = "other.jsonl"
		edit(&s.Header)
		return s
	}
	for what, c := range map[string]struct {
		sources []Source
		opt     Options
		says    string
	}{
		"nothing":                      {nil, Options{}, "no records"},
		"two devices":                  {[]Source{base, other(func(h *record.Header) { h.Device.ID = "x" })}, Options{}, "other.jsonl are of different devices"},
		"two protocols":                {[]Source{base, other(func(h *record.Header) { h.Protocol.SHA256 = "x" })}, Options{}, "different protocols"},
		"two sets of provider options": {[]Source{base, other(func(h *record.Header) { h.Runtime.Options = "use_tf32=0" })}, Options{}, "different provider options"},
		"two sets of features": {[]Source{base, other(func(h *record.Header) { h.Runtime.Features = "onednn=on isa=AVX2" })}, Options{},
			"different library features: none stated and onednn=on isa=AVX2"},
		"two providers":   {[]Source{base, other(func(h *record.Header) { h.Runtime.Provider = "x" })}, Options{}, "different providers"},
		"two threads":     {[]Source{base, other(func(h *record.Header) { h.Runtime.Threads = 2 })}, Options{}, "threads: 1 and 2"},
		"bad policy":      {[]Source{base}, Options{Policy: "wishful"}, `policy "wishful"`},
		"bad delta":       {[]Source{base}, Options{Delta: 2}, "delta is 2"},
		"energy not here": {[]Source{base}, Options{Metric: lut.Energy}, "no-energy"},
	} {
		_, err := Compile(t.Context(), c.sources, c.opt)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want it to say %q", what, err, c.says)
		}
	}
}

func TestCompileWarns(t *testing.T) {
	d := newDevice(4, 0.002)
	s := d.source(2, 10)
	edit := func(i int, f func(r *record.Record)) { r := s.Records[i].Record; f(&r); s.Records[i].Record = r }
	edit(0, func(r *record.Record) { r.Validity = []record.Validity{record.Throttled} })
	edit(1, func(r *record.Record) { v := -5.0; r.EstimateUS, r.CI95US = &v, &record.Interval{-6, -4} })
	edit(2, func(r *record.Record) { v := -0.5; r.EstimateUS, r.CI95US = &v, &record.Interval{-1, 1} })
	edit(4, func(r *record.Record) { // sharp, but within what its sessions leave
		v := -0.02
		r.EstimateUS, r.CI95US = &v, &record.Interval{-0.03, -0.01}
		r.Terms = []record.TermSamples{{Coef: 1, EstimateUS: 2}, {Coef: -1, EstimateUS: 2.02}}
	})
	edit(5, func(r *record.Record) { r.Validity = []record.Validity{record.Noisy} }) // nothing better: stands in
	better := s.Records[6].Record                                                    // a noisy record beside a good one is left out
	better.Validity, better.Case = []record.Validity{record.Noisy}, "worse"
	s.Records = append(s.Records[:len(s.Records)-1:len(s.Records)-1], Line{999, better}, s.Records[len(s.Records)-1])
	edit(3, func(r *record.Record) { // dearer than the next wider one by far
		v := *r.EstimateUS * 3
		r.EstimateUS, r.CI95US = &v, &record.Interval{v * .99, v * 1.01}
	})
	seen := s.Records[len(s.Records)-1]
	seen.Set, seen.Case = role.Calibrate, "leaky"
	s.Records = append(s.Records, seen)
	tab, err := Compile(t.Context(), []Source{s}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]int{}
	for _, w := range tab.File().Warnings {
		codes[w.Code]++
		if w.Code == "censored" && !strings.HasPrefix(w.Detail, "2 cells") {
			t.Errorf("censored: %s", w.Detail)
		}
		if w.Code == "non-positive" && !strings.Contains(w.Detail, "rec.jsonl:3") {
			t.Errorf("the refused record is not named by its line: %s", w.Detail)
		}
	}
	for _, code := range []string{"dropped", "non-positive", "censored", "violation", "leak", "noisy"} {
		if codes[code] == 0 {
			t.Errorf("no warning %q in %v", code, tab.File().Warnings)
		}
	}
	a := tab.File().Audit
	if a == nil || a.Eta != nil || a.Missing != 59-a.Errors.N {
		t.Errorf("eta from too few networks: %+v", a)
	}
	for _, fam := range tab.File().Families {
		for i, k := range fam.Knots {
			switch op := fam.Member(fam.Knots[i].At).String(); {
			case slices.Contains(k.Records, "worse"):
				t.Errorf("%s rests on a noisy record beside a good one", op)
			case op == d.ops()[5].String():
				codes["stands in"]++
			}
		}
	}
	if codes["stands in"] != 1 {
		t.Error("a noisy record without a better one is lost")
	}
	if _, err := tab.Cost(d.ops()[1]); !errors.Is(err, lut.ErrOutOfRange) && err != nil {
		t.Errorf("refused cell: %v", err)
	}
}

// A significant fall is kept, as a change of regime, by all policies but strict;
// noise is smoothed by all but raw.
func TestEachPolicyCorrectsAsItSays(t *testing.T) {
	var s Source
	s.Header, s.Name = testHeader(), "rec.jsonl"
	raw := []float64{10, 12, 11.9, 20, 14, 16} // 12→11.9 is noise, 20→14 is real
	for i, v := range raw {
		op := lut.NewOp("linear", lut.FP32, nil, map[string]int{"cin": 8 * (i + 1), "cout": 8, "m": 1})
		v := v
		s.Records = append(s.Records, Line{i + 2, record.Record{Kind: role.Cell, Case: fmt.Sprint(i), Key: &op, Validity: []record.Validity{record.OK},
			EstimateUS: &v, CI95US: &record.Interval{v - 0.2, v + 0.2}, N: 50}})
	}
	for policy, want := range map[lut.Policy][]float64{
		"raw":      raw,
		"strict":   {10, 11.95, 11.95, 50. / 3, 50. / 3, 50. / 3},
		"isotonic": {10, 11.95, 11.95, 20, 14, 16},
		"regime":   {10, 11.95, 11.95, 20, 14, 16},
	} {
		tab, err := Compile(t.Context(), []Source{s}, Options{Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		violations := 0
		for _, w := range tab.File().Warnings {
			if w.Code == "violation" {
				violations++
				if !strings.Contains(w.Key, "cin=40") || w.P >= 0.01 {
					t.Errorf("%s: %+v", policy, w)
				}
			}
		}
		if violations != 1 {
			t.Errorf("%s: %d violations reported, want the one that is real", policy, violations)
		}
		for i, k := range tab.File().Families[0].Knots {
			if math.Abs(k.Corrected-want[i]) > 1e-5 {
				t.Errorf("%s: knot %d is %v, want %v", policy, i, k.Corrected, want[i])
			}
			if k.Raw != raw[i] {
				t.Errorf("%s: raw value %v became %v", policy, raw[i], k.Raw)
			}
			if (k.Corrected != k.Raw) != (k.Reason == lut.Isotonic) {
				t.Errorf("%s: knot %d was %v, is %v because %q", policy, i, k.Raw, k.Corrected, k.Reason)
			}
		}
	}
}

func TestPrecisionOrderIsReported(t *testing.T) {
	d := newDevice(6, 0.005)
	s := d.source(0, 0)
	for i := range s.Records {
		r := &s.Records[i].Record
		if r.Key.Precision == lut.INT8 && r.Key.Attr("k") == "3" {
			v := *r.EstimateUS * 3
			r.EstimateUS, r.CI95US = &v, &record.Interval{v * .99, v * 1.01}
		}
	}
	tab, err := Compile(t.Context(), []Source{s}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range tab.File().Warnings {
		if w.Code == "precision-order" {
			got = append(got, w.Key)
		}
	}
	if !slices.Equal(got, []string{"conv[k=3,s=1]/int8"}) {
		t.Errorf("precision order reported for %v", got)
	}
}

func TestAuditOfATable(t *testing.T) {
	d := newDevice(7, 0.01)
	s := d.source(40, 0)
	tab, err := Compile(t.Context(), []Source{s}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fresh := Source{Name: "audit.jsonl", Header: testHeader()}
	for i := range 70 {
		var net []lut.Op
		for range 10 {
			net = append(net, d.ops()[d.rng.IntN(len(d.ops()))])
		}
		fresh.Records = append(fresh.Records, Line{i + 2, d.e2e(1000+i, "", net)})
	}
	fresh.Records = append(fresh.Records, s.Records[len(s.Records)-1]) // one that calibrated
	judged, err := Audit(t.Context(), tab, []Source{fresh}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := judged.File().Audit
	if a.Errors.N != 70 || a.Eta == nil || a.Errors.RMSPE > 0.02 {
		t.Errorf("audit %+v", a.Errors)
	}
	if tab.File().Audit != nil {
		t.Error("Audit changed its argument")
	}
	for says, edit := range map[string]func(*record.Header){
		"the table is of device": func(h *record.Header) { h.Device.ID = "other" },
		"the table is of library features none stated, the records of onednn=on isa=AVX512_CORE_AMX TF_XLA_FLAGS=--tf_xla_auto_jit=2": func(h *record.Header) {
			h.Runtime.Features = "onednn=on isa=AVX512_CORE_AMX TF_XLA_FLAGS=--tf_xla_auto_jit=2"
		},
	} {
		other := fresh
		edit(&other.Header)
		if _, err := Audit(t.Context(), tab, []Source{other}, Options{}); err == nil || !strings.Contains(err.Error(), says) || hint.Of(err) == "" {
			t.Errorf("%v; want it to say %q", err, says)
		}
	}
}

// Energy adds up like latency; memory does not: a chain's operators are alive one
// after another, and the largest counts.
func TestEnergyAndMemoryAreCompiled(t *testing.T) {
	s := Source{Name: "rec.jsonl", Header: testHeader()}
	var ops []lut.Op
	zero := int64(0)
	put := func(r record.Record, mj float64, bytes int64) {
		v := 1.0
		r.Case, r.Validity, r.EstimateUS, r.CI95US, r.N = fmt.Sprint(len(s.Records)), []record.Validity{record.OK}, &v, &record.Interval{1, 1}, 50
		r.Energy = &record.Energy{GrossMJ: mj + 1, IdleMJ: 1, NetMJ: mj, StdErrMJ: mj / 100, Source: "rapl", WindowS: 5}
		r.Memory = &record.Memory{PeakActBytes: &zero, LivenessBytes: &bytes} // an allocator without statistics
		s.Records = append(s.Records, Line{1, r})
	}
	for i := range 5 {
		op := lut.NewOp("linear", lut.FP32, nil, map[string]int{"cin": 8 * (i + 1), "cout": 8, "m": 1})
		ops = append(ops, op)
		put(record.Record{Kind: role.Cell, Key: &op}, float64(i+1), int64(1000*(i+1)))
	}
	for i := range 8 { // 2 mJ of overhead beside the sum; as much memory as the largest
		net := []lut.Op{ops[i%5], ops[(i+1)%5], ops[(i*3)%5]}
		if i >= 6 {
			net = append(net, ops[i-6]) // none that calibrated
		}
		var mj, bytes float64
		for _, op := range net {
			cin, _ := op.Coord("cin")
			mj += float64(cin / 8)
			bytes = max(bytes, float64(1000*cin/8))
		}
		set := []role.Set{role.Calibrate, role.Audit}[min(1, i/6)]
		put(record.Record{Kind: role.Network, Set: set, Ops: net}, mj+2, int64(bytes))
	}
	for _, c := range []struct {
		metric lut.Metric
		unit   string
		want   float64
	}{{lut.Energy, "mj", 1 + 3 + 5 + 2}, {lut.Memory, "bytes", 5000}} {
		tab, err := Compile(t.Context(), []Source{s}, Options{Metric: c.metric})
		if err != nil {
			t.Fatal(err)
		}
		got, err := tab.Network([]lut.Op{ops[0], ops[2], ops[4]})
		if err != nil || math.Abs(got.Value-c.want) > 0.01*c.want || tab.File().Unit != c.unit {
			t.Errorf("%s: %+v %s, %v; want %v", c.metric, got, tab.File().Unit, err, c.want)
		}
		if a := tab.File().Audit; a == nil || a.Errors.Max > 0.02 {
			t.Errorf("%s: audit %+v", c.metric, a)
		}
	}
}

// A switch whose energy differs from its frames' by less than nothing must not take
// every network with it: it is bounded by the error it has shown. One that is beyond
// 3 % of the lightest network is not noise and is refused.
func TestNegativeEnergiesAreCensored(t *testing.T) {
	cell := func(key string, mj float64) Line {
		op, err := lut.ParseOp(key)
		if err != nil {
			t.Fatal(err)
		}
		v := 5.0
		return Line{2, record.Record{Kind: role.Cell, Case: key, Key: &op, Validity: []record.Validity{record.OK}, EstimateUS: &v, N: 9,
			Energy: &record.Energy{NetMJ: mj, StdErrMJ: 0.001}}}
	}
	us := 500.0
	net := Line{9, record.Record{Kind: role.Network, Set: role.Audit, Case: "n", Validity: []record.Validity{record.OK}, EstimateUS: &us, N: 9,
		Energy: &record.Energy{NetMJ: 8, StdErrMJ: 0.01}}}
	s := Source{Name: "rec.jsonl", Header: testHeader(), Records: []Line{
		cell("gap/fp32@c=8,h=4,w=4", 2), cell("switch[from=fp32,to=int8]/int8@c=8,h=4,w=4", -0.06), cell("concat/fp32@c=8,h=4,w=4", -0.6), net}}
	tab, err := Compile(t.Context(), []Source{s}, Options{Metric: lut.Energy})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{"gap/fp32@c=8,h=4,w=4": 2, "switch[from=fp32,to=int8]/int8@c=8,h=4,w=4": 0.03} {
		op, _ := lut.ParseOp(key)
		c, err := tab.Cost(op)
		if err != nil || math.Abs(c.Value-want) > 1e-6 || want < 1 && (c.Lo > 0 || math.Abs(c.Hi-0.06) > 1e-6) {
			t.Errorf("%s costs %+v, %v; want %v", key, c, err, want)
		}
	}
	op, _ := lut.ParseOp("concat/fp32@c=8,h=4,w=4")
	if c, err := tab.Cost(op); !errors.Is(err, lut.ErrUnknownOp) {
		t.Errorf("−0.6 mJ became %+v", c)
	}
}
