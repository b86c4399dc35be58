package measure

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// scripted is an agent program that answers its n-th call with the n-th of answers; in each
// A, B and C stand for the costs of the three architectures.
func scripted(t *testing.T, answers ...string) *Agent {
	t.Helper()
	dir := t.TempDir()
	for i, a := range answers {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("answer", i+1)), []byte(a), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "agent")
	script := "#!/bin/sh\ncd " + dir + "\necho x \"$@\" >> calls\nn=$(wc -l < calls)\nn=$((n))\ncat answer$n\n! grep -q need_s answer$n\n"
	if err := os.WriteFile(program, []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	s, err := space.OpenMeasured("../../examples/mobile-cnn/space.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &Agent{Space: s, Program: program, Dir: filepath.Join(dir, "m"), Table: lut.File{Metric: lut.Latency}, Stderr: &bytes.Buffer{},
		Again: 5 * time.Minute, Wait: func(context.Context, time.Duration) error { return nil }}
}

// answer is a report: name, cost, validity, in threes.
func answer(archs []space.Arch, of ...any) string {
	var results []string
	for i := 0; i < len(of); i += 3 {
		results = append(results, fmt.Sprintf(`{"kind":"e2e","name":%q,"estimate_us":%v,"ci95_us":[%v,%v],"n":9,"validity":[%q]}`,
			archs[of[i].(int)].Key(), of[i+1], of[i+1], of[i+1], of[i+2]))
	}
	return `{"device":{"id":"d"},"results":[` + strings.Join(results, ",") + `]}`
}

// TestMeasuredAgain: what comes back of a bad moment is measured again beside the anchor until
// every ratio is known, and how long that took is said; what does not pass with time is
// not, nor is anything when the time for it is over.
func TestMeasuredAgain(t *testing.T) {
	s, err := space.OpenMeasured("../../examples/mobile-cnn/space.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var archs []space.Arch
	for i := range 3 {
		a := s.Default()
		a.Layers[0].Width = i
		archs = append(archs, a)
	}
	calls := func(a *Agent) string {
		text, _ := os.ReadFile(filepath.Join(filepath.Dir(a.Program), "calls"))
		return string(text)
	}
	good := answer(archs, 0, 100, "ok", 1, 110, "ok", 2, 120, "ok")
	for _, c := range []struct {
		name    string
		again   time.Duration
		answers []string
		ratios  [3]float64 // 0: none
		calls   int
		said    string
	}{
		{"at once", time.Minute, []string{good}, [3]float64{1, 1.1, 1.2}, 1, ""},
		{"the final drifts", time.Minute, []string{answer(archs, 0, 100, "ok", 1, 110, "ok", 2, 150, "drift"), answer(archs, 0, 105, "ok", 2, 126, "ok")},
			[3]float64{1, 1.1, 1.2}, 2, "measured again once in"},
		{"the anchor is noisy", time.Minute, []string{answer(archs, 0, 90, "noisy", 1, 110, "ok", 2, 120, "ok"), answer(archs, 0, 100, "throttled", 1, 110, "ok", 2, 120, "ok"), good},
			[3]float64{1, 1.1, 1.2}, 3, "measured again 2 times in 15s"},
		{"time is over", 12 * time.Second, []string{answer(archs, 0, 100, "ok", 1, 110, "noisy", 2, 120, "ok"), answer(archs, 0, 100, "ok", 1, 111, "noisy"), good},
			[3]float64{1, 0, 1.2}, 2, "1 of 3 are still without a ratio"},
		{"not wanted", 0, []string{answer(archs, 0, 100, "drift", 1, 110, "ok", 2, 120, "ok"), good}, [3]float64{}, 1, ""},
		{"a refusal stays", time.Minute, []string{answer(archs, 0, 100, "ok", 1, 110, "unsupported", 2, 120, "ok"), good}, [3]float64{1, 0, 1.2}, 1, ""},
		{"too short", time.Minute, []string{`{"need_s":17}`, good}, [3]float64{1, 1.1, 1.2}, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := scripted(t, c.answers...)
			a.Again = c.again
			got, err := a.Measure(context.Background(), archs)
			if err != nil {
				t.Fatal(err)
			}
			for i, m := range got {
				ratio := 0.0
				if m.Valid() && m.Reference > 0 {
					ratio = m.Value / m.Reference
				}
				if ratio != c.ratios[i] {
					t.Errorf("architecture %d: ratio %v of %+v, want %v", i, ratio, m, c.ratios[i])
				}
			}
			if n := strings.Count(calls(a), "\n"); n != c.calls {
				t.Errorf("agent was started %d times, want %d:\n%s", n, c.calls, calls(a))
			}
			if said := a.Stderr.(*bytes.Buffer).String(); !strings.Contains(said, c.said) || c.said == "" && said != "" {
				t.Errorf("it said %q, want %q", said, c.said)
			}
			if c.name == "too short" && !strings.Contains(calls(a), "--max-time=17s") {
				t.Errorf("the time that was asked for was not given: %s", calls(a))
			}
		})
	}
}
