package build

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/lut"
)

// TestAPlanTooLargeIsMadeAgain: a later campaign that the agent refuses as more than the time left is planned
// once more, with a third of the work; a build that is started again then goes on with that plan.
func TestAPlanTooLargeIsMadeAgain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no sh")
	}
	all, err := census.Default()
	if err != nil {
		t.Fatal(err)
	}
	var few census.Census
	for _, n := range all.Of([]lut.Precision{lut.FP32}).Networks {
		if n.Family == "mnasnet" {
			few.Add(n)
		}
	}
	f := &folder{dir: t.TempDir()}
	script := "#!/bin/sh\necho call >>" + f.dir + "/calls\necho '{\"need_s\":500}'\nexit 1\n"
	if err := os.WriteFile(f.path("agent"), []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	start := func() (*builder, error) {
		b := &builder{Options: Options{Census: &few, Seconds: 60, Seed: 1, Program: f.path("agent")}, folder: f, out: &Outcome{}, speed: 2}
		b.now.Spent = 30
		if _, err := f.plan(0, func() (*benchmarks.Plan, error) { return b.plan(0, 30) }); err != nil {
			t.Fatal(err)
		}
		return b, b.campaign(context.Background(), 1)
	}
	_, err = start()
	if busy := (*tooBusy)(nil); !errors.As(err, &busy) {
		t.Fatalf("refused twice: %v", err)
	}
	calls, err := os.ReadFile(f.path("calls"))
	if n := strings.Count(string(calls), "call"); err != nil || n != 2 {
		t.Errorf("the agent was asked %d times, want twice (%v)", n, err)
	}
	large, err := benchmarks.OpenPlan(f.refusedPath(1))
	if err != nil {
		t.Fatal(err)
	}
	small, err := benchmarks.OpenPlan(f.planPath(1))
	if err != nil {
		t.Fatal(err)
	}
	seconds := func(p *benchmarks.Plan) float64 {
		e, err := p.Estimate(schedule, nil)
		if err != nil {
			t.Fatal(err)
		}
		return e.Seconds()
	}
	if l, s := seconds(large), seconds(small); !(s > l/6 && s < l/1.8) {
		t.Errorf("the second plan takes %.0f s, the first %.0f s: want about a third", s, l)
	}
	b, err := start()
	if busy := (*tooBusy)(nil); !errors.As(err, &busy) || b.speed > 0.7 {
		t.Errorf("started again: %v, speed %v", err, b.speed)
	}
	if again, err := benchmarks.OpenPlan(f.planPath(1)); err != nil || again.SHA256() != small.SHA256() {
		t.Errorf("started again it has another plan (%v)", err)
	}
}

// A build that is interrupted while it computes ends at once, with the table so far.
func TestAComputationIsLeftToItself(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	began, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	go func() {
		<-began
		cancel()
	}()
	if _, err := unless(ctx, func() (int, error) { close(began); <-end; return 1, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	if n, err := unless(t.Context(), func() (int, error) { return 2, nil }); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
