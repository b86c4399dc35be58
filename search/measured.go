package search

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"

	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/space"
)

// Measurer measures architectures on a table's device, all in one interleaved
// campaign. The result has one measurement per architecture; one that failed has
// a validity other than ok and no value.
type Measurer interface {
	Measure(ctx context.Context, archs []space.Arch) ([]Measurement, error)
}

// measured says whether a search asks a device at all.
func measured(h Header) bool {
	return slices.ContainsFunc(h.Tables, func(t TableRef) bool { return t.Measured })
}

// unmeasured lists the tables whose device has not yet said what an architecture
// costs.
func (t *tape) unmeasured(h Header, key string) (tables []int) {
	for i, ref := range h.Tables {
		if _, ok := t.measures[measureID{key, i}]; ref.Measured && !ok {
			tables = append(tables, i)
		}
	}
	return tables
}

// refusal says why what was measured of an architecture keeps it from becoming
// the incumbent; "" when nothing does. What could not be measured does not: the
// claim then rests on its prediction, and the certificate says so.
func refusal(h Header, ms []Measured) string {
	for _, m := range ms {
		if d := m.Deviation(); d != nil && !withinTau(*d, h.TauOf(m.table)) {
			return fmt.Sprintf("measured %+.2f%% of the anchor's cost on %s, outside the band", 100**d, h.Tables[m.table].Name)
		}
	}
	return ""
}

// withinTau says whether a deviation g/g(x0) − 1 is in the band of tolerance tau.
func withinTau(d, tau float64) bool { return math.Abs(math.Log1p(d)) <= math.Log1p(tau)+slack }

// checkRecords holds the record files of a run directory against the hashes in its
// measurements: each that is named has to be there unless none is. It returns how many
// measurements rest on files that are there.
func (t *tape) checkRecords(dir string) (int, error) {
	there := map[string]bool{}
	root := filepath.Join(dir, MeasureDir)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".jsonl" {
			return err
		}
		sum, err := filehash.SHA256(context.Background(), path)
		there[sum] = true
		return err
	})
	if errors.Is(err, fs.ErrNotExist) { // the run was copied without them
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	n := 0
	for id, m := range t.measures {
		switch {
		case m.Records == "":
		case !there[m.Records]:
			return 0, hint.Wrap(fmt.Errorf("the measurement of %s for table %d is of records %.12s…, and no file in %s is", id.arch, id.table, m.Records, root),
				"the records were changed after the search, or are another campaign's")
		default:
			n++
		}
	}
	return n, nil
}

// admit is the driver's Admit: what the journal has not, the devices measure,
// beside the anchor.
func (r *recorder) admit(ctx context.Context, a space.Arch) (string, error) {
	h, key := r.d.Header, a.Key()
	for _, i := range r.tape.unmeasured(h, key) {
		if err := r.measure(ctx, i, []space.Arch{a}); err != nil {
			return "", err
		}
	}
	ms := r.tape.measured(key, len(h.Tables))
	why := refusal(h, ms)
	r.seen++
	if why != "" {
		r.outside++
	}
	p := r.d.Problem
	for _, m := range ms {
		if c, err := p.Bands[m.table].Cost.Cost(a); err == nil && m.Valid() {
			r.eta = max(r.eta, math.Abs(c.Value/m.Value-1))
		}
	}
	return why, nil
}

// measurePath has measured what a search ends with and no device has seen yet:
// the anchor of a search without a move, the incumbents of one that does not ask.
// An interrupted search ends without: its certificate says what was not measured.
func (r *recorder) measurePath(ctx context.Context, path []Visited) error {
	for i, ref := range r.d.Header.Tables {
		if !ref.Measured {
			continue
		}
		var archs []space.Arch
		for _, v := range path {
			if _, ok := r.tape.measures[measureID{v.Key, i}]; ok {
				continue
			}
			a, err := space.ParseArch(v.Key)
			if err != nil {
				return err
			}
			archs = append(archs, a)
		}
		if len(archs) == 0 {
			continue
		}
		if err := r.measure(ctx, i, archs); errors.Is(err, ErrStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// measure has architectures measured on a table's device in one campaign with
// the anchor and writes down what came of it, the anchor's first time as well.
func (r *recorder) measure(ctx context.Context, table int, archs []space.Arch) error {
	name, anchor := r.d.Header.Tables[table].Name, r.d.Problem.Anchor
	if table >= len(r.d.Measurers) || r.d.Measurers[table] == nil {
		return fmt.Errorf("measure for table %s: there is no device", name)
	}
	campaign := []space.Arch{anchor}
	for _, a := range archs {
		if a.Key() != anchor.Key() {
			campaign = append(campaign, a)
		}
	}
	got, err := r.d.Measurers[table].Measure(ctx, campaign)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: interrupted", ErrStop)
	case err != nil:
		return fmt.Errorf("measure for table %s: %w", name, err)
	case len(got) != len(campaign):
		return fmt.Errorf("measure for table %s: %d measurements for %d architectures", name, len(got), len(campaign))
	}
	for i, a := range campaign {
		id := measureID{a.Key(), table}
		if _, ok := r.tape.measures[id]; ok {
			continue // the anchor, again
		}
		m := got[i]
		if r.d.Header.version() < 3 {
			m.Records = ""
		}
		if m.Reference == 0 && got[0].Valid() { // a measurer of several campaigns names its own
			m.Reference = got[0].Value
		}
		if err := r.w.append(Entry{Kind: EntryMeasure, Arch: id.arch, Table: table, Measured: &m}); err != nil {
			return err
		}
		r.tape.measures[id] = m
	}
	return nil
}
