package deviceplan

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// Request says what a table is to know and what is known.
type Request struct {
	Census *census.Census
	// Unseen are networks that will judge the table: none of their kernels is planned, and
	// nothing of their families.
	Unseen   *census.Census
	Seconds  float64 // device time of the campaign
	Schedule benchmarks.Schedule
	Seed     uint64
	Measured []lut.Op // kernels measured by themselves already
	Again    []lut.Op // those of them that are worth measuring once more as much as any other
	Chains   []string // names of the chains measured already: long ones are of other networks as far as there are any
	// PerNetwork says how many short chains of each network are considered; 0 for none.
	PerNetwork int
	// Gains says what each candidate would teach per second, given what was measured; nil
	// where nothing was, and the census is covered instead. Doubt is how unsure the cost of a
	// kernel is, in the same unit for all; chains are drawn through what is in doubt.
	Gains func([]Candidate) []float64
	Doubt func(lut.Op) float64
	// Links are chains of an earlier plan to measure again: see Links.
	Links []Link
	// Most bounds how many kernels are considered, those of the greatest share; 0 is all.
	Most int
}

// Parts of a first campaign's time: what covers the census kernel by kernel, and what long
// chains take, which show what kernels cost among others; short chains get the rest. Later
// campaigns choose by Gains, with a part kept for long chains: intervals are calibrated by
// them. Of single kernels' time in the first campaign, and of all in later ones, a part at most is for
// kinds and regimes of which there are too few.
const (
	cellPart  = 0.5
	longPart  = 0.2
	laterPart = 0.1
	floorPart = 0.3
)

// never are the keys that may not be planned.
func (r *Request) never() map[string]bool {
	if r.Unseen == nil {
		return nil
	}
	never := map[string]bool{}
	for _, n := range r.Unseen.Networks {
		for _, op := range n.Kernels {
			never[op.String()] = true
		}
	}
	return never
}

// Plan chooses what to measure in about r.Seconds.
func Plan(r Request) (*benchmarks.Plan, error) {
	if r.Unseen != nil {
		r.Census = r.Census.Of(nil, r.Unseen.Families()...)
	}
	if len(r.Census.Networks) == 0 {
		return nil, hint.Wrap(errors.New("the census has no network of what is wanted"), "costgen census lists its families and precisions")
	}
	want := r.Census.Kernels()
	never, known := r.never(), map[string]bool{}
	for _, op := range r.Measured {
		known[op.String()] = true
	}
	for _, op := range r.Again {
		delete(known, op.String())
	}
	share := map[string]float64{}
	for _, k := range want {
		share[k.Op.String()] = k.Share
	}
	var cells []Candidate
	byShare := slices.Clone(want)
	slices.SortStableFunc(byShare, func(a, b census.Kernel) int { return cmp.Compare(b.Share, a.Share) })
	for _, k := range byShare {
		if r.Most > 0 && len(cells) >= r.Most {
			break
		}
		if key := k.Op.String(); never[key] || known[key] {
			continue
		}
		if c, ok := cell(k.Op, r.Schedule); ok {
			cells = append(cells, c)
		}
	}
	for _, op := range rare(want) {
		if key := op.String(); !never[key] && !known[key] {
			if c, ok := cell(op, r.Schedule); ok {
				cells = append(cells, c)
			}
		}
	}
	doubt := func(op lut.Op) float64 { return 1e-4 + share[op.String()] }
	if r.Doubt != nil {
		doubt = r.Doubt
	}
	rng := rand.New(rand.NewPCG(r.Seed, 0x73756d73)) // "sums"
	chains := r.sums(rng, doubt)
	p := &picker{planner: &benchmarks.Planner{Seed: r.Seed, Cold: true}, schedule: r.Schedule}
	for _, l := range r.Links {
		s, err := r.Schedule.ModelSeconds(l.chain)
		if err != nil {
			return nil, err
		}
		if err := p.add(&Candidate{Ops: l.c.Ops, name: l.c.Name, chain: l.chain, Seconds: s}); err != nil {
			return nil, err
		}
	}
	p.chains = 0 // what follows is new
	if err := p.fill(r, want, cells, chains); err != nil {
		return nil, err
	}
	if p.kernels+p.chains == 0 {
		return nil, hint.Wrap(fmt.Errorf("%.3g seconds are too few to measure anything", r.Seconds), "give more time")
	}
	p.planner.Source = fmt.Sprintf("device: %d kernels and %d chains of a census of %d networks", p.kernels, p.chains, len(r.Census.Networks))
	return p.planner.Plan(), nil
}

// Link is a chain of an earlier plan.
type Link struct {
	c     benchmarks.Case
	chain benchmarks.Chain
}

// Links are up to n chains of a plan, from the cheapest to the most expensive in even steps: campaigns that measure
// the same chains can be brought to one speed by them.
func Links(plan *benchmarks.Plan, n int) ([]Link, error) {
	type sized struct {
		link Link
		s    float64
	}
	chains := map[string]benchmarks.Chain{}
	for _, m := range plan.Models {
		chains[m.ID] = m.Chain
	}
	var all []sized
	for _, c := range plan.Cases {
		if c.Role != role.Network || len(c.Terms) != 1 || len(chains[c.Terms[0].Model]) == 0 {
			continue
		}
		l := Link{c, chains[c.Terms[0].Model]}
		s, err := benchmarks.Seconds(l.chain)
		if err != nil {
			return nil, err
		}
		all = append(all, sized{l, s})
	}
	slices.SortStableFunc(all, func(a, b sized) int { return cmp.Compare(a.s, b.s) })
	all = all[:(len(all)*3+3)/4] // the longest take too much of a short campaign
	var out []Link
	for i := range min(n, len(all)) {
		out = append(out, all[i*len(all)/min(n, len(all))].link)
	}
	return out, nil
}

// picker fills a plan up to a time.
type picker struct {
	planner  *benchmarks.Planner
	schedule benchmarks.Schedule
	counted  int // models whose time is in spent
	spent    float64
	kernels  int
	chains   int
}

// add plans a candidate.
func (p *picker) add(c *Candidate) error {
	if c.IsSum() {
		if err := p.planner.Sum(role.Calibrate, c.name, c.chain, benchmarks.Chain(c.Ops)); err != nil {
			return err
		}
		p.chains++
	} else {
		if err := p.planner.Cell(c.Ops[0]); err != nil {
			return err
		}
		p.kernels++
	}
	for _, m := range p.planner.Models()[p.counted:] {
		s, err := p.schedule.ModelSeconds(m.Chain)
		if err != nil {
			return err
		}
		p.spent += s
		p.counted++
	}
	return nil
}

// offer adds a candidate if there is time for it by the given second, and reports whether
// it did and whether more are wanted.
func (p *picker) offer(seconds float64, c *Candidate) (taken, more bool, err error) {
	if p.spent+c.Seconds > seconds {
		return false, p.spent < 0.95*seconds, nil // something shorter may still fit
	}
	return true, true, p.add(c)
}

// until adds candidates in order as long as there is time.
func (p *picker) until(seconds float64, candidates []Candidate, order []int) error {
	for _, i := range order {
		if _, more, err := p.offer(seconds, &candidates[i]); !more || err != nil {
			return err
		}
	}
	return nil
}

func (p *picker) fill(r Request, want []census.Kernel, cells, chains []Candidate) error {
	var long, short []int
	for i := range chains {
		if chains[i].long {
			long = append(long, i)
		} else {
			short = append(short, i)
		}
	}
	part := longPart
	if r.Gains != nil {
		part = laterPart
	}
	long, short = acrossRange(chains, long, r.Chains, r.Census, part*r.Seconds), byTurns(chains, short)
	var failed error
	accept := func(part float64) func(i int) (taken, more bool) {
		return func(i int) (taken, more bool) {
			taken, more, failed = p.offer(part*r.Seconds, &cells[i])
			return taken, more && failed == nil
		}
	}
	c := newCover(want, r.Measured, cells)
	if r.Gains == nil {
		if c.kindsFirst(accept(cellPart)) {
			c.floor(accept(cellPart * floorPart))
		}
		if failed == nil {
			c.greedy(accept(cellPart))
		}
		if failed != nil {
			return failed
		}
		if err := p.until((cellPart+longPart)*r.Seconds, chains, long); err != nil {
			return err
		}
		return p.until(r.Seconds, chains, short)
	}
	if c.floor(accept(floorPart)); failed != nil {
		return failed
	}
	if err := p.until(p.spent+laterPart*r.Seconds, chains, long); err != nil {
		return err
	}
	rest := make([]Candidate, 0, len(cells)+len(short))
	for i, x := range cells {
		if !c.chosen[i] {
			rest = append(rest, x)
		}
	}
	rest = append(rest, pick(chains, short)...)
	return p.until(r.Seconds, rest, spread(rest, r.Gains(rest)))
}

func pick(of []Candidate, at []int) []Candidate {
	out := make([]Candidate, len(at))
	for i, j := range at {
		out[i] = of[j]
	}
	return out
}

// byTurns orders sums so that families take turns, the cheapest of each first.
func byTurns(of []Candidate, at []int) []int {
	families := map[string][]int{}
	for _, i := range at {
		f := FamilyOf(of[i].name)
		families[f] = append(families[f], i)
	}
	turn := map[int]int{}
	for _, list := range families {
		slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(of[a].Seconds, of[b].Seconds) })
		for k, i := range list {
			turn[i] = k
		}
	}
	out := slices.Clone(at)
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(turn[a], turn[b]) })
	return out
}

// spread orders candidates by gain, each lowered by what those before it have taught
// already: two kernels that are alike are not worth twice one of them.
func spread(of []Candidate, gains []float64) []int {
	order := make([]int, len(of))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(gains[b], gains[a]) })
	// Only the leaders can be chosen in one campaign.
	order = order[:min(len(order), 3000)]
	left, places := make([]float64, len(of)), make([]place, len(of))
	for _, i := range order {
		left[i] = gains[i]
		if !of[i].IsSum() {
			places[i] = placeOf(of[i].Ops[0])
		}
	}
	for k := range order {
		best := k
		for j := k + 1; j < len(order); j++ {
			if left[order[j]] > left[order[best]] {
				best = j
			}
		}
		order[k], order[best] = order[best], order[k]
		taken := &of[order[k]]
		if taken.IsSum() {
			continue
		}
		for _, j := range order[k+1:] {
			if !of[j].IsSum() && places[j].kind == places[order[k]].kind {
				l := likeness(places[order[k]], places[j])
				left[j] *= 1 - l*l
			}
		}
	}
	return order
}
