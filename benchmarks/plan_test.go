package benchmarks_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
)

func testPlan(t testing.TB) *benchmarks.Plan {
	t.Helper()
	p := &benchmarks.Planner{Seed: 3, Source: "a test"}
	net := chain(t, `conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=16,h=32,w=32
		switch[from=fp32,to=int8]/int8@c=16,h=16,w=16
		mbconv[act=relu6,k=3,res=1,s=1]/int8@cin=16,cout=16,h=16,mid=48,w=16
		gap/int8@c=16,h=16,w=16
		linear/int8@cin=16,cout=10,m=1
		switch[from=int8,to=fp32]/fp32@c=10,h=1,w=1`)
	for _, op := range net {
		for range 2 { // twice: listed once
			if err := p.Cell(op); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Network(role.Audit, "audit-000", net); err != nil {
		t.Fatal(err)
	}
	p.File("", "net", benchmarks.Model{File: "net.onnx", SHA256: strings.Repeat("0", 64), Dims: map[string]int{"N": 1}}, nil)
	return p.Plan()
}

func TestPlanRoundTrip(t *testing.T) {
	p := testPlan(t)
	if n := p.Counts(); n["cell"] != 6 || n["e2e"] != 2 || n["anchor"] != 1 || n["overhead"] != 1 {
		t.Errorf("counts %v", n)
	}
	data := p.Encode()
	back, err := benchmarks.ReadPlan("plan.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Encode(), data) || back.SHA256() != p.SHA256() {
		t.Error("a plan read and written again differs")
	}
	if !bytes.Equal(testPlan(t).Encode(), data) {
		t.Error("the same plan made twice differs")
	}
}

// Rounds, samples and models each cost what the schedule says of them.
func TestEstimateOfDeviceTime(t *testing.T) {
	p := testPlan(t)
	s := benchmarks.Schedule{Rounds: 10, PerVisit: 5, MinSample: 0.001, Discard: 1, ReferenceVisits: 3, WarmRuns: 10, WarmSeconds: 0.1, MaxModel: 10, Device: 0.5}
	about := func(s benchmarks.Schedule) float64 {
		d, err := p.Estimate(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d.Seconds()
	}
	base := about(s)
	if least := 10 * 5 * 0.001 * float64(len(p.Models)); base < least || base > 5+10*least {
		t.Errorf("%d models are estimated at %v s", len(p.Models), base)
	}
	more := s
	more.Rounds = 20
	perRound := (about(more) - base) / 10
	visits := float64(len(p.Models) + 3)
	if perRound < 0.005*visits || perRound > 0.02*visits { // samples of 1 to 2 ms: none of these models runs longer
		t.Errorf("a round of %v visits is estimated at %v s", visits, perRound)
	}
	longer := s
	longer.MinSample = 0.01
	if d := about(longer) - base; d < 10*5*0.009*visits*0.9 || d > 10*5*0.009*visits*1.5 {
		t.Errorf("samples of 10 instead of 1 ms cost %v s more", d)
	}
	bounded := more
	bounded.MaxModel = 10 * 5 * 0.0011
	if d := about(bounded); d >= about(more) {
		t.Errorf("a bound on a model's samples saves nothing: %v s", d)
	}
	warm := s
	warm.Device += 3
	if d := about(warm) - base; d < 2.999 || d > 3.001 {
		t.Errorf("3 s more of warming up cost %v s", d)
	}
}

// reseal gives an edited plan the hash and the counts its header should have.
func reseal(lines []string, models, cases int) []byte {
	body := strings.Join(lines, "\n") + "\n"
	sum := sha256.Sum256([]byte(body))
	return fmt.Appendf(nil, `{"format":"isocost/plan/v1","seed":3,"source":"a test","models":%d,"cases":%d,"sha256":"%s"}`+"\n%s",
		models, cases, hex.EncodeToString(sum[:]), body)
}

func TestReadPlanRefuses(t *testing.T) {
	p := testPlan(t)
	data := p.Encode()
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")[1:]
	m, c := len(p.Models), len(p.Cases)
	if _, err := benchmarks.ReadPlan("plan.jsonl", reseal(lines, m, c)); err != nil {
		t.Fatalf("the untouched plan: %v", err)
	}
	edit := func(from, to string) []byte {
		joined := strings.Join(lines, "\n")
		if !strings.Contains(joined, from) {
			t.Fatalf("the plan has no %q to edit", from)
		}
		return reseal(strings.Split(strings.Replace(joined, from, to, 1), "\n"), m, c)
	}
	last := fmt.Sprintf("plan.jsonl:%d:", m+c+1)
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "plan.jsonl:1:"},
		{"another file", []byte("{\"format\":\"isocost/records/v1\"}\n"), "not a plan"},
		{"future format", bytes.Replace(data, []byte("plan/v1"), []byte("plan/v2"), 1), "format is"},
		{"torn", data[:len(data)-3], last},
		{"a line short", data[:bytes.LastIndexByte(data[:len(data)-1], '\n')+1], "promises"},
		{"flipped byte", bytes.Replace(data, []byte("relu6"), []byte("relu5"), 1), "hash"},
		{"unknown field", edit(`{"case":{`, `{"case":{"colour":1,`), "colour"},
		{"spaces", edit(`{"case":{"id":`, `{"case":{"id": `), "canonical"},
		{"wrong ID", edit(`"id":"c`, `"id":"c0`), "ID should be"},
		{"unknown operator", edit(`mbconv[`, `nbconv[`), "not in the catalogue"},
		{"unbuildable", edit(`cin=16,cout=16,h=16,mid=48,w=16`, `cin=16,cout=24,h=16,mid=48,w=16`), "residual"},
		{"wrong shape", edit(`gap/int8@c=16`, `gap/int8@c=24`), "wants 24 channels"},
		{"negative size", edit(`cout=16`, `cout=-16`), "coordinate"},
		{"unknown role", edit(`"role":"cell"`, `"role":"cello"`), "unknown role"},
		{"unknown set", edit(`"set":"audit"`, `"set":"exam"`), "unknown set"},
		{"zero coefficient", edit(`"coef":1,`, `"coef":0,`), "coefficient"},
		{"NaN", edit(`"coef":1,`, `"coef":NaN,`), "invalid character"},
		{"missing model", reseal(lines[1:], m-1, c), "not listed"},
		{"duplicate model", reseal(append([]string{lines[0]}, lines...), m+1, c), "twice"},
		{"duplicate case", reseal(append(lines, lines[m+c-1]), m, c+1), "twice"},
		{"wrong counts", reseal(lines, m+1, c-1), "promises"},
	} {
		_, err := benchmarks.ReadPlan("plan.jsonl", test.data)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "plan.jsonl:") {
			t.Errorf("%s: error %v, want plan.jsonl:LINE with %q", test.name, err, test.want)
		}
	}
}

func FuzzReadPlan(f *testing.F) {
	p := testPlan(f)
	f.Add(p.Encode())
	lines := strings.Split(strings.TrimSuffix(string(p.Encode()), "\n"), "\n")[1:]
	f.Add([]byte(strings.Join(lines, "\n")))
	f.Fuzz(func(t *testing.T, body []byte) {
		// Once as it is, and once under a header with the right hash, or no mutation
		// would get past it.
		n, m := bytes.Count(body, []byte("\n")), bytes.Count(body, []byte(`{"model":`))
		for _, data := range [][]byte{body, reseal([]string{strings.TrimSuffix(string(body), "\n")}, m, n-m)} {
			if p, err := benchmarks.ReadPlan("p", data); err == nil {
				if !bytes.Equal(p.Encode(), data) {
					t.Fatal("accepted a plan that encodes differently")
				}
			}
		}
	})
}

// TestFramesCancel: the coefficients of a frame sum to zero, so that what all
// models share – dispatch, entry, exit – cancels, except for kinds measured as
// whole models; and every frame can be built.
func TestFramesCancel(t *testing.T) {
	for _, op := range allOps(t) {
		sum, err := benchmarks.Frame(op)
		if err != nil {
			t.Errorf("%s: %v", op, err)
			continue
		}
		total := 0.0
		for _, s := range sum {
			total += s.Coef
			if _, err := benchmarks.Build(s.Chain, benchmarks.BuildOptions{Shapes: true}); err != nil {
				t.Errorf("frame of %s: %v", op, err)
			}
		}
		if total != 0 {
			t.Errorf("frame of %s: coefficients sum to %v: %v", op, total, sum)
		}
	}
	if _, err := benchmarks.Slope(allOps(t)[0].WithPrecision(lut.FP32), 1); err == nil {
		t.Error("a slope over one copy was accepted")
	}
}

func TestSlopeChainsCopies(t *testing.T) {
	op := chain(t, "mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=16,cout=16,h=16,mid=48,w=16")[0]
	sum, err := benchmarks.Slope(op, 5)
	if err != nil {
		t.Fatal(err)
	}
	// The least-squares line over 1, 2, 4 and 5 copies; a line through any latencies
	// a + b·n must give b back.
	slope := 0.0
	for i, s := range sum {
		n := len(s.Chain) - len(sum[0].Chain) + 1
		if want := []int{1, 2, 4, 5}[i]; n != want {
			t.Errorf("term %d has %d copies, want %d", i, n, want)
		}
		slope += s.Coef * (7 + 3*float64(n))
	}
	if len(sum) != 4 || math.Abs(slope-3) > 1e-12 {
		t.Errorf("%d terms, slope %v of a line of slope 3", len(sum), slope)
	}
	for _, key := range []string{"relayout/fp32@c=24,h=48,w=48", "transpose[perm=0-2-1]/fp32@d0=2,d1=4,d2=4"} {
		if _, err := benchmarks.Slope(chain(t, key)[0], 4); err == nil {
			t.Errorf("copies of %s were chained: they cancel", key)
		}
	}
	stride := chain(t, "mbconv[act=relu6,k=3,s=2]/fp32@cin=16,cout=16,h=16,mid=48,w=16")[0]
	if _, err := benchmarks.Slope(stride, 5); err == nil {
		t.Error("copies of a strided block were chained")
	}
}

// TestGridsHoldThreeWidthsPerShape: every family has at least three widths of each shape, all buildable.
func TestGridsHoldThreeWidthsPerShape(t *testing.T) {
	for _, f := range benchmarks.GridFamilies() {
		for _, p := range []lut.Precision{lut.FP32, lut.INT8} {
			ops, err := benchmarks.Grid(f, p)
			if err != nil || len(ops) < 9 {
				t.Fatalf("grid of %s: %d operators, %v", f, len(ops), err)
			}
			for _, op := range ops {
				if _, err := benchmarks.Frame(op); err != nil {
					t.Errorf("%s: %v", op, err)
				}
			}
		}
	}
	if _, err := benchmarks.Grid("warp", lut.FP32); err == nil {
		t.Error("an unknown family has a grid")
	}
}

func TestThinnedGridKeepsItsEnds(t *testing.T) {
	var ops []lut.Op
	for mid := 8; mid <= 80; mid += 8 {
		ops = append(ops, chain(t, fmt.Sprintf("mbconv[k=3]/fp32@cin=8,cout=8,h=8,mid=%d,w=8", mid))...)
	}
	ops = append(ops, chain(t, "gap/fp32@c=8,h=8,w=8")...)
	got := fmt.Sprint(benchmarks.Thin(ops, "mid", 3))
	want := fmt.Sprint([]lut.Op{ops[0], ops[4], ops[9], ops[10]})
	if got != want {
		t.Errorf("thinned to %s, want %s", got, want)
	}
}

// TestCountsOfPublishedNetworks against torchvision's models and the papers: MobileNetV2 1.0 at 224
// (Sandler et al. 2018: 300 M multiply-adds), ResNet-18 and -50 (He et al. 2016:
// 1.8 and 3.8 G; 4.1 with the stride in the 3×3).
func TestCountsOfPublishedNetworks(t *testing.T) {
	for _, test := range []struct {
		name         string
		net          benchmarks.Chain
		params, macs int64
	}{
		{"MobileNetV2", mobileNetV2(t), 3504872, 300774272},
		{"ResNet-18", resNet(t, "resbasic", 1, 2, 2, 2, 2), 11689512, 1814073344},
		{"ResNet-50", resNet(t, "resbottleneck", 4, 3, 4, 6, 3), 25557032, 4089184256},
	} {
		g, err := benchmarks.Build(test.net, benchmarks.BuildOptions{Shapes: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := benchmarks.Count(g); got.Params != test.params || got.MACs != test.macs {
			t.Errorf("%s has %d parameters and %d multiply-adds, want %d and %d", test.name, got.Params, got.MACs, test.params, test.macs)
		}
	}
}

func resNet(t testing.TB, block string, expansion int, depths ...int) benchmarks.Chain {
	var keys strings.Builder
	fmt.Fprint(&keys, "conv[act=relu,k=7,s=2]/fp32@cin=3,cout=64,h=224,w=224 maxpool[k=3,s=2]/fp32@c=64,h=112,w=112 ")
	cin, side := 64, 56
	for stage, depth := range depths {
		mid, s := 64<<stage, min(2, stage+1)
		for range depth {
			cout, attrs := mid*expansion, fmt.Sprintf("act=relu,s=%d", s)
			if s > 1 || cin != cout {
				attrs = fmt.Sprintf("act=relu,proj=1,s=%d", s)
			}
			fmt.Fprintf(&keys, "%s[%s]/fp32@cin=%d,cout=%d,h=%d,mid=%d,w=%d ", block, attrs, cin, cout, side, mid, side)
			cin, side, s = cout, side/s, 1
		}
	}
	fmt.Fprintf(&keys, "gap/fp32@c=%d,h=7,w=7 linear/fp32@cin=%d,cout=1000,m=1", cin, cin)
	return chain(t, keys.String())
}

func mobileNetV2(t testing.TB) benchmarks.Chain {
	var keys strings.Builder
	fmt.Fprint(&keys, "conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=32,h=224,w=224 ")
	cin, side := 32, 112
	for _, row := range [][4]int{{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		e, cout, s := row[0], row[1], row[3]
		for range row[2] {
			attrs := ""
			if e == 1 {
				attrs += ",noexp=1"
			}
			if s == 1 && cin == cout {
				attrs += ",res=1"
			}
			fmt.Fprintf(&keys, "mbconv[act=relu6,k=3%s,s=%d]/fp32@cin=%d,cout=%d,h=%d,mid=%d,w=%d ", attrs, s, cin, cout, side, e*cin, side)
			cin, side, s = cout, side/s, 1
		}
	}
	fmt.Fprint(&keys, "conv[act=relu6,k=1]/fp32@cin=320,cout=1280,h=7,w=7 gap/fp32@c=1280,h=7,w=7 linear/fp32@cin=1280,cout=1000,m=1")
	return chain(t, keys.String())
}

// A planner that is asked for second places gives them to at most a quarter of the
// framed blocks, of every precision, and to nothing else; each is the cost of the same
// block beside another neighbour, and its coefficients cancel.
func TestSecondPlaces(t *testing.T) {
	var ops benchmarks.Chain
	for mid := 24; mid <= 152; mid += 8 {
		for _, p := range []string{"fp32", "int8"} {
			ops = append(ops, chain(t, fmt.Sprintf("mbconv[act=relu6,k=3,s=2]/%s@cin=24,cout=40,h=48,mid=%d,w=48", p, mid))...)
		}
	}
	ops = append(ops, chain(t, "conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=16,h=96,w=96")...)
	ops = append(ops, chain(t, "mbconv[act=relu6,k=3]/fp32@cin=3,cout=16,h=96,mid=16,w=96")...)
	plan := func(change func(*benchmarks.Planner)) *benchmarks.Plan {
		p := &benchmarks.Planner{Seed: 3, Source: "a test", SecondContexts: 100}
		change(p)
		for _, op := range ops {
			if err := p.Cell(op); err != nil {
				t.Fatal(err)
			}
		}
		return p.Plan()
	}
	p := plan(func(*benchmarks.Planner) {})
	models := map[string]benchmarks.Chain{}
	for _, m := range p.Models {
		models[m.ID] = m.Chain
	}
	seen := map[lut.Precision]int{}
	for _, c := range p.Cases {
		if len(c.SecondContext) == 0 {
			continue
		}
		seen[c.Key.Precision]++
		total := 0.0
		for i, term := range c.SecondContext {
			here, there := models[c.Terms[i].Model], models[term.Model]
			total += term.Coef
			differ := 0
			for j := range here {
				if len(there) != len(here) || there[j].String() != here[j].String() {
					differ++
				}
			}
			if term.Coef != c.Terms[i].Coef || differ != 1 {
				t.Errorf("%s: place %v against %v", c.Key, there, here)
			}
		}
		if total != 0 {
			t.Errorf("%s: coefficients sum to %v", c.Key, total)
		}
	}
	if n := seen[lut.FP32] + seen[lut.INT8]; n != len(ops[:34])/4 || seen[lut.FP32] < 2 || seen[lut.INT8] < 2 {
		t.Errorf("second places %v of 34 blocks", seen)
	}
	back, err := benchmarks.ReadPlan("plan.jsonl", p.Encode())
	if err != nil || !bytes.Equal(back.Encode(), p.Encode()) {
		t.Errorf("a plan with second places read and written again differs: %v", err)
	}
	for name, none := range map[string]*benchmarks.Plan{
		"none asked for": plan(func(p *benchmarks.Planner) { p.SecondContexts = 0 }),
		"cold":           plan(func(p *benchmarks.Planner) { p.Cold = true }),
	} {
		for _, c := range none.Cases {
			if c.SecondContext != nil {
				t.Errorf("%s: %s has a second place", name, c.Key)
			}
		}
	}
}
