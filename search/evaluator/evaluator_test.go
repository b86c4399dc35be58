package evaluator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

func request(t *testing.T, key string, index int, seed uint64) search.Request {
	t.Helper()
	a, err := space.ParseArch(key)
	if err != nil {
		t.Fatal(err)
	}
	return search.Request{Arch: a, Key: key, Stream: search.StreamSearch, Index: index, Seed: seed, Fidelity: 1}
}

func tableFile(t *testing.T, rows string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.jsonl")
	if err := os.WriteFile(path, []byte(rows), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTableDrawsWithoutReplacement(t *testing.T) {
	path := tableFile(t, `{"arch":"a|b","utility":[1,2,4,8]}`+"\n"+`{"arch":"a|c","utility":[3]}`+"\n")
	e, err := OpenTable(path, 7)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i := range 4 {
		a, err := e.Evaluate(context.Background(), request(t, "a|b", i, 0))
		if err != nil {
			t.Fatal(err)
		}
		sum += a.Utility
	}
	if sum != 15 { // 1+2+4+8: each once
		t.Errorf("four draws add up to %g, want 15", sum)
	}
	var f *search.Failure
	if _, err := e.Evaluate(context.Background(), request(t, "a|b", 4, 0)); !errors.As(err, &f) {
		t.Errorf("a fifth draw: %v, want a Failure", err)
	}
	if _, err := e.Evaluate(context.Background(), request(t, "z", 0, 0)); !errors.As(err, &f) {
		t.Errorf("an absent row: %v, want a Failure", err)
	}
	if n := e.PoolSize(request(t, "a|b", 0, 0).Arch); n != 4 {
		t.Errorf("pool of %d, want 4", n)
	}
	for _, bad := range []string{path + ",noise=-1", path + ",noise=x", path + ",what=1", path + ".absent"} {
		if _, err := OpenTable(bad, 1); err == nil {
			t.Errorf("OpenTable(%q) succeeded", bad)
		}
	}
}

func TestTableGaussianNoise(t *testing.T) {
	path := tableFile(t, `{"arch":"a","utility":[1,3]}`+"\n")
	e, err := OpenTable(path+",noise=gaussian", 1)
	if err != nil {
		t.Fatal(err)
	}
	n, sum, ss := 4000, 0.0, 0.0
	for i := range n {
		a, err := e.Evaluate(context.Background(), request(t, "a", i, uint64(i)))
		if err != nil {
			t.Fatal(err)
		}
		sum += a.Utility
		ss += (a.Utility - 2) * (a.Utility - 2)
	}
	// The pooled standard deviation of 1 and 3 is √2.
	if m, s := sum/float64(n), math.Sqrt(ss/float64(n)); math.Abs(m-2) > 0.1 || math.Abs(s-math.Sqrt2) > 0.1 {
		t.Errorf("mean %.3f, deviation %.3f; want 2 and 1.414", m, s)
	}
}

// goodProgram is a shell program that answers by the seed.
const goodProgram = `while read line; do
  id=$(echo "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/'); seed=$(echo "$line" | sed 's/.*"seed":\([0-9]*\).*/\1/')
  case $seed in
  1) echo "{garbage";;
  12) echo "epoch 1: loss 0.3"; echo "{'epoch': 2}"; echo; echo "{\"id\":\"$id\",\"utility\":12}";;
  2) exit 3;;
  3) sleep 60;;
  4) echo "{\"id\":\"$id\",\"error\":\"out of memory\"}";;
  5) [ -e once ] && echo "{\"id\":\"$id\",\"utility\":5}" || { touch once; kill -9 $$; };;
  6) echo "{\"id\":\"other\",\"utility\":1}";;
  7) echo "{\"id\":\"$id\",\"utility\":1e999}";;
  8) echo "last words" >&2; exit 1;;
  9) echo "{\"id\":\"$id\",\"utility\":1,\"second\":2}";;
  10) echo x >> nan; echo "{\"id\":\"$id\",\"utility\":NaN}";;
  11) echo x >> huge; echo "{\"id\":\"$id\",\"utility\":-1e308}";;
  *) echo "{\"id\":\"$id\",\"utility\":$seed.5,\"seconds\":2}";;
  esac
done`

func TestExecSurvivesEverything(t *testing.T) {
	t.Chdir(t.TempDir())
	var mu sync.Mutex
	var notes []string
	var log strings.Builder
	e, err := NewExec(t.Context(), ExecOptions{Command: goodProgram, Workers: 2, Timeout: time.Minute, Retries: 1, Log: &log,
		Note: func(s string) { mu.Lock(); notes = append(notes, s); mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ask := func(seed uint64) (search.Answer, error) {
		return e.Evaluate(context.Background(), request(t, "a", 0, seed))
	}
	a, err := ask(40)
	if err != nil || a.Utility != 40.5 || a.Seconds != 2 {
		t.Fatalf("answer %+v, %v", a, err)
	}
	for seed, want := range map[uint64]string{1: "garbage", 2: "exit status 3", 4: "out of memory", 6: `id "other"`, 7: "1e999", 8: "last words", 9: `unknown field "second"; its fields are`} {
		_, err := ask(seed)
		var f *search.Failure
		if !errors.As(err, &f) || !strings.Contains(f.Reason, want) {
			t.Errorf("seed %d: %v, want a Failure with %q", seed, err, want)
		}
	}
	// A training that diverged is an answer: it is not tried again with the same seed.
	for seed, c := range map[uint64]struct{ file, want string }{10: {"nan", "not a number"}, 11: {"huge", "-1e+308"}} {
		var gone *search.Failure
		if _, err := ask(seed); !errors.As(err, &gone) || !strings.Contains(gone.Reason, "diverged") || !strings.Contains(gone.Reason, c.want) {
			t.Errorf("%s: %v, want a Failure that says that it diverged", c.file, err)
		}
		if tried, err := os.ReadFile(c.file); err != nil || string(tried) != "x\n" {
			t.Errorf("%s: a diverged training was asked for %d times (%v)", c.file, len(tried)/2, err)
		}
	}
	e.fleet.timeout = 300 * time.Millisecond // a busy machine may need as long for a good answer
	var f *search.Failure
	if _, err := ask(3); !errors.As(err, &f) || !strings.Contains(f.Reason, "no answer within 300ms") {
		t.Errorf("no answer: %v", err)
	}
	e.fleet.timeout = time.Minute
	if a, err := ask(5); err != nil || a.Utility != 5 {
		t.Errorf("killed once, then well: %+v, %v", a, err)
	}
	if len(notes) == 0 {
		t.Error("no failed attempt was reported")
	}
	if len(log.String()) > 0 {
		t.Errorf("kept as talk before there was any: %q", log.String())
	}
	noted := len(notes)
	for range 2 {
		if a, err := ask(12); err != nil || a.Utility != 12 {
			t.Errorf("an answer behind talk: %+v, %v", a, err)
		}
	}
	if want := strings.Repeat("epoch 1: loss 0.3\n{'epoch': 2}\n\n", 2); log.String() != want {
		t.Errorf("the log keeps %q, want %q", log.String(), want)
	}
	if len(notes) != noted+1 || !strings.Contains(notes[noted], "standard error") || !strings.Contains(notes[noted], "epoch 1") {
		t.Errorf("talk is noted as %q", notes[noted:])
	}
	if a, err := ask(41); err != nil || a.Utility != 41.5 {
		t.Errorf("after all that: %+v, %v", a, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := e.Evaluate(ctx, request(t, "a", 0, 3)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestExecThatNeverWorksEndsTheRun(t *testing.T) {
	e, err := NewExec(t.Context(), ExecOptions{Command: "exit 7", Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = e.Evaluate(context.Background(), request(t, "a", 0, 1))
	var f *search.Failure
	if err == nil || errors.As(err, &f) || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("%v: want an error that ends the run and says how the program ended", err)
	}
}

// A child that left the process group and keeps the output open does not keep the search:
// not when its parent answers garbage, not when it ends, and not at the end of the run.
func TestExecLeavesALingeringChild(t *testing.T) {
	setsid, err := exec.LookPath("setsid")
	if err != nil {
		nativelib.Missing(t, err)
	}
	for name, then := range map[string]string{"garbage": "read l; echo {garbage; read l", "end": "read l; exit 7"} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			e, err := NewExec(t.Context(), ExecOptions{Command: setsid + ` sh -c 'echo $$ > pid; exec sleep 600' & until [ -s pid ]; do sleep 0.01; done; ` + then})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				text, _ := os.ReadFile("pid")
				if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
					if p, err := os.FindProcess(pid); err == nil {
						p.Kill()
					}
				}
			})
			done := make(chan error, 1)
			go func() {
				_, err := e.Evaluate(context.Background(), request(t, "a", 0, 1))
				done <- errors.Join(err, e.Close())
			}()
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), map[string]string{"garbage": "garbage", "end": "exit status 7"}[name]) {
					t.Errorf("%v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("the search waits for the child")
			}
		})
	}
}

// The data that a command line names are part of its identity, by their content.
func TestExecIdentityHoldsItsFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	identity := func(data string) string {
		if err := os.WriteFile("data.bin", []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		e, err := NewExec(t.Context(), ExecOptions{Command: "sh train.sh 'data.bin'"})
		if err != nil {
			t.Fatal(err)
		}
		return e.Identity().SHA256
	}
	// By this rule journals of before go on: isocost/exec/v1, the command, one hash per file.
	sum := sha256.Sum256([]byte("one"))
	want := sha256.Sum256(fmt.Appendf(nil, "isocost/exec/v1\nsh train.sh 'data.bin'\n%x\n", sum))
	if got := identity("one"); got != hex.EncodeToString(want[:]) {
		t.Errorf("identity %s, want %x", got, want)
	}
	if identity("one") == identity("two") {
		t.Error("other data have the same identity")
	}
}

// Nobody is answered before four have asked.
func TestExecParallel(t *testing.T) {
	t.Chdir(t.TempDir())
	e, err := NewExec(t.Context(), ExecOptions{Command: `while read l; do touch asked.$$; until [ $(ls asked.* | wc -l) -ge 4 ]; do sleep 0.01; done
		echo "$l" | sed 's/{"id":"\([^"]*\)".*/{"id":"\1","utility":1}/'; done`, Workers: 4, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	e.fleet.patience = 50 * time.Millisecond // no process answers before the others have been started
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := e.Evaluate(context.Background(), request(t, "a", i, uint64(i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if asked, _ := filepath.Glob("asked.*"); len(asked) != 4 {
		t.Errorf("%d processes for 4 workers", len(asked))
	}
}

func TestLogDet(t *testing.T) {
	got, err := logDet([]float64{0, 2, 3, 0}, 2) // det −6
	if err != nil || math.Abs(got-math.Log(6)) > 1e-12 {
		t.Errorf("log|det| = %v, %v; want ln 6", got, err)
	}
	if _, err := logDet([]float64{1, 1, 1, 1}, 2); err == nil {
		t.Error("a singular matrix has a determinant")
	}
	if _, err := logDet([]float64{1}, 2); err == nil {
		t.Error("one number is no 2×2 matrix")
	}
}

func TestScaleWeighsByReliability(t *testing.T) {
	var runs [][][2]float64
	for a := range 20 {
		var r [][2]float64
		for s := range 4 {
			noise := float64((a*7+s*13)%11-5) / 10
			// The first score says much about the architecture, the second nothing.
			r = append(r, [2]float64{float64(a) + noise, 100 + 40*noise})
		}
		runs = append(runs, r)
	}
	s, err := newScale(runs)
	if err != nil {
		t.Fatal(err)
	}
	if s.NASWOT.Weight*s.NASWOT.Between < 10*s.ACor.Weight*s.ACor.Within || s.ACor.Weight <= 0 {
		t.Errorf("weights %+v: noise should count for little, and for something", s)
	}
	if _, _, between := spread(runs, s.utility); math.Abs(between-1) > 1e-9 {
		t.Errorf("true utilities have standard deviation %g in the calibration set, want 1", between)
	}
	if _, err := newScale([][][2]float64{{{1, 1}, {1, 1}}, {{1, 1}, {1, 1}}}); err == nil {
		t.Error("scores that never differ made a scale")
	}
}

func ExampleOpenTable() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "t.jsonl")
	os.WriteFile(path, []byte(`{"arch":"a|b","utility":[91.2,91.4]}`+"\n"), 0o644)
	e, _ := OpenTable(path, 1)
	a, _ := space.ParseArch("a|b")
	fmt.Println(e.PoolSize(a))
	// Output: 2
}
