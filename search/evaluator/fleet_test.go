package evaluator

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isocost/isocost/search"
)

// TestMain lets the test binary stand in for an evaluator of version 2.
func TestMain(m *testing.M) {
	if kind := os.Getenv("ISOCOST_TEST_EVALUATOR"); kind != "" {
		evaluate(kind)
		return
	}
	os.Exit(m.Run())
}

// evaluate is a program of the kind named: it notes in the file log what it is told.
func evaluate(kind string) {
	log, _ := os.OpenFile("log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	fmt.Fprintln(log, "started")
	hello := `{"format":"isocost/exec/v2","concurrency":8}`
	switch kind {
	case "v3":
		hello = `{"format":"isocost/exec/v3","concurrency":8}`
	case "idle":
		hello = `{"format":"isocost/exec/v2","concurrency":0}`
	case "late":
		time.Sleep(200 * time.Millisecond)
	}
	fmt.Println(hello)
	var waiting []execRequest
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fmt.Fprintln(log, in.Text())
		var q execRequest
		if json.Unmarshal(in.Bytes(), &q); q.ID == "" {
			continue // a cancel
		}
		switch {
		case q.Seed == 90: // never answers
			continue
		case q.Seed == 91:
			fmt.Printf(`{"id":%q,"error":"out of memory"}`+"\n", q.ID)
			continue
		case q.Seed == 92:
			fmt.Printf(`{"id":%q,"error":"no such choice","final":true}`+"\n", q.ID)
			continue
		case q.Seed == 93:
			fmt.Println(`{"id":"stranger","utility":1}`)
			continue
		}
		// Eight at a time, the last first.
		if waiting = append(waiting, q); len(waiting) < 8 && kind != "dies" && kind != "one" {
			continue
		}
		if _, err := os.Stat("died"); kind == "dies" && err != nil {
			if len(waiting) < 3 {
				continue
			}
			os.WriteFile("died", nil, 0o644)
			os.Exit(9)
		}
		for i := len(waiting) - 1; i >= 0; i-- {
			fmt.Printf(`{"id":%q,"utility":%d}`+"\n", waiting[i].ID, waiting[i].Seed)
		}
		waiting = nil
	}
}

func openProgram(t *testing.T, kind string, o ExecOptions) *Exec {
	t.Helper()
	t.Chdir(t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Command = "ISOCOST_TEST_EVALUATOR=" + kind + " exec " + self
	e, err := NewExec(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func logged(t *testing.T, what string) int {
	t.Helper()
	text, err := os.ReadFile("log")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), what)
}

// askAll asks for the utilities of seeds 0 to n−1 at once; each is its seed.
func askAll(t *testing.T, e *Exec, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			a, err := e.Evaluate(context.Background(), request(t, "a", i, uint64(i)))
			if err != nil || a.Utility != float64(i) {
				t.Errorf("seed %d: %+v, %v", i, a, err)
			}
		})
	}
	wg.Wait()
}

// One process that takes eight at a time gets eight, also where its hello comes late, and
// its answers find their requests in any order.
func TestExecMultiplexes(t *testing.T) {
	for _, kind := range []string{"v2", "late"} {
		t.Run(kind, func(t *testing.T) {
			e := openProgram(t, kind, ExecOptions{Workers: 8, Timeout: time.Minute})
			askAll(t, e, 32)
			if n := logged(t, "started"); n != 1 {
				t.Errorf("%d processes where one takes all", n)
			}
		})
	}
}

// With fewer workers than the program takes, the search says so once.
func TestExecSaysWhatIsLeftIdle(t *testing.T) {
	var mu sync.Mutex
	var notes []string
	e := openProgram(t, "one", ExecOptions{Workers: 2, Note: func(s string) { mu.Lock(); notes = append(notes, s); mu.Unlock() }})
	askAll(t, e, 4)
	if len(notes) != 1 || !strings.Contains(notes[0], "--workers 8") {
		t.Errorf("notes %q", notes)
	}
}

// A process that dies fails what it was at, which is asked again of the next one.
func TestExecRetriesWhatADeadProcessHad(t *testing.T) {
	e := openProgram(t, "dies", ExecOptions{Workers: 3, Retries: 1})
	askAll(t, e, 3)
	if n := logged(t, "started"); n != 2 {
		t.Errorf("%d processes, want the dead one and its heir", n)
	}
}

func TestExecRefusesAHello(t *testing.T) {
	for kind, want := range map[string]string{"v3": "isocost/exec/v3", "idle": "concurrency 0"} {
		t.Run(kind, func(t *testing.T) {
			e := openProgram(t, kind, ExecOptions{})
			if _, err := e.Evaluate(context.Background(), request(t, "a", 0, 1)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want an error with %q", err, want)
			}
		})
	}
}

// What takes too long is cancelled and leaves the other requests of the process alone.
func TestExecCancelsAlone(t *testing.T) {
	e := openProgram(t, "v2", ExecOptions{Workers: 9})
	askAll(t, e, 8) // it has said how many it takes
	e.fleet.timeout = 200 * time.Millisecond
	var f *search.Failure
	if _, err := e.Evaluate(context.Background(), request(t, "a", 0, 90)); !errors.As(err, &f) || !strings.Contains(f.Reason, "no answer within 200ms") {
		t.Fatalf("%v", err)
	}
	e.fleet.timeout = time.Minute
	askAll(t, e, 8)
	if n := logged(t, "started"); n != 1 {
		t.Errorf("%d processes, want the one that was told to cancel", n)
	}
	if n := logged(t, `{"cancel":`); n != 1 {
		t.Errorf("%d cancels, want 1", n)
	}
}

// An error is tried again by the same process; one that is final is not; an answer to
// nobody's request ends the process.
func TestExecErrors(t *testing.T) {
	for _, c := range []struct {
		seed      uint64
		want      string
		asked     int
		processes int
	}{{91, "3 attempts: out of memory", 3, 1}, {92, "1 attempts: no such choice", 1, 1}, {93, `3 attempts: the answer has id "stranger"`, 3, 3}} {
		t.Run(fmt.Sprint(c.seed), func(t *testing.T) {
			e := openProgram(t, "one", ExecOptions{Workers: 2, Retries: 2})
			askAll(t, e, 1)
			var f *search.Failure
			if _, err := e.Evaluate(context.Background(), request(t, "a", 0, c.seed)); !errors.As(err, &f) || !strings.Contains(f.Reason, c.want) {
				t.Errorf("%v, want a Failure with %q", err, c.want)
			}
			if n := logged(t, fmt.Sprintf(`"seed":%d`, c.seed)); n != c.asked {
				t.Errorf("asked %d times, want %d", n, c.asked)
			}
			if n := logged(t, "started"); n != c.processes {
				t.Errorf("%d processes, want %d", n, c.processes)
			}
		})
	}
}

// A program whose every request has a final error is at fault itself.
func TestExecEndsTheRunWhereNothingWorks(t *testing.T) {
	e := openProgram(t, "one", ExecOptions{})
	_, err := e.Evaluate(context.Background(), request(t, "a", 0, 92))
	if err == nil || errors.As(err, new(*search.Failure)) || !strings.Contains(err.Error(), "no such choice") {
		t.Errorf("%v: want an error that ends the run", err)
	}
}
