package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/anchors"
	"github.com/isocost/isocost/search/searchtest"
)

const childEnv = "ISOCOST_ISOSEARCH_TEST_ARGS"

// TestMain is isosearch itself when the kill test asks for it.
func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Args = append(os.Args[:1], strings.Split(text, "\n")...)
		os.Exit(program().Main())
	}
	os.Exit(m.Run())
}

// tabular writes a table of made-up networks whose memory falls as their time rises.
func tabular(t *testing.T, dir string) string {
	t.Helper()
	rows := searchtest.Rows()
	for _, r := range rows {
		r.Cost["kB"] = 50 - r.Cost["us"]/4
	}
	path := filepath.Join(dir, "t.jsonl")
	searchtest.WriteRows(t, path, rows)
	return path
}

// several is a command line that searches from several anchors.
func several(table, out string, more ...string) []string {
	return append([]string{"run", "--neighbours", "exchange", "--space", table, "--lut", "space:us,space:kB", "--evaluator", "table:" + table + ",noise=gaussian", "--epsilon", "0.5",
		"--anchors", "b|b|b|b|b,c|c|c|c|c,random:3", "--seed", "3", "-o", out}, more...)
}

// contents are all files below a directory but those that depend on kills.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == search.JournalFile {
			return err
		}
		data, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, dir)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSeveralAnchors(t *testing.T) {
	if testing.Short() {
		t.Skip("whole searches from several anchors: make test")
	}
	dir := t.TempDir()
	table, out := tabular(t, dir), filepath.Join(dir, "run")
	code, stdout, stderr := isosearch(several(table, out)...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	data, err := os.ReadFile(filepath.Join(out, anchors.ParetoFile))
	if err != nil {
		t.Fatal(err)
	}
	set, err := anchors.Decode("pareto.json", data)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Anchors) != 5 || len(set.Fronts) != 2 {
		t.Fatalf("%d anchors, %d fronts", len(set.Anchors), len(set.Fronts))
	}
	// By hand: dominated as the word says, on each table.
	beaten := 0
	for _, f := range set.Fronts {
		n := 0
		for i, e := range f.Finals {
			cost, anchor := f.Cost(e)
			if cost > anchor*1.0500001 || cost < anchor/1.0500001 {
				t.Errorf("%s, %s: final costs %g, anchor %g", f.Table, e.Run, cost, anchor)
			}
			want := false
			for _, o := range f.Finals {
				other, _ := f.Cost(o)
				want = want || other <= cost && *o.Utility >= *e.Utility && (other < cost || *o.Utility > *e.Utility)
			}
			if want != e.Dominated {
				t.Errorf("%s, %s: dominated %t", f.Table, e.Run, e.Dominated)
			}
			if want {
				n++
			}
			if a := set.Anchors[i]; a.Gain == nil && a.Moves > 0 || a.Moves > 0 && !a.Utility.Fresh {
				t.Errorf("%s moved and has no fresh samples", a.Run)
			} else if a.Gain != nil && abs(a.Utility.Mean-a.AnchorUtility.Mean-a.Gain.Gain) > 1e-9 {
				t.Errorf("%s: utilities differ by %g, the gain is %g", a.Run, a.Utility.Mean-a.AnchorUtility.Mean, a.Gain.Gain)
			}
		}
		if f.Dominated != float64(n)/5 || !(f.Hypervolume > 0 && f.Hypervolume <= 1) {
			t.Errorf("%s: %d of 5 dominated, it says %g; hypervolume %g", f.Table, n, f.Dominated, f.Hypervolume)
		}
		beaten += n
	}
	if beaten == 0 {
		t.Error("nothing is dominated: the test sees too little")
	}
	for _, want := range []string{"space:us: cost in us, predicted by the table", "dominated    anchor-", "reached", "pareto.json"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the table lacks %q:\n%s", want, stdout)
		}
	}
	for line := range strings.Lines(stdout) {
		if n := len([]rune(strings.TrimSpace(line))); n > 80 && !strings.Contains(line, dir) {
			t.Errorf("%d columns: %s", n, line)
		}
	}

	if code, stdout, stderr := isosearch("verify", out); code != 0 || !strings.Contains(stdout, "5 searches, and pareto.json recomputed") {
		t.Errorf("verify: exit code %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ := isosearch("verify", filepath.Join(out, "anchor-2")); code != 0 || !strings.Contains(stdout, "every number recomputed") {
		t.Errorf("verify one: exit code %d\n%s", code, stdout)
	}
	page := filepath.Join(dir, "r.html")
	if code, _, stderr := isosearch("report", out, "-o", page); code != 0 {
		t.Errorf("report: exit code %d\n%s", code, stderr)
	} else if html, err := os.ReadFile(page); err != nil || !strings.Contains(string(html), "Several anchors") || strings.Count(string(html), "What is claimed") < 5 {
		t.Errorf("the report does not show five searches and a Pareto view: %v", err)
	}
	// One goes on alone as it would have without the others, and nothing changes.
	before := contents(t, out)
	if code, _, stderr := isosearch("run", "--neighbours", "exchange", "--space", table, "--lut", "space:us,space:kB", "--evaluator", "table:"+table+",noise=gaussian", "--epsilon", "0.5",
		"--anchor", set.Anchors[1].Anchor, "--seed", "3", "-o", filepath.Join(out, "anchor-2")); code != 0 {
		t.Errorf("one alone: exit code %d\n%s", code, stderr)
	}
	if code, _, stderr := isosearch(several(table, out)...); code != 0 {
		t.Errorf("run again: exit code %d\n%s", code, stderr)
	}
	for name, was := range before {
		if is := contents(t, out)[name]; is != was {
			t.Errorf("%s changed", name)
		}
	}

	// Every field of pareto.json, one at a time.
	tried := 0
	lines := strings.SplitAfter(string(data), "\n")
	for i, line := range lines {
		for _, changed := range searchtest.Mutations(line) {
			text := strings.Join(lines[:i], "") + changed + strings.Join(lines[i+1:], "")
			if err := os.WriteFile(filepath.Join(out, anchors.ParetoFile), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			tried++
			if code, _, _ := isosearch("verify", out); code != 1 {
				t.Errorf("line %d: %q passes as %q", i+1, line, changed)
			}
		}
		if tried > 60 && i%7 > 0 { // what all anchors have is gone through once
			continue
		}
	}
	if tried < 100 {
		t.Errorf("only %d changes were tried", tried)
	}
	if err := os.WriteFile(filepath.Join(out, anchors.ParetoFile), data, 0o644); err != nil {
		t.Fatal(err)
	}
	// A search is taken away, or another put in its place.
	if err := os.Rename(filepath.Join(out, "anchor-5"), filepath.Join(dir, "five")); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := isosearch("verify", out); code != 1 || !strings.Contains(stderr, "pareto.json:") {
		t.Errorf("a search is missing: exit code %d\n%s", code, stderr)
	}
	if err := os.CopyFS(filepath.Join(out, "anchor-5"), os.DirFS(filepath.Join(out, "anchor-4"))); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := isosearch("verify", out); code != 1 || !strings.Contains(stderr, "pareto.json:") {
		t.Errorf("a search appears twice: exit code %d\n%s", code, stderr)
	}
}

// What the proxy is worth is printed, said in the claim and verified.
func TestFinalUtilities(t *testing.T) {
	dir := t.TempDir()
	table, out := tabular(t, dir), filepath.Join(dir, "run")
	args := []string{"run", "--space", table, "--lut", "space:us", "--evaluator", "table:" + table + ",noise=gaussian", "--epsilon", "0.5", "-o", out}
	code, stdout, stderr := isosearch(append(args, "--final", "table:"+table)...)
	if code != 0 || !strings.Contains(stdout, "\nfidelity     of ") || strings.Contains(stdout, "of 0 pairs") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	c, err := search.ReadCertificate(filepath.Join(out, search.CertificateFile))
	if err != nil {
		t.Fatal(err)
	}
	if last := c.Claim.Rests[len(c.Claim.Rests)-1]; !strings.HasPrefix(last, "the claim is about the proxy, table:") {
		t.Errorf("the claim rests on: %s", last)
	}
	if code, _, stderr := isosearch("verify", out); code != 0 {
		t.Errorf("verify: %s", stderr)
	}
	if code, _, stderr := isosearch(args...); code != 1 || !strings.Contains(stderr, "started with other settings: final") {
		t.Errorf("continued without: exit code %d\n%s", code, stderr)
	}
}

func abs(v float64) float64 { return max(v, -v) }

// Killed with SIGKILL, the same command ends with the same files.
func TestSeveralAnchorsKilled(t *testing.T) {
	dir := t.TempDir()
	table, whole, cut := tabular(t, dir), filepath.Join(dir, "whole"), filepath.Join(dir, "cut")
	if code, _, stderr := isosearch(several(table, whole)...); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	start := func() (*exec.Cmd, chan error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(several(table, cut), "\n"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		return cmd, ended
	}
	// In the third search: two have ended, two have not begun. A start that ends before
	// it is killed, on a busy machine, does not count.
	third := filepath.Join(cut, anchors.RunName(2), search.JournalFile)
	for killed, tries := false, 0; !killed; tries++ {
		if tries == 50 {
			t.Fatal("every start ended before it could be killed")
		}
		if err := os.RemoveAll(cut); err != nil {
			t.Fatal(err)
		}
		cmd, ended := start()
		for running := true; running; {
			select {
			case <-ended:
				running = false
			case <-time.After(100 * time.Microsecond):
				if info, err := os.Stat(third); err == nil && info.Size() > 1000 {
					cmd.Process.Kill()
					<-ended
					_, err := os.Stat(filepath.Join(cut, anchors.ParetoFile))
					running, killed = false, err != nil
				}
			}
		}
	}
	if code, _, stderr := isosearch("verify", cut); code != 1 || !strings.Contains(stderr, "hint: run the same command again") {
		t.Errorf("verify of half: exit code %d\n%s", code, stderr)
	}
	if _, ended := start(); <-ended != nil {
		t.Fatal("the second start failed")
	}
	got, want := contents(t, cut), contents(t, whole)
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs", name)
		}
	}
	if code, _, stderr := isosearch("verify", cut); code != 0 {
		t.Errorf("verify: exit code %d\n%s", code, stderr)
	}
}

func TestOneAndSeveralAnchorsDoNotMix(t *testing.T) {
	dir := t.TempDir()
	table := tabular(t, dir)
	set, one := filepath.Join(dir, "set"), filepath.Join(dir, "one")
	single := func(out string) []string {
		return []string{"run", "--space", table, "--lut", "space:us", "--evaluator", "table:" + table + ",noise=gaussian", "--epsilon", "0.5", "-o", out}
	}
	from := func(out, list string, more ...string) []string {
		return append(append(single(out), "--anchors", list), more...)
	}
	if code, _, stderr := isosearch(single(one)...); code != 0 {
		t.Fatal(stderr)
	}
	if code, _, stderr := isosearch(from(set, "a|a|a|a|a,b|b|b|b|b")...); code != 0 {
		t.Fatal(stderr)
	}
	// More may follow.
	if code, _, stderr := isosearch(from(set, "a|a|a|a|a,b|b|b|b|b,c|c|c|c|c")...); code != 0 {
		t.Error(stderr)
	}
	for i, c := range []struct {
		args []string
		code int
		want []string
	}{
		{single(set), 1, []string{"searches from several anchors", "hint: name the same ones with --anchors"}},
		{from(one, "a|a|a|a|a,b|b|b|b|b"), 1, []string{"a search from one anchor", "hint: go on with it by --anchor"}},
		{from(set, "a|a|a|a|a"), 1, []string{"from 3 anchors, the command names 1", "hint: name the same anchors"}},
		{from(set, "a|a|a|a|a,c|c|c|c|c,b|b|b|b|b"), 1, []string{"anchor-2", "anchor was"}},
		{from(filepath.Join(dir, "x"), "a|a|a|a|a,a|a|a|a|a"), 1, []string{"named twice"}},
		{from(filepath.Join(dir, "x"), "random:0"), 2, []string{"whole number from 1"}},
		{from(filepath.Join(dir, "x"), "d|d|d|d|d"), 1, []string{"anchor d|d|d|d|d"}},
		{from(filepath.Join(dir, "x"), "a|a|a|a|a", "--anchor", "a|a|a|a|a"), 2, []string{"name one of the two"}},
		{from(filepath.Join(dir, "few"), "a|a|a|a|a,b|b|b|b|b", "--budget", "40"), 3, []string{"not reached from 2 of 2 anchors: anchor-1 (stopped: the budget of 40"}},
	} {
		code, stdout, stderr := isosearch(c.args...)
		if code != c.code {
			t.Errorf("case %d: exit code %d, want %d\n%s%s", i, code, c.code, stdout, stderr)
		}
		for _, w := range c.want {
			if !strings.Contains(stderr, w) {
				t.Errorf("case %d: %q is not in: %s", i, w, stderr)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("a refused command left a folder")
	}
	if code, _, stderr := isosearch("verify", filepath.Join(dir, "few")); code != 0 {
		t.Errorf("verify after the budget: %d %s", code, stderr)
	}
	// Searches with different settings do not form a set, whoever put them side by side.
	if err := os.RemoveAll(filepath.Join(set, "anchor-3")); err != nil {
		t.Fatal(err)
	}
	other := append(single(filepath.Join(set, "anchor-3")), "--anchor", "c|c|c|c|c", "--seed", "9")
	if code, _, stderr := isosearch(other...); code != 0 {
		t.Fatal(stderr)
	}
	if code, _, stderr := isosearch("verify", set); code != 1 || !strings.Contains(stderr, fmt.Sprintf("%s and %s are searches of other settings", "anchor-1", "anchor-3")) {
		t.Errorf("other settings: exit code %d\n%s", code, stderr)
	}
}
