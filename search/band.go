package search

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/lut"
)

// Band is one equal-cost constraint: cost within the band around the anchor's
// budget. With several devices or metrics an architecture must pass every band.
type Band struct {
	Name   string     // device and metric, for people: "pixel4 latency"
	Metric lut.Metric // a table's, or a name of the space's own: a column, a count
	Unit   string
	Cost   Cost
	Budget Bounds // B: the anchor's predicted cost
	// Lo and Hi bound ln(ĝ(x)/B). The symmetric band of tolerance τ is ±ln(1+τ).
	Lo, Hi float64
	// Interval asks the interval rule for noisy costs instead:
	// LCB(x) ≥ (1−τ)·UCB(anchor) and UCB(x) ≤ (1+τ)·LCB(anchor).
	Interval bool
	Tau      float64
}

// NewBand is the band of tolerance tau around budget: |ln ĝ − ln B| ≤ ln(1+τ).
func NewBand(name string, cost Cost, budget Bounds, tau float64) (Band, error) {
	if !(tau > 0 && tau < 1) {
		return Band{}, fmt.Errorf("band %s: tolerance %g is not between 0 and 1", name, tau)
	}
	if !(budget.Value > 0) || math.IsInf(budget.Value, 0) {
		return Band{}, fmt.Errorf("band %s: budget %g is not positive", name, budget.Value)
	}
	t := math.Log1p(tau)
	return Band{Name: name, Cost: cost, Budget: budget, Lo: -t, Hi: t, Tau: tau}, nil
}

// slack absorbs the rounding of ln and of sums: a cost of exactly (1+τ)B is
// inside.
const slack = 1e-12

// Deviation is ln(ĝ/B).
func (b *Band) Deviation(c Bounds) float64 { return math.Log(c.Value / b.Budget.Value) }

// Holds says whether a cost is inside the band.
func (b *Band) Holds(c Bounds) bool {
	if b.Interval {
		return c.Lo >= (1-b.Tau)*b.Budget.Hi && c.Hi <= (1+b.Tau)*b.Budget.Lo
	}
	d := b.Deviation(c)
	return d >= b.Lo-slack && d <= b.Hi+slack
}

// excess says how far outside the band a cost is, in log units; 0 inside.
func (b *Band) excess(c Bounds) float64 {
	if b.Interval {
		under := math.Log((1 - b.Tau) * b.Budget.Hi / c.Lo)
		over := math.Log(c.Hi / ((1 + b.Tau) * b.Budget.Lo))
		return max(0, under, over)
	}
	d := b.Deviation(c)
	return max(0, b.Lo-d, d-b.Hi)
}

// TrueBand translates a band on predicted cost into one on true cost, for a
// table whose relative error is at most η: |ĝ−g| ≤ ηg. Up and Down are fractions
// of the anchor's true cost.
type TrueBand struct {
	Tau float64 `json:"tau"`
	Eta float64 `json:"eta"`
	// Exact: g(x′) ≤ (1+Up)·g(x), g(x′) ≥ (1−Down)·g(x).
	Up   float64 `json:"up"`
	Down float64 `json:"down"`
	// Published is the published τ′ = τ+3η+2ητ, which holds only for
	// η ≤ 1/(3+2τ); PublishedHolds says whether it does here.
	Published      float64 `json:"published"`
	PublishedHolds bool    `json:"published_holds"`
	PublishedLimit float64 `json:"published_limit"` // the largest η for which it does
}

// NewTrueBand does the accounting: up (τ+2η+τη)/(1−η), down (τ+2η−τη)/(1+η).
// η must be in [0, 1).
func NewTrueBand(tau, eta float64) (TrueBand, error) {
	if !(eta >= 0 && eta < 1) {
		return TrueBand{}, fmt.Errorf("true band: a cost-model error η of %g is not in [0, 1)", eta)
	}
	limit := 1 / (3 + 2*tau)
	return TrueBand{
		Tau: tau, Eta: eta,
		Up:             (tau + 2*eta + tau*eta) / (1 - eta),
		Down:           (tau + 2*eta - tau*eta) / (1 + eta),
		Published:      tau + 3*eta + 2*eta*tau,
		PublishedHolds: eta <= limit,
		PublishedLimit: limit,
	}, nil
}

// EnforceTrueBand tightens the band so that the *true* cost stays within ±τ of
// the anchor's, for a table with relative error at most η: predicted costs may
// rise by (τ−2η−τη)/(1+η) and fall by (τ−2η+τη)/(1−η). That needs τ > about 2η.
func EnforceTrueBand(b Band, eta float64) (Band, error) {
	up := (b.Tau - 2*eta - b.Tau*eta) / (1 + eta)
	down := (b.Tau - 2*eta + b.Tau*eta) / (1 - eta)
	if !(eta >= 0 && eta < 1) || up <= 0 || down <= 0 {
		return Band{}, fmt.Errorf("band %s: a true tolerance of %g cannot be enforced with a cost-model error of %g: τ must exceed 2η/(1−η) = %.4g",
			b.Name, b.Tau, eta, 2*eta/(1-eta))
	}
	b.Lo, b.Hi = math.Log1p(-down), math.Log1p(up)
	return b, nil
}
