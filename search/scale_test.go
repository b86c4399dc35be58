package search_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/space"
)

// scaled multiplies utilities by a scale that is fixed before the search.
type scaled struct {
	search.Evaluator
	asked int
	by    float64
}

func (s *scaled) Calibrate(context.Context, []space.Arch, uint64) (json.RawMessage, error) {
	s.asked++
	return json.RawMessage(`{"by":2}`), nil
}

func (s *scaled) Restore(state json.RawMessage) error {
	var v struct{ By float64 }
	err := json.Unmarshal(state, &v)
	s.by = v.By
	return err
}

func (s *scaled) Evaluate(ctx context.Context, r search.Request) (search.Answer, error) {
	a, err := s.Evaluator.Evaluate(ctx, r)
	if s.by == 0 {
		err = errors.New("evaluated without a scale")
	}
	a.Utility *= s.by
	return a, err
}

// A scale from another search is written down and used instead of calibrating, and
// a journal's own goes before it.
func TestScaleOfAnotherSearch(t *testing.T) {
	tier.Sequential(t, "whole searches, one per scale")
	dir := t.TempDir()
	table := writeTable(t, dir)
	s := search.DefaultSettings()
	s.Epsilon = 0.5
	if err := s.Complete(); err != nil {
		t.Fatal(err)
	}
	start := func(out, scale string) (*search.Certificate, *scaled) {
		in, err := search.OpenInputs(search.Inputs{Space: table, Tables: []string{"space:us"}, Anchor: "b|b|b|b|b"}, s)
		if err != nil {
			t.Fatal(err)
		}
		e, err := evaluator.OpenTable(table+",noise=gaussian", s.Seed)
		if err != nil {
			t.Fatal(err)
		}
		ev := &scaled{Evaluator: e}
		if err := in.Attach(ev); err != nil {
			t.Fatal(err)
		}
		if err := in.Save(out); err != nil {
			t.Fatal(err)
		}
		d := &search.Driver{Dir: out, Problem: in.Problem, Header: in.Header, Evaluator: ev, Scale: json.RawMessage(scale)}
		c, err := d.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(out); err != nil {
			t.Error(err)
		}
		return c, ev
	}
	own, ev := start(filepath.Join(dir, "own"), "")
	if ev.asked != 1 || string(own.State) != `{"by":2}` {
		t.Errorf("own scale: calibrated %d times, %s", ev.asked, own.State)
	}
	given, ev := start(filepath.Join(dir, "given"), `{"by":3}`)
	if ev.asked != 0 || ev.by != 3 || string(given.State) != `{"by":3}` {
		t.Errorf("given scale: calibrated %d times, scale %g, %s", ev.asked, ev.by, given.State)
	}
	if kept, ev := start(filepath.Join(dir, "given"), `{"by":4}`); ev.by != 3 || string(kept.State) != `{"by":3}` {
		t.Errorf("continued: scale %g, %s", ev.by, kept.State)
	}
}
