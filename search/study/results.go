package study

import (
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/pareto"
)

// Format is the first field of results.json and study.json. Earlier versions are read, and
// gone on with: version 3 takes the seeds of an anchor for independent, version 2 has neither
// regrets nor curves, version 1 no differences either, and its hypervolumes have the worst
// corner of the box as their reference, at which the best final by one measure covers nothing.
const (
	Format   = "isocost/study/v4"
	formatV3 = "isocost/study/v3"
	formatV2 = "isocost/study/v2"
	formatV1 = "isocost/study/v1"
)

// early says that a format is an earlier version's.
func early(format string) bool {
	return slices.Contains([]string{formatV1, formatV2, formatV3}, format)
}

// beyond is the distance beyond the box of all finals and anchors the reference point of a
// hypervolume lies, as a share of its sides: the ends of a front count, too.
const beyond = 0.1

// Header holds what a study directory is of. Methods, seeds and anchors are not in
// it: they may be added.
type Header struct {
	Format    string           `json:"format"`
	Space     search.FileRef   `json:"space"`
	Tables    []search.FileRef `json:"tables"`
	Evaluator search.Identity  `json:"evaluator"`
	Budget    int              `json:"budget"`
	Samples   int              `json:"samples"`
	Fresh     int              `json:"fresh"`
	Tau       float64          `json:"tau"`
	Epsilon   float64          `json:"epsilon"`
	Delta     float64          `json:"delta"`
	Sigma     *float64         `json:"sigma,omitempty"`
	// Fidelities are those of isocost:multi-fidelity; absent without.
	Fidelities []evidence.Fidelity `json:"fidelities,omitempty"`
	// Curve lists the evaluations at which searches say how far they are.
	Curve []int `json:"curve,omitempty"`
}

// Results is results.json.
type Results struct {
	Header
	Anchors []string    `json:"anchors"`
	Methods []MethodRow `json:"methods"`
	// Differences are paired by anchor and seed; absent in version 1.
	Differences []DifferenceRow `json:"differences,omitempty"`
	// Curve is of searches after so many evaluations; absent before version 3.
	Curves    []CurveRow    `json:"curves,omitempty"`
	Fronts    []FrontRow    `json:"fronts"`
	Transfers []TransferRow `json:"transfers"`
	// Selectors compares them where a study has several; absent otherwise.
	Selectors []SelectorRow `json:"selectors,omitempty"`
	Fidelity  *Fidelity     `json:"fidelity,omitempty"`
	Units     []Unit        `json:"units"`
}

// MethodRow is a method on a table over anchors and seeds. Gains are on fresh
// samples; deviations are fractions of the anchor's cost.
type MethodRow struct {
	Table    string   `json:"table"`
	Method   string   `json:"method"`
	Units    int      `json:"units"`
	Gain     *float64 `json:"gain,omitempty"` // mean over the units
	GainSD   *float64 `json:"gain_sd,omitempty"`
	Beyond   *float64 `json:"beyond_control,omitempty"` // over the anchor rescaled to the final's cost; over the anchor where none was
	Optimism *float64 `json:"optimism,omitempty"`       // the search's own mean less the fresh one
	// Regret is the mean over the finals inside whose anchors' best is known.
	Regret    *float64 `json:"regret,omitempty"`
	Deviation float64  `json:"deviation"`       // mean |dev|
	Worst     float64  `json:"worst_deviation"` // the one of largest size, with its sign
	Outside   int      `json:"outside"`
	Samples   float64  `json:"samples"` // mean, in samples of full fidelity
	Certified int      `json:"certified"`
	Vacuous   int      `json:"vacuous,omitempty"` // claims about fewer than three neighbours
	// Measured sums up what the devices said of the finals; nil without.
	Measured *MeasuredRow `json:"measured,omitempty"`
}

// MeasuredRow is MethodRow's deviations by the device.
type MeasuredRow struct {
	Units     int     `json:"units"`           // with a valid measurement
	Deviation float64 `json:"deviation"`       // mean |dev|
	Worst     float64 `json:"worst_deviation"` // the one of largest size, with its sign
	Outside   int     `json:"outside"`
	// Error is the mean size of predicted deviation less measured one.
	Error float64 `json:"error"`
}

// FrontRow compares the finals of a method from all anchors with those of all
// methods, by fresh utility and measured cost where every final and anchor has one,
// the table's otherwise, seed by seed.
type FrontRow struct {
	Table       string  `json:"table"`
	Method      string  `json:"method"`
	Hypervolume float64 `json:"hypervolume"` // mean over seeds; share of the box that holds all finals and anchors
	Dominated   float64 `json:"dominated"`   // fraction of the finals that another final dominates
	Measured    bool    `json:"measured,omitempty"`
}

// TransferRow holds what becomes of a table's finals on another table.
type TransferRow struct {
	From   string   `json:"from"`
	To     string   `json:"to"`
	Method string   `json:"method"`
	Units  int      `json:"units"`
	AsIs   int      `json:"inside_as_is"`
	Inside int      `json:"inside_recompensated"`
	Gain   *float64 `json:"gain,omitempty"` // mean over the ones inside
}

// Fidelity compares the proxy with final utilities over the study's anchors and
// finals.
type Fidelity struct {
	Evaluator search.Identity `json:"evaluator"`
	Archs     int             `json:"archs"`
	Spearman  float64         `json:"spearman"`
	// Pairs are of architectures in one band; Wrong those which proxy and final
	// utility order differently.
	Pairs int `json:"pairs"`
	Wrong int `json:"wrong"`
}

// Encode returns the canonical results.json.
func (r *Results) Encode() ([]byte, error) { return encodeJSON(r) }

// DecodeResults reads results.json; name is the file's, for errors. The summaries
// must be those of the units.
func DecodeResults(name string, data []byte) (*Results, error) {
	var r Results
	if err := decodeJSON(name, data, &r); err != nil {
		return nil, err
	}
	if r.Format != Format && !early(r.Format) {
		return nil, fmt.Errorf("%s:1: format is %.80q, not %q", name, r.Format, Format)
	}
	again := r
	again.summarise()
	a, err := encodeJSON(again)
	if err != nil {
		return nil, err
	}
	if string(a) != string(data) {
		return nil, fmt.Errorf("%s: the summaries are not those of the units", name)
	}
	return &r, nil
}

// distinct lists a field's values in the units' order.
func (r *Results) distinct(f func(Unit) string) (out []string) {
	for _, u := range r.Units {
		if v := f(u); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// summarise computes every table from the units.
func (r *Results) summarise() {
	r.Methods, r.Fronts, r.Transfers, r.Selectors, r.Differences, r.Curves = []MethodRow{}, []FrontRow{}, []TransferRow{}, nil, nil, nil
	margin := beyond
	if r.Format == formatV1 {
		margin = 0
	}
	methods := r.distinct(func(u Unit) string { return u.Method })
	for _, table := range r.distinct(func(u Unit) string { return u.Table }) {
		var units []Unit
		for _, u := range r.Units {
			if u.Table == table {
				units = append(units, u)
			}
		}
		for _, m := range methods {
			r.Methods = append(r.Methods, methodRow(table, m, units))
		}
		r.Selectors = append(r.Selectors, selectorRows(r.Format, table, methods, units)...)
		if r.Format != formatV1 {
			r.Differences = append(r.Differences, differences(r.Format, table, methods, units)...)
		}
		r.Curves = append(r.Curves, curve(r.Format, table, methods, units)...)
		r.Fronts = append(r.Fronts, fronts(table, methods, units, margin)...)
		for _, to := range r.Tables {
			if to.Name == table {
				continue
			}
			for _, m := range methods {
				r.Transfers = append(r.Transfers, transferRow(table, to.Name, m, units))
			}
		}
	}
	holm(r.Differences)
}

func methodRow(table, method string, units []Unit) MethodRow {
	row := MethodRow{Table: table, Method: method}
	var gains, beyond, optimism, regrets []float64
	for _, u := range units {
		if u.Method != method {
			continue
		}
		row.Units++
		row.Samples += u.spent()
		row.Deviation += math.Abs(u.Deviation)
		if math.Abs(u.Deviation) > math.Abs(row.Worst) {
			row.Worst = u.Deviation
		}
		if !u.Inside {
			row.Outside++
		}
		if u.Certified {
			row.Certified++
		}
		if u.Vacuous {
			row.Vacuous++
		}
		if u.Regret != nil {
			regrets = append(regrets, *u.Regret)
		}
		if m := u.Measured; m != nil {
			if row.Measured == nil {
				row.Measured = &MeasuredRow{}
			}
			row.Measured.add(m, u.Deviation)
		}
		g, ok := u.Gain()
		if !ok {
			continue
		}
		gains = append(gains, g)
		if u.Control != nil {
			if b, ok := u.Utility.over(u.Control.Utility); ok {
				beyond = append(beyond, b)
			}
		} else {
			beyond = append(beyond, g)
		}
		if u.Naive != nil {
			optimism = append(optimism, *u.Naive-u.Utility.Mean)
		}
	}
	if row.Units > 0 {
		row.Samples /= float64(row.Units)
		row.Deviation /= float64(row.Units)
	}
	if m := row.Measured; m != nil {
		m.Deviation /= float64(m.Units)
		m.Error /= float64(m.Units)
	}
	row.Gain, row.Beyond, row.Optimism, row.Regret = average(gains), average(beyond), average(optimism), average(regrets)
	if len(gains) > 1 {
		row.GainSD = finite(stats.StdDev(gains))
	}
	return row
}

func (r *MeasuredRow) add(m *DeviceCost, predicted float64) {
	r.Units++
	r.Deviation += math.Abs(m.Deviation)
	r.Error += math.Abs(predicted - m.Deviation)
	if math.Abs(m.Deviation) > math.Abs(r.Worst) {
		r.Worst = m.Deviation
	}
	if !m.Inside {
		r.Outside++
	}
}

func average(x []float64) *float64 {
	if len(x) == 0 {
		return nil
	}
	return finite(stats.Mean(x))
}

func fronts(table string, methods []string, units []Unit, margin float64) []FrontRow {
	// Measured costs are compared with measured costs only.
	measured := len(units) > 0
	for _, u := range units {
		measured = measured && u.Measured != nil
	}
	costs := func(u Unit) (final, anchor float64) {
		if measured {
			return u.Measured.Cost, u.Measured.Anchor
		}
		return u.Cost, u.AnchorCost
	}
	var seeds []uint64
	var all []pareto.Point
	span := func(cost float64, e *Estimate) {
		if e != nil {
			all = append(all, pareto.Point{Cost: cost, Utility: e.Mean})
		}
	}
	for _, u := range units {
		if !slices.Contains(seeds, u.Seed) {
			seeds = append(seeds, u.Seed)
		}
		final, anchor := costs(u)
		span(final, u.Utility)
		span(anchor, u.AnchorUtility)
	}
	best, worst := pareto.Box(all)
	worst = pareto.Point{Cost: worst.Cost + margin*(worst.Cost-best.Cost), Utility: worst.Utility - margin*(best.Utility-worst.Utility)}
	rows := make([]FrontRow, len(methods))
	finals := make([]int, len(methods))
	for i, m := range methods {
		rows[i] = FrontRow{Table: table, Method: m, Measured: measured}
	}
	for _, seed := range seeds {
		var points []pareto.Point
		var whose []int
		for _, u := range units {
			if u.Seed == seed && u.Utility != nil {
				cost, _ := costs(u)
				points = append(points, pareto.Point{Cost: cost, Utility: u.Utility.Mean})
				whose = append(whose, slices.Index(methods, u.Method))
			}
		}
		dominated := pareto.Dominated(points)
		own := make([][]pareto.Point, len(methods))
		for i, p := range points {
			m := whose[i]
			own[m] = append(own[m], p)
			finals[m]++
			if dominated[i] {
				rows[m].Dominated++
			}
		}
		for m := range methods {
			rows[m].Hypervolume += pareto.Share(own[m], best, worst) / float64(len(seeds))
		}
	}
	for m := range rows {
		if finals[m] > 0 {
			rows[m].Dominated /= float64(finals[m])
		}
	}
	return rows
}

func transferRow(from, to, method string, units []Unit) TransferRow {
	row := TransferRow{From: from, To: to, Method: method}
	var gains []float64
	for _, u := range units {
		for _, t := range u.Transfer {
			if u.Method != method || t.Table != to {
				continue
			}
			row.Units++
			if t.Was {
				row.AsIs++
			}
			if t.Inside {
				row.Inside++
				if g, ok := t.Utility.over(u.AnchorUtility); ok {
					gains = append(gains, g)
				}
			}
		}
	}
	row.Gain = average(gains)
	return row
}
