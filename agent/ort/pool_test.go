//go:build cgo && linux

package ort

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/isocost/isocost/agent"
)

// TestSharedThreads: the sessions of a campaign on two threads have one worker
// together, and compute what a session with a thread computes. It needs a process
// of its own, whose first session says how many threads.
func TestSharedThreads(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of waiting for threads: make test")
	}
	const env = "ISOCOST_TEST_SHARED_THREADS"
	b := backend(t)
	if os.Getenv(env) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSharedThreads$", "-test.count=1", "-test.v")
		cmd.Env = append(os.Environ(), env+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestSharedThreads")) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	tasks := func() int {
		entries, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	two := agent.Options{Threads: 2, Seed: 3}
	first := open(t, b, convModel(1), two)
	if loaded.pool != 2 {
		t.Fatalf("a pool of %d threads, want 2", loaded.pool)
	}
	want := outputs(t, open(t, b, convModel(1), agent.Options{Threads: 1, Seed: 3}))
	before := tasks()
	const sessions = 40
	for range sessions {
		got := outputs(t, open(t, b, convModel(1), two))
		if diff, err := agent.CompareTensors(got, want); err != nil || diff.RelRMS > 1e-6 {
			t.Fatalf("relative RMS error %g, %v", diff.RelRMS, err)
		}
	}
	// Go's own threads come and go, by a few.
	if after := tasks(); after > before+sessions/2 {
		t.Errorf("%d sessions brought %d threads", sessions, after-before)
	}
	if got := outputs(t, first); !slices.Equal(got[0].Data, outputs(t, first)[0].Data) {
		t.Error("the first session's output changed")
	}

	// A session that asks about its own threads gets them.
	before = tasks()
	two.ProviderOptions = map[string]string{"session.intra_op.allow_spinning": "0"}
	for range sessions {
		open(t, b, convModel(1), two)
	}
	if after := tasks(); after < before+sessions {
		t.Errorf("%d sessions with threads of their own brought %d", sessions, after-before)
	}
}
