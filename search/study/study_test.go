package study

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/baseline"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/space"
)

func open(ctx context.Context, spec string, sp space.Space, seed uint64) (search.Evaluator, error) {
	return evaluator.Open(ctx, spec, evaluator.Options{Space: sp, Seed: seed, Workers: 1})
}

// example is the shipped study, smaller.
func example(t testing.TB) Config {
	t.Helper()
	c, err := OpenConfig("../../examples/study/study.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.RandomAnchors, c.Budget = 1, 600
	return *c
}

func runIn(t *testing.T, dir string, c Config) (*Results, []byte) {
	t.Helper()
	s := Study{Config: c, Dir: dir, Open: open}
	res, err := s.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	return res, text
}

func TestStudyRepeatsToTheByte(t *testing.T) {
	if testing.Short() {
		t.Skip("whole studies: make test")
	}
	c := example(t)
	c.Methods = append(c.Methods, baseline.Halving, baseline.Restarts, Explored+":random:20")
	dir := t.TempDir()
	res, text := runIn(t, dir, c)
	if want := len(c.Methods) * 2 * 3 * 2; len(res.Units) != want {
		t.Fatalf("%d units, want %d", len(res.Units), want)
	}
	for _, u := range res.Units {
		if u.Samples > c.Budget {
			t.Errorf("%s: %d evaluations of %d", u.Method, u.Samples, c.Budget)
		}
		if math.Abs(u.Cost/u.AnchorCost-1-u.Deviation) > 1e-9 {
			t.Errorf("%s: cost %g of %g is not %+g", u.Method, u.Cost, u.AnchorCost, u.Deviation)
		}
		if u.Inside != (math.Abs(math.Log1p(u.Deviation)) <= math.Log1p(c.Tau)+1e-9) {
			t.Errorf("%s: inside %v at %+g", u.Method, u.Inside, u.Deviation)
		}
		if (u.Method == Isocost || u.Method == "random" || u.Method == "evolution") && !u.Inside {
			t.Errorf("%s left the band", u.Method)
		}
		if u.Utility == nil || u.Utility.N != c.Fresh || len(u.Transfer) != 1 || u.Transfer[0].Table == u.Table {
			t.Errorf("%s: utility %+v, transfer %+v", u.Method, u.Utility, u.Transfer)
		}
	}
	curved(t, res, c.Budget)
	for _, m := range res.Methods {
		if m.Units != 6 || m.Gain == nil {
			t.Fatalf("%+v", m)
		}
		if m.Method == Isocost && (m.Certified+m.Vacuous != 6 || *m.Gain <= 0 || m.Outside != 0) {
			t.Errorf("the certifying search: %+v", m)
		}
		if m.Method == "params" && m.Outside == 0 {
			t.Errorf("equal parameters were equal cost everywhere: %+v", m)
		}
	}
	if res.Fidelity == nil || res.Fidelity.Spearman < 0.9 || res.Fidelity.Pairs == 0 {
		t.Errorf("fidelity: %+v", res.Fidelity)
	}
	for _, f := range res.Fronts {
		if !(f.Hypervolume > 0 && f.Hypervolume <= 1) || f.Dominated < 0 || f.Dominated > 1 {
			t.Errorf("front: %+v", f)
		}
	}
	// Nothing is run again, and the folder does not matter.
	s := Study{Config: c, Dir: dir, Open: open, Progress: func(p Progress) {
		if p.Kept != p.Done {
			t.Fatalf("a finished unit was run again: %+v", p)
		}
	}}
	if _, err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(dir, ResultsFile))
	if err != nil || !bytes.Equal(again, text) {
		t.Error("the second run wrote other results")
	}
	if _, other := runIn(t, t.TempDir(), c); !bytes.Equal(other, text) {
		t.Error("the same study elsewhere has other results")
	}
	md, err := os.ReadFile(filepath.Join(dir, TablesFile))
	if err != nil || strings.Count(string(md), "| isocost ") != 10 {
		t.Errorf("results.md: %v\n%s", err, md)
	}

	if _, err := DecodeResults("r.json", text); err != nil {
		t.Errorf("own results: %v", err)
	}
	for _, change := range [][2]string{{`"outside": 0`, `"outside": 1`}, {`"method": "random"`, `"method": "rundom"`}, {`"budget": 600`, `"budgets": 600`}, {"study/v4", "study/v3"}} {
		bad := bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if _, err := DecodeResults("r.json", bad); err == nil || bytes.Equal(bad, text) {
			t.Errorf("%s was not noticed", change[1])
		}
	}
	// Another budget is another study; more seeds are not.
	s.Config.Budget, s.Progress = 601, nil
	if _, err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "other inputs or settings") {
		t.Errorf("another budget: %v", err)
	}
	s.Config.Budget, s.Config.Seeds = 600, []uint64{1, 2, 5}
	if res, err := s.Run(context.Background()); err != nil || len(res.Units) != len(c.Methods)*3*3*2 {
		t.Errorf("another seed: %v", err)
	}
}

// curved holds regrets and curves against the finals they belong to.
func curved(t *testing.T, res *Results, budget int) {
	t.Helper()
	least := map[string]float64{}
	for _, u := range res.Units {
		if u.Inside != (u.Regret != nil) || u.Regret != nil && *u.Regret < 0 {
			t.Errorf("%s: inside %t, regret %v", u.Method, u.Inside, u.Regret)
		}
		for i, p := range u.Curve {
			if i > 0 && p.Samples <= u.Curve[i-1].Samples {
				t.Errorf("%s: %d evaluations after %d", u.Method, p.Samples, u.Curve[i-1].Samples)
			}
		}
		last := u.Curve[len(u.Curve)-1]
		if last.Samples != budget || last.Arch != u.Final || *last.Utility != *u.Utility {
			t.Errorf("%s ends with %s, its curve with %s after %d", u.Method, u.Final, last.Arch, last.Samples)
		}
		if first := u.Curve[0]; first.Samples != 10 || u.Method == Isocost && u.Moves > 0 && first.Arch == u.Final && u.Samples > 200 {
			t.Errorf("%s has %s after %d evaluations already", u.Method, first.Arch, first.Samples)
		}
		if u.Regret != nil {
			if at := u.Table + u.Anchor; least[at] == 0 || *u.Regret+1 < least[at] {
				least[at] = *u.Regret + 1
			}
		}
	}
	for at, v := range least {
		if v > 1.5 {
			t.Errorf("%s: nothing comes nearer than %.2f to the best of its cost", at, v-1)
		}
	}
	want := map[string]int{}
	for _, c := range res.Curves {
		if want[c.Method]++; c.Units != 6 || c.Gain == nil || (c.Lo == nil) != (c.Method == Isocost) {
			t.Errorf("curve: %+v", c)
		}
	}
	if n := len(checkpoints(budget)); want[Isocost] != 2*n || want["penalty"] != 2*n {
		t.Errorf("points of curves: %v, want %d each", want, 2*n)
	}
}

// counted is an evaluator that is not a table, so that its answers are kept.
type counted struct {
	search.Evaluator
	asked *atomic.Int64
	stop  func(n int64)
}

func (c counted) Evaluate(ctx context.Context, q search.Request) (search.Answer, error) {
	n := c.asked.Add(1)
	if c.stop != nil {
		c.stop(n)
	}
	if err := ctx.Err(); err != nil {
		return search.Answer{}, err
	}
	return c.Evaluator.Evaluate(ctx, q)
}

// countedStudy replays the example's table as if it were an expensive program.
func countedStudy(c Config, dir string, stop func(int64)) (*Study, *atomic.Int64) {
	asked := &atomic.Int64{}
	spec := c.Evaluator
	c.Evaluator = "counted"
	c.Methods, c.Anchors, c.Final = []string{Isocost, "penalty", "evolution"}, c.Anchors[:1], ""
	return &Study{Config: c, Dir: dir, Workers: 4, Open: func(ctx context.Context, _ string, sp space.Space, _ uint64) (search.Evaluator, error) {
		e, err := open(ctx, spec, sp, 0)
		return counted{e, asked, stop}, err
	}}, asked
}

func TestInterruptedStudyGoesOnWithoutRepeating(t *testing.T) {
	if testing.Short() {
		t.Skip("whole studies: make test")
	}
	c := example(t)
	whole, total := countedStudy(c, t.TempDir(), nil)
	if _, err := whole.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(whole.Dir, ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	dir, rng, sum, cuts := t.TempDir(), rand.New(rand.NewPCG(1, 1)), int64(0), 0
	for {
		ctx, cancel := context.WithCancel(context.Background())
		at := 1 + rng.Int64N(600)
		s, n := countedStudy(c, dir, func(k int64) {
			if k == at {
				cancel()
			}
		})
		_, err := s.Run(ctx)
		cancel()
		sum += n.Load()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("interrupted, it fails by %q", err)
		}
		cuts++
	}
	got, err := os.ReadFile(filepath.Join(dir, ResultsFile))
	if err != nil || !bytes.Equal(got, want) {
		t.Error("an interrupted study ends with other results")
	}
	// An interruption loses what was being evaluated: at most the workers.
	if lost := sum - total.Load(); cuts < 3 || lost > int64(cuts)*4 {
		t.Errorf("%d interruptions, %d evaluations more than the %d of an undisturbed study", cuts, lost, total.Load())
	}
	t.Logf("%d interruptions, %d + %d evaluations", cuts, total.Load(), sum-total.Load())
}

// TestKilledStudy kills a study with SIGKILL at random moments, of which five at least
// fall between its first and its last evaluation.
func TestKilledStudy(t *testing.T) {
	if testing.Short() {
		t.Skip("whole studies: make test")
	}
	if dir := os.Getenv("STUDY_TO_KILL"); dir != "" {
		s, _ := countedStudy(example(t), dir, func(int64) { time.Sleep(20 * time.Microsecond) })
		if _, err := s.Run(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	whole, _ := countedStudy(example(t), t.TempDir(), nil)
	if _, err := whole.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(whole.Dir, ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(2, 2))
	// A busy machine may need longer than this to get anywhere at all, and gets more
	// time; a fast one may be done before it is killed, and starts over.
	killed, between, span := 0, 0, 200*time.Millisecond
	for studies := 0; between < 5; studies++ {
		if studies == 100 {
			t.Fatalf("only %d kills fell between evaluations: this shows nothing", between)
		}
		dir, size := t.TempDir(), int64(0)
		for done := false; !done; {
			cmd := exec.Command(os.Args[0], "-test.run=TestKilledStudy$")
			cmd.Env = append(os.Environ(), "STUDY_TO_KILL="+dir)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if between < 8 {
				time.AfterFunc(time.Duration(rng.Int64N(int64(span))), func() { cmd.Process.Kill() })
			}
			if err := cmd.Wait(); err == nil {
				done = true
				continue
			} else if cmd.ProcessState.Exited() {
				t.Fatalf("%v: %s", err, stderr.String())
			}
			if killed++; killed > 1000 {
				t.Fatal("the study does not get on")
			}
			if info, err := os.Stat(filepath.Join(dir, EvaluationsFile)); err == nil && info.Size() > size {
				size = info.Size()
				between++
			} else {
				span += span / 10
			}
		}
		got, err := os.ReadFile(filepath.Join(dir, ResultsFile))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("killed %d times, it ends with other results (%v)", killed, err)
		}
	}
	t.Logf("killed %d times, %d of them between evaluations", killed, between)
}

func TestBadLedgerAndUnits(t *testing.T) {
	c := example(t)
	dir := t.TempDir()
	s, _ := countedStudy(c, dir, nil)
	if _, err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, EvaluationsFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.IndexByte(text, '\n') + 1
	for name, bad := range map[string]string{
		"unknown field": `{"arch":"a","seed":1,"utility":1,"x":2}`,
		"no value":      `{"arch":"a","seed":1}`,
		"two values":    `{"arch":"a","seed":1,"utility":1,"failed":"x"}`,
		"not JSON":      `{"arch":`,
	} {
		if err := os.WriteFile(path, []byte(string(text[:second])+bad+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), EvaluationsFile+":2:") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A torn last line is what a crash leaves: it is cut off.
	if err := os.WriteFile(path, append(text, `{"arch":"k3|k`...), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(context.Background()); err != nil {
		t.Errorf("torn line: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text) {
		t.Errorf("the torn line is still there: %v", err)
	}
	units, err := os.ReadDir(filepath.Join(dir, UnitsDir))
	if err != nil || len(units) == 0 {
		t.Fatal(err)
	}
	unit := filepath.Join(dir, UnitsDir, units[0].Name())
	if err := os.WriteFile(unit, []byte("{}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), units[0].Name()) {
		t.Errorf("a broken unit: %v", err)
	}
}

// Networks: parameters and FLOPs are counted, widths compensate, the control and
// the transfer have something to do.
func TestStudyOfNetworks(t *testing.T) {
	sp, err := space.OpenMeasured("../../examples/tiny-cnn/space.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{sp: sp}
	for _, m := range []string{"params", "flops"} {
		cost, err := r.proxy(m)
		if err != nil {
			t.Fatal(err)
		}
		x := sp.Default()
		a, err := cost.Cost(x)
		if err != nil {
			t.Fatal(err)
		}
		x.Layers[0].Width++
		if b, err := cost.Cost(x); err != nil || b.Value <= a.Value {
			t.Errorf("%s: a wider layer has %g, not more than %g (%v)", m, b.Value, a.Value, err)
		}
	}
}
