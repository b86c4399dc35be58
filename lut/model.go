package lut

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// ModelVersion is the version of the section that a table's model stands in; ModelVersionPrior is
// that of one that rests on another device's, ModelVersionVariants of one, resting or not, that has prices of variants.
const (
	ModelVersion         = 1
	ModelVersionPrior    = 2
	ModelVersionVariants = 3
)

// Model holds what costgen/devicemodel learned of the device: the state of a Gaussian process per
// group of kernels. A table carries and checks it, but answers by its knots alone;
// costgen prices with it what was not measured. All costs are in the table's unit.
type Model struct {
	Version int `json:"version"`
	// Intervals have Widen times the model's standard deviation and the relative one Context on
	// top, in quadrature: how far Networks networks of Families families fell from their
	// predictions when the model had not seen their families. 1 and 0 when there were none.
	Widen    float64 `json:"widen"`
	Context  float64 `json:"context"`
	Families int     `json:"families"`
	Networks int     `json:"networks"`
	// RMSPE is the root mean square relative error of those networks.
	RMSPE float64 `json:"rmspe"`
	// Sums is the number of sums of several kernels that the model was fitted to.
	Sums int `json:"sums"`
	// Prior is the other device's model that processes with lines rest on.
	Prior     *ModelPrior    `json:"prior,omitempty"`
	Processes []ModelProcess `json:"-"` // sorted by group; written one a line
	Kernels   []ModelKernel  `json:"-"` // observed ones, sorted by key; written one a line
}

// ModelProcess is the process of one group of kernels.
type ModelProcess struct {
	Group string `json:"group"`
	// Far is the size in bytes from which weights have the price far_byte_of_weights; 0 is 524288.
	Far      int64          `json:"far,omitempty"`
	Prices   []ModelPrices  `json:"prices"`
	Lines    []ModelLine    `json:"lines,omitempty"` // where the mean is the prior's price: else the prices'
	Features []ModelFeature `json:"features"`
	Cats     []ModelCat     `json:"categories"`
	Spread   float64        `json:"spread"` // variances of the logarithm of cost
	Own      float64        `json:"own"`
	Bias     float64        `json:"bias"`
	Inducing []Op           `json:"inducing"`
	// With m inducing points: Mean has m+1 numbers; Posterior is the lower half of an
	// (m+1)×(m+1) Cholesky factor, row by row; Learned has m+1 rows of Model.Sums numbers.
	Mean      Floats `json:"mean"`
	Posterior Floats `json:"posterior"`
	Learned   Floats `json:"learned"`
}

// ModelPrices are the physics of a kind in one precision: a price per dispatch, multiply-add and
// byte. Variant "" stands for the kind's other variants, kind "" for the group's other kinds.
type ModelPrices struct {
	Kind      string             `json:"kind"`
	Variant   string             `json:"variant,omitempty"`
	Precision Precision          `json:"precision"`
	Per       map[string]float64 `json:"per"`
}

// ModelLine gives the logarithm of cost, for a kind in one precision, as shift + slope times the logarithm of the
// prior's price. Kind "" stands for all others.
type ModelLine struct {
	Kind      string    `json:"kind"`
	Precision Precision `json:"precision"`
	Shift     float64   `json:"shift"`
	Slope     float64   `json:"slope"`
}

// ModelPrior is another device's model as far as its prices need it: no variances.
type ModelPrior struct {
	Processes []ModelMean  `json:"processes"` // sorted by group
	Kernels   []ModelShift `json:"kernels"`   // sorted by key
	Prior     *ModelPrior  `json:"prior,omitempty"`
}

// ModelMean is the mean of a process: its fields are ModelProcess's.
type ModelMean struct {
	Group    string         `json:"group"`
	Far      int64          `json:"far,omitempty"` // as of ModelProcess
	Prices   []ModelPrices  `json:"prices"`
	Lines    []ModelLine    `json:"lines,omitempty"`
	Features []ModelFeature `json:"features"`
	Cats     []ModelCat     `json:"categories"`
	Spread   float64        `json:"spread"`
	Bias     float64        `json:"bias"`
	Inducing []Op           `json:"inducing"`
	Mean     Floats         `json:"mean"`
}

// ModelShift is the mean of an observed kernel: its fields are ModelKernel's.
type ModelShift struct {
	Key   Op      `json:"key"`
	Trust float64 `json:"trust"`
	Shift float64 `json:"shift"`
}

// ModelFeature is a continuous feature of a group: where it is centred, its inverse length
// scale and the range observed.
type ModelFeature struct {
	Name    string  `json:"name"`
	Centre  float64 `json:"centre"`
	Inverse float64 `json:"inverse"`
	Lo      float64 `json:"lo"`
	Hi      float64 `json:"hi"`
}

// ModelCat is a categorical property: how far apart kernels are that differ in it, and the
// values observed.
type ModelCat struct {
	Name   string   `json:"name"`
	Weight float64  `json:"weight"`
	Values []string `json:"values"`
}

// ModelKernel holds what observations say of one kernel beyond its process.
type ModelKernel struct {
	Key   Op      `json:"key"`
	Trust float64 `json:"trust"` // in its own measurement, from 0 to 1
	Shift float64 `json:"shift"`
	Noise float64 `json:"noise"`             // variance
	Sums  Floats  `json:"learned,omitempty"` // Model.Sums numbers, or none
}

// Floats are numbers of single precision, in JSON the base64 of their little-endian bytes.
type Floats []float32

// MarshalText writes them.
func (f Floats) MarshalText() ([]byte, error) {
	raw := make([]byte, 0, 4*len(f))
	for _, v := range f {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return base64.StdEncoding.AppendEncode(nil, raw), nil
}

// UnmarshalText reads them.
func (f *Floats) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("numbers: %w", err)
	}
	if len(raw)%4 != 0 {
		return fmt.Errorf("numbers: %d bytes are not a whole number of floats", len(raw))
	}
	*f = make(Floats, len(raw)/4)
	for i := range *f {
		(*f)[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}

func (m *Model) normalise() {
	m.Processes, m.Kernels = orEmpty(m.Processes), orEmpty(m.Kernels)
	for i := range m.Processes {
		p := &m.Processes[i]
		p.Prices, p.Features, p.Cats, p.Inducing = orEmpty(p.Prices), orEmpty(p.Features), orEmpty(p.Cats), orEmpty(p.Inducing)
		p.Mean, p.Posterior, p.Learned = orEmpty(p.Mean), orEmpty(p.Posterior), orEmpty(p.Learned)
		for j := range p.Cats {
			p.Cats[j].Values = orEmpty(p.Cats[j].Values)
		}
	}
	m.Prior.normalise()
}

func (m *ModelPrior) normalise() {
	if m == nil {
		return
	}
	m.Processes, m.Kernels = orEmpty(m.Processes), orEmpty(m.Kernels)
	for i := range m.Processes {
		p := &m.Processes[i]
		p.Prices, p.Features, p.Cats, p.Inducing, p.Mean = orEmpty(p.Prices), orEmpty(p.Features), orEmpty(p.Cats), orEmpty(p.Inducing), orEmpty(p.Mean)
		for j := range p.Cats {
			p.Cats[j].Values = orEmpty(p.Cats[j].Values)
		}
	}
	m.Prior.normalise()
}

// deepestPrior bounds how many models may rest on one another.
const deepestPrior = 8

func (m *ModelPrior) validate(bad func(string, ...any)) {
	for depth := 0; m != nil; depth, m = depth+1, m.Prior {
		if depth == deepestPrior {
			bad("model: more than %d models rest on one another", deepestPrior)
			return
		}
		ascending(m.Processes, func(p *ModelMean) string { return p.Group }, "process of the prior", bad)
		ascending(m.Kernels, func(k *ModelShift) string { return k.Key.String() }, "kernel of the prior", bad)
		for i := range m.Processes {
			p := &m.Processes[i]
			if len(p.Lines) > 0 && m.Prior == nil {
				bad("model: process %q has lines to a prior that is not there", p.Group)
			}
			if len(p.Mean) != len(p.Inducing)+1 || !p.Mean.finite() {
				bad("model: process %q of the prior has %d numbers for %d inducing points", p.Group, len(p.Mean), len(p.Inducing))
			}
			validateSizes(p.Group, p.Spread, p.Bias, p.Prices, p.Lines, p.Features, p.Cats, bad)
		}
		for i := range m.Kernels {
			k := &m.Kernels[i]
			if !(k.Trust >= 0 && k.Trust <= 1) || !finite(k.Shift) {
				bad("model: kernel %s of the prior has the trust %v and the shift %v", k.Key, k.Trust, k.Shift)
			}
		}
	}
}

func (m *Model) validate(bad func(string, ...any)) {
	if m.Version < ModelVersion || m.Version > ModelVersionVariants {
		bad("the model is of version %d, want %d to %d", m.Version, ModelVersion, ModelVersionVariants)
		return
	}
	if m.Version == ModelVersionVariants != m.HasVariants() {
		bad("a model of version %d has prices of variants, one of another none", ModelVersionVariants)
	}
	if m.Version != ModelVersionVariants && (m.Version == ModelVersionPrior) != (m.Prior != nil) {
		bad("a model of version %d rests on a prior, one of version %d on none", ModelVersionPrior, ModelVersion)
	}
	m.Prior.validate(bad)
	if !positive(m.Widen) || !(m.Context >= 0) || !finite(m.Context) || m.Families < 0 || m.Networks < 0 || m.Sums < 0 || !(m.RMSPE >= 0) || !finite(m.RMSPE) {
		bad("model: intervals must be widened by a positive number and counts not negative, got %v, %v, %d, %d, %d, %v", m.Widen, m.Context, m.Families, m.Networks, m.Sums, m.RMSPE)
	}
	ascending(m.Processes, func(p *ModelProcess) string { return p.Group }, "process", bad)
	ascending(m.Kernels, func(k *ModelKernel) string { return k.Key.String() }, "kernel", bad)
	for i := range m.Processes {
		p := &m.Processes[i]
		if len(p.Lines) > 0 && m.Prior == nil {
			bad("model: process %q has lines to a prior that is not there", p.Group)
		}
		p.validate(m.Sums, bad)
	}
	for i := range m.Kernels {
		k := &m.Kernels[i]
		if !(k.Trust >= 0 && k.Trust <= 1) || !finite(k.Shift) || !(k.Noise >= 0) || !finite(k.Noise) || len(k.Sums) != 0 && len(k.Sums) != m.Sums || !k.Sums.finite() {
			bad("model: kernel %s is out of its domain: trust %v, shift %v, variance %v, %d numbers of %d sums", k.Key, k.Trust, k.Shift, k.Noise, len(k.Sums), m.Sums)
		}
	}
}

// HasVariants reports whether any prices are of a variant, its prior's among them.
func (m *Model) HasVariants() bool {
	varied := func(p []ModelPrices) bool {
		return slices.ContainsFunc(p, func(x ModelPrices) bool { return x.Variant != "" })
	}
	for _, p := range m.Processes {
		if varied(p.Prices) {
			return true
		}
	}
	for prior := m.Prior; prior != nil; prior = prior.Prior {
		for _, p := range prior.Processes {
			if varied(p.Prices) {
				return true
			}
		}
	}
	return false
}

// ascending checks that a list's keys are in order, each once.
func ascending[T any](list []T, key func(*T) string, what string, bad func(string, ...any)) {
	for i := 1; i < len(list); i++ {
		if k := key(&list[i]); key(&list[i-1]) >= k {
			bad("model: %s %q is duplicate or out of order", what, k)
		}
	}
}

func (f Floats) finite() bool {
	return !slices.ContainsFunc(f, func(v float32) bool { return !finite(float64(v)) })
}

func (p *ModelProcess) validate(sums int, bad func(string, ...any)) {
	n := len(p.Inducing) + 1
	if len(p.Mean) != n || len(p.Posterior) != n*(n+1)/2 || len(p.Learned) != n*sums {
		bad("model: process %q of %d inducing points has %d, %d and %d numbers, want %d, %d and %d", p.Group, n-1,
			len(p.Mean), len(p.Posterior), len(p.Learned), n, n*(n+1)/2, n*sums)
		return
	}
	if !p.Mean.finite() || !p.Posterior.finite() || !p.Learned.finite() {
		bad("model: process %q has numbers that are not finite", p.Group)
	}
	for i, at := 0, 0; i < n; i++ {
		if at += i + 1; !(p.Posterior[at-1] > 0) {
			bad("model: process %q: the diagonal of its posterior is not positive", p.Group)
			break
		}
	}
	if !(p.Own >= 0) || !finite(p.Own) {
		bad("model: process %q has the variance %v", p.Group, p.Own)
	}
	validateSizes(p.Group, p.Spread, p.Bias, p.Prices, p.Lines, p.Features, p.Cats, bad)
}

// validateSizes checks what a process and the mean of one have alike.
func validateSizes(group string, spread, bias float64, prices []ModelPrices, lines []ModelLine, features []ModelFeature, cats []ModelCat, bad func(string, ...any)) {
	if !positive(spread) || !(bias >= 0) || !finite(bias) {
		bad("model: process %q has variances %v, %v", group, spread, bias)
	}
	for _, x := range lines {
		if !finite(x.Shift) || !finite(x.Slope) {
			bad("model: process %q follows its prior by %v + %v", group, x.Shift, x.Slope)
		}
	}
	for _, x := range prices {
		for name, v := range x.Per {
			if !(v >= 0) || !finite(v) {
				bad("model: process %q in %s pays %v per %s", group, x.Precision, v, name)
			}
		}
	}
	for _, x := range features {
		if !finite(x.Centre) || !(x.Inverse >= 0) || !finite(x.Inverse) || !finite(x.Lo) || !finite(x.Hi) {
			bad("model: process %q: feature %s is %+v", group, x.Name, x)
		}
	}
	for _, x := range cats {
		if !(x.Weight >= 0) || !finite(x.Weight) || !slices.IsSorted(x.Values) {
			bad("model: process %q: category %s has the weight %v or its values are not sorted", group, x.Name, x.Weight)
		}
	}
}
