package costgen

import (
	"errors"
	"math"

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
	// Inferences is how many of the table's stand for one of the model, whose batch is so
	// many times the table's; 0 where nothing was scaled. All costs here are of all of them.
	Inferences int            `json:"inferences,omitempty"`
	Kernels    []PricedKernel `json:"kernels"`
	Missing    []Missing      `json:"missing"`
}

// PricedKernel is a kernel and its marginal cost with a 95 % interval.
type PricedKernel struct {
	Name         string  `json:"name"`
	Key          lut.Op  `json:"key"`
	Cost         float64 `json:"cost"`
	Lo           float64 `json:"lo"`
	Hi           float64 `json:"hi"`
	Extrapolated bool    `json:"extrapolated,omitempty"`
}

// Missing is a part of a network that the table cannot price. Key is nil when no key describes it.
type Missing struct {
	Name   string  `json:"name"`
	Key    *lut.Op `json:"key,omitempty"`
	Reason string  `json:"reason"`
}

// Predict prices a network. What the table lacks is listed, never counted as
// nothing; with extrapolate, keys outside the measured range are guessed and
// marked.
func Predict(t *lut.Table, name string, kernels []Kernel, unpriced []Unpriced, extrapolate bool) (*Prediction, error) {
	p := &Prediction{Model: name, Unit: t.File().Unit, Kernels: make([]PricedKernel, 0, len(kernels)), Missing: []Missing{}}
	if len(kernels)+len(unpriced) == 0 {
		return nil, errors.New("the model has no kernels")
	}
	memory := t.File().Metric == lut.Memory
	var lower, upper float64
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
		p.Kernels = append(p.Kernels, PricedKernel{k.Name, k.Op, c.Value, c.Lo, c.Hi, c.Extrapolated})
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
	for _, u := range unpriced {
		p.Missing = append(p.Missing, Missing{Name: u.Name, Reason: u.Reason})
	}
	if len(p.Missing) == 0 {
		sum := p.Known
		if cal := t.File().Calibration; cal != nil && cal.Traffic != nil {
			ops := make([]lut.Op, len(kernels))
			for i := range kernels {
				ops[i] = kernels[i].Op
			}
			sum += beyond(cal, movedBy(ops))
		}
		c := t.Total(sum, math.Sqrt(lower), math.Sqrt(upper), len(kernels))
		p.Total, p.Lo, p.Hi = &c.Value, &c.Lo, &c.Hi
		p.Extrapolated = p.Extrapolated || c.Extrapolated
	}
	return p, nil
}

func square(x float64) float64 { return x * x }
