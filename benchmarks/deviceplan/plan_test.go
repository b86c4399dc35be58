package deviceplan

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/lut"
)

var schedule = benchmarks.Schedule{Rounds: 40, PerVisit: 2, MinSample: 0.0003, Discard: 1, ReferenceVisits: 2, WarmRuns: 3, WarmSeconds: 0.03}

func builtIn(t *testing.T, without ...string) *census.Census {
	t.Helper()
	c, err := census.Default()
	if err != nil {
		t.Fatal(err)
	}
	return c.Of([]lut.Precision{lut.FP32}, without...)
}

// TestPlanCoversTheCensus: in its time, one kernel of every kind at least; the same request
// gives the same plan.
func TestPlanCoversTheCensus(t *testing.T) {
	tier.Slow(t, "plans a minute of measuring twice")
	r := Request{Census: builtIn(t), Seconds: 60, Schedule: schedule, Seed: 1, PerNetwork: 2}
	plan, err := Plan(r)
	if err != nil {
		t.Fatal(err)
	}
	about, err := plan.Estimate(schedule, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := about.Seconds(); s < 45 || s > 66 {
		t.Errorf("the plan takes %.0f s, want about 60", s)
	}
	kinds := map[string]bool{}
	long, short := 0, 0
	for _, c := range plan.Cases {
		switch {
		case c.Role == role.Cell:
			kinds[c.Key.Kind] = true
		case c.Role == role.Network && strings.HasSuffix(c.Name, ".0"):
			long++
		case c.Role == role.Network:
			short++
		}
		if c.Role == role.Network && (FamilyOf(c.Name) == "" || len(c.Ops) < shortestChain) {
			t.Errorf("chain %q has no family, or %d kernels", c.Name, len(c.Ops))
		}
	}
	for _, k := range r.Census.Kernels() {
		if _, ok := cell(k.Op, schedule); ok && !kinds[k.Op.Kind] {
			t.Errorf("no kernel of kind %s is planned", k.Op.Kind)
			kinds[k.Op.Kind] = true
		}
	}
	if long < 3 || short < 3 {
		t.Errorf("%d long chains and %d short ones", long, short)
	}
	again, err := Plan(r)
	if err != nil || again.SHA256() != plan.SHA256() {
		t.Errorf("the same request gives another plan (%v)", err)
	}
}

func TestUnseenKernelsAreNotPlanned(t *testing.T) {
	tier.Slow(t, "plans half a minute of measuring")
	all := builtIn(t)
	unseen := &census.Census{}
	for _, n := range all.Networks {
		if n.Family == "mobilenetv2" || n.Family == "resnet" {
			unseen.Add(n)
		}
	}
	plan, err := Plan(Request{Census: all, Unseen: unseen, Seconds: 30, Schedule: schedule, Seed: 2, PerNetwork: 2})
	if err != nil {
		t.Fatal(err)
	}
	never := map[string]bool{}
	for _, k := range unseen.Networks {
		for _, op := range k.Kernels {
			never[op.String()] = true
		}
	}
	checked := 0
	for _, c := range plan.Cases {
		if f := FamilyOf(c.Name); f == "mobilenetv2" || f == "resnet" {
			t.Errorf("chain %s is of an unseen family", c.Name)
		}
		for _, op := range c.Ops {
			checked++
			if never[op.String()] {
				t.Errorf("%s holds %s of an unseen network", c.Name, op)
			}
		}
		if c.Key != nil && never[c.Key.String()] {
			t.Errorf("%s of an unseen network is planned", c.Key)
		}
	}
	if checked < 20 {
		t.Errorf("only %d kernels of chains were checked", checked)
	}
}

// TestGainsDecide: once something was measured, what teaches most per second is planned, beside what
// kinds and regimes still lack.
func TestGainsDecide(t *testing.T) {
	r := Request{Census: builtIn(t), Seconds: 20, Schedule: schedule, Seed: 3, Most: 800,
		Gains: func(cs []Candidate) []float64 {
			g := make([]float64, len(cs))
			for i := range cs {
				if !cs[i].IsSum() && cs[i].Ops[0].Kind == "dwconv" {
					g[i] = 1
				}
			}
			return g
		}}
	plan, err := Plan(r)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, c := range plan.Cases {
		if c.Key != nil {
			counts[c.Key.Kind]++
		}
	}
	others := -counts["dwconv"]
	for _, n := range counts {
		others += n
	}
	if counts["dwconv"] < 15 || others > counts["dwconv"]/2 {
		t.Errorf("planned %v, want dwconv most of all", counts)
	}
}

// TestFloor: of each kind and regime of the census some kernels are chosen as far as it has them,
// one of each kind before all else.
func TestFloor(t *testing.T) {
	want := builtIn(t).Kernels()
	var candidates []Candidate
	kinds, regimes := map[string]int{}, map[string]int{}
	for _, k := range want {
		candidates = append(candidates, Candidate{Ops: []lut.Op{k.Op}, Seconds: 1})
		kinds[kindOf(k.Op)]++
		regimes[regime(k.Op)]++
	}
	measured := want[0].Op
	c := newCover(want, []lut.Op{measured}, candidates)
	c.kindsFirst(func(int) (taken, more bool) { return true, true })
	for k := range kinds {
		if c.kinds[k] != 1 {
			t.Errorf("of kind %s %d kernels are chosen first, want one", k, c.kinds[k])
		}
	}
	taken := 0
	c.floor(func(int) (bool, bool) { taken++; return true, true })
	for k, n := range kinds {
		if c.kinds[k] < min(n, leastOfKind) {
			t.Errorf("of kind %s %d kernels are chosen of %d", k, c.kinds[k], n)
		}
	}
	for r, n := range regimes {
		if c.counts[r] < min(n, leastOfRegime) {
			t.Errorf("of regime %s %d kernels are chosen of %d", r, c.counts[r], n)
		}
	}
	if most := leastOfKind*len(kinds) + leastOfRegime*len(regimes); taken > most {
		t.Errorf("the floor takes %d kernels, want at most %d", taken, most)
	}
	if g := "conv/fp32 g k=3 s"; regimes[g] == 0 {
		t.Errorf("grouped convolutions are no regime of %v", regimes)
	}
}

func TestPlanRefuses(t *testing.T) {
	if _, err := Plan(Request{Census: &census.Census{}, Seconds: 60, Schedule: schedule}); err == nil || !strings.Contains(err.Error(), "no network") {
		t.Errorf("an empty census: %v", err)
	}
	few := &census.Census{Networks: builtIn(t).Networks[:5]}
	if _, err := Plan(Request{Census: few, Seconds: 0.01, Schedule: schedule}); err == nil || !strings.Contains(err.Error(), "too few") {
		t.Errorf("no time: %v", err)
	}
}

func TestLikeness(t *testing.T) {
	at := func(key string) place {
		op, err := lut.ParseOp(key)
		if err != nil {
			t.Fatal(err)
		}
		return placeOf(op)
	}
	a := at("conv[act=relu,k=3,s=1]/fp32@cin=64,cout=64,h=28,w=28")
	if l := likeness(a, a); l != 1 {
		t.Errorf("a kernel is like itself by %v", l)
	}
	near, far := at("conv[act=relu,k=3,s=1]/fp32@cin=64,cout=96,h=28,w=28"), at("conv[act=relu,k=3,s=1]/fp32@cin=8,cout=512,h=28,w=28")
	other := at("conv[k=3,s=1]/fp32@cin=64,cout=64,h=28,w=28")
	if n, f, o := likeness(a, near), likeness(a, far), likeness(a, other); !(n > 0.7 && n < 1) || f > unlike || o != otherAttr {
		t.Errorf("near %v, far %v, another activation %v", n, f, o)
	}
	if l := likeness(other, a); l != otherAttr {
		t.Errorf("likeness is not symmetric: %v", l)
	}
}
