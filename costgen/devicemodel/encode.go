package devicemodel

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
)

// Data is the model as a table carries it, in single precision: FromData gives back a model
// whose prices differ from this one's by rounding.
func (m *Model) Data() *lut.Model {
	d := &lut.Model{Version: lut.ModelVersion, Widen: stats.Significant(m.widen), Context: stats.Significant(m.context), Sums: m.sums,
		Families: m.families, Networks: m.networks, RMSPE: stats.Significant(m.heldError)}
	for _, name := range slices.Sorted(maps.Keys(m.processes)) {
		d.Processes = append(d.Processes, m.processes[name].data())
	}
	for _, key := range slices.Sorted(maps.Keys(m.known)) {
		k := m.known[key]
		op, err := lut.ParseOp(key)
		if err != nil {
			panic(fmt.Sprintf("devicemodel: %v", err)) // Fit took it from an operator
		}
		d.Kernels = append(d.Kernels, lut.ModelKernel{Key: op, Trust: stats.Significant(k.trust), Shift: stats.Significant(k.shift),
			Noise: stats.Significant(k.noise), Sums: single(k.sums)})
	}
	if prior := m.prior(); prior != nil {
		d.Version, d.Prior = lut.ModelVersionPrior, prior.means()
	}
	if d.HasVariants() {
		d.Version = lut.ModelVersionVariants
	}
	return d
}

// sorted are the processes by name.
func (m *Model) sorted() []*process {
	var out []*process
	for _, name := range slices.Sorted(maps.Keys(m.processes)) {
		out = append(out, m.processes[name])
	}
	return out
}

// knownSums are the kernels that sums taught something of, by key.
func (m *Model) knownSums() []*knowledge {
	var out []*knowledge
	for _, key := range slices.Sorted(maps.Keys(m.known)) {
		if k := m.known[key]; len(k.sums) > 0 {
			out = append(out, k)
		}
	}
	return out
}

// prior is the model that this one rests on, nil for none.
func (m *Model) prior() *Model {
	for _, p := range m.processes {
		if p.prior != nil {
			return p.prior
		}
	}
	return nil
}

// means are what other models need to rest on this one.
func (m *Model) means() *lut.ModelPrior {
	all := m.Data()
	d := &lut.ModelPrior{Prior: all.Prior}
	for _, p := range all.Processes {
		d.Processes = append(d.Processes, lut.ModelMean{Group: p.Group, Far: p.Far, Prices: p.Prices, Lines: p.Lines, Features: p.Features, Cats: p.Cats,
			Spread: p.Spread, Bias: p.Bias, Inducing: p.Inducing, Mean: p.Mean})
	}
	for _, k := range all.Kernels {
		d.Kernels = append(d.Kernels, lut.ModelShift{Key: k.Key, Trust: k.Trust, Shift: k.Shift})
	}
	return d
}

func (p *process) data() lut.ModelProcess {
	d := lut.ModelProcess{Group: p.name, Far: beyondUsual(p.far), Spread: p.spread, Own: p.own, Bias: p.bias, Mean: single(p.mean), Learned: single(p.sums.a)}
	order := func(a, b tariff) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.variant, b.variant), cmp.Compare(a.precision, b.precision))
	}
	for _, t := range slices.SortedFunc(maps.Keys(p.prices), order) {
		per := map[string]float64{}
		for i, v := range p.prices[t] {
			per[physicsNames[i]] = v
		}
		d.Prices = append(d.Prices, lut.ModelPrices{Kind: t.kind, Variant: t.variant, Precision: t.precision, Per: per})
	}
	for _, t := range slices.SortedFunc(maps.Keys(p.lines), order) {
		d.Lines = append(d.Lines, lut.ModelLine{Kind: t.kind, Precision: t.precision, Shift: p.lines[t].shift, Slope: p.lines[t].slope})
	}
	for i, f := range p.active {
		d.Features = append(d.Features, lut.ModelFeature{Name: featureNames[f], Centre: p.centre[i], Inverse: p.inverse[i], Lo: p.lo[i], Hi: p.hi[i]})
	}
	for _, c := range p.cats {
		d.Cats = append(d.Cats, lut.ModelCat{Name: c.name, Weight: c.weight, Values: c.values})
	}
	for _, u := range p.inducing {
		d.Inducing = append(d.Inducing, u.op)
	}
	for i := range p.post.n {
		d.Posterior = append(d.Posterior, single(p.post.row(i)[:i+1])...)
	}
	return d
}

// FromData prepares the model of a table, which lut has validated. It fails when the table was
// written with features that this version does not know.
func FromData(d *lut.Model) (*Model, error) {
	prior, err := fromMeans(d.Prior)
	if err != nil {
		return nil, err
	}
	m := &Model{processes: map[string]*process{}, known: map[string]*knowledge{}, sums: d.Sums, widen: d.Widen, context: d.Context,
		families: d.Families, networks: d.Networks, heldError: d.RMSPE}
	for i := range d.Processes {
		x := &d.Processes[i]
		p, err := fromMean(&lut.ModelMean{Group: x.Group, Far: x.Far, Prices: x.Prices, Lines: x.Lines, Features: x.Features, Cats: x.Cats,
			Spread: x.Spread, Bias: x.Bias, Inducing: x.Inducing, Mean: x.Mean}, prior)
		if err != nil {
			return nil, err
		}
		p.own = x.Own
		n := len(p.inducing) + 1
		p.post = newMatrix(n, n)
		for i, at := 0, 0; i < n; i++ {
			for j := range i + 1 {
				p.post.a[i*n+j] = float64(x.Posterior[at])
				at++
			}
		}
		p.sums = matrix{n, d.Sums, double(x.Learned)}
		m.processes[p.name] = p
	}
	for i := range d.Kernels {
		k := &d.Kernels[i]
		m.known[k.Key.String()] = &knowledge{trust: k.Trust, shift: k.Shift, noise: k.Noise, sums: double(k.Sums)}
	}
	return m, nil
}

// fromMeans prepares a model for its prices alone.
func fromMeans(d *lut.ModelPrior) (*Model, error) {
	if d == nil {
		return nil, nil
	}
	prior, err := fromMeans(d.Prior)
	if err != nil {
		return nil, err
	}
	m := &Model{processes: map[string]*process{}, known: map[string]*knowledge{}}
	for i := range d.Processes {
		p, err := fromMean(&d.Processes[i], prior)
		if err != nil {
			return nil, err
		}
		m.processes[p.name] = p
	}
	for _, k := range d.Kernels {
		m.known[k.Key.String()] = &knowledge{trust: k.Trust, shift: k.Shift}
	}
	return m, nil
}

func fromMean(d *lut.ModelMean, prior *Model) (*process, error) {
	unknown := func(what, name string) error {
		return hint.Wrap(fmt.Errorf("the table's model, %s: the %s %q is not known", d.Group, what, name), "compile the records again, or use the costgen that wrote the table")
	}
	p := &process{name: d.Group, spread: d.Spread, bias: d.Bias, mean: double(d.Mean), prices: map[tariff][physicsTerms]float64{},
		far: cmp.Or(float64(d.Far), FarWeights(lut.Caches{}))}
	for _, x := range d.Prices {
		var v [physicsTerms]float64
		for i, name := range physicsNames {
			v[i] = x.Per[name]
		}
		for name := range x.Per {
			if !slices.Contains(physicsNames[:], name) {
				return nil, unknown("price per", name)
			}
		}
		p.prices[tariff{x.Kind, x.Variant, x.Precision}] = v
	}
	for _, x := range d.Lines {
		if p.lines == nil {
			p.prior, p.lines = prior, map[tariff]line{}
		}
		p.lines[tariff{x.Kind, "", x.Precision}] = line{x.Shift, x.Slope}
	}
	for _, x := range d.Features {
		f := slices.Index(featureNames[:], x.Name)
		if f < 0 {
			return nil, unknown("feature", x.Name)
		}
		p.active = append(p.active, f)
		p.centre, p.inverse, p.lo, p.hi = append(p.centre, x.Centre), append(p.inverse, x.Inverse), append(p.lo, x.Lo), append(p.hi, x.Hi)
	}
	for _, x := range d.Cats {
		p.cats = append(p.cats, category{x.Name, x.Weight, x.Values})
	}
	for _, op := range d.Inducing {
		s := newSite(op)
		pt, _ := p.embed(&s)
		p.inducing = append(p.inducing, pt)
	}
	p.prepare()
	p.finish()
	return p, nil
}

// beyondUsual leaves out what tables had before they could say it.
func beyondUsual(far float64) int64 {
	if far == FarWeights(lut.Caches{}) {
		return 0
	}
	return int64(far)
}

func single(x []float64) lut.Floats {
	out := make(lut.Floats, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

func double(x lut.Floats) []float64 {
	if len(x) == 0 {
		return nil
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}
