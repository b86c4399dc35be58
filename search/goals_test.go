package search_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/explore"
	"github.com/isocost/isocost/search/space"
)

// landscape is a space at one of its costs of which every network's utility is known, so
// that every claim and every regret can be checked.
type landscape struct {
	name, metric string
	sp           space.Space
	cost         search.Cost
	utility      func(space.Arch) float64
	best         func(*explore.Band) float64 // the most of a band
	sigma        float64                     // of one sample
	today        float64                     // mean regret when searches began at their anchors, 0 where it was not published
	goal         float64                     // mean regret to reach, 0 for none
	tuned        bool                        // the explorer was chosen on it, from other anchors
	made         bool                        // up, its optimum as far as climbing finds it
}

// sharedData finds a file of public data above the working directory or skips.
func sharedData(t *testing.T, name string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if data, err := os.ReadFile(filepath.Join(dir, "shared", "data", name)); err == nil {
			return data
		}
		if filepath.Dir(dir) == dir {
			t.Skipf("no shared/data/%s above the working directory", name)
		}
		dir = filepath.Dir(dir)
	}
}

// openLandscape reads a table of rows, a published benchmark's: the noise is that of its
// repeats, pooled.
func openLandscape(t *testing.T, name, metric string, rows []byte) *landscape {
	t.Helper()
	sp, err := space.InferTabular(name, rows)
	if err != nil {
		t.Fatal(err)
	}
	mean := map[string]float64{}
	ss, nu := 0.0, 0
	for _, key := range sp.Rows() {
		a, err := space.ParseArch(key)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := sp.Row(a)
		m := stats.Mean(r.Utility)
		for _, u := range r.Utility {
			ss += (u - m) * (u - m)
		}
		nu += len(r.Utility) - 1
		mean[key] = m
	}
	return &landscape{name: name, metric: metric, sp: sp, cost: &search.RowCost{Space: sp, Metric: metric}, sigma: math.Sqrt(ss / float64(nu)),
		utility: func(a space.Arch) float64 { return mean[a.Key()] },
		best: func(b *explore.Band) float64 {
			best := math.Inf(-1)
			all, _ := b.All()
			for _, a := range all {
				best = max(best, mean[a.Key()])
			}
			return best
		}}
}

// landscapes are the ones the goals are about.
func landscapes(t *testing.T) []*landscape {
	t.Helper()
	var nets map[string]struct {
		Acc    []float64 `json:"test_acc"`
		Params float64   `json:"params"`
		FLOPs  float64   `json:"flops"`
	}
	if err := json.Unmarshal(sharedData(t, "nas-bench-macro/nas-bench-macro_cifar10.json"), &nets); err != nil {
		t.Fatal(err)
	}
	var macro strings.Builder
	var keys []string
	for key := range nets {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		n := nets[key]
		row, err := json.Marshal(space.Row{Arch: strings.Join(strings.Split(key, ""), "|"), Utility: n.Acc, Cost: map[string]float64{"params": n.Params, "flops": n.FLOPs}})
		if err != nil {
			t.Fatal(err)
		}
		macro.Write(append(row, '\n'))
	}
	out := []*landscape{
		openLandscape(t, "NAS-Bench-Macro", "params", []byte(macro.String())),
		openLandscape(t, "NAS-Bench-Macro", "flops", []byte(macro.String())),
	}
	out[0].today, out[0].goal, out[1].today, out[1].goal = 0.64, 0.25, 2.1, 0.5
	out[0].tuned, out[1].tuned = true, true
	for _, data := range []string{"cifar10", "cifar100"} {
		rows := sharedData(t, "nas-bench-201/nas-bench-201_"+data+".jsonl")
		for _, metric := range []string{"raspi4_ms", "1080ti_1_ms"} {
			l := openLandscape(t, "NAS-Bench-201 "+data, metric, rows)
			l.tuned = data == "cifar10"
			out = append(out, l)
		}
	}
	return append(out, openKnobs(t))
}

// noise is a sample's, by architecture and seed.
func (l *landscape) noise(key string, seed uint64) float64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return l.sigma * rand.New(rand.NewPCG(seed, h.Sum64())).NormFloat64()
}

func (l *landscape) ask(_ context.Context, reqs []search.Request) ([]search.Outcome, error) {
	out := make([]search.Outcome, len(reqs))
	for i, r := range reqs {
		out[i].Utility = l.utility(r.Arch) + l.noise(r.Key, r.Seed)
	}
	return out, nil
}

// problem is the search from an anchor at its own cost.
func (l *landscape) problem(t *testing.T, anchor space.Arch) (search.Problem, *explore.Band) {
	t.Helper()
	budget, err := l.cost.Cost(anchor)
	if err != nil {
		t.Fatal(err)
	}
	band, err := search.NewBand(l.metric, l.cost, budget, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	p := search.Problem{Space: l.sp, Bands: []search.Band{band}, Anchor: anchor}
	return p, &explore.Band{Space: l.sp, Start: anchor, Excess: search.NewCompensator(l.sp, p.Bands).Excess, Whole: explore.WholeBand}
}

// path is with which network a method would have ended, by expected utility, after so
// many evaluations.
type path []struct {
	Spent   int
	Utility float64
}

func (p *path) add(spent int, utility float64) {
	*p = append(*p, struct {
		Spent   int
		Utility float64
	}{spent, utility})
}

// at is the utility after so many evaluations.
func (p path) at(spent int) float64 {
	u := p[0].Utility
	for _, s := range p {
		if s.Spent <= spent {
			u = s.Utility
		}
	}
	return u
}

// alone returns what an explorer would end with on its way to n evaluations: it proves nothing.
func (l *landscape) alone(method explore.Method, n int, band *explore.Band, seed uint64) (went path) {
	plan, err := explore.Parse(fmt.Sprintf("%s:%d", method, n))
	if err != nil {
		panic(err)
	}
	e := explore.New(plan, band, &l.sigma, seed)
	next := []space.Arch{band.Start}
	for done := 0; done < n && len(next) > 0; {
		var told []explore.Evaluation
		for _, a := range next[:min(len(next), n-done)] {
			told = append(told, explore.Evaluation{Arch: a, Utility: l.utility(a) + l.noise(a.Key(), uint64(done+len(told))^seed<<20)})
		}
		e.Tell(told)
		done += len(told)
		went.add(done, l.utility(e.Ranked()[0].Arch))
		next = e.Propose(4)
	}
	return went
}

// outcome is one method's ways over the anchors, and what they took.
type outcome struct {
	Went            []path
	Regret, Samples []float64
	After           []float64 // samples after the exploration
	Claims, Wrong   int       // certificates, and those a neighbour refutes
	Vacuous         int       // claims about fewer than three neighbours
}

// defaultExploration is that of isosearch run.
const defaultExploration = "gp:auto"

// Methods of the study of the goals.
const (
	beginsAtAnchor = "certified from the anchor"
	byDefault      = "explored, then certified: the default"
	exchanges      = "the same with --neighbours exchange"
	withRandom     = "random networks of the band, as many"
	withEvolution  = "evolution in the band, as many"
	withProcess    = "gp in the band, as many, nothing proved"
)

// certifying is a method that ends with a claim.
type certifying struct {
	name       string
	explore    string
	neighbours search.Neighbours
}

// searches are the certifying ones, with the settings that tell them apart.
var searches = []certifying{
	{beginsAtAnchor, "none", ""},
	{"explored by gp:40, then certified", "gp:40", ""},
	{exchanges, defaultExploration, search.NeighboursExchange},
	{byDefault, defaultExploration, ""}, // last: the others below have as many evaluations
}

// methods are the certifying ones of this landscape, the default last.
func (l *landscape) methods() []certifying {
	if l.goal > 0 {
		return searches
	}
	return []certifying{searches[0], searches[len(searches)-1]}
}

// anchors are how many of n such a landscape has: a search takes ten times as long where
// hundreds of evaluations are needed, and again where costs are not on file.
func (l *landscape) anchors(n int) int {
	switch {
	case l.made:
		return (n + 9) / 10
	case l.goal == 0:
		return (n + 1) / 2
	}
	return n
}

// alone are the explorers that prove nothing.
var alone = []struct {
	name   string
	method explore.Method
}{{withRandom, explore.Random}, {withEvolution, explore.Evolution}, {withProcess, explore.GP}}

// epsilon is that of all searches of the study.
const epsilon = 0.5

// certify runs one search; how many evaluations it took is returned.
func (l *landscape) certify(t *testing.T, m certifying, p search.Problem, seed uint64, o *outcome) int {
	t.Helper()
	s := search.DefaultSettings()
	s.Epsilon, s.Sigma, s.Seed, s.Batch, s.Neighbours = epsilon, &l.sigma, seed, 4, m.neighbours
	plan, err := explore.Parse(m.explore)
	if err != nil {
		t.Fatal(err)
	}
	s.Explore = plan
	went := path{}
	went.add(0, l.utility(p.Anchor))
	res, err := search.Search(context.Background(), p, s, l.ask, func(e search.Event) {
		if e.To == "" || e.Kind != search.EventExplore && e.Kind != search.EventStart && e.Kind != search.EventMove {
			return
		}
		a, err := space.ParseArch(e.To)
		if err != nil {
			t.Fatal(err)
		}
		went.add(e.Samples, l.utility(a))
	})
	if err != nil {
		t.Fatal(err)
	}
	final := l.utility(res.Final.Arch)
	went.add(res.Samples, final)
	after := res.Samples
	if res.Explored != nil {
		after -= res.Explored.Evaluations
	}
	o.Went = append(o.Went, went)
	o.After = append(o.After, float64(after))
	o.Samples = append(o.Samples, float64(res.Samples))
	switch {
	case !res.Reached:
		return res.Samples
	case res.Vacuous():
		o.Vacuous++
	default:
		o.Claims++
	}
	if slices.ContainsFunc(res.Neighbours, func(x search.Neighbour) bool {
		a, err := space.ParseArch(x.Key)
		return err != nil || l.utility(a)-final > epsilon
	}) {
		o.Wrong++
	}
	return res.Samples
}

// study runs methods from n anchors; those that prove nothing have as many evaluations as
// the last of the certifying ones.
func (l *landscape) study(t *testing.T, n int, searches []certifying, unproved bool) map[string]*outcome {
	t.Helper()
	out := map[string]*outcome{}
	for _, m := range searches {
		out[m.name] = &outcome{}
	}
	for i, anchor := range space.Sample(l.sp, n, 11) {
		p, band := l.problem(t, anchor)
		seed := uint64(i + 1)
		total := 0
		for _, m := range searches {
			total = l.certify(t, m, p, seed, out[m.name])
		}
		for _, m := range alone {
			if !unproved {
				break
			}
			if out[m.name] == nil {
				out[m.name] = &outcome{}
			}
			o := out[m.name]
			o.Went, o.Samples = append(o.Went, l.alone(m.method, total, band, seed)), append(o.Samples, float64(total))
		}
		best := math.Inf(-1)
		if unproved { // the short form compares finals alone
			best = l.best(band)
		}
		for _, o := range out { // where the best is only searched for, somebody else may have found more
			best = max(best, o.Went[i].at(math.MaxInt))
		}
		for _, o := range out {
			o.Regret = append(o.Regret, best-o.Went[i].at(math.MaxInt))
			for k := range o.Went[i] {
				o.Went[i][k].Utility -= best
			}
		}
	}
	return out
}

// piece is a landscape's study as the folder ISOCOST_GOALS_PIECES keeps it: a study that was
// stopped goes on, and one by other code or of other settings begins anew.
type piece struct {
	Key      string // what the outcomes depend on
	Outcomes map[string]*outcome
}

// keyOf is of this program and of everything else that outcomes depend on.
func keyOf(t *testing.T, n int) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	for _, path := range []string{program, os.Getenv("ISOCOST_KNOBS_LUT")} {
		if path == "" {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(data)
	}
	return fmt.Sprintf("%d anchors, %x", n, sum.Sum(nil))
}

// kept is the study of a landscape, from the folder where that has it.
func (l *landscape) kept(t *testing.T, n int, key string) map[string]*outcome {
	t.Helper()
	dir := os.Getenv("ISOCOST_GOALS_PIECES")
	if dir == "" {
		return l.study(t, l.anchors(n), l.methods(), true)
	}
	path := filepath.Join(dir, l.name+", "+l.metric+".json")
	var p piece
	if data, err := os.ReadFile(path); err == nil && json.Unmarshal(data, &p) == nil && p.Key == key {
		return p.Outcomes
	}
	p = piece{key, l.study(t, l.anchors(n), l.methods(), true)}
	data, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p.Outcomes
}

// regretAfter is the mean regret after so many evaluations.
func (o *outcome) regretAfter(spent int) float64 {
	sum := 0.0
	for _, w := range o.Went {
		sum -= w.at(spent)
	}
	return sum / float64(len(o.Went))
}

// against is the mean of paired differences a − b with the half-width of its 95 %
// interval by Student's t.
func against(a, b []float64) (mean, half float64) {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return stats.Mean(d), stats.StudentQuantile(0.95, len(d)-1) * stats.StdDev(d) / math.Sqrt(float64(len(d)))
}

// holds looks for what must never fail: false claims beyond δ, and exploring that leaves
// a search worse off.
func holds(t *testing.T, l *landscape, got map[string]*outcome, searches []certifying) {
	t.Helper()
	for _, m := range searches {
		o := got[m.name]
		if n := float64(len(o.Regret)); float64(o.Wrong) > 0.05*n+3*math.Sqrt(0.05*0.95*n) {
			t.Errorf("%s, %s, %s: %d of %d claims are false", l.name, l.metric, m.name, o.Wrong, o.Claims+o.Vacuous)
		}
	}
	if mine, from := stats.Mean(got[byDefault].Regret), stats.Mean(got[beginsAtAnchor].Regret); mine > from {
		t.Errorf("%s, %s: exploring first has a regret of %.3f, beginning at the anchor %.3f", l.name, l.metric, mine, from)
	}
}

// TestExploringLeavesNoSearchWorse is the short form of the study of the goals.
func TestExploringLeavesNoSearchWorse(t *testing.T) {
	tier.Sequential(t, "searches of seven landscapes")
	short := []certifying{searches[0], searches[len(searches)-1]}
	for _, l := range landscapes(t) {
		t.Run(l.name+", "+l.metric, func(t *testing.T) {
			t.Parallel()
			n := 2
			if _, onFile := l.sp.(*space.Tabular); !onFile {
				n = 1 // its networks have to be drawn and priced
			}
			holds(t, l, l.study(t, n, short, false), short)
		})
	}
}

// TestSearchMeetsItsGoals holds the default search against the goals on landscapes whose
// optimum is known, over forty anchors each, and writes the page
// docs/results/search-goals.md: make search-study.
func TestSearchMeetsItsGoals(t *testing.T) {
	path, n := os.Getenv("ISOCOST_GOALS"), 40
	if path == "" {
		t.Skip("a study of seven landscapes: make search-study")
	}
	if v, err := strconv.Atoi(os.Getenv("ISOCOST_GOALS_ANCHORS")); err == nil {
		n = v
	}
	text := fmt.Sprintf(`# Explore, then certify

Final networks against the best of their cost, in utility points (regret), on landscapes of which every network's utility is known:
up to %d random anchors each, τ = 5 %%, ε = %g, δ = 0.05, σ declared, Gaussian noise. NAS-Bench has the published means and the spread of its repeats.
“As many” is as many evaluations as the default took from that anchor, exploration by %s and certificate together. Differences are paired by
anchor, with 95 %% intervals (Student's t). A claim about fewer than three neighbours is vacuous.

The explorer and its length were chosen on NAS-Bench-Macro, NAS-Bench-201 CIFAR-10 and mobile-cnn, from other anchors than these; the others had no part
in it and are judged apart. Where utilities are made up the best is what climbing without noise finds, or a method here.

`, n, epsilon, defaultExploration)
	all := append(landscapes(t), openKinds(t)...)
	key := keyOf(t, n)
	studied := make([]map[string]*outcome, len(all))
	t.Run("landscapes", func(t *testing.T) {
		for i, l := range all {
			t.Run(l.name+", "+l.metric, func(t *testing.T) {
				t.Parallel()
				studied[i] = l.kept(t, n, key)
			})
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	parts := ""
	var halves [2]half
	for i, l := range all {
		part, missed, goals := l.page(studied[i])
		parts += part
		h := &halves[0]
		if l.tuned {
			h = &halves[1]
		}
		h.add(l, studied[i], goals-missed, goals)
		holds(t, l, studied[i], l.methods())
	}
	text += halves[0].table("Not tuned on") + halves[1].table("Tuned on, from other anchors") + parts
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// half is the landscapes on which the explorer was chosen, or the others.
type half struct {
	rows           string
	reached, goals int
	claims, wrong  int
}

func (h *half) add(l *landscape, got map[string]*outcome, reached, goals int) {
	o := got[byDefault]
	h.reached, h.goals = h.reached+reached, h.goals+goals
	h.claims, h.wrong = h.claims+o.Claims, h.wrong+o.Wrong
	h.rows += fmt.Sprintf("| %s, %s | %.3f |", l.name, l.metric, stats.Mean(o.Regret))
	for _, m := range alone {
		h.rows += fmt.Sprintf(" %.3f |", stats.Mean(got[m.name].Regret))
	}
	h.rows += fmt.Sprintf(" %.0f | %.0f | %d of %d |\n", stats.Mean(o.Samples)-stats.Mean(o.After), stats.Mean(o.After), reached, goals)
}

func (h *half) table(title string) string {
	return fmt.Sprintf("## %s: %d of %d goals reached, %d of %d claims false\n\n"+
		"| landscape | regret, explored and certified | random | evolution | gp alone | evaluations exploring | certifying | goals |\n|---|---|---|---|---|---|---|---|\n%s\n",
		title, h.reached, h.goals, h.wrong, h.claims, h.rows)
}

// page returns what a landscape's study says, the number of its goals and of those missed.
func (l *landscape) page(got map[string]*outcome) (text string, missed, goals int) {
	role := "not tuned on"
	if l.tuned {
		role = "tuned on, from other anchors"
	}
	base := got[byDefault]
	text = fmt.Sprintf("## %s, %s (σ = %.2f; %d anchors; %s)\n\n| method | regret | less the default's | evaluations | certified | false | vacuous |\n|---|---|---|---|---|---|---|\n", l.name, l.metric, l.sigma, len(base.Regret), role)
	names := []string{}
	row := func(name string, claims string) {
		o := got[name]
		names = append(names, name)
		diff := ""
		if o != base {
			mean, half := against(o.Regret, base.Regret)
			diff = fmt.Sprintf("%+.2f ± %.2f", mean, half)
		}
		text += fmt.Sprintf("| %s | %.3f | %s | %.0f | %s |\n", name, stats.Mean(o.Regret), diff, stats.Mean(o.Samples), claims)
	}
	for _, m := range l.methods() {
		o := got[m.name]
		row(m.name, fmt.Sprintf("%d of %d | %d | %d", o.Claims, len(o.Regret), o.Wrong, o.Vacuous))
	}
	for _, m := range alone {
		row(m.name, "– | – | –")
	}
	mine := stats.Mean(base.Regret)
	goal := func(what string, is, atMost float64) {
		verdict := "reached"
		goals++
		if !(is <= atMost) {
			verdict = "MISSED"
			missed++
		}
		text += fmt.Sprintf("- %s: %.3f, goal at most %.3f: %s\n", what, is, atMost, verdict)
	}
	text += "\n"
	goal("regret against half of random's", mine, stats.Mean(got[withRandom].Regret)/2)
	goal("regret against half of evolution's", mine, stats.Mean(got[withEvolution].Regret)/2)
	goal("regret against 1.3 times the process's alone", mine, 1.3*stats.Mean(got[withProcess].Regret))
	if l.goal > 0 {
		goal(fmt.Sprintf("regret (%.2f when searches began at their anchors)", l.today), mine, l.goal)
	}
	if got[beginsAtAnchor].Claims > 0 { // else there is no certificate to compare with
		goal("evaluations after the exploration against 1.3 times those from the anchor", stats.Mean(base.After), 1.3*stats.Mean(got[beginsAtAnchor].Samples))
	}
	if missed > 0 {
		at := []int{10, 20, 40, 80, 160, 320}
		text += "\nRegret after so many evaluations:\n\n| method"
		for _, k := range at {
			text += fmt.Sprintf(" | %d", k)
		}
		text += " |\n|---" + strings.Repeat("|---", len(at)) + "|\n"
		for _, name := range names {
			text += "| " + name
			for _, k := range at {
				text += fmt.Sprintf(" | %.2f", got[name].regretAfter(k))
			}
			text += " |\n"
		}
	}
	return text + "\n", missed, goals
}
