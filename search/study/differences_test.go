package study

import (
	"math"
	"strings"
	"testing"
)

// made are two methods from two anchors at one seed each.
func made(format string) *Results {
	unit := func(method, anchor string, anchorUtility, utility, cost float64) Unit {
		return Unit{Method: method, Table: "t", Anchor: anchor, Seed: 1, Final: method + anchor, AnchorCost: 10, Cost: cost, Inside: true,
			AnchorUtility: &Estimate{N: 2, Mean: anchorUtility}, Utility: &Estimate{N: 2, Mean: utility}}
	}
	r := &Results{Header: Header{Format: format}, Anchors: []string{"a", "b"},
		Units: []Unit{unit("one", "a", 1, 2, 10), unit("one", "b", 1, 4, 10), unit("two", "a", 1, 4, 9), unit("two", "b", 1, 5, 9)}}
	r.Units[0].Vacuous = true
	r.Units[1].Certified = true
	r.summarise()
	return r
}

// Differences are paired: by hand they are 2 and 1.
func TestDifferencesArePaired(t *testing.T) {
	r := made(Format)
	if len(r.Differences) != 1 {
		t.Fatalf("%+v", r.Differences)
	}
	d := r.Differences[0]
	half := 12.7062 * math.Sqrt(0.5) / math.Sqrt2 // Student's t at one degree of freedom
	if d.Method != "two" || d.Against != "one" || d.Pairs != 2 || d.Mean != 1.5 || math.Abs(*d.Hi-1.5-half) > 1e-3 || math.Abs(1.5-*d.Lo-half) > 1e-3 {
		t.Errorf("%+v, want 1.5 ± %.4f", d, half)
	}
	if m := r.Methods[0]; m.Certified != 1 || m.Vacuous != 1 {
		t.Errorf("%+v", m)
	}
	if text := r.Markdown(); !strings.Contains(text, "1/2, 1 vacuous") || !strings.Contains(text, "Gain less that of one") {
		t.Errorf("%s", text)
	}
}

// The seeds of an anchor are not independent: a second seed that says what the first one did
// narrows no interval, as it did before version 4. What is concluded goes by all differences together.
func TestSeedsOfAnAnchorAreOneAnchor(t *testing.T) {
	row := func(format string, seeds uint64) DifferenceRow {
		r := made(format)
		once := r.Units
		for seed := uint64(2); seed <= seeds; seed++ {
			for _, u := range once {
				u.Seed = seed
				r.Units = append(r.Units, u)
			}
		}
		r.summarise()
		return r.Differences[0]
	}
	one, ten := row(Format, 1), row(Format, 10)
	if *one.Lo != *ten.Lo || *one.Hi != *ten.Hi || *one.P != *ten.P || one.Mean != ten.Mean || ten.Anchors != 2 || ten.Pairs != 20 {
		t.Errorf("ten alike seeds say %+v, one says %+v", ten, one)
	}
	if *ten.Lo >= 0 || ten.apart() != 0 {
		t.Errorf("two anchors tell the methods apart: %+v", ten)
	}
	if then := row(formatV3, 10); *then.Lo <= 0 || then.apart() != 1 || then.P != nil || then.Anchors != 0 {
		t.Errorf("version 3 takes seeds for anchors: %+v", then)
	}
	// By hand: 2 and 1 in the mean are 3 standard errors, whose two-sided probability at one degree
	// of freedom is 1 − 2·atan(3)/π.
	if want := 1 - 2*math.Atan(3)/math.Pi; math.Abs(*one.P-want) > 1e-9 || *one.Holm != *one.P {
		t.Errorf("%+v, want p = %g", one, want)
	}
}

// Holm's procedure by hand: 0.01·4, then 0.02·3, which 0.03·2 may not undercut, then 0.2.
func TestHolm(t *testing.T) {
	var rows []DifferenceRow
	for _, p := range []float64{0.03, 0.2, 0.01, 0.02} {
		rows = append(rows, DifferenceRow{P: &p})
	}
	rows = append(rows, DifferenceRow{}) // of one anchor
	holm(rows)
	for i, want := range []float64{0.06, 0.2, 0.04, 0.06} {
		if math.Abs(*rows[i].Holm-want) > 1e-12 {
			t.Errorf("row %d: %g, want %g", i, *rows[i].Holm, want)
		}
	}
	if rows[4].Holm != nil {
		t.Error("a row without a probability has a corrected one")
	}
}

// The finals that are best in one of the two measures count in the hypervolume of version
// 2; results of version 1 keep theirs, and are read.
func TestVersion1OfResults(t *testing.T) {
	now, then := made(Format), made(formatV1)
	if then.Fronts[0].Hypervolume != 0 || now.Fronts[0].Hypervolume <= 0 {
		t.Errorf("hypervolumes %g and, in version 1, %g", now.Fronts[0].Hypervolume, then.Fronts[0].Hypervolume)
	}
	for _, r := range []*Results{now, then} {
		data, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeResults("results.json", data)
		if err != nil || back.Format != r.Format {
			t.Errorf("%s: %v", r.Format, err)
		}
	}
	if then.Differences != nil {
		t.Error("version 1 has differences")
	}
}
