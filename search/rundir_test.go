package search_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/explore"
	"github.com/isocost/isocost/search/searchtest"
	"github.com/isocost/isocost/search/space"
)

// finalTable has the same networks' final utilities, beside the table.
const finalTable = "final.jsonl"

// writeTable writes a table of made-up networks.
func writeTable(t testing.TB, dir string) string {
	t.Helper()
	rows := searchtest.Rows()
	path := filepath.Join(dir, "t.jsonl")
	searchtest.WriteRows(t, path, rows)
	// What is final agrees with the proxy but for a part that depends on the key.
	for i, r := range rows {
		h := fnv.New32a()
		h.Write([]byte(r.Arch))
		rows[i].Utility = []float64{r.Utility[0] + float64(h.Sum32()%1000)/500}
	}
	searchtest.WriteRows(t, filepath.Join(dir, finalTable), rows)
	return path
}

// slow makes an evaluator take its time.
type slow struct {
	search.Evaluator
	d time.Duration
}

func (s slow) Evaluate(ctx context.Context, r search.Request) (search.Answer, error) {
	time.Sleep(s.d)
	return s.Evaluator.Evaluate(ctx, r)
}

// job is one search, as a command line would ask for it.
type job struct {
	Table, Out, Noise string
	Workers, Batch    int
	Budget            int
	Delay             time.Duration
	Measured          bool            // a device is asked before every move
	Selector          search.Selector // "" for the default
	Fidelities        string
	Final             bool // final utilities are asked for
	Explore           string
	Start             string
	Known             string // run directory whose evaluations are taken over
	asked             *int   // counts the device's campaigns
}

// device measures what the table says but for an error of up to 4 % that depends
// on the architecture, and a scale that moves from campaign to campaign.
type device struct {
	p     search.Problem
	delay time.Duration
	asked *int
}

func (d *device) Measure(_ context.Context, archs []space.Arch) ([]search.Measurement, error) {
	time.Sleep(d.delay)
	if d.asked != nil {
		*d.asked++
	}
	out := make([]search.Measurement, len(archs))
	h := fnv.New32a()
	for _, a := range archs {
		h.Write([]byte(a.Key()))
	}
	scale := 1 + float64(h.Sum32()%100)/1000
	for i, a := range archs {
		c, err := d.p.Bands[0].Cost.Cost(a)
		if err != nil {
			return nil, err
		}
		h := fnv.New32a()
		h.Write([]byte(a.Key()))
		v := c.Value * scale * (1 + 0.08*(float64(h.Sum32()%1000)/1000-0.5))
		out[i] = search.Measurement{Metric: "latency", Unit: "us", Value: v, Lo: v * 0.99, Hi: v * 1.01, N: 9, Validity: []string{"ok"}, Device: "fake"}
	}
	return out, nil
}

func (j job) run(ctx context.Context) (*search.Certificate, error) {
	s := search.DefaultSettings()
	s.Epsilon, s.Seed, s.Fresh, s.Batch = 0.5, 3, 8, max(j.Batch, 1)
	if j.Selector != "" {
		s.Selector, s.SigmaArchs, s.SigmaRepeats = j.Selector, 8, 3
	}
	if j.Fidelities != "" {
		var err error
		if s.Fidelities, err = evidence.ParseFidelities(j.Fidelities); err != nil {
			return nil, err
		}
	}
	if j.Explore != "" {
		var err error
		if s.Explore, err = explore.Parse(j.Explore); err != nil {
			return nil, err
		}
	}
	if err := s.Complete(); err != nil {
		return nil, err
	}
	in, err := search.OpenInputs(search.Inputs{Space: j.Table, Tables: []string{"space:us"}, Anchor: "b|b|b|b|b", Start: j.Start, Measured: []bool{j.Measured}}, s)
	if err != nil {
		return nil, err
	}
	e, err := evaluator.OpenTable(j.Table+j.Noise, s.Seed)
	if err != nil {
		return nil, err
	}
	if err := in.Attach(e); err != nil {
		return nil, err
	}
	if j.Known != "" {
		if err := in.AttachKnown(j.Known); err != nil {
			return nil, err
		}
	}
	var final search.Evaluator
	if j.Final {
		f, err := evaluator.OpenTable(filepath.Join(filepath.Dir(j.Table), finalTable), s.Seed)
		if err != nil {
			return nil, err
		}
		if err := in.AttachFinal(f); err != nil {
			return nil, err
		}
		final = slow{f, j.Delay}
	}
	if err := in.Save(j.Out); err != nil {
		return nil, err
	}
	d := &search.Driver{Dir: j.Out, Final: final, Problem: in.Problem, Header: in.Header, Evaluator: slow{e, j.Delay}, Workers: j.Workers, Budget: j.Budget}
	if j.Measured {
		d.Measurers = []search.Measurer{&device{in.Problem, j.Delay, j.asked}}
	}
	return d.Run(ctx)
}

// kinds of search, as changes of a job: what is killed, distributed and tampered
// with in the tests below.
type kind struct {
	name   string
	change func(j *job)
	fields []string // of the certificate, that others have not
}

var kinds = []kind{
	{"lucb", func(j *job) { j.Noise = ",noise=gaussian" }, nil},
	{"paired", func(j *job) { j.Noise, j.Selector = ",noise=gaussian,common=0.9", "paired" },
		[]string{"difference", "source", "value", "s", "nu", "beta", "ratio", "used", "selector"}},
	{"multi-fidelity", func(j *job) {
		j.Noise, j.Selector, j.Fidelities = ",noise=gaussian,bias=0.2", "multi-fidelity", "0.1:0.2,0.4"
	}, []string{"fidelities", "fidelity", "bias", "cost", "retired_at", "rests_on", "text"}},
	{"explored", func(j *job) { j.Noise, j.Explore = ",noise=gaussian", "gp:6" },
		[]string{"exploration", "plan", "method", "evaluations", "archs", "start", "score", "rests_on"}},
	{"final", func(j *job) { j.Noise, j.Final = ",noise=gaussian", true },
		[]string{"fidelity", "evaluator", "spec", "sha256", "pool", "archs", "spearman", "pairs", "wrong", "audited", "proxy", "proxy_n", "final", "final_n", "rests_on", "the claim is"}},
}

const childEnv = "ISOCOST_SEARCH_TEST_JOB"

// TestMain is the child of the kill test when asked to.
func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		var j job
		err := json.Unmarshal([]byte(text), &j)
		if err == nil {
			_, err = j.run(context.Background())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func certificateOf(t *testing.T, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, search.CertificateFile))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func verify(dir string) (*search.Verification, error) {
	return search.Verify(dir, func(h search.Header) (search.Problem, error) { return search.OpenRun(dir, h) })
}

// TestKilledRunsEndTheSame kills searches with SIGKILL at some 80 random moments; the
// same command must end with the same certificate, byte for byte.
func TestKilledRunsEndTheSame(t *testing.T) {
	tier.Slow(t, "dozens of processes are started and killed")
	dir := t.TempDir()
	table := writeTable(t, dir)
	var wants []job
	var wholes [][]byte
	for _, k := range kinds {
		want := job{Table: table, Out: filepath.Join(dir, "whole-"+k.name), Workers: 1, Batch: 3, Measured: true}
		k.change(&want)
		c, err := want.run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Moves) == 0 || k.name == "lucb" && c.Measured[0].Refused == 0 {
			t.Fatalf("%s: %d moves and %d refusals: there is little to kill", k.name, len(c.Moves), c.Measured[0].Refused)
		}
		wants, wholes = append(wants, want), append(wholes, certificateOf(t, want.Out))
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	kills, runs, between := 0, 0, map[int64]bool{}
	// A busy machine may need longer than this to get anywhere at all: a start that is
	// killed before it has written anything gives all further ones more time.
	span := 60 * time.Millisecond
	for kills < tier.Repeats(80) || len(between) < tier.Repeats(20) {
		j, whole := wants[runs%len(wants)], wholes[runs%len(wants)]
		runs++
		j.Out, j.Workers, j.Delay = filepath.Join(dir, fmt.Sprint("run", runs)), 1+runs%3, 200*time.Microsecond
		text, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		size := int64(-1)
		for done := false; !done; {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"="+string(text))
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				if err != nil {
					t.Fatalf("after %d kills: %v: %s", kills, err, &stderr)
				}
				done = true
			case <-time.After(time.Duration(rng.Int64N(int64(span)))):
				cmd.Process.Kill()
				var exit *exec.ExitError
				if err := <-ended; errors.As(err, &exit) && exit.ExitCode() == -1 {
					kills++
					info, err := os.Stat(filepath.Join(j.Out, search.JournalFile))
					switch {
					case err == nil && info.Size() > size:
						size = info.Size()
						between[size] = true
					default:
						span += span / 10
					}
				}
			}
			if kills > 2000 {
				t.Fatalf("the search does not get on: %d kills fell on %d states of the journal", kills, len(between))
			}
		}
		if got := certificateOf(t, j.Out); !bytes.Equal(got, whole) {
			t.Fatalf("run %d, killed in between, has another certificate:\n%s\nwant\n%s", runs, got, whole)
		}
		if _, err := verify(j.Out); err != nil {
			t.Fatalf("run %d: %v", runs, err)
		}
	}
	t.Logf("%d kills at %d different sizes of the journal, %d runs", kills, len(between), runs)
}

func TestWorkersDoNotChangeTheResult(t *testing.T) {
	dir := t.TempDir()
	table := writeTable(t, dir)
	for _, k := range append(kinds[:len(kinds):len(kinds)], kind{"pool", func(*job) {}, nil}) {
		var first []byte
		for _, workers := range []int{1, 8, 3} {
			j := job{Table: table, Out: filepath.Join(dir, fmt.Sprint(k.name, workers)), Workers: workers, Batch: 8, Delay: 50 * time.Microsecond}
			k.change(&j)
			if _, err := j.run(context.Background()); err != nil {
				t.Fatal(err)
			}
			got := certificateOf(t, j.Out)
			if first == nil {
				first = got
			} else if !bytes.Equal(first, got) {
				t.Errorf("%s: %d workers give another certificate", k.name, workers)
			}
		}
	}
}

func TestBudgetAndContinuation(t *testing.T) {
	dir := t.TempDir()
	table := writeTable(t, dir)
	j := job{Table: table, Out: filepath.Join(dir, "r"), Noise: ",noise=gaussian", Workers: 1, Budget: 90}
	c, err := j.run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if c.Claim.Reached || c.Samples > 90 || !strings.Contains(string(c.Claim.Stop), "budget") || c.Claim.Unretired == 0 {
		t.Errorf("budget of 90: reached %t, %d samples, stop %q", c.Claim.Reached, c.Samples, c.Claim.Stop)
	}
	if _, err := verify(j.Out); err != nil {
		t.Errorf("verify after the budget: %v", err)
	}
	j.Budget = 0
	if c, err = j.run(context.Background()); err != nil || !c.Claim.Reached {
		t.Fatalf("continued without budget: %v", err)
	}
	whole := j
	whole.Out = filepath.Join(dir, "whole")
	if _, err := whole.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(certificateOf(t, j.Out), certificateOf(t, whole.Out)) {
		t.Error("a search continued after its budget ends elsewhere than one in one go")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	cut := j
	cut.Out, cut.Delay = filepath.Join(dir, "cut"), time.Millisecond
	if c, err = cut.run(ctx); err != nil || c.Claim.Reached || !strings.Contains(string(c.Claim.Stop), "interrupted") {
		t.Fatalf("interrupted: %v, %+v", err, c)
	}
	if _, err := verify(cut.Out); err != nil {
		t.Errorf("verify after an interruption: %v", err)
	}
}

// TestMeasuredSearch: a candidate whose measured cost is outside the band does
// not become the incumbent, whatever is predicted, and what is written down is
// not measured again.
func TestMeasuredSearch(t *testing.T) {
	dir := t.TempDir()
	table := writeTable(t, dir)
	asked := 0
	j := job{Table: table, Out: filepath.Join(dir, "r"), Noise: ",noise=gaussian", Workers: 1, Measured: true, asked: &asked}
	c, err := j.run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	d := c.Measured[0]
	if !c.Claim.Reached || !d.FinalMeasured || !d.FinalInside || d.Refused == 0 || d.Outside != d.Refused || d.Eta == 0 {
		t.Fatalf("reached %t; %+v", c.Claim.Reached, d)
	}
	if want := len(c.Moves) + d.Refused; asked != want {
		t.Errorf("%d campaigns for %d moves and %d refusals", asked, len(c.Moves), d.Refused)
	}
	tau := c.Header.Settings.Tau
	for _, m := range d.Archs {
		if m.Refused == (math.Abs(math.Log(m.Value/m.Reference)) <= math.Log1p(tau)) {
			t.Errorf("%s: measured %g of %g, refused %t", m.Arch, m.Value, m.Reference, m.Refused)
		}
		for _, n := range c.Neighbours {
			if n.Arch == m.Arch && m.Refused {
				t.Errorf("%s is refused and yet a neighbour", m.Arch)
			}
		}
	}
	whole := certificateOf(t, j.Out)
	if _, err := j.run(context.Background()); err != nil || asked != len(c.Moves)+d.Refused {
		t.Errorf("run again: %v, %d campaigns", err, asked)
	}
	if !bytes.Equal(certificateOf(t, j.Out), whole) {
		t.Error("run again, the certificate is another")
	}
	if _, err := verify(j.Out); err != nil {
		t.Error(err)
	}
	plain := j
	plain.Measured, plain.Out = false, filepath.Join(dir, "plain")
	c, err = plain.run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if c.Measured != nil || len(c.Infeasible) > 0 && c.Infeasible[0].Refused {
		t.Error("without a device something is measured")
	}
	j.Measured = false
	if _, err := j.run(context.Background()); err == nil || !strings.Contains(err.Error(), ".0.measured was true") {
		t.Errorf("continued without its device: %v", err)
	}
}

func TestAnotherSearchIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := job{Table: writeTable(t, dir), Out: filepath.Join(dir, "r"), Workers: 1}
	if _, err := j.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	j.Batch = 4
	if _, err := j.run(context.Background()); err == nil || !strings.Contains(err.Error(), "settings.batch was 1 and is now 4") {
		t.Errorf("other settings: %v", err)
	}
}

// TestVerifyCatchesTampering changes every field of the certificate and every
// line of the journal, one at a time.
func TestVerifyCatchesTampering(t *testing.T) {
	tier.Sequential(t, "verifies hundreds of changed runs")
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			tamper(t, k)
		})
	}
}

func tamper(t *testing.T, k kind) {
	dir := t.TempDir()
	j := job{Table: writeTable(t, dir), Out: filepath.Join(dir, "r"), Workers: 1, Measured: true}
	k.change(&j)
	if c, err := j.run(context.Background()); err != nil {
		t.Fatal(err)
	} else if k.name == "lucb" && c.Measured[0].Refused == 0 {
		t.Fatal("nothing is refused: fields are missing")
	}
	if _, err := verify(j.Out); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(j.Out, search.CertificateFile)
	whole := certificateOf(t, j.Out)
	lines := strings.SplitAfter(string(whole), "\n")
	tried := 0
	for i, line := range lines {
		if k.name != "lucb" && i%12 > 0 && !slices.ContainsFunc(k.fields, func(f string) bool { return strings.Contains(line, `"`+f+`"`) }) {
			continue // what all kinds have is gone through once
		}
		for _, changed := range searchtest.Mutations(line) {
			text := strings.Join(lines[:i], "") + changed + strings.Join(lines[i+1:], "")
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			tried++
			if _, err := verify(j.Out); err == nil {
				t.Errorf("certificate line %d: %q passes as %q", i+1, line, changed)
			}
		}
	}
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(j.Out, search.JournalFile)
	data, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	lines = strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
	step := max(len(lines)/25, 1) // all fields of each
	if k.name != "lucb" {
		step *= 3
	}
	for i := 0; i < len(lines); i++ {
		// Of the many evaluations some; every line of the rarer kinds.
		if i%step > 0 && strings.HasPrefix(lines[i], `{"kind":"eval"`) {
			continue
		}
		cases := append(searchtest.Mutations(lines[i]), "", lines[i]+lines[i]) // dropped, duplicated
		for _, changed := range cases {
			text := strings.Join(lines[:i], "") + changed + strings.Join(lines[i+1:], "") + "\n"
			if i == len(lines)-1 && changed == "" {
				text = strings.Join(lines[:i], "")
			}
			if err := os.WriteFile(journal, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			tried++
			if _, err := verify(j.Out); err == nil {
				t.Errorf("journal line %d: %q passes as %q", i+1, lines[i], changed)
			}
		}
	}
	if err := os.WriteFile(journal, data, 0o644); err != nil {
		t.Fatal(err)
	}
	// The inputs beside it.
	for _, name := range []string{search.BestFile, filepath.Join(search.InputsDir, "t.jsonl")} {
		p := filepath.Join(j.Out, name)
		old, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, bytes.Replace(old, []byte("a"), []byte("b"), 1), 0o644); err != nil {
			t.Fatal(err)
		}
		tried++
		if _, err := verify(j.Out); err == nil {
			t.Errorf("a changed %s passes", name)
		}
		if err := os.WriteFile(p, old, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := verify(j.Out); err != nil {
		t.Errorf("put back as it was: %v", err)
	}
	t.Logf("%d changes tried", tried)
	if tried < 200 {
		t.Errorf("only %d changes were tried", tried)
	}
}

func FuzzDecodeJournal(f *testing.F) {
	dir := f.TempDir()
	j := job{Table: writeTable(f, dir), Out: filepath.Join(dir, "r"), Workers: 1}
	if _, err := j.run(context.Background()); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(j.Out, search.JournalFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := search.DecodeJournal("j", data)
		if err == nil && j.Header.Format != search.JournalFormat {
			t.Fatal("accepted another format")
		}
	})
}

func FuzzDecodeCertificate(f *testing.F) {
	dir := f.TempDir()
	j := job{Table: writeTable(f, dir), Out: filepath.Join(dir, "r"), Workers: 1}
	if _, err := j.run(context.Background()); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(j.Out, search.CertificateFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := search.DecodeCertificate("c", data)
		if err != nil {
			return
		}
		if back, err := c.Encode(); err != nil || !bytes.Equal(back, data) {
			t.Fatalf("accepted what it would not write: %v", err)
		}
	})
}

// Two searches on one run directory would write over each other's lines: the
// second is refused, and the first ends well.
func TestTwoSearchesOnOneRunDirectory(t *testing.T) {
	dir := t.TempDir()
	j := job{Table: writeTable(t, dir), Out: filepath.Join(dir, "r"), Noise: ",noise=gaussian", Workers: 1, Delay: 100 * time.Millisecond}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := j.run(ctx)
		done <- err
	}()
	journal := filepath.Join(j.Out, search.JournalFile)
	for begun := false; !begun; {
		select {
		case err := <-done:
			t.Fatalf("the first search ended before the second: %v", err)
		case <-time.After(5 * time.Millisecond):
			data, err := os.ReadFile(journal)
			begun = err == nil && bytes.Count(data, []byte("\n")) > 3
		}
	}
	if _, err := j.run(context.Background()); err == nil || !strings.Contains(hint.Of(err), "another search") {
		t.Errorf("a second search on the directory: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := verify(j.Out); err != nil {
		t.Errorf("the first search: %v", err)
	}
}

// A budget below the calibration of the noise evaluates nothing, and says so.
func TestBudgetBelowTheCalibration(t *testing.T) {
	dir := t.TempDir()
	j := job{Table: writeTable(t, dir), Out: filepath.Join(dir, "r"), Noise: ",noise=gaussian", Workers: 1, Budget: 3}
	c, err := j.run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if c.Samples != 0 || c.Sigma.Source != "unknown" || !strings.Contains(string(c.Claim.Stop), "less than the 44 that a search begins with") {
		t.Errorf("%d samples, σ %+v, stop %q", c.Samples, c.Sigma, c.Claim.Stop)
	}
	if _, err := verify(j.Out); err != nil {
		t.Error(err)
	}
}

// TestExplorationIsNoEvidence: what an exploration has evaluated chooses where the
// search begins; the certificate rests on what is sampled after it.
func TestExplorationIsNoEvidence(t *testing.T) {
	dir := t.TempDir()
	table := writeTable(t, dir)
	j := job{Table: table, Noise: ",noise=gaussian", Workers: 4, Batch: 4}
	var firsts []string
	for _, plan := range []string{"gp:20", "evolution:20", "random:20"} {
		j.Explore, j.Out = plan, filepath.Join(dir, strings.ReplaceAll(plan, ":", "-"))
		c, err := j.run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		e := c.Exploration
		if !c.Claim.Reached || e == nil || e.Evaluations != 20 || e.Plan.String() != plan {
			t.Fatalf("%s: reached %t, %+v", plan, c.Claim.Reached, e)
		}
		if len(c.Moves) > 0 && c.Moves[0].From != e.Start || len(c.Moves) == 0 && c.Final.Arch != e.Start {
			t.Errorf("%s: the search began at %s and moved %+v", plan, e.Start, c.Moves)
		}
		firsts = append(firsts, e.Start)
		// The final's bounds rest on later samples: all the exploration's come first.
		journal, err := search.ReadJournal(filepath.Join(j.Out, search.JournalFile))
		if err != nil {
			t.Fatal(err)
		}
		evals := 0
		for _, e := range journal.Entries {
			if e.Kind == search.EntryEval || e.Kind == search.EntryFail {
				evals++
			}
			if e.Kind == search.EntryStart {
				break
			}
		}
		if evals != 20 {
			t.Errorf("%s: %d evaluations before the start, want 20", plan, evals)
		}
		if _, err := verify(j.Out); err != nil {
			t.Errorf("%s: %v", plan, err)
		}
	}
	// An earlier search's evaluations are taken over; another evaluator's are not.
	j.Known, j.Explore, j.Out = filepath.Join(dir, "gp-20"), "gp:2", filepath.Join(dir, "warm")
	c, err := j.run(context.Background())
	if err != nil || !c.Claim.Reached || c.Header.Known == nil {
		t.Fatalf("warm start: %v, %+v", err, c)
	}
	if _, err := verify(j.Out); err != nil {
		t.Errorf("warm start: %v", err)
	}
	if c.Exploration.Start != firsts[0] {
		t.Logf("warm start began at %s, the cold one at %s", c.Exploration.Start, firsts[0])
	}
	j.Noise, j.Out = ",noise=0.3", filepath.Join(dir, "other")
	if _, err := j.run(context.Background()); err == nil || !strings.Contains(err.Error(), "evaluations by") {
		t.Errorf("another evaluator's evaluations: %v", err)
	}
	// A band that holds the anchor alone is not explored.
	j = job{Table: filepath.Join(dir, "one.jsonl"), Noise: ",noise=0.3", Workers: 1, Explore: "gp:20", Out: filepath.Join(dir, "one")}
	searchtest.WriteRows(t, j.Table, []space.Row{
		{Arch: "b|b|b|b|b", Utility: []float64{1, 2}, Cost: map[string]float64{"us": 100}},
		{Arch: "a|b|b|b|b", Utility: []float64{3, 4}, Cost: map[string]float64{"us": 200}}})
	if c, err = j.run(context.Background()); err != nil || c.Exploration == nil || c.Exploration.Evaluations != 0 || c.Claim.Verdict != search.Vacuous {
		t.Fatalf("a band of one network: %v, %+v, %+v", err, c.Exploration, c.Claim)
	}
	if _, err := verify(j.Out); err != nil {
		t.Errorf("a band of one network: %v", err)
	}
	// A start of one's own, inside and outside the band.
	j = job{Table: table, Noise: ",noise=gaussian", Workers: 1, Start: firsts[1], Out: filepath.Join(dir, "start")}
	if c, err = j.run(context.Background()); err != nil || c.Exploration == nil || c.Exploration.Start != firsts[1] || c.Exploration.Plan != nil {
		t.Fatalf("a start of one's own: %v, %+v", err, c)
	}
	if _, err := verify(j.Out); err != nil {
		t.Errorf("a start of one's own: %v", err)
	}
	j.Start, j.Out = "c|c|c|c|c", filepath.Join(dir, "outside")
	if _, err := j.run(context.Background()); err == nil || !strings.Contains(err.Error(), "outside the anchor's band") {
		t.Errorf("a start outside the band: %v", err)
	}
}
