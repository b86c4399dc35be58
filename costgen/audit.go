package costgen

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
)

// errorsOf summarises predicted/measured − 1.
func errorsOf(pred, truth []float64) lut.Errors {
	e := lut.Errors{N: len(pred)}
	if e.N == 0 {
		return e
	}
	for i := range pred {
		r := pred[i]/truth[i] - 1
		e.Bias += r
		e.RMSPE += r * r
		if math.Abs(r) <= 0.05 {
			e.Acc5++
		}
		if math.Abs(r) <= 0.10 {
			e.Acc10++
		}
		e.Max = max(e.Max, math.Abs(r))
	}
	n := float64(e.N)
	e.Bias = stats.Significant(e.Bias / n)
	e.RMSPE = stats.Significant(math.Sqrt(e.RMSPE / n))
	e.Acc5, e.Acc10 = stats.Significant(e.Acc5/n), stats.Significant(e.Acc10/n)
	e.Max = stats.Significant(e.Max)
	return e
}

// priced is a network the table can predict, beside its truth.
type priced struct {
	network
	index         int     // among the networks given
	sum           float64 // of its kernels
	lower, upper  float64 // half-widths of the sum
	predicted     lut.Cost
	uncalibrated  float64
	relativeError float64
}

// price sums networks by the table; those with operators it lacks are returned
// apart, with the first error of each.
func price(ctx context.Context, t *lut.Table, nets []network) (out []priced, lacking []string, err error) {
	by, err := NewPredictor(t)
	if err != nil {
		return nil, nil, err
	}
	for i, n := range nets {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		p := priced{network: n, index: i}
		failed := false
		if by.m != nil {
			e := by.m.Price(devicemodel.Terms(n.ops))
			if e.Missing > 0 {
				lacking = append(lacking, fmt.Sprintf("%s (%v)", n.title(), errNoModel))
				continue
			}
			p.sum = e.Value
			p.finish(t, func(sum float64) lut.Cost { return by.total(sum, e, len(p.ops)) })
			out = append(out, p)
			continue
		}
		if peak, ok := plannedPeak(t, n); ok {
			p.sum, n.ops = peak, nil
		}
		for _, op := range n.ops {
			c, err := t.Cost(op)
			if err != nil {
				lacking = append(lacking, fmt.Sprintf("%s (%v)", n.title(), err))
				failed = true
				break
			}
			if t.File().Metric == lut.Memory {
				// A chain's operators live one after another: the largest counts.
				if c.Value > p.sum {
					p.sum, p.lower, p.upper = c.Value, c.Value-c.Lo, c.Hi-c.Value
				}
				continue
			}
			p.sum += c.Value
			p.lower = math.Hypot(p.lower, c.Value-c.Lo)
			p.upper = math.Hypot(p.upper, c.Hi-c.Value)
		}
		if failed {
			continue
		}
		p.finish(t, func(sum float64) lut.Cost { return t.Total(sum, p.lower, p.upper, len(p.ops)) })
		out = append(out, p)
	}
	return out, lacking, nil
}

// finish calibrates the sum of the network's kernels.
func (p *priced) finish(t *lut.Table, total func(sum float64) lut.Cost) {
	p.uncalibrated = t.Raw(p.sum)
	p.predicted = total(p.sum + trafficOf(t.File().Calibration, p.ops))
	p.relativeError = math.Abs(p.predicted.Value/p.value - 1)
}

// audit judges a calibrated table by networks its fit never saw. It returns nil
// when there are none.
func audit(ctx context.Context, t *lut.Table, nets []network, sweep lut.Sweep, opt Options) (*lut.Audit, []lut.Warning, error) {
	ps, lacking, err := price(ctx, t, nets)
	if err != nil {
		return nil, nil, err
	}
	var warnings []lut.Warning
	if len(lacking) > 0 {
		warnings = append(warnings, lut.Warning{Code: "uncovered", Detail: fmt.Sprintf(
			"%d audit networks use operators the table lacks and were not judged: %s", len(lacking), sample(lacking))})
	}
	return auditOf(t, ps, sweep, opt), warnings, nil
}

// auditOf judges by networks that are priced, nil by none.
func auditOf(t *lut.Table, ps []priced, sweep lut.Sweep, opt Options) *lut.Audit {
	if len(ps) == 0 {
		return nil
	}
	n := len(ps)
	truth, pred, raw, errs := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	inside := 0
	for i, p := range ps {
		truth[i], pred[i], raw[i], errs[i] = p.value, p.predicted.Value, p.uncalibrated, p.relativeError
		if p.predicted.Lo <= p.value && p.value <= p.predicted.Hi {
			inside++
		}
	}
	a := &lut.Audit{
		Raw: errorsOf(raw, truth), Errors: errorsOf(pred, truth),
		Delta: opt.Delta, Beta: opt.Beta, Median: stats.Significant(stats.Median(errs)),
		NoiseFloor: noiseFloor(ps), Sweep: sweep,
		Interval: lut.Coverage{N: n, Inside: stats.Significant(float64(inside) / float64(n))},
	}
	if k, ok := stats.QuantileUpperRank(n, 1-opt.Delta, 1-opt.Beta); ok {
		eta := stats.Significant(stats.Smallest(errs, k))
		a.K, a.Eta = k, &eta
	} else {
		a.Missing = stats.QuantileUpperNeeds(1-opt.Delta, 1-opt.Beta) - n
	}
	if a.NoiseFloor != nil {
		// The error is against a truth that is itself uncertain: what the audit
		// cannot see is at least that.
		a.Gamma = a.NoiseFloor.MedianHalf
	}
	a.Pair = pairs(ps)
	a.Band = bands(truth, pred, opt.Tau)
	for _, tau := range tausAround(opt.Tau) {
		a.Feasible = append(a.Feasible, feasible(truth, pred, raw, tau))
	}
	a.Corners = corners(t, ps)
	for _, p := range ps {
		a.Networks = append(a.Networks, lut.Network{Case: p.id, Name: p.name, Kernels: len(p.ops), Measured: stats.Significant(p.value),
			Sum: stats.Significant(p.uncalibrated), Predicted: stats.Significant(p.predicted.Value), Lo: stats.Significant(p.predicted.Lo), Hi: stats.Significant(p.predicted.Hi)})
	}
	return a
}

func tausAround(tau float64) []float64 {
	out := []float64{tau}
	for _, x := range []float64{0.02, 0.1} {
		if x != tau {
			out = append(out, x)
		}
	}
	slices.Sort(out)
	return out
}

// noiseFloor is nil when no network carries an interval.
func noiseFloor(ps []priced) *lut.NoiseFloor {
	var half []float64
	f := &lut.NoiseFloor{}
	known := 0
	for _, p := range ps {
		f.Reference = max(f.Reference, stats.Significant(math.Abs(p.drift)))
		if p.hi > p.lo {
			half = append(half, (p.hi-p.lo)/2/p.value)
		}
		if p.between > 0 {
			f.BetweenRMS += (p.between / p.value) * (p.between / p.value)
			known++
		}
	}
	if len(half) == 0 && known == 0 {
		return nil
	}
	f.N = len(half)
	if len(half) > 0 {
		f.MedianHalf = stats.Significant(stats.Median(half))
		f.MaxHalf = stats.Significant(slices.Max(half))
	}
	if known > 0 {
		f.BetweenRMS = stats.Significant(math.Sqrt(f.BetweenRMS / float64(known)))
	}
	return f
}

// pairs compares the ratios of networks next to each other in measured cost.
func pairs(ps []priced) lut.PairError {
	s := slices.Clone(ps)
	slices.SortFunc(s, func(a, b priced) int { return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.id, b.id)) })
	var e []float64
	for i := 1; i < len(s); i++ {
		e = append(e, math.Abs(math.Log(s[i].predicted.Value/s[i-1].predicted.Value)-math.Log(s[i].value/s[i-1].value)))
	}
	if len(e) == 0 {
		return lut.PairError{}
	}
	return lut.PairError{N: len(e), Median: stats.Significant(stats.Median(e)), P95: stats.Significant(stats.Quantile(e, 0.95)), Max: stats.Significant(slices.Max(e))}
}

// bands cuts the networks, sorted by measured cost, into bands that span at most
// a factor (1+τ)/(1−τ), and correlates ranks inside those of at least four.
func bands(truth, pred []float64, tau float64) lut.BandRank {
	b := lut.BandRank{Tau: tau}
	order := make([]int, len(truth))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Or(cmp.Compare(truth[i], truth[j]), cmp.Compare(i, j)) })
	weighted := func(v float64, n int) float64 {
		if math.IsNaN(v) {
			return 0
		}
		return v * float64(n)
	}
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && truth[order[j]] <= truth[order[i]]*(1+tau)/(1-tau) {
			j++
		}
		if j-i >= 4 {
			var x, y []float64
			for _, k := range order[i:j] {
				x, y = append(x, truth[k]), append(y, pred[k])
			}
			b.Bands++
			b.N += j - i
			b.Spearman += weighted(stats.Spearman(x, y), j-i)
			b.Kendall += weighted(stats.Kendall(x, y), j-i)
		}
		i = j
	}
	if b.N > 0 {
		b.Spearman = stats.Significant(b.Spearman / float64(b.N))
		b.Kendall = stats.Significant(b.Kendall / float64(b.N))
	}
	if len(truth) > 1 {
		b.SpearmanAll = stats.Significant(weighted(stats.Spearman(truth, pred), 1))
		b.KendallAll = stats.Significant(weighted(stats.Kendall(truth, pred), 1))
	}
	return b
}

// feasible asks of every ordered pair predicted within ±τ whether it measures so.
func feasible(truth, pred, raw []float64, tau float64) lut.Feasible {
	f := lut.Feasible{Tau: tau}
	count := func(by []float64) (pairs int, inside float64) {
		for i := range by {
			for j := range by {
				if i == j || math.Abs(by[j]-by[i]) > tau*by[i] {
					continue
				}
				pairs++
				if math.Abs(truth[j]-truth[i]) <= tau*truth[i] {
					inside++
				}
			}
		}
		if pairs > 0 {
			inside = stats.Significant(inside / float64(pairs))
		}
		return pairs, inside
	}
	f.Pairs, f.Inside = count(pred)
	f.RawPairs, f.RawInside = count(raw)
	return f
}

// widthAxes say where an operator's width is read, the first that it has.
var widthAxes = []string{"cout", "c", "dim", "n", "cin"}

// corners groups the networks' errors by the operators they use.
func corners(t *lut.Table, ps []priced) []lut.Corner {
	width := func(op lut.Op) (int, bool) {
		for _, a := range widthAxes {
			if v, ok := op.Coord(a); ok {
				return v, true
			}
		}
		return 0, false
	}
	// Terciles of the widths the table holds for a kind.
	widths := map[string][]float64{}
	for _, fam := range t.File().Families {
		for _, k := range fam.Knots {
			if w, ok := width(fam.Member(k.At)); ok {
				widths[fam.Op.Kind] = append(widths[fam.Op.Kind], float64(w))
			}
		}
	}
	cut := map[string][2]float64{}
	for kind, w := range widths {
		cut[kind] = [2]float64{stats.Quantile(w, 1.0/3), stats.Quantile(w, 2.0/3)}
	}
	type sum struct {
		n         int
		bias, max float64
	}
	at := map[lut.Corner]*sum{}
	for _, p := range ps {
		seen := map[lut.Corner]bool{}
		e := p.predicted.Value/p.value - 1
		for _, op := range p.ops {
			c := lut.Corner{Kind: op.Kind, Precision: op.Precision, Width: "any"}
			if w, ok := width(op); ok {
				q := cut[op.Kind]
				switch {
				case float64(w) <= q[0]:
					c.Width = "narrow"
				case float64(w) <= q[1]:
					c.Width = "middle"
				default:
					c.Width = "wide"
				}
			}
			if seen[c] {
				continue
			}
			seen[c] = true
			if at[c] == nil {
				at[c] = &sum{}
			}
			at[c].n++
			at[c].bias += e
			at[c].max = max(at[c].max, math.Abs(e))
		}
	}
	var out []lut.Corner
	for c, s := range at {
		c.N, c.Bias, c.Max = s.n, stats.Significant(s.bias/float64(s.n)), stats.Significant(s.max)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b lut.Corner) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Precision, b.Precision), cmp.Compare(a.Width, b.Width))
	})
	return out
}
