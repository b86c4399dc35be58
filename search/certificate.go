package search

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/search/evidence"
)

// CertificateFormat is the first field of every certificate; those of journals of
// an earlier version are of that version.
const (
	CertificateFormat = "isocost/certificate/v3"
	certificateV1     = "isocost/certificate/v1"
	certificateV2     = "isocost/certificate/v2"
)

// certificateFormats lists those of the versions of journals.
var certificateFormats = []string{certificateV1, certificateV2, CertificateFormat}

// Verdict says what came of a search's claim.
type Verdict string

// Verdicts.
const (
	Certified  Verdict = "certified"
	Vacuous    Verdict = "vacuous" // every neighbour is retired, and there are fewer than three
	NotReached Verdict = "not reached"
)

// fewNeighbours says how many neighbours a claim needs to say anything.
const fewNeighbours = 3

// Certificate holds what a search claims and everything needed to check it. It is a
// function of header, outcomes and measurements: no clock, no machine, so that
// the same run gives the same bytes. Numbers that are not finite are absent.
type Certificate struct {
	Format string `json:"format"`
	Claim  Claim  `json:"claim"`
	Header Header `json:"run"`

	Sigma  SigmaReport `json:"sigma"`
	Anchor CertArch    `json:"anchor"`
	Final  CertArch    `json:"final"`
	// Exploration is absent where the search simply began at the anchor.
	Exploration *CertExploration `json:"exploration,omitempty"`
	Moves       []Move           `json:"moves"`
	Neighbours  []CertArm        `json:"neighbours"`
	Infeasible  []CertMiss       `json:"infeasible"`
	// Drawn is the part of the claim about the whole band; absent without one.
	Drawn       *CertDrawn `json:"drawn,omitempty"`
	Comparisons int        `json:"comparisons"` // distinct ones, each with its share of δ
	Samples     int        `json:"samples"`
	Failures    int        `json:"failures"`
	// Cost is that of the samples where some are of low fidelity, a full one being 1
	// and a low one its fidelity.
	Cost  *float64 `json:"cost,omitempty"`
	Archs int      `json:"archs"` // architectures sampled
	// LowerBound is the least number of samples any δ-correct procedure needs for
	// this certificate at the estimated gaps; Ratio is Samples over it.
	LowerBound *float64   `json:"lower_bound,omitempty"`
	Ratio      *float64   `json:"samples_per_lower_bound,omitempty"`
	Gain       *CertGain  `json:"gain,omitempty"`
	TrueBands  []CertBand `json:"true_bands"`
	// Measured holds what the devices said, one per measured table.
	Measured []CertDevice `json:"measured,omitempty"`
	// Fidelity holds what the proxy is worth, where final utilities were asked for.
	Fidelity *CertFidelity `json:"fidelity,omitempty"`
	Alarms   []string      `json:"alarms"`
	// Evaluations is the SHA-256 of all outcomes in the order the search used them;
	// State is that of the evaluator's scale.
	Evaluations string          `json:"evaluations_sha256"`
	State       json.RawMessage `json:"evaluator_state,omitempty"`
}

// Claim is the statement and whether it was reached.
type Claim struct {
	Reached bool `json:"reached"`
	// Verdict is absent in version 1.
	Verdict Verdict `json:"verdict,omitempty"`
	Text    string  `json:"text"`
	Stop    Stop    `json:"stop"` // why the search ended
	// EpsilonHat holds what holds in any case: no feasible neighbour is better by more,
	// with probability ≥ 1−δ. Absent while a neighbour is unsampled.
	EpsilonHat *float64 `json:"epsilon_hat,omitempty"`
	Unretired  int      `json:"unretired"`
	// More says how many samples are still needed to retire the unretired, if their
	// means stay; -1 when one looks better than ε.
	More  int      `json:"more"`
	Rests []string `json:"rests_on"` // which parts rest on what
}

// CertArch is one architecture's numbers.
type CertArch struct {
	Arch   string    `json:"arch"`
	Costs  []Bounds  `json:"costs"`     // predicted, one per table
	Dev    []float64 `json:"deviation"` // ĝ/B − 1, one per table
	N      int       `json:"n"`
	Failed int       `json:"failed,omitempty"` // samples that could not be had; absent in version 1
	// Outliers are samples far from the others (evidence.Arm.Outliers); absent in
	// versions 1 and 2.
	Outliers int      `json:"outliers,omitempty"`
	Mean     *float64 `json:"mean,omitempty"`
	Median   *float64 `json:"median,omitempty"` // where the claim is about medians
	Spread   *float64 `json:"spread,omitempty"`
}

// CertArm is one feasible neighbour of the final architecture.
type CertArm struct {
	Layer   int       `json:"layer"`
	Choice  string    `json:"choice"`
	Arch    string    `json:"arch"`
	Drift   float64   `json:"drift"` // |ln s|
	Costs   []Bounds  `json:"costs"`
	Dev     []float64 `json:"deviation"`
	N       int       `json:"n"`
	Failed  int       `json:"failed,omitempty"`   // samples that could not be had; absent in versions 1 and 2, as
	Strays  int       `json:"outliers,omitempty"` // samples far from the others
	Mean    *float64  `json:"mean,omitempty"`
	Median  *float64  `json:"median,omitempty"` // where the claim is about medians
	Index   int       `json:"comparison"`
	Delta   float64   `json:"delta"`
	D       *float64  `json:"d,omitempty"`
	W       *float64  `json:"w,omitempty"`
	Upper   *float64  `json:"upper,omitempty"`
	Lower   *float64  `json:"lower,omitempty"`
	Low     []CertLow `json:"low,omitempty"`
	By      float64   `json:"retired_at,omitempty"` // the low fidelity Upper is from; absent: full
	Retired bool      `json:"retired"`
	Dead    string    `json:"not_evaluable,omitempty"`
	More    int       `json:"more"`
}

// CertLow holds what one low fidelity says about a neighbour: Upper with the bias
// bound in it, absent where there is none.
type CertLow struct {
	Fidelity float64  `json:"fidelity"`
	N        int      `json:"n"`
	D        *float64 `json:"d,omitempty"`
	Upper    *float64 `json:"upper,omitempty"`
}

// CertMiss is one infeasible proposal with its nearest miss.
type CertMiss struct {
	Layer  int       `json:"layer"`
	Choice string    `json:"choice"`
	Reason string    `json:"reason"`
	Arch   string    `json:"nearest,omitempty"`
	Dev    []float64 `json:"deviation,omitempty"`
	// Refused says that Arch is inside by prediction and was measured outside.
	Refused bool `json:"refused,omitempty"`
}

// CertGain is the improvement over the anchor on fresh seeds.
type CertGain struct {
	N     int     `json:"n"` // samples of each
	Gain  float64 `json:"gain"`
	Lo    float64 `json:"lo"` // 95 % interval, by Student's t (version 1: normal)
	Hi    float64 `json:"hi"`
	Naive float64 `json:"naive"` // from the search's own samples: too large

	se float64 // of the gain
	df int
}

// CertBand is the true-cost accounting of one table.
type CertBand struct {
	Table string `json:"table"`
	TrueBand
	EtaDelta float64 `json:"eta_delta"` // η bounds the 1−δ_g quantile of the error
	Enforced bool    `json:"enforced"`
	Note     string  `json:"note,omitempty"`
}

// CertDevice holds what one table's device said about the anchor, the accepted
// incumbents, the final architecture and what was refused. The anchor's own
// measurement, in the same campaign, is the budget.
type CertDevice struct {
	Table string         `json:"table"`
	Archs []CertMeasured `json:"archs"`
	// Outside counts the measured architectures outside ±τ of the measured anchor;
	// Refused those of them that were kept from becoming the incumbent.
	Outside int `json:"outside"`
	Refused int `json:"refused"`
	// Eta is the largest relative error |ĝ−g|/g seen here; Updated is the larger of
	// it and the table's own η, and TrueBand what follows from that.
	Eta      float64   `json:"eta"`
	Updated  *float64  `json:"eta_updated,omitempty"`
	TrueBand *TrueBand `json:"true_band_updated,omitempty"`
	// FinalMeasured says that both anchor and final got a value; a noisy or failed
	// measurement has none, and then the claim rests on prediction alone.
	FinalMeasured bool `json:"final_measured"`
	// FinalInside says that the final's measured cost is within the band.
	FinalInside bool `json:"final_inside"`
	// OtherProtocol says that it was measured under another protocol than the table.
	OtherProtocol bool `json:"other_protocol,omitempty"`
}

// CertMeasured is one measured architecture.
type CertMeasured struct {
	Measured
	Predicted float64  `json:"predicted"`
	Error     float64  `json:"error"`     // ĝ/g − 1
	Deviation *float64 `json:"deviation"` // g/g(anchor) − 1
	// DeviationError is predicted deviation less measured one: free of what the
	// device's own scale does between campaigns.
	DeviationError *float64 `json:"deviation_error,omitempty"`
	Inside         bool     `json:"inside"`
	Refused        bool     `json:"refused,omitempty"`
}

// NewCertificate states what a result may claim.
func NewCertificate(h Header, r *Result, f *CertFidelity, ledger string, state json.RawMessage, measured []Measured) *Certificate {
	c := &Certificate{
		Format: certificateFormats[h.version()-1], Header: h, Sigma: r.Sigma,
		Anchor: certArch(r.Anchor), Final: certArch(r.Final),
		Moves: append([]Move{}, r.Moves...), Neighbours: []CertArm{}, Infeasible: []CertMiss{},
		Comparisons: r.Comparisons, Samples: r.Samples, Failures: r.Failures, Archs: r.Archs,
		LowerBound: finite(r.LowerBound), Alarms: append([]string{}, r.Alarms...),
		Evaluations: ledger, State: state, TrueBands: []CertBand{},
	}
	spent := float64(r.Samples)
	if len(h.Settings.Fidelities) > 0 {
		c.Cost, spent = ptr(r.Cost), r.Cost
	}
	if c.LowerBound != nil && *c.LowerBound > 0 {
		c.Ratio = ptr(spent / *c.LowerBound)
	}
	drawn := []CertArm{}
	for _, n := range r.Neighbours {
		a := CertArm{
			Layer: n.Layer, Choice: n.Choice, Arch: n.Key, Drift: n.Drift, Costs: n.Costs, Dev: relative(n.Dev),
			N: n.N, Mean: finite(n.Mean), Index: n.Index, Delta: n.Delta, Upper: finite(n.Upper), Lower: finite(n.Lower),
			Retired: n.Retired, Dead: n.Dead, More: n.More,
		}
		if h.version() > 2 {
			a.Failed, a.Strays, a.Median = n.Failed, n.Strays, finite(n.Median)
		}
		if n.Index > 0 {
			if a.W = finite(n.W); a.W != nil {
				a.D = finite(n.D)
			}
		}
		for i, v := range n.Low {
			low := CertLow{Fidelity: v.Cost, N: v.N, Upper: finite(v.D + v.W + v.Bias)}
			if v.N > 0 {
				low.D = finite(v.D)
			}
			a.Low = append(a.Low, low)
			if n.By == i+1 {
				a.By = v.Cost
			}
		}
		if n.Layer == drawnLayer {
			drawn = append(drawn, a)
		} else {
			c.Neighbours = append(c.Neighbours, a)
		}
		if !n.Retired {
			c.Claim.Unretired++
			if c.Claim.More >= 0 {
				c.Claim.More += n.More
			}
			if n.More < 0 {
				c.Claim.More = -1
			}
		}
	}
	if r.Drawn > 0 {
		c.Drawn = &CertDrawn{h.Settings.BandShare, r.Drawn, drawn}
	}
	for _, p := range r.Infeasible {
		c.Infeasible = append(c.Infeasible, CertMiss{p.Layer, p.Choice, p.Reason, p.Key, relative(p.Dev), p.Refused})
	}
	if c.Gain = r.Gain; c.Gain != nil && c.Gain.df > 0 && !c.v1() {
		c.Gain.within(stats.StudentQuantile(0.95, c.Gain.df))
	}
	c.Claim.Stop, c.Claim.EpsilonHat = r.Stop, finite(r.EpsilonHat)
	c.Claim.Reached = r.Reached
	if h.Settings.Schedule == ScheduleComparisons && !h.Settings.Published {
		c.Claim.Rests = append(c.Claim.Rests, fmt.Sprintf("δ is shared over %d comparisons chosen as the search went: the proof covers δ(1+ln n) for n = %d architectures sampled", r.Comparisons, r.Archs))
	}
	c.restsOnSamples(r)
	if !c.v1() {
		c.rare(r)
	}
	if s := h.Settings; h.version() > 2 && s.Validation == "" && strings.HasPrefix(h.Evaluator.Spec, "exec:") {
		c.Claim.Rests = append(c.Claim.Rests, "what the evaluator judges by, as its validation images: the seeds are what is sampled, not the data")
	}
	if c.Exploration = r.Explored; c.Exploration != nil && c.Exploration.Plan != nil {
		c.Claim.Rests = append(c.Claim.Rests, fmt.Sprintf("none of the exploration's %d evaluations: they chose where the certifying search began", c.Exploration.Evaluations))
	}
	c.Claim.Rests = append(c.Claim.Rests, r.Rests...)
	c.account(h)
	for i, t := range h.Tables {
		if t.Measured {
			c.measure(i, r.Path, measured)
		}
	}
	if c.Fidelity = f; h.Final != nil {
		c.Claim.Rests = append(c.Claim.Rests, f.rests(h))
	}
	if c.v1() {
		c.Claim.Text = c.text(r)
		return c
	}
	switch {
	case !c.Claim.Reached:
		c.Claim.Verdict = NotReached
	case r.Vacuous():
		c.Claim.Verdict, c.Claim.Reached = Vacuous, false
	default:
		c.Claim.Verdict = Certified
	}
	c.Claim.Text = c.text(r)
	return c
}

// unpriced counts the proposals no table has a price for, with the first one's
// reason.
func unpriced(infeasible []Proposal) (n int, why string) {
	for _, p := range infeasible {
		if len(p.Dev) == 0 {
			if n++; n == 1 {
				why = p.Reason
			}
		}
	}
	return n, why
}

// rare says how often the final fails, and how often it may without having been seen.
func (c *Certificate) rare(r *Result) {
	c.Anchor.Failed, c.Final.Failed = r.Anchor.Failed, r.Final.Failed
	if c.Header.version() > 2 {
		c.Anchor.Outliers, c.Final.Outliers = r.Anchor.Strays, r.Final.Strays
		c.rates(r)
	}
	n := r.Final.N + r.Final.Failed
	switch {
	case r.Final.Failed > 0:
		c.Claim.Rests = append(c.Claim.Rests, fmt.Sprintf("the final's samples that could be had: %d of %d failed", r.Final.Failed, n))
	case n > 0 && !r.Settings.Pool && c.Sigma.Source != evidence.Deterministic:
		c.Claim.Rests = append(c.Claim.Rests, fmt.Sprintf("what shows in %d samples of the final: a failure or an outlier rarer than %.2g %% of its samples could not have been seen (1 − %g^(1/%d))",
			n, 100*-math.Expm1(math.Log(r.Settings.Delta)/float64(n)), r.Settings.Delta, n))
	}
}

// rates says how many of the compared architectures have failures and outliers, and
// which has the most of each.
func (c *Certificate) rates(r *Result) {
	type count struct {
		archs, worst, of int
		who              string
	}
	var failed, strays count
	see := func(k *count, n, of int, who string) {
		if n == 0 {
			return
		}
		k.archs++
		if n*max(k.of, 1) > k.worst*of { // the larger share
			k.worst, k.of, k.who = n, of, who
		}
	}
	see(&failed, r.Final.Failed, r.Final.N+r.Final.Failed, "the final")
	see(&strays, r.Final.Strays, r.Final.N, "the final")
	for _, n := range r.Neighbours {
		see(&failed, n.Failed, n.N+n.Failed, n.Key)
		see(&strays, n.Strays, n.N, n.Key)
	}
	say := func(k count, what string) {
		if k.archs > 0 {
			c.Claim.Rests = append(c.Claim.Rests, fmt.Sprintf("%s of %d of the %d architectures compared, at most %.2g %% of one's samples (%d of %d of %s)",
				what, k.archs, 1+len(r.Neighbours), 100*float64(k.worst)/float64(k.of), k.worst, k.of, k.who))
		}
	}
	say(failed, "what did not fail: there are failed samples")
	say(strays, fmt.Sprintf("noise whose outliers are as assumed: there are samples over %d robust standard deviations from their median", evidence.FarOff))
}

// restsOnSamples says what is assumed of the noise, and what could not be had or
// compared.
func (c *Certificate) restsOnSamples(r *Result) {
	s := c.Header.Settings
	rests := func(format string, args ...any) {
		c.Claim.Rests = append(c.Claim.Rests, fmt.Sprintf(format, args...))
	}
	switch {
	case s.Published || r.Sigma.paired() || len(r.Neighbours) == 0: // paired, it is said of differences
	case r.Sigma.Source == evidence.Declared:
		rests("independent samples whose noise is sub-Gaussian with σ at most %.4g, as declared, for every neighbour", r.Sigma.Value)
	case r.Sigma.PerNetwork != "":
		rests("no noise level: one for all networks was given up when %s", r.Sigma.PerNetwork)
	case r.Sigma.Source == evidence.Calibrated:
		rests("independent samples whose noise is sub-Gaussian with σ at most %.4g for every neighbour: the upper bound of %d samples of each of %d architectures, for normal noise of one size", r.Sigma.Value, r.Sigma.Repeats, r.Sigma.Archs)
	}
	if r.Failures > 0 {
		rests("samples that could be had: %d of %d failed, and the utility is the expected one of those that do not", r.Failures, r.Failures+r.Samples)
	}
	if n, why := unpriced(r.Infeasible); n > 0 {
		rests("what the tables can price: %d of the %d infeasible proposals have no predicted cost and were not compared (%s)", n, len(r.Infeasible), why)
	}
	if r.Reached && len(r.Neighbours) == 0 {
		rests("nothing: none of the %d proposals at the final is feasible, so that there was nothing to compare", len(r.Infeasible))
	}
}

func certArch(s Summary) CertArch {
	a := CertArch{Arch: s.Key, Costs: s.Costs, Dev: relative(s.Dev), N: s.N, Mean: finite(s.Mean), Median: finite(s.Median)}
	if s.N > 1 {
		a.Spread = finite(s.Spread)
	}
	return a
}

// relative turns log deviations into fractions.
func relative(dev []float64) []float64 {
	out := make([]float64, len(dev))
	for i, d := range dev {
		out[i] = math.Expm1(d)
	}
	return out
}

// account states the true band of every table that has an audit.
func (c *Certificate) account(h Header) {
	for i, t := range h.Tables {
		tau := h.TauOf(i)
		if t.Eta == nil {
			c.Claim.Rests = append(c.Claim.Rests, fmt.Sprintf("%s: predicted cost; the table has no audit, nothing is claimed about true cost", t.Name))
			continue
		}
		tb, err := NewTrueBand(tau, *t.Eta+t.Gamma)
		if err != nil {
			c.Claim.Rests = append(c.Claim.Rests, fmt.Sprintf("%s: %v", t.Name, err))
			continue
		}
		b := CertBand{Table: t.Name, TrueBand: tb, EtaDelta: t.Delta, Enforced: h.Settings.EnforceTrueBand}
		if !tb.PublishedHolds {
			b.Note = fmt.Sprintf("η = %.4g is beyond 1/(3+2τ) = %.4g: the published τ′ does not hold and is not claimed", tb.Eta, tb.PublishedLimit)
		}
		c.TrueBands = append(c.TrueBands, b)
		if b.Enforced {
			c.Claim.Rests = append(c.Claim.Rests, fmt.Sprintf("%s: true cost within ±%.4g %% where the table's error is at most η = %.4g (a fraction %.3g of architectures)", t.Name, 100*tau, tb.Eta, 1-t.Delta))
		} else {
			c.Claim.Rests = append(c.Claim.Rests, fmt.Sprintf("%s: predicted cost within ±%.4g %%; true cost within +%.4g/−%.4g %% where the table's error is at most η = %.4g (a fraction %.3g of architectures)",
				t.Name, 100*tau, 100*tb.Up, 100*tb.Down, tb.Eta, 1-t.Delta))
		}
	}
}

// measure compares measured with predicted costs on one table's device.
// Deviations are between measurements of one campaign.
func (c *Certificate) measure(table int, path []Visited, ms []Measured) {
	ref := c.Header.Tables[table]
	d := CertDevice{Table: ref.Name, Archs: []CertMeasured{}}
	budget, tau := ref.Budget.Value, c.Header.TauOf(table)
	for _, m := range ms {
		if m.table != table {
			continue
		}
		v := path[slices.IndexFunc(path, func(v Visited) bool { return v.Key == m.Arch })]
		x := CertMeasured{Measured: m, Predicted: v.Costs[table].Value, Refused: v.Refused, Deviation: m.Measurement.Deviation()}
		if m.Value > 0 {
			x.Error = x.Predicted/m.Value - 1
			if m.Valid() {
				d.Eta = max(d.Eta, math.Abs(x.Error))
			}
		}
		if x.Deviation != nil {
			x.DeviationError = ptr(x.Predicted/budget - 1 - *x.Deviation)
			if x.Inside = withinTau(*x.Deviation, tau); !x.Inside {
				d.Outside++
			}
		}
		if x.Refused {
			d.Refused++
		}
		if m.Arch == c.Final.Arch {
			d.FinalMeasured, d.FinalInside = x.Deviation != nil, x.Inside
		}
		d.OtherProtocol = d.OtherProtocol || m.Protocol != ref.Protocol
		d.Archs = append(d.Archs, x)
	}
	if ref.Eta != nil {
		d.Updated = ptr(max(*ref.Eta+ref.Gamma, d.Eta))
		if tb, err := NewTrueBand(tau, *d.Updated); err == nil {
			d.TrueBand = &tb
		}
	}
	c.Measured = append(c.Measured, d)
	rests := func(format string, args ...any) {
		c.Claim.Rests = append(c.Claim.Rests, ref.Name+": "+fmt.Sprintf(format, args...))
	}
	switch {
	case !d.FinalMeasured:
		rests("anchor or final has no valid measurement; the claim rests on predicted cost")
	case !d.FinalInside:
		c.Claim.Reached = false
		rests("the final's measured cost is OUTSIDE ±%.4g %% of the measured anchor's", 100*tau)
	default:
		rests("the final's measured cost is inside ±%.4g %% of the measured anchor's; this rests on measurement, not on η. The neighbours' costs are predicted", 100*tau)
	}
	if d.Refused > 0 {
		rests("predicted inside and measured outside, so no neighbours: %d", d.Refused)
	}
	if d.OtherProtocol {
		rests("measured under another protocol than the table's: errors of predictions are the protocols' too")
	}
}

func (c *Certificate) text(r *Result) string {
	s := c.Header.Settings
	what := "the evaluator's expected utility"
	if s.Robust == RobustMedian {
		what = "the evaluator's median utility"
	}
	if s.Validation != "" {
		what += " on " + s.Validation
	}
	if s.PerDevice {
		what += ", as the mean over the devices' precisions,"
	}
	if c.Pool() {
		what = "the mean of the table's own samples"
	}
	over := fmt.Sprintf("with probability at least %.4g", 1-s.Delta) + r.Condition
	if c.Sigma.Source == evidence.Deterministic || c.Sigma.paired() && c.Sigma.Diff.Source == evidence.Deterministic {
		over = "for an evaluator declared deterministic"
	}
	change := "no single compensated change"
	switch s.Neighbours {
	case NeighboursAll:
		change = "no change of one layer, whatever its choice, width and precision,"
	case NeighboursExchange:
		change = "no change of one layer's choice, compensated in that layer or by one other,"
	}
	if c.Claim.Verdict == Vacuous {
		return fmt.Sprintf("vacuous: %d of the %d proposals at %s have a predicted cost within ±%g %% of the anchor's (|ln ĝ/B| ≤ ln(1+τ))%s: hardly anything was compared",
			len(c.Neighbours), c.proposals(), c.Final.Arch, 100*s.Tau, c.otherBands())
	}
	of := c.Final.Arch
	if !c.v1() {
		of += fmt.Sprintf(" (%d of %d proposals have the anchor's cost, %d have not)", len(c.Neighbours), c.proposals(), len(c.Infeasible))
	}
	if c.Claim.Reached && len(c.Neighbours) == 0 && c.Drawn == nil {
		return fmt.Sprintf("no single compensated change of %s has a predicted cost within ±%g %% of the anchor's (|ln ĝ/B| ≤ ln(1+τ))%s: there was nothing to compare",
			c.Final.Arch, 100*s.Tau, c.otherBands())
	}
	if c.Claim.Reached {
		band := ""
		if c.Drawn != nil {
			band = c.Drawn.claim(s.Epsilon)
		}
		return fmt.Sprintf("%s %s of %s improves %s by more than %g at predicted cost within ±%g %% of the anchor's (|ln ĝ/B| ≤ ln(1+τ))%s%s",
			over, change, of, what, s.Epsilon, 100*s.Tau, c.otherBands(), band)
	}
	if c.Claim.EpsilonHat != nil && !s.Published && len(c.Alarms) == 0 {
		all := ""
		if slices.ContainsFunc(c.Neighbours, func(a CertArm) bool { return a.Dead != "" }) {
			all = ", those that cannot be evaluated left out"
		}
		if c.v1() {
			change = "no single compensated change"
		}
		return fmt.Sprintf("not reached; %s %s of %s improves %s by more than %.6g%s", over, change, of, what, *c.Claim.EpsilonHat, all)
	}
	return "not reached; nothing is claimed about the neighbours"
}

// v1 says that the search was begun by a version that wrote journals of version 1.
func (c *Certificate) v1() bool { return c.Header.version() == 1 }

// proposals counts the final's, feasible or not.
func (c *Certificate) proposals() int { return len(c.Neighbours) + len(c.Infeasible) }

// otherBands names the tables whose tolerance is not the settings'.
func (c *Certificate) otherBands() string {
	text := ""
	for _, t := range c.Header.Tables {
		if t.Tau != nil {
			text += fmt.Sprintf(", ±%g %% on %s", 100**t.Tau, t.Name)
		}
	}
	return text
}

// Pool says whether the claim is about a finite pool of samples.
func (c *Certificate) Pool() bool { return c.Header.Settings.Pool }

// Encode is the certificate's file.
func (c *Certificate) Encode() ([]byte, error) {
	return strictjson.Text(c, " ")
}

// remade says what to do about a certificate that cannot be read.
const remade = "isosearch run with the same flags writes the certificate again from the journal"

// ReadCertificate reads a certificate strictly. It checks the form only; Verify
// recomputes the content.
func ReadCertificate(path string) (*Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return DecodeCertificate(path, data)
}

// DecodeCertificate decodes a certificate; name is the file's, for errors.
func DecodeCertificate(name string, data []byte) (*Certificate, error) {
	c := &Certificate{}
	if err := strictjson.Known(data, c); err != nil {
		return nil, hint.Wrap(strictjson.In(name, err), remade)
	}
	if !slices.Contains(certificateFormats, c.Format) {
		return nil, hint.Wrap(fmt.Errorf("%s:1: format is %.80q, not %q", name, c.Format, CertificateFormat), remade)
	}
	back, err := c.Encode()
	if err != nil {
		return nil, err
	}
	if err := strictjson.Canonical(data, back); err != nil {
		return nil, hint.Wrap(strictjson.In(name, err), remade)
	}
	return c, nil
}
