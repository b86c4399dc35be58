package costgen

import (
	"errors"
	"math"
	"slices"

	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/lut"
)

// Kernel is one kernel of a network to predict: its name in the model and its key.
type Kernel struct {
	Name string
	Op   lut.Op
}

// Unpriced is a part of a network that no key describes.
type Unpriced struct{ Name, Reason string }

// Prediction is the cost of a model and where it comes from, in the table's unit.
type Prediction struct {
	Model string `json:"model"`
	Unit  string `json:"unit"`
	// Total is absent while anything is missing: a sum without its missing parts
	// is not a prediction. Known is the plain sum of what the table does know.
	Total *float64 `json:"total"`
	Lo    *float64 `json:"lo"`
	Hi    *float64 `json:"hi"`
	Known float64  `json:"known"`
	// Extrapolated marks a total that rests on guesses outside the measured range,
	// or a sum outside those the calibration was fitted on, or on Inferences.
	Extrapolated bool `json:"extrapolated"`
	// Inferences is the number of the table's inferences that stand for one of the model, whose batch is so
	// many times the table's; 0 where nothing was scaled. All costs here are of all of them.
	Inferences int `json:"inferences,omitempty"`
	// Basis says what the known sum rests on: the share of each status, largest possible 1.
	// Only of tables with a model of the device.
	Basis   map[devicemodel.Status]float64 `json:"basis,omitempty"`
	Kernels []PricedKernel                 `json:"kernels"`
	Missing []Missing                      `json:"missing"`
}

// PricedKernel is a kernel and its marginal cost with a 95 % interval.
type PricedKernel struct {
	Name         string  `json:"name"`
	Key          lut.Op  `json:"key"`
	Cost         float64 `json:"cost"`
	Lo           float64 `json:"lo"`
	Hi           float64 `json:"hi"`
	Extrapolated bool    `json:"extrapolated,omitempty"`
	// Status and Share are of tables with a model: what the cost rests on, and the part of
	// the total's variance that comes from this kernel.
	Status devicemodel.Status `json:"status,omitempty"`
	Share  float64            `json:"share,omitempty"`
	// NoInterval says that the cost was published without its spread: Lo and Hi are Cost.
	NoInterval bool `json:"no_interval,omitempty"`
}

// Missing is a part of a network that the table cannot price. Key is nil when no key describes it.
type Missing struct {
	Name   string  `json:"name"`
	Key    *lut.Op `json:"key,omitempty"`
	Reason string  `json:"reason"`
}

// Predict prices a network as a Predictor of the table does.
func Predict(t *lut.Table, name string, kernels []Kernel, unpriced []Unpriced, extrapolate bool) (*Prediction, error) {
	p, err := NewPredictor(t)
	if err != nil {
		return nil, err
	}
	return p.Predict(name, kernels, unpriced, extrapolate)
}

// Predict prices a network. What the table lacks is listed, never counted as nothing; with
// extrapolate, keys outside the measured range are guessed and marked. A table with a model of
// the device prices each kernel whose kind it knows, extrapolate or not, and says what that
// rests on.
func (d *Predictor) Predict(name string, kernels []Kernel, unpriced []Unpriced, extrapolate bool) (*Prediction, error) {
	p := &Prediction{Model: name, Unit: d.t.File().Unit, Kernels: make([]PricedKernel, 0, len(kernels)), Missing: []Missing{}}
	if len(kernels)+len(unpriced) == 0 {
		return nil, errors.New("the model has no kernels")
	}
	var total func(sum float64) lut.Cost
	if d.m != nil {
		e := p.byModel(d.m, kernels)
		total = func(sum float64) lut.Cost { return d.total(sum, e, len(kernels)) }
	} else {
		lower, upper := p.byKnots(d.t, kernels, extrapolate)
		total = func(sum float64) lut.Cost { return d.t.Total(sum, lower, upper, len(kernels)) }
	}
	for _, u := range unpriced {
		p.Missing = append(p.Missing, Missing{Name: u.Name, Reason: u.Reason})
	}
	if len(p.Missing) == 0 {
		sum := p.Known
		if cal := d.t.File().Calibration; cal != nil && cal.Traffic != nil {
			ops := make([]lut.Op, len(kernels))
			for i := range kernels {
				ops[i] = kernels[i].Op
			}
			sum += trafficOf(cal, ops)
		}
		c := total(sum)
		p.Total, p.Lo, p.Hi = &c.Value, &c.Lo, &c.Hi
		p.Extrapolated = p.Extrapolated || c.Extrapolated
		if slices.ContainsFunc(p.Kernels, func(k PricedKernel) bool { return k.NoInterval }) {
			p.Lo, p.Hi = nil, nil // of a sum in which a part's spread is not known
		}
	}
	return p, nil
}

// byModel prices kernels by the device's model.
func (p *Prediction) byModel(m *devicemodel.Model, kernels []Kernel) devicemodel.Estimate {
	ops := make([]lut.Op, len(kernels))
	for i := range kernels {
		ops[i] = kernels[i].Op
	}
	terms := devicemodel.Terms(ops)
	e := m.Price(terms)
	at := map[string]int{}
	for i, t := range terms {
		at[t.Op.String()] = i
	}
	alone := make([]*devicemodel.Estimate, len(terms))
	p.Known = e.Value
	p.Basis = map[devicemodel.Status]float64{}
	for i := range kernels {
		k := &kernels[i]
		term := at[k.Op.String()]
		part, n := e.Parts[term], terms[term].Count
		if part.Status == devicemodel.Missing {
			p.Missing = append(p.Missing, Missing{k.Name, &k.Op, errNoModel.Error()})
			continue
		}
		extrapolated := part.Status == devicemodel.Extrapolated
		if alone[term] == nil {
			one := m.Price([]devicemodel.Term{{Op: k.Op, Count: 1}})
			alone[term] = &one
		}
		p.Kernels = append(p.Kernels, PricedKernel{k.Name, k.Op, part.Value / n, alone[term].Lo, alone[term].Hi, extrapolated, part.Status, part.Share / n, false})
		p.Extrapolated = p.Extrapolated || extrapolated
		p.Basis[part.Status] += part.Value / n / e.Value
	}
	return e
}

// byKnots prices kernels by the table's knots, and returns the half-widths of their sum.
func (p *Prediction) byKnots(t *lut.Table, kernels []Kernel, extrapolate bool) (lower, upper float64) {
	memory := t.File().Metric == lut.Memory
	bare := slices.ContainsFunc(t.File().Warnings, func(w lut.Warning) bool { return w.Code == lut.NoVariance })
	for i := range kernels {
		k := &kernels[i]
		c, err := t.Cost(k.Op)
		if err != nil && extrapolate && errors.Is(err, lut.ErrOutOfRange) {
			c, err = t.Extrapolate(k.Op)
		}
		if err != nil {
			p.Missing = append(p.Missing, Missing{k.Name, &k.Op, err.Error()})
			continue
		}
		p.Kernels = append(p.Kernels, PricedKernel{Name: k.Name, Key: k.Op, Cost: c.Value, Lo: c.Lo, Hi: c.Hi, Extrapolated: c.Extrapolated, NoInterval: bare && c.Lo == c.Hi})
		p.Extrapolated = p.Extrapolated || c.Extrapolated
		if memory {
			// Activations of a chain live one kernel at a time.
			if c.Value > p.Known {
				p.Known, lower, upper = c.Value, square(c.Value-c.Lo), square(c.Hi-c.Value)
			}
			continue
		}
		p.Known += c.Value
		lower += square(c.Value - c.Lo)
		upper += square(c.Hi - c.Value)
	}
	return math.Sqrt(lower), math.Sqrt(upper)
}

func square(x float64) float64 { return x * x }
