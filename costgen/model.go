package costgen

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/deviceplan"
	"github.com/isocost/isocost/costgen/devicemodel"
	_ "github.com/isocost/isocost/costgen/pricer" // tables answer by their models
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// contextError is the model's relative error of a whole network against the sum of its kernels
// before any was seen: caches, layouts, what stands between kernels.
const contextError = 0.03

// LeastForModel is the number of cells without which no model is fitted.
const LeastForModel = 20

// ErrTooFewCells is the error of a campaign from which no model of the device can be fitted.
var ErrTooFewCells = errors.New("too few cells for a model of the device")

// observations returns the campaign's evidence about kernels: cells with their noise, and the networks
// that calibrate, which either only judge or teach as sums: what the calibration leaves of them.
func (c *campaign) observations(sums []float64) []devicemodel.Observation {
	var obs []devicemodel.Observation
	for _, x := range c.cells {
		obs = append(obs, devicemodel.One(x.op, x.measured, x.measuredError))
	}
	for i, n := range c.calibrate {
		o := devicemodel.Observation{Terms: devicemodel.Terms(n.ops), Value: n.value, Silent: true, Context: contextError, Family: FamilyOfNetwork(n.title())}
		if sums != nil && sums[i] > 0 && isCold(n) {
			o.Silent, o.Value = false, sums[i]
		}
		o.StdErr = o.Value * max((n.hi-n.lo)/(2*1.96), n.between, 1e-3*n.value) / n.value
		obs = append(obs, o)
	}
	return obs
}

// leastCold is the size from which a network's weights leave the nearest cache between two inferences. A chain of
// fewer runs warm and teaches prices that no network has: of ones below, kernels of small networks came out 10 to 25 % too cheap.
const leastCold = 2 << 20

func isCold(n network) bool {
	m := movedBy(n.ops, 0)
	return m.linear+m.conv >= leastCold
}

// fitModel fits the device's model and the calibration to a campaign, and puts them into the
// table. Cells alone teach the first model; the calibration is fitted to the networks as it prices
// them without their families. A second model also learns from what that calibration leaves
// of the networks, and stays if it prices families that it has not seen better.
func fitModel(ctx context.Context, f *lut.File, c *campaign, prior *lut.Table, traffic *reach) (*fittedModel, error) {
	if len(c.cells) < LeastForModel {
		return nil, hint.Wrap(fmt.Errorf("%w: %d, it needs %d", ErrTooFewCells, len(c.cells), LeastForModel),
			"agent plan --device plans enough, or compile without --model")
	}
	from, err := priorOf(prior, f)
	if err != nil {
		return nil, err
	}
	m, err := devicemodel.FitFrom(ctx, from, f.Device.Caches, c.observations(nil))
	if err != nil {
		return nil, err
	}
	f.Model = m.Data()
	j := judges{c: c, fixed: f.Overhead}
	held, networks := j.held(m)
	var points []point
	for _, h := range held {
		n := c.calibrate[h.index]
		points = append(points, point{n.id, h.raw, h.value, len(n.ops), traffic.moved(n.ops), FamilyOfNetwork(n.title())})
	}
	j.unscaled = !networks
	var predicted []float64
	if f.Calibration, predicted = j.calibrate(ctx, points, traffic); f.Calibration == nil {
		return nil, nil
	}
	off := j.conform(m, held, predicted)
	f.Model = m.Data()

	sums := make([]float64, len(c.calibrate))
	for i, n := range c.calibrate {
		sums[i] = j.inverse(f.Calibration, n)
	}
	taught, err := devicemodel.FitFrom(ctx, from, f.Device.Caches, c.observations(sums))
	if err != nil {
		return nil, err
	}
	heldBy, _ := j.held(taught)
	predicted = predicted[:0]
	for _, h := range heldBy {
		predicted = append(predicted, j.apply(f.Calibration, h.raw, c.calibrate[h.index]))
	}
	if better := j.conform(taught, heldBy, predicted); better < pays*off {
		f.Model = taught.Data()
		return &fittedModel{j, taught, heldBy}, nil
	}
	return &fittedModel{j, m, held}, nil
}

// priorOf is the model of another device's table, nil for no table.
func priorOf(t *lut.Table, f *lut.File) (*devicemodel.Model, error) {
	if t == nil {
		return nil, nil
	}
	other := t.File()
	switch {
	case other.Model == nil:
		return nil, hint.Wrap(fmt.Errorf("the prior, a table of %s, has no model", other.Device.Model), "costgen build makes tables with one, and costgen compile --model")
	case other.Metric != f.Metric || other.Unit != f.Unit:
		return nil, fmt.Errorf("the prior is of %s in %s, this table of %s in %s", other.Metric, other.Unit, f.Metric, f.Unit)
	}
	return devicemodel.FromData(other.Model)
}

// leastWhole is the smallest number of whole networks that a calibration is fitted to alone. Short chains, which a
// plan of a device has many of, teach the model; what a whole network costs beyond its kernels they do
// not tell, and stand in only where there are fewer.
const leastWhole = 12

// judges are the networks that calibrate.
type judges struct {
	c        *campaign
	fixed    *lut.Overhead
	unscaled bool // they are too little like networks to say what these cost beyond their kernels
}

// calibrate is the calibration that they set, and their networks priced by it.
func (j *judges) calibrate(ctx context.Context, points []point, traffic *reach) (*lut.Calibration, []float64) {
	if j.unscaled {
		return unscaled(points)
	}
	return calibrate(ctx, points, traffic)
}

// heldOut is a network priced without its family: its sum with the overhead.
type heldOut struct {
	index              int // among the networks that calibrate
	raw, value, stdErr float64
}

func (j *judges) overhead() float64 {
	if j.fixed == nil {
		return 0
	}
	return j.fixed.Value
}

// held returns the networks that judge, and whether they are as whole and as cold as those that a table prices. Kernels
// were measured cold, at their marginal cost: where too few are, nothing tells another factor than 1, and what is at
// hand sets the widths of intervals alone. 181 short chains of an int8 campaign, warm, had set 0.85, 14 % too low.
func (j *judges) held(m *devicemodel.Model) (all []heldOut, networks bool) {
	var cold, whole, coldWhole []heldOut
	for _, h := range m.HeldOut() {
		network := j.c.calibrate[h.Observation-len(j.c.cells)]
		// The layers that leave the caches cold are the same after every chain: what they cost is not in doubt.
		products, evicting, sum := partsOf(m, network)
		raw, value := h.Value+j.overhead()-evicting, network.value-evicting
		if value < leastOwn*network.value || !(raw > 0) || products < leastProducts*(sum-evicting) {
			continue
		}
		n := heldOut{h.Observation - len(j.c.cells), raw, value, h.StdErr * h.Value / raw}
		all = append(all, n)
		isWhole, isCold := !deviceplan.IsShort(network.title()), isCold(network)
		if isWhole {
			whole = append(whole, n)
		}
		if isCold {
			cold = append(cold, n)
		}
		// What may be planned of a network beside unseen ones can be next to nothing.
		if isWhole && (isCold || deviceplan.FamilyOf(network.title()) == "") {
			coldWhole = append(coldWhole, n)
		}
	}
	switch {
	case len(coldWhole) >= leastWhole:
		all, networks = coldWhole, true
	case len(cold) >= leastWhole:
		all = cold
	case len(whole) >= leastWhole:
		all = whole
	}
	slices.SortFunc(all, func(a, b heldOut) int { return a.index - b.index })
	return all, networks
}

// A chain calibrates if kernels that multiply take most of its time, as they do of networks: one of what moves
// alone, of which a runtime may leave out half, says nothing of what a network costs beyond its kernels. And
// it is most of what was measured.
const (
	leastProducts = 0.5
	leastOwn      = 0.5
)

// partsOf are the costs of a chain's kernels that multiply, of those that only leave the caches cold, and of all.
func partsOf(m *devicemodel.Model, n network) (products, evicting, sum float64) {
	terms := devicemodel.Terms(n.ops)
	e := m.Total(terms)
	for i, t := range terms {
		switch v := e.Parts[i].Value; {
		case benchmarks.Evicts(t.Op):
			evicting += v
		case benchmarks.Multiplies(t.Op.Kind):
			products += v
		}
	}
	return products, evicting, e.Value
}

func (j *judges) apply(c *lut.Calibration, raw float64, n network) float64 {
	return c.Apply(raw+trafficOf(c, n.ops), len(n.ops))
}

// inverse is the sum of kernels that the calibration takes to what a network measured, 0 where
// there is none.
func (j *judges) inverse(c *lut.Calibration, n network) float64 {
	lo, hi := 0.0, n.value
	for j.apply(c, hi, n) < n.value && hi < 1e3*n.value {
		hi *= 2
	}
	for range 60 {
		if mid := (lo + hi) / 2; j.apply(c, mid, n) < n.value {
			lo = mid
		} else {
			hi = mid
		}
	}
	return max(0, hi-j.overhead())
}

// conform sets the width of the model's intervals, and returns the root mean square relative
// error of the networks, each family counting once.
func (j *judges) conform(m *devicemodel.Model, held []heldOut, predicted []float64) float64 {
	var errs, sds []float64
	ss, families := 0.0, map[string]float64{}
	for _, h := range held {
		families[FamilyOfNetwork(j.c.calibrate[h.index].title())]++
	}
	for i, h := range held {
		// A calibration can take a network to nothing or below: that is as far off as can be said.
		value := h.value
		e := math.Log(value / max(predicted[i], value/20))
		errs, sds = append(errs, e), append(sds, h.stdErr)
		ss += e * e / families[FamilyOfNetwork(j.c.calibrate[h.index].title())] / float64(len(families))
	}
	m.Conform(errs, sds)
	return math.Sqrt(ss)
}

// Predictor prices networks by a table: by its model of the device where it has one, else by
// its knots.
type Predictor struct {
	t *lut.Table
	m *devicemodel.Model // nil: knots alone
}

// NewPredictor prepares a table. It fails when the table's model is of another version of costgen.
func NewPredictor(t *lut.Table) (*Predictor, error) {
	p := &Predictor{t: t}
	if d := t.File().Model; d != nil {
		var err error
		if p.m, err = devicemodel.FromData(d); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Table returns the table the predictor prices by.
func (p *Predictor) Table() *lut.Table { return p.t }

// Model is the table's model of the device, nil where it has none.
func (p *Predictor) Model() *devicemodel.Model { return p.m }

// errNoModel says why a kernel is missing that even the model cannot price.
var errNoModel = errors.New("no kernel of its kind and precision was measured")

// total is the calibrated cost of a network that the model priced.
func (p *Predictor) total(sum float64, e devicemodel.Estimate, kernels int) lut.Cost {
	return p.t.TotalByModel(sum, lut.Cost{Value: e.Value, Lo: e.Lo, Hi: e.Hi}, kernels)
}
