//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// differentialRun is the random graphs of one differential test: by default those of a second
// or two, always the same, so that a commit is judged by what it changed. With
// ISOCOST_DIFFERENTIAL, how many they are, the last quarter is new each time; ISOCOST_SEED, its
// first seed, repeats it.
type differentialRun struct {
	t      *testing.T
	count  int
	fresh  uint64
	of     string // what kind of graphs, where more than one test has the law
	open   bool   // differences are counted: the law is not known to hold of all such graphs
	differ int
}

// differs is a graph that breaks the law: an error, but among many graphs of an open kind, of
// which one in a hundred may.
func (d *differentialRun) differs(format string, args ...any) {
	d.t.Helper()
	d.differ++
	if d.open && os.Getenv("ISOCOST_DIFFERENTIAL") != "" {
		d.t.Logf(format, args...)
		return
	}
	d.t.Errorf(format, args...)
}

func differential(t *testing.T, count int) *differentialRun {
	d := &differentialRun{t: t, count: count}
	if os.Getenv("ISOCOST_DIFFERENTIAL") != "" {
		d.fresh = rand.Uint64() >> 32
	}
	for name, to := range map[string]func(uint64){"ISOCOST_DIFFERENTIAL": func(v uint64) { d.count = int(v) }, "ISOCOST_SEED": func(v uint64) { d.fresh = v }} {
		if s := os.Getenv(name); s != "" {
			v, err := strconv.ParseUint(s, 10, 48)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			to(v)
		}
	}
	t.Logf("ISOCOST_SEED=%d", d.fresh)
	return d
}

// seeds are those of the graphs.
func (d *differentialRun) seeds(yield func(uint64) bool) {
	for i := range uint64(d.count) {
		if i >= uint64(d.count+1)*3/4 {
			i += d.fresh
		}
		if !yield(i) {
			return
		}
	}
}

// enough fails where too few graphs ran, and otherwise adds to the page of ISOCOST_STUDY, where
// that is set and all agreed, what was compared.
func (d *differentialRun) enough(ran, compared int, law string) {
	d.t.Logf("%d of %d graphs ran: %s", ran, d.count, law)
	if ran < d.count/2 || compared < d.count/2 {
		d.t.Errorf("%d of %d graphs ran, %d results were compared: the test looks at refusals only", ran, d.count, compared)
	}
	if 100*d.differ > ran {
		d.t.Errorf("%d of %d graphs differ", d.differ, ran)
	}
	if d.open {
		law += fmt.Sprintf("; of %d graphs they differ", d.differ)
	}
	file := os.Getenv("ISOCOST_STUDY")
	if file == "" || d.t.Failed() {
		return
	}
	page, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		page, err = []byte(studyHead), nil
	}
	if err == nil {
		err = os.WriteFile(file, fmt.Appendf(page, "| %d of %d | %d | %s |\n", ran, d.count, d.fresh, law), 0o600)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

const studyHead = `# The reader against ONNX Runtime, over random graphs

Small graphs of valid operators (agent/ort/differential_*_test.go), most of them the same each time and the last quarter new with the
seed. A law that one graph breaks fails the run, which then leaves no row; where a row counts graphs that differ, fewer than one in a
hundred may.

| graphs that the runtime takes | seed | compared |
|---|---|---|
`
