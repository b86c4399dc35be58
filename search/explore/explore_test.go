package explore_test

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/search/explore"
	"github.com/isocost/isocost/search/space"
)

// mobile is a measured space with widths and precisions, with a made-up cost that
// grows with width and precision, and a utility.
type mobile struct{ *space.Measured }

func openMobile(t testing.TB) mobile {
	t.Helper()
	path := filepath.Join("..", "..", "examples", "mobile-cnn", "space.yaml")
	sp, err := space.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return mobile{sp.(*space.Measured)}
}

func (m mobile) layer(a space.Arch, l int, purpose uint64) float64 {
	h := purpose*1000003 + uint64(l)*7919
	for _, c := range a.Layers[l].Choice {
		h = h*131 + uint64(c)
	}
	return rand.New(rand.NewPCG(h, purpose)).Float64()
}

func (m mobile) cost(a space.Arch) float64 {
	sum := 1.0
	for l, x := range a.Layers {
		c := (0.5 + m.layer(a, l, 1)) * m.WidthRatio(l, x.Width)
		if x.Precision == "int8" {
			c *= 0.6
		}
		sum += c
	}
	return sum
}

func (m mobile) utility(a space.Arch) float64 {
	u := 0.0
	for l, x := range a.Layers {
		u += m.layer(a, l, 2) + 0.5*math.Log(m.WidthRatio(l, x.Width))
		if x.Precision == "int8" {
			u -= 0.1
		}
	}
	return u
}

func (m mobile) band() *explore.Band {
	x := m.Default()
	budget := m.cost(x)
	return &explore.Band{Space: m, Start: x, Excess: func(a space.Arch) float64 {
		return max(0, math.Abs(math.Log(m.cost(a)/budget))-math.Log(1.05))
	}}
}

// explored is the utility of the best-ranked architecture after a plan's evaluations,
// and all that was proposed.
func (m mobile) explored(p explore.Plan, sigma float64, seed uint64, batch int) (best float64, proposed []string) {
	e := explore.New(&p, m.band(), &sigma, seed)
	rng := rand.New(rand.NewPCG(seed, 5))
	e.Tell([]explore.Evaluation{{Arch: m.Default(), Utility: m.utility(m.Default()) + sigma*rng.NormFloat64()}})
	for n := 1; n < p.Evaluations; {
		as := e.Propose(min(batch, p.Evaluations-n))
		var es []explore.Evaluation
		for _, a := range as {
			proposed = append(proposed, a.Key())
			es = append(es, explore.Evaluation{Arch: a, Utility: m.utility(a) + sigma*rng.NormFloat64(), Failed: len(proposed)%17 == 16})
		}
		e.Tell(es)
		n += len(as)
	}
	return m.utility(e.Ranked()[0].Arch), proposed
}

// Proposals are in the band, are architectures of the space, repeat with the seed,
// and are found in a space of more networks than can be listed.
func TestProposalsLieInTheBand(t *testing.T) {
	m := openMobile(t)
	band := m.band()
	for _, method := range []explore.Method{explore.Random, explore.Evolution, explore.GP} {
		p := explore.Plan{Method: method, Evaluations: 40}
		_, first := m.explored(p, 0.1, 3, 4)
		_, again := m.explored(p, 0.1, 3, 4)
		if strings.Join(first, " ") != strings.Join(again, " ") {
			t.Errorf("%s: the same seed and outcomes give other proposals", method)
		}
		if len(first) != 39 {
			t.Errorf("%s: %d proposals, want 39", method, len(first))
		}
		distinct := map[string]bool{}
		for _, key := range first {
			a, err := space.ParseArch(key)
			if err == nil {
				err = m.Validate(a)
			}
			if err != nil || !band.Inside(a) {
				t.Errorf("%s proposes %s: in the band %t, %v", method, key, band.Inside(a), err)
			}
			distinct[key] = true
		}
		if method != explore.Evolution && len(distinct) < len(first)-1 {
			t.Errorf("%s: only %d of %d proposals are distinct", method, len(distinct), len(first))
		}
	}
}

// A Gaussian process finds better networks than random draws and evolution with as
// many evaluations: in the mean over seeds at least a fifth of the way that is left.
func TestGaussianProcessFindsMore(t *testing.T) {
	m := openMobile(t)
	const seeds = 6
	mean := map[explore.Method]float64{}
	for _, method := range []explore.Method{explore.Random, explore.Evolution, explore.GP} {
		for seed := range uint64(seeds) {
			u, _ := m.explored(explore.Plan{Method: method, Evaluations: 40}, 0.1, seed, 4)
			mean[method] += u / seeds
		}
	}
	t.Logf("utility after 40 evaluations: %+v, the start's %.3f", mean, m.utility(m.Default()))
	if gain := mean[explore.GP] - mean[explore.Random]; gain < 0.2 {
		t.Errorf("the process is %.3f better than random draws", gain)
	}
	if mean[explore.GP] < mean[explore.Evolution] {
		t.Errorf("the process finds %.3f, evolution %.3f", mean[explore.GP], mean[explore.Evolution])
	}
}

// Where the whole band has been evaluated the best is evaluated again; a band of one
// network ends.
func TestSmallBands(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "t.jsonl")
	text := `{"arch":"a|a","utility":[1,1.1],"cost":{"us":10}}
{"arch":"a|b","utility":[2,2.1],"cost":{"us":10.1}}
{"arch":"b|a","utility":[3,3.1],"cost":{"us":20}}
{"arch":"b|b","utility":[4,4.1],"cost":{"us":30}}
`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	sp, err := space.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	tab := sp.(*space.Tabular)
	for _, method := range []explore.Method{explore.Random, explore.Evolution, explore.GP} {
		band := &explore.Band{Space: tab, Start: tab.Default(), Excess: func(a space.Arch) float64 {
			c, err := tab.Cost(a, "us")
			if err != nil {
				return math.Inf(1)
			}
			return max(0, math.Abs(math.Log(c/10))-math.Log(1.05))
		}}
		sigma := 0.1
		e := explore.New(&explore.Plan{Method: method, Evaluations: 20}, band, &sigma, 1)
		told := 0
		for range 10 {
			for _, a := range e.Propose(2) {
				told++
				e.Tell([]explore.Evaluation{{Arch: a, Utility: float64(len(a.Key())) + float64(strings.Count(a.Key(), "b")) + 0.01*float64(told%3)}})
			}
		}
		if told < 15 {
			t.Errorf("%s: %d evaluations in a band of two networks", method, told)
		}
		if got := e.Ranked()[0].Arch.Key(); got != "a|b" {
			t.Errorf("%s ranks %s first", method, got)
		}
	}
}

// TestProposalsEndWhenStopped: an explorer that is no longer wanted looks at no more networks
// than a try of each walk.
func TestProposalsEndWhenStopped(t *testing.T) {
	m, sigma := openMobile(t), 0.1
	for _, method := range []explore.Method{explore.Random, explore.Evolution, explore.GP} {
		band, stopped, asked := m.band(), false, 0
		excess := band.Excess
		band.Excess = func(a space.Arch) float64 { asked++; return excess(a) }
		band.Stopped = func() bool { return stopped }
		e := explore.New(&explore.Plan{Method: method, Evaluations: 100}, band, &sigma, 1)
		for range 12 {
			for _, a := range e.Propose(4) {
				e.Tell([]explore.Evaluation{{Arch: a, Utility: m.utility(a)}})
			}
		}
		before := asked
		e.Propose(4)
		wanted := asked - before
		stopped, before = true, asked
		if e.Propose(4); asked-before > wanted/2 || asked-before > 200 {
			t.Errorf("%s: %d networks were looked at, %d when nothing was stopped", method, asked-before, wanted)
		}
	}
}

func TestExplorersAreParsed(t *testing.T) {
	for _, text := range []string{"gp:30", "random:1", "evolution:200", "none", "gp:auto"} {
		p, err := explore.Parse(text)
		if err != nil || p.String() != text {
			t.Errorf("%s reads as %s, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "gp", "gp:", "gp:0", "gp:-1", "gp:1e9", "tpe:30", "gp:30:1", "none:3"} {
		if p, err := explore.Parse(text); err == nil {
			t.Errorf("%q passes as %s", text, p)
		}
	}
}

// An exploration of no given length depends on the certificate's: 24 neighbours at σ = ε/2 take
// about 104 evaluations. Rules of older plans stay.
func TestWorth(t *testing.T) {
	for _, c := range []struct {
		sigma      float64
		neighbours int
		rules      int
		want       int
	}{
		{0.25, 24, 2, 208}, {0.25, 24, 1, 104}, {0.25, 24, 0, 104},
		{0.1, 4, 2, 40}, {1, 50, 2, 320}, {1, 50, 1, 160}, {math.NaN(), 24, 2, 160}, {math.NaN(), 24, 1, 160},
	} {
		p, err := explore.Parse("gp:auto")
		if err != nil {
			t.Fatal(err)
		}
		if p.Rules = c.rules; c.rules < 2 {
			p.Evaluations = 160
		}
		if got := p.Worth(c.sigma, 0.5, 0.05, c.neighbours); got != c.want {
			t.Errorf("%+v: %d evaluations", c, got)
		}
	}
}
