package anchors

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

func bare(t *testing.T) space.Space {
	t.Helper()
	var b strings.Builder
	for i := range 27 {
		b.WriteString(`{"arch":"` + string("abc"[i%3]) + "|" + string("abc"[i/3%3]) + "|" + string("abc"[i/9]) + `","utility":[1],"cost":{"us":1}}` + "\n")
	}
	path := filepath.Join(t.TempDir(), "t.jsonl")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := space.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The draw is the study's: space.Sample with the seed, what is there left out.
func TestListDrawsAsAStudy(t *testing.T) {
	s := bare(t)
	drawn := space.Sample(s, 4, 7)
	got, err := List(s, []string{drawn[2].Key(), "random:4"}, 7)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{drawn[2].Key(), drawn[0].Key(), drawn[1].Key(), drawn[3].Key()}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, words := range [][]string{{"a|a|a", "a|a|a"}, {"a|a"}, {"a|a|d"}, {"random:-1"}, {"random:1001"}, {"random:x"}, {""}} {
		if keys, err := List(s, words, 7); err == nil {
			t.Errorf("%q is taken for %v", words, keys)
		}
	}
}

func run(name, anchor string, cost, utility float64, measured ...float64) Run {
	c := &search.Certificate{Header: search.Header{Anchor: anchor, Tables: []search.TableRef{{FileRef: search.FileRef{Name: "t"}, Unit: "us", Budget: search.Bounds{Value: cost}}}}}
	c.Anchor = search.CertArch{Arch: anchor, Costs: []search.Bounds{{Value: cost}}, N: 1, Mean: new(float64)}
	c.Final = search.CertArch{Arch: "final of " + anchor, Costs: []search.Bounds{{Value: cost}}, N: 1, Mean: &utility}
	if len(measured) > 0 {
		m := search.CertMeasured{}
		m.Arch, m.Value, m.Reference, m.Validity = c.Final.Arch, measured[0], measured[0], []string{"ok"}
		c.Measured = []search.CertDevice{{Table: "t", Archs: []search.CertMeasured{m}}}
	}
	return Run{Name: name, Certificate: c, Journal: &search.Journal{}}
}

// Measured costs are compared with measured ones alone.
func TestFrontIsMeasuredOrPredicted(t *testing.T) {
	runs := []Run{run("anchor-1", "a", 10, 5, 12), run("anchor-2", "b", 11, 6, 11)}
	f := NewFront(runs, 0)
	// By prediction neither is dominated; by measurement the second costs less and is better.
	if !f.Measured || !f.Finals[0].Dominated || f.Finals[1].Dominated || f.Dominated != 0.5 || f.Hypervolume != 1 {
		t.Errorf("measured: %+v", f)
	}
	runs[1] = run("anchor-2", "b", 11, 6)
	f = NewFront(runs, 0)
	// Costs 10 to 11, utilities 0 to 6: the first covers 5/6 of the box, the second nothing more.
	if f.Measured || f.Finals[0].Dominated || f.Finals[1].Dominated || f.Dominated != 0 || f.Hypervolume != 5.0/6 {
		t.Errorf("one is not measured: %+v", f)
	}
}

func TestSearchesThatCannotBeCompared(t *testing.T) {
	a, b := run("anchor-1", "a", 10, 5), run("anchor-2", "b", 11, 6)
	if _, err := New([]Run{a, b}); err != nil {
		t.Fatal(err)
	}
	b.Certificate.State = json.RawMessage(`{"mean":1}`)
	if _, err := New([]Run{a, b}); err == nil || !strings.Contains(err.Error(), "different scales") {
		t.Errorf("other scales: %v", err)
	}
	b.Certificate.State = nil
	b.Certificate.Header.Settings.Seed = 2
	if _, err := New([]Run{a, b}); err == nil || !strings.Contains(err.Error(), "anchor-1 and anchor-2 are searches of other settings") {
		t.Errorf("other seeds: %v", err)
	}
	if _, err := New(nil); err == nil {
		t.Error("nothing is compared")
	}
}

func TestNamesHaveNoGap(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"anchor-1", "anchor-3", "anchor-03", "anchor-x", "anchor-0", "inputs"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Names(dir); err == nil || !strings.Contains(err.Error(), "anchor-2 is not among them") {
		t.Errorf("a gap: %v", err)
	}
	if err := os.Rename(filepath.Join(dir, "anchor-3"), filepath.Join(dir, "anchor-2")); err != nil {
		t.Fatal(err)
	}
	if names, err := Names(dir); err != nil || !slices.Equal(names, []string{"anchor-1", "anchor-2"}) {
		t.Errorf("%v, %v", names, err)
	}
}

func FuzzDecode(f *testing.F) {
	s, err := New([]Run{run("anchor-1", "a", 10, 5, 12), run("anchor-2", "b", 11, 6, 11)})
	if err != nil {
		f.Fatal(err)
	}
	data, err := s.Encode()
	if err != nil {
		f.Fatal(err)
	}
	if _, err := Decode("p", data); err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(bytes.Replace(data, []byte(`"run"`), []byte(`"ran"`), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode("p", data)
		if err != nil {
			return
		}
		if back, err := s.Encode(); err != nil || !bytes.Equal(back, data) {
			t.Fatalf("accepted what it would not write: %v", err)
		}
	})
}
