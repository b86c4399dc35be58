package build

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/benchmarks/deviceplan"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// Outcome is a table and how it was made.
type Outcome struct {
	Table    *lut.Table
	Progress Progress
	// Stages are the tables' progress after each campaign: the learning curve.
	Stages []Progress
	// Interrupted says that the build was to go on: the same call does.
	Interrupted bool
}

// Run builds a table, or goes on with it. When ctx ends, the outcome is the table so far;
// it fails when nothing was finished until then.
func Run(ctx context.Context, o Options) (*Outcome, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	f, err := open(&o)
	if err != nil {
		return nil, err
	}
	defer f.lock.Close()
	b := &builder{Options: o, folder: f, out: &Outcome{}, now: Progress{Campaigns: len(ends(o.Seconds)), Seconds: o.Seconds, Error: math.NaN()}}
	for k := range ends(o.Seconds) {
		if b.enough() {
			break
		}
		err := b.campaign(ctx, k)
		if err != nil {
			f.forget()
		}
		if busy := (*tooBusy)(nil); errors.As(err, &busy) {
			if b.out.Table == nil {
				return nil, hint.Wrap(err, "give at least --minutes %.0f", math.Ceil(busy.seconds/60))
			}
			break // the time left is of no use
		}
		if err != nil {
			if ctx.Err() == nil {
				return nil, err
			}
			if b.out.Table == nil {
				return nil, hint.Wrap(ctx.Err(), "no campaign was finished yet; the same command goes on")
			}
			b.out.Interrupted = true
			break
		}
	}
	b.tell("")
	b.out.Progress = b.now
	return b.out, nil
}

// builder is a build under way.
type builder struct {
	Options
	folder  *folder
	sources []costgen.Source
	model   *devicemodel.Model
	speed   float64   // how much of the work planned a campaign's time is enough for; 0: unknown
	speeds  []float64 // what each campaign's was enough for
	rounds  []float64 // of each campaign, the median
	noise   float64   // relative, of one model's estimate; 0: unknown
	now     Progress
	out     *Outcome
}

func (b *builder) enough() bool { return b.Error > 0 && b.now.Priced > 0.99 && b.now.Error <= b.Error }

func (b *builder) tell(next string) {
	if b.Tell != nil {
		p := b.now
		p.Next = next
		b.Tell(p)
	}
}

// campaign plans the k-th campaign if that was not done, measures what is not measured, and
// fits.
func (b *builder) campaign(ctx context.Context, k int) error {
	seconds, ok := b.time(k)
	if !ok {
		return nil
	}
	if b.folder.wasRefused(k) {
		b.speed = max(b.speed, 0.1) / 3
	}
	plan, err := b.folder.plan(k, func() (*benchmarks.Plan, error) {
		return unless(ctx, func() (*benchmarks.Plan, error) { return b.plan(k, seconds) })
	})
	if err != nil {
		return err
	}
	counts := plan.Counts()
	if n := b.now.Kernels + counts[role.Cell]; n < costgen.LeastForModel && k == b.now.Campaigns-1 {
		minutes := b.Seconds / 60 * costgen.LeastForModel / float64(max(n, 1))
		return hint.Wrap(fmt.Errorf("%w: there is time to measure %d, it needs %d", costgen.ErrTooFewCells, n, costgen.LeastForModel), "give at least --minutes %.2g", 0.05+minutes)
	}
	b.tell(fmt.Sprintf("%d kernels, %d chains, %d models", counts[role.Cell], counts[role.Network], len(plan.Models)))
	file, err := b.folder.measure(ctx, k, seconds, b.Seconds-b.now.Spent, &b.Options)
	if busy := (*tooBusy)(nil); k > 0 && errors.As(err, &busy) && !b.folder.wasRefused(k) {
		// The campaigns before made the device look faster than it is for these models.
		if err := b.folder.refuse(k); err != nil {
			return err
		}
		return b.campaign(ctx, k)
	}
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil && file.End == nil {
		return err
	}
	b.sources = append(b.sources, costgen.FromFile(file))
	b.now.Spent += file.End.DeviceS - file.StillS()
	b.now.Campaign++
	b.now.Kernels += counts[role.Cell]
	b.now.Chains += counts[role.Network]
	b.learn(file)
	err = b.fit(ctx)
	if errors.Is(err, costgen.ErrTooFewCells) && k < b.now.Campaigns-1 {
		return nil // the next campaign goes on covering the census
	}
	return err
}

// time returns what the k-th campaign may take: its share, less what those before it took too long,
// which they do where the agent needed more for any interval. It is not ok where hardly any is left.
func (b *builder) time(k int) (seconds float64, ok bool) {
	ends := ends(b.Seconds)
	before := 0.0
	if k > 0 {
		before = ends[k-1]
	}
	seconds = ends[k] - before
	if late := b.now.Spent - before; late > longer*seconds {
		left := seconds - late
		return left, left >= seconds/2
	}
	return seconds, true
}

// longer is by what part of the next campaign's time those before it may be late before it is cut short for it.
const longer = 0.2

// unless returns what f does, or ctx's error as soon as that ends: f, which only computes, is
// left to itself then.
func unless[T any](ctx context.Context, f func() (T, error)) (got T, err error) {
	done := make(chan struct{})
	var made T
	var failed error
	go func() {
		defer close(done)
		made, failed = f()
	}()
	select {
	case <-done:
		return made, failed
	case <-ctx.Done():
		return got, ctx.Err()
	}
}

// learn takes from a campaign how fast the device is and how noisy.
func (b *builder) learn(f *record.File) {
	var rounds, noise []float64
	for _, e := range f.Records {
		r := e.Record
		if r == nil || r.EstimateUS == nil {
			continue
		}
		rounds = append(rounds, float64(r.Rounds))
		for _, t := range r.Terms {
			if t.EstimateUS > 0 {
				noise = append(noise, (t.CI95US[1]-t.CI95US[0])/(2*1.96*t.EstimateUS))
			}
		}
	}
	if len(rounds) == 0 || len(noise) == 0 {
		b.rounds = append(b.rounds, 0)
		return
	}
	slices.Sort(rounds)
	slices.Sort(noise)
	b.rounds = append(b.rounds, rounds[len(rounds)/2])
	made := rounds[len(rounds)/2] / roundsWanted
	if b.speed > 0 {
		made *= b.speed
	}
	// The median, the slower of two: a slow minute makes no later campaign small.
	b.speeds = append(b.speeds, min(max(made, 0.1), 3))
	b.speed = slices.Sorted(slices.Values(b.speeds))[(len(b.speeds)-1)/2]
	b.noise = max(noise[len(noise)/2], 1e-3)
}

// fit compiles what was measured so far.
func (b *builder) fit(ctx context.Context) error {
	opt := b.Compile
	opt.Model, opt.Traffic, opt.Level = true, true, true
	opt.Accept = []record.Validity{record.Drift, record.Noisy, record.Preempted} // levelled, and with intervals that say how little they are worth
	table, err := costgen.Compile(ctx, b.sources, opt)
	if err != nil {
		return err
	}
	by, err := costgen.NewPredictor(table)
	if err != nil {
		return err
	}
	if by.Model() == nil {
		return errors.New("the table has no model of the device")
	}
	b.model, b.out.Table = by.Model(), table
	b.now.Error, b.now.Priced = expected(b.model, b.Census)
	b.out.Stages = append(b.out.Stages, b.now)
	return b.folder.keep(b.out.Stages)
}

// expected is the median standard deviation of the census's networks by the model – of the logarithm, in
// which intervals are symmetric: the width of a wide one tells only how high its upper end is –,
// of those that have a price, and the share of these.
func expected(m *devicemodel.Model, c *census.Census) (sd, priced float64) {
	var sds []float64
	for i := range c.Networks {
		e := m.Price(devicemodel.Terms(c.Networks[i].Kernels))
		if e.Missing == 0 && e.Value > 0 {
			sds = append(sds, math.Log(e.Hi/e.Lo)/(2*1.96))
		}
	}
	if len(sds) == 0 {
		return math.NaN(), 0
	}
	slices.Sort(sds)
	return sds[len(sds)/2], float64(len(sds)) / float64(len(c.Networks))
}

// Bounds of what is weighed before each campaign: kernels by share of time, and networks
// whose intervals are to narrow, evenly over the census.
const (
	mostKernels  = 1500
	mostNetworks = 48
	shortChains  = 4 // per network
)

// plan chooses what the k-th campaign measures.
func (b *builder) plan(k int, seconds float64) (*benchmarks.Plan, error) {
	r := deviceplan.Request{
		Census: b.Census, Unseen: b.Unseen, Seconds: share * max(seconds-beside, seconds/2), Schedule: schedule,
		Seed: b.Seed<<16 | uint64(k), PerNetwork: shortChains,
	}
	if k == 0 {
		return deviceplan.Plan(r)
	}
	if b.speed > 0 {
		r.Seconds *= b.speed
	}
	links, err := b.folder.links()
	if err != nil {
		return nil, err
	}
	r.Links = links
	for i, s := range b.sources {
		for _, l := range s.Records {
			if l.Kind == role.Cell && l.EstimateUS != nil {
				r.Measured = append(r.Measured, *l.Key)
				if b.rounds[i] < roundsWanted/2 && !l.IsOK() { // from a slow minute
					r.Again = append(r.Again, *l.Key)
				}
			}
			if l.Kind == role.Network && l.EstimateUS != nil {
				r.Chains = append(r.Chains, l.Name)
			}
		}
	}
	if b.model == nil {
		return deviceplan.Plan(r)
	}
	r.Most = mostKernels
	networks := b.targets()
	r.Gains = func(cs []deviceplan.Candidate) []float64 {
		ds := make([]devicemodel.Candidate, len(cs))
		for i := range cs {
			// Each of the models that are subtracted has a noise of its own.
			ds[i] = devicemodel.Candidate{Terms: devicemodel.Terms(cs[i].Ops), Seconds: cs[i].Seconds, StdErr: b.noise * 1e6 * cs[i].Run}
		}
		gains := b.model.Gains(ds, networks)
		for i, g := range gains {
			if math.IsNaN(g) { // of a kind without a price: until one is measured nothing that has it is priced
				gains[i] = 1e6 / cs[i].Seconds
				if cs[i].IsSum() {
					gains[i] = 0
				}
			}
		}
		return gains
	}
	weight := map[string]float64{}
	for _, k := range b.Census.Kernels() {
		weight[k.Op.String()] = k.Share
	}
	doubts := map[string]float64{}
	r.Doubt = func(op lut.Op) float64 {
		key := op.String()
		d, ok := doubts[key]
		if !ok {
			if e := b.model.Price([]devicemodel.Term{{Op: op, Count: 1}}); e.Missing == 0 && e.Value > 0 {
				d = (1e-5 + weight[key]) * (e.Hi - e.Lo) / e.Value
			}
			doubts[key] = d
		}
		return d
	}
	return deviceplan.Plan(r)
}

// targets are networks of the census whose intervals are to narrow.
func (b *builder) targets() [][]devicemodel.Term {
	n := len(b.Census.Networks)
	var out [][]devicemodel.Term
	for i := range min(n, mostNetworks) {
		out = append(out, devicemodel.Terms(b.Census.Networks[i*n/min(n, mostNetworks)].Kernels))
	}
	return out
}
