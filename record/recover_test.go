package record

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

// TestDamageIsSaid: every byte of a file changed, every line dropped, duplicated or swapped with
// the next is an error that names file and line; cutting the file between lines is not
// one of the file alone, but the campaign has no end then.
func TestDamageIsSaid(t *testing.T) {
	data := good(t)
	refused := func(what string, changed []byte) {
		t.Helper()
		_, err := Decode("rec.jsonl", changed)
		if err == nil || !strings.HasPrefix(err.Error(), "rec.jsonl:") || hint.Of(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range data[:len(data)-1] {
		for _, b := range []byte{data[i] ^ 1, data[i] ^ 0x20, '\n'} {
			if b != data[i] {
				refused(fmt.Sprintf("byte %d", i), slices.Concat(data[:i], []byte{b}, data[i+1:]))
			}
		}
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	lines = lines[:len(lines)-1]
	for i := 1; i < len(lines); i++ {
		if i < len(lines)-1 {
			refused(fmt.Sprintf("line %d dropped", i+1), bytes.Join(slices.Delete(slices.Clone(lines), i, i+1), nil))
			swapped := slices.Clone(lines)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			refused(fmt.Sprintf("line %d moved", i+1), bytes.Join(swapped, nil))
		}
		refused(fmt.Sprintf("line %d duplicated", i+1), bytes.Join(slices.Insert(slices.Clone(lines), i, lines[i]), nil))
		f, err := Decode("rec.jsonl", bytes.Join(lines[:i], nil))
		if err != nil || f.End != nil {
			t.Errorf("the first %d lines: %v, end %v", i, err, f)
		}
	}
}

// TestRecover: of a file in which some lines are changed or lost, all that can be told to be
// whole is kept – every other line, but the one behind a gap –, what is lost is named, and
// what comes of it is a record file again.
func TestRecover(t *testing.T) {
	data := good(t)
	whole, err := Decode("rec.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	all := linesOf(whole)
	if r, err := Recover("rec.jsonl", data, nil); err != nil || r.Text != nil || len(r.Lost) != 0 {
		t.Errorf("a whole file: %+v, %v", r, err)
	}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		lines := bytes.SplitAfter(data, []byte("\n"))
		lines = lines[:len(lines)-1]
		flipped := map[int]bool{}
		for range 1 + rng.IntN(3) {
			n := 1 + rng.IntN(len(lines)-1)
			l := slices.Clone(lines[n])
			l[rng.IntN(len(l)-sumLen-12)] ^= 1 << rng.IntN(3)
			lines[n], flipped[n] = l, !bytes.Equal(l, lines[n])
		}
		r, err := Recover("rec.jsonl", bytes.Join(lines, nil), nil)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		f, err := Decode("again.jsonl", r.Text)
		if err != nil {
			t.Fatalf("seed %d: what was recovered is no record file: %v", seed, err)
		}
		if f.Header.Flags["recovered"] == "" || f.Header.Device != whole.Header.Device {
			t.Errorf("seed %d: header %+v", seed, f.Header)
		}
		for _, d := range r.Lost {
			if !flipped[d.Row-1] && !strings.Contains(d.Why, "cases; ") {
				t.Errorf("seed %d: line %d was whole and is lost: %s", seed, d.Row, d.Why)
			}
		}
		got := linesOf(f)
		for n := range all {
			if flipped[n+1] || all[n].End != nil {
				continue
			}
			text, err := EncodeLine(all[n])
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(got, func(l Line) bool { have, _ := EncodeLine(l); return bytes.Equal(have, text) }) {
				t.Errorf("seed %d: %s was whole and is gone", seed, text)
			}
		}
	}
	torn, err := Recover("rec.jsonl", data[:len(data)-40], nil)
	if err != nil || len(torn.Lost) == 0 || torn.Records != 2 {
		t.Fatalf("a torn end: %+v, %v", torn, err)
	}
	if f, err := Decode("again.jsonl", torn.Text); err != nil || f.End == nil || f.End.Cases != 2 || f.End.Failed != 1 {
		t.Errorf("a torn end: %v", err)
	}
	if _, err := Recover("rec.jsonl", data[:100], nil); err == nil || hint.Of(err) == "" {
		t.Errorf("half a header: %v", err)
	}
	// A file of before the sums: its torn line goes.
	before := old(t)
	r, err := Recover("rec.jsonl", before[:len(before)-10], nil)
	if err != nil || len(r.Lost) == 0 || r.Records != 2 {
		t.Errorf("an old file: %+v, %v", r, err)
	}
}
