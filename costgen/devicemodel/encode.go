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
	return d
}

func (p *process) data() lut.ModelProcess {
	d := lut.ModelProcess{Group: p.name, Spread: p.spread, Own: p.own, Bias: p.bias, Mean: single(p.mean), Learned: single(p.sums.a)}
	tariffs := slices.SortedFunc(maps.Keys(p.prices), func(a, b tariff) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.precision, b.precision))
	})
	for _, t := range tariffs {
		per := map[string]float64{}
		for i, v := range p.prices[t] {
			per[physicsNames[i]] = v
		}
		d.Prices = append(d.Prices, lut.ModelPrices{Kind: t.kind, Precision: t.precision, Per: per})
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
	m := &Model{processes: map[string]*process{}, known: map[string]*knowledge{}, sums: d.Sums, widen: d.Widen, context: d.Context,
		families: d.Families, networks: d.Networks, heldError: d.RMSPE}
	for i := range d.Processes {
		p, err := fromData(&d.Processes[i], d.Sums)
		if err != nil {
			return nil, hint.Wrap(fmt.Errorf("the table's model, %s: %w", d.Processes[i].Group, err), "compile the records again, or use the costgen that wrote the table")
		}
		m.processes[p.name] = p
	}
	for i := range d.Kernels {
		k := &d.Kernels[i]
		m.known[k.Key.String()] = &knowledge{trust: k.Trust, shift: k.Shift, noise: k.Noise, sums: double(k.Sums)}
	}
	return m, nil
}

func fromData(d *lut.ModelProcess, sums int) (*process, error) {
	p := &process{name: d.Group, spread: d.Spread, own: d.Own, bias: d.Bias, mean: double(d.Mean), prices: map[tariff][physicsTerms]float64{}}
	for _, x := range d.Prices {
		var v [physicsTerms]float64
		for i, name := range physicsNames {
			v[i] = x.Per[name]
		}
		for name := range x.Per {
			if !slices.Contains(physicsNames[:], name) {
				return nil, fmt.Errorf("a price per %q is not known", name)
			}
		}
		p.prices[tariff{x.Kind, x.Precision}] = v
	}
	for _, x := range d.Features {
		f := slices.Index(featureNames[:], x.Name)
		if f < 0 {
			return nil, fmt.Errorf("the feature %q is not known", x.Name)
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
	n := len(p.inducing) + 1
	p.post = newMatrix(n, n)
	for i, at := 0, 0; i < n; i++ {
		for j := range i + 1 {
			p.post.a[i*n+j] = float64(d.Posterior[at])
			at++
		}
	}
	p.sums = matrix{n, sums, double(d.Learned)}
	p.finish()
	return p, nil
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
