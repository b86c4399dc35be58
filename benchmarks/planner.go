package benchmarks

import (
	"fmt"
	"math/rand/v2"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
)

// Planner collects what a campaign is to measure. Models and cases asked for
// twice are in the plan once. The zero value is ready to use.
type Planner struct {
	Seed   uint64
	Source string
	Batch  int // of the plan
	// Isolated asks for the isolated column too: every cell's operator as a model
	// of its own, which costs a third of the campaign and never enters a table.
	Isolated bool
	// Copies, at 2 or more, takes marginal costs of shape-preserving operators as a
	// slope over up to that many copies (Slope) instead of against a frame.
	Copies int
	// Cold takes marginal costs with the caches as a network of many megabytes
	// leaves them: see cold.
	Cold bool
	// Caches are those of the device that is planned for, as far as they are known: cold frames
	// read more than a core's.
	Caches lut.Caches
	// SecondContexts says how many of the framed blocks are measured in a second context
	// too, spread evenly over the cells; at most a quarter of them, and none in a cold plan.
	SecondContexts int
	// Modules holds the modules that are asked for, their files named as the plan will
	// name them.
	Modules *Library

	models []Model
	cases  []Case
	seen   map[string]bool
}

// chain asks for a model; Cell and Network have checked that its modules are at hand.
func (p *Planner) chain(c Chain) string {
	m := Model{Chain: c}
	m.Modules, _ = p.Modules.Of(c)
	m.ID = m.id()
	return p.model(m)
}

func (p *Planner) model(m Model) string {
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	if !p.seen[m.ID] {
		p.seen[m.ID] = true
		p.models = append(p.models, m)
	}
	return m.ID
}

func (p *Planner) add(c Case) {
	c.ID = c.id()
	if !p.seen[c.ID] {
		p.seen[c.ID] = true
		p.cases = append(p.cases, c)
	}
}

// Cell asks for the marginal cost of an operator.
func (p *Planner) Cell(op lut.Op) error {
	var sum Sum
	var err error
	if p.Copies >= 2 {
		sum, err = Slope(op, p.Copies)
	}
	slope := sum != nil
	if sum == nil {
		sum, err = Frame(op)
	}
	if err != nil {
		return err
	}
	if _, err := p.Modules.Of(Chain{op}); err != nil {
		return err
	}
	if p.Cold {
		if sum, err = p.cold(op, sum); err != nil {
			return fmt.Errorf("frame of %s: %w", op, err)
		}
	}
	c := Case{Role: role.Cell, Key: &op}
	for _, s := range sum {
		if err := s.Chain.check(); err != nil {
			return fmt.Errorf("frame of %s: %w", op, err)
		}
		t := Term{Coef: s.Coef, Model: p.chain(s.Chain)}
		if slope {
			t.Copies = countOf(op, s.Chain)
		}
		c.Terms = append(c.Terms, t)
	}
	if p.Isolated {
		c.Isolated = p.chain(Chain{op})
	}
	p.add(c)
	return nil
}

// countOf says how often an operator stands in a chain.
func countOf(op lut.Op, c Chain) int {
	n, key := 0, op.String()
	for _, o := range c {
		if o.String() == key {
			n++
		}
	}
	return n
}

// Network asks for a whole network; set is role.Calibrate, role.Audit or "".
func (p *Planner) Network(set role.Set, name string, c Chain) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("network %s: %w", name, err)
	}
	if _, err := p.Modules.Of(c); err != nil {
		return fmt.Errorf("network %s: %w", name, err)
	}
	p.add(Case{Role: role.Network, Set: set, Name: name, Ops: c, Terms: []Term{{Coef: 1, Model: p.chain(c)}}})
	return nil
}

// Sum asks for a chain of kernels, which a runtime runs as ops: where it merges some of
// the chain's operators they differ from it.
func (p *Planner) Sum(set role.Set, name string, c, ops Chain) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("chain %s: %w", name, err)
	}
	p.add(Case{Role: role.Network, Set: set, Name: name, Ops: ops, Terms: []Term{{Coef: 1, Model: p.chain(c)}}})
	return nil
}

// Models lists the models asked for so far.
func (p *Planner) Models() []Model { return p.models }

// File asks for a whole network given as a model file, its ID yet to come; ops are the
// keys its cost should be the sum of, nil when they are not known.
func (p *Planner) File(set role.Set, name string, m Model, ops Chain) {
	m.ID = m.id()
	p.add(Case{Role: role.Network, Set: set, Name: name, Ops: ops, Terms: []Term{{Coef: 1, Model: p.model(m)}}})
}

// Plan returns the plan: the drift reference and the overhead first, then all cases in an
// order shuffled by the seed.
func (p *Planner) Plan() *Plan {
	rng := rand.New(rand.NewPCG(p.Seed, 0x706c616e)) // "plan"
	cases := append([]Case{}, p.cases...)
	p.secondContexts(cases)
	rng.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	reference := Case{Role: role.Reference, Name: "anchor", Terms: []Term{{Coef: 1, Model: p.chain(DriftReference())}}}
	reference.ID = reference.id()
	overhead := Case{Role: role.Overhead, Name: "overhead", Terms: []Term{{Coef: 1, Model: p.chain(Overhead())}}}
	overhead.ID = overhead.id()
	return &Plan{Seed: p.Seed, Source: p.Source, Batch: p.Batch, Models: p.models, Cases: append([]Case{reference, overhead}, cases...)}
}

// secondContexts adds the second context to some of the framed blocks among the cases.
func (p *Planner) secondContexts(cases []Case) {
	if p.Cold {
		return
	}
	var framed []*Case
	for i := range cases {
		c := &cases[i]
		if c.Role == role.Cell && c.Terms[0].Copies == 0 && neighboured(*c.Key) {
			framed = append(framed, c)
		}
	}
	n := min(p.SecondContexts, len(framed)/4)
	for i := range n {
		c := framed[(2*i+1)*len(framed)/(2*n)]
		for _, s := range frameBeside(*c.Key, inverted(kinds[c.Key.Kind].in(args{*c.Key}), framePrecision(c.Key.Precision))) {
			c.SecondContext = append(c.SecondContext, Term{Coef: s.Coef, Model: p.chain(s.Chain)})
		}
		c.ID = c.id()
	}
}

// ModuleFiles are the files of all modules in the plan's chains, each key once.
func (p *Plan) ModuleFiles() []ModuleFile {
	var files []ModuleFile
	seen := map[string]bool{}
	for _, m := range p.Models {
		for _, f := range m.Modules {
			if key := f.Key.String(); !seen[key] {
				seen[key] = true
				files = append(files, f)
			}
		}
	}
	return files
}

// Counts of a plan by role.
func (p *Plan) Counts() map[role.Role]int {
	n := map[role.Role]int{}
	for _, c := range p.Cases {
		n[c.Role]++
	}
	return n
}
