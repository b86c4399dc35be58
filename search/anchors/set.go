package anchors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/pareto"
)

// Format is the first field of pareto.json.
const Format = "isocost/pareto/v1"

// Run is one search that has ended. Journal has its samples on fresh seeds.
type Run struct {
	Name        string
	Certificate *search.Certificate
	Journal     *search.Journal
}

// Set is pareto.json. It is a function of the searches' certificates and journals.
type Set struct {
	Format    string          `json:"format"`
	Space     search.FileRef  `json:"space"`
	Evaluator search.Identity `json:"evaluator"`
	Anchors   []Ended         `json:"anchors"`
	Fronts    []Front         `json:"fronts"` // one per table
}

// Ended holds what came of one anchor.
type Ended struct {
	Run           string           `json:"run"`
	Anchor        string           `json:"anchor"`
	Final         string           `json:"final"`
	Reached       bool             `json:"reached"` // its certificate's claim
	Stop          search.Stop      `json:"stop"`
	Moves         int              `json:"moves"`
	Samples       int              `json:"samples"`
	AnchorUtility *Utility         `json:"anchor_utility,omitempty"`
	Utility       *Utility         `json:"utility,omitempty"` // the final's
	Gain          *search.CertGain `json:"gain,omitempty"`
}

// Utility is a mean over N samples. Fresh ones are not those by which the search
// chose; where there are none (no move was made, or samples are finite) the
// search's own are used.
type Utility struct {
	Mean  float64 `json:"mean"`
	N     int     `json:"n"`
	Fresh bool    `json:"fresh"`
}

// Front compares the finals by one table.
type Front struct {
	Table string `json:"table"`
	Unit  string `json:"unit"`
	// Measured says that costs are the device's, each search's in a campaign of its
	// own. Measured costs are compared with measured ones only: where one is missing,
	// all are the table's predictions.
	Measured bool    `json:"measured"`
	Finals   []Final `json:"finals"`
	// Hypervolume holds what the finals cover of the box that holds them and the
	// anchors, as a share; Dominated is the share of finals that another dominates.
	Hypervolume float64 `json:"hypervolume"`
	Dominated   float64 `json:"dominated"`
}

// Final is one search's final architecture and its anchor on a table. Costs are
// in the front's unit.
type Final struct {
	Run             string   `json:"run"`
	AnchorPredicted float64  `json:"anchor_predicted"`
	AnchorMeasured  *float64 `json:"anchor_measured,omitempty"` // in the final's own campaign
	Predicted       float64  `json:"predicted"`
	Measured        *float64 `json:"measured,omitempty"`
	Utility         *float64 `json:"utility,omitempty"`
	// Dominated: another final costs no more, is at least as useful and is better in
	// one of the two.
	Dominated bool `json:"dominated"`
}

// Cost returns what the front compares.
func (f *Front) Cost(e Final) (final, anchor float64) {
	if f.Measured {
		return *e.Measured, *e.AnchorMeasured
	}
	return e.Predicted, e.AnchorPredicted
}

// New compares searches of the same space, tables, evaluator and settings.
func New(runs []Run) (*Set, error) {
	if len(runs) == 0 {
		return nil, errors.New("compare the searches of several anchors: there is none")
	}
	first := runs[0].Certificate
	s := &Set{Format: Format, Space: first.Header.Space, Evaluator: first.Header.Evaluator}
	s.Space.File = ""
	for _, r := range runs {
		if err := same(runs[0], r); err != nil {
			return nil, err
		}
		c := r.Certificate
		e := Ended{Run: r.Name, Anchor: c.Anchor.Arch, Final: c.Final.Arch, Reached: c.Claim.Reached, Stop: c.Claim.Stop,
			Moves: len(c.Moves), Samples: c.Samples, Gain: c.Gain}
		e.AnchorUtility, e.Utility = r.AnchorUtility(), r.FinalUtility()
		s.Anchors = append(s.Anchors, e)
	}
	for i := range first.Header.Tables {
		s.Fronts = append(s.Fronts, NewFront(runs, i))
	}
	return s, nil
}

// same refuses searches that are not each other's but for the anchor.
func same(a, b Run) error {
	common := func(r Run) (string, error) {
		h := r.Certificate.Header
		h.Anchor = ""
		h.Tables = append([]search.TableRef{}, h.Tables...)
		for i := range h.Tables {
			h.Tables[i].Budget = search.Bounds{}
		}
		text, err := json.Marshal(h)
		return string(text), err
	}
	was, err := common(a)
	if err != nil {
		return err
	}
	is, err := common(b)
	if err != nil {
		return err
	}
	if was != is {
		return fmt.Errorf("%s and %s are searches of other settings, spaces, tables or evaluators", a.Name, b.Name)
	}
	if !bytes.Equal(a.Certificate.State, b.Certificate.State) {
		return fmt.Errorf("%s and %s have utilities on different scales: the evaluator was calibrated for each", a.Name, b.Name)
	}
	return nil
}

// AnchorUtility is the anchor's, nil when it was never sampled; FinalUtility the
// final's.
func (r Run) AnchorUtility() *Utility { return r.utility(r.Certificate.Anchor) }
func (r Run) FinalUtility() *Utility  { return r.utility(r.Certificate.Final) }

// utility returns what is known of an architecture of the search, anchor or final.
func (r Run) utility(a search.CertArch) *Utility {
	fresh := &Utility{Fresh: true}
	if r.Certificate.Gain != nil {
		for _, e := range r.Journal.Entries {
			if e.Kind == search.EntryEval && e.Stream == search.StreamFresh && e.Arch == a.Arch {
				fresh.Mean += *e.Utility
				fresh.N++
			}
		}
	}
	switch {
	case fresh.N > 0:
		fresh.Mean /= float64(fresh.N)
		return fresh
	case a.Mean != nil:
		return &Utility{Mean: *a.Mean, N: a.N}
	}
	return nil
}

// NewFront compares finals by the searches' table of that index; the unit is the
// first search's.
func NewFront(runs []Run, table int) Front {
	ref := runs[0].Certificate.Header.Tables[table]
	f := Front{Table: ref.Name, Unit: ref.Unit, Measured: true}
	var all []pareto.Point
	for _, r := range runs {
		c := r.Certificate
		e := Final{Run: r.Name, AnchorPredicted: c.Anchor.Costs[table].Value, Predicted: c.Final.Costs[table].Value}
		e.Measured, e.AnchorMeasured = measured(c, table)
		f.Measured = f.Measured && e.Measured != nil
		if u := r.FinalUtility(); u != nil {
			e.Utility = &u.Mean
		}
		f.Finals = append(f.Finals, e)
	}
	var finals []pareto.Point
	var whose []int
	for i, e := range f.Finals {
		cost, anchor := f.Cost(e)
		if u := runs[i].AnchorUtility(); u != nil {
			all = append(all, pareto.Point{Cost: anchor, Utility: u.Mean})
		}
		if e.Utility != nil {
			finals, whose = append(finals, pareto.Point{Cost: cost, Utility: *e.Utility}), append(whose, i)
		}
	}
	best, worst := pareto.Box(append(all, finals...))
	f.Hypervolume = pareto.Share(finals, best, worst)
	n := 0
	for i, d := range pareto.Dominated(finals) {
		if d {
			f.Finals[whose[i]].Dominated = true
			n++
		}
	}
	if len(finals) > 0 {
		f.Dominated = float64(n) / float64(len(finals))
	}
	return f
}

// measured returns what a table's device said of final and anchor in one campaign;
// nil where either has no valid value.
func measured(c *search.Certificate, table int) (final, anchor *float64) {
	name := c.Header.Tables[table].Name
	for _, d := range c.Measured {
		for _, m := range d.Archs {
			if d.Table == name && m.Arch == c.Final.Arch && m.Measurement.Deviation() != nil {
				return &m.Value, &m.Reference
			}
		}
	}
	return nil, nil
}

// Encode is the set's file.
func (s *Set) Encode() ([]byte, error) {
	return strictjson.Text(s, " ")
}

// remade says what to do about a file that cannot be read.
const remade = "isosearch run with the same flags writes it again from the journals"

// Decode reads what Encode wrote and nothing else; name is the file's, for errors.
// Verify recomputes the content.
func Decode(name string, data []byte) (*Set, error) {
	s := &Set{}
	if err := strictjson.Known(data, s); err != nil {
		return nil, hint.Wrap(strictjson.In(name, err), remade)
	}
	if s.Format != Format {
		return nil, hint.Wrap(fmt.Errorf("%s:1: format is %.80q, not %q", name, s.Format, Format), remade)
	}
	back, err := s.Encode()
	if err != nil {
		return nil, err
	}
	if err := strictjson.Canonical(data, back); err != nil {
		return nil, hint.Wrap(strictjson.In(name, err), remade)
	}
	return s, nil
}
