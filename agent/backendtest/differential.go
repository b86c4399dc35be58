package backendtest

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Differential is the random graphs of one differential test: by default those of a second
// or two, always the same, so that a commit is judged by what it changed. With
// ISOCOST_DIFFERENTIAL, how many they are, the last quarter is new each time; ISOCOST_SEED, its
// first seed, repeats it.
type Differential struct {
	Of   string // what kind of graphs, where more than one test has the law
	Open bool   // differences are counted: the law is not known to hold of all such graphs

	t      *testing.T
	count  int
	fresh  uint64
	differ int
	said   int
}

// Differs is a graph that breaks the law: an error, but among many graphs of an open kind, of
// which one in a hundred may.
func (d *Differential) Differs(format string, args ...any) {
	d.t.Helper()
	d.differ++
	if d.Open && os.Getenv("ISOCOST_DIFFERENTIAL") != "" {
		d.t.Logf(format, args...)
		return
	}
	d.t.Errorf(format, args...)
}

// Said is a graph that breaks the law with a word: the reader warns, or lists what it does not know.
func (d *Differential) Said(format string, args ...any) {
	d.t.Helper()
	d.said++
	d.t.Logf("said, "+format, args...)
}

// NewDifferential begins one of count graphs where ISOCOST_DIFFERENTIAL does not say how many.
func NewDifferential(t *testing.T, count int) *Differential {
	d := &Differential{t: t, count: count}
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

// OneIn makes it a part of as many graphs in the long form, where each takes long.
func (d *Differential) OneIn(n int) *Differential {
	if os.Getenv("ISOCOST_DIFFERENTIAL") != "" {
		d.count = max(1, d.count/n)
	}
	return d
}

// Seeds are those of the graphs.
func (d *Differential) Seeds(yield func(uint64) bool) {
	for i := range uint64(d.count) {
		if i >= uint64(d.count+1)*3/4 {
			i += d.fresh
		}
		if !yield(i) {
			return
		}
	}
}

// Enough fails where too few graphs ran, and otherwise adds to the page of ISOCOST_STUDY, where
// that is set and all agreed, what was compared.
func (d *Differential) Enough(ran, compared int, law string) {
	d.t.Logf("%d of %d graphs ran: %s", ran, d.count, law)
	if ran < d.count/2 || compared < d.count/2 {
		d.t.Errorf("%d of %d graphs ran, %d results were compared: the test looks at refusals only", ran, d.count, compared)
	}
	if 100*d.differ > ran {
		d.t.Errorf("%d of %d graphs differ", d.differ, ran)
	}
	if d.Open || d.said > 0 {
		law += fmt.Sprintf("; of %d graphs they differ without a word, of %d where the reader warns or says what it does not know", d.differ, d.said)
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

const studyHead = `# The readers against their runtimes, over random graphs

Small graphs of valid operators (agent/ort/differential_*_test.go, agent/tflite/differential_*_test.go), most of them the same each time and the last quarter new with the
seed. A law that one graph breaks fails the run, which then leaves no row; where a row counts graphs that differ, fewer than one in a
hundred may.

| graphs that the runtime takes | seed | compared |
|---|---|---|
`
