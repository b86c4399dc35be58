package costgen

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/record"
)

// leastShared is the number of networks two campaigns must share for their speeds to be
// compared by them: the median of so many is not moved by one that a neighbour slowed.
const leastShared = 4

// level brings campaigns of one device to the speed of the earliest. A shared host runs
// everything half as fast again for minutes at a time (six campaigns in ten minutes: the drift
// reference took 224 to 352 µs), and a table of campaigns at different speeds is of no device. The
// ratio of two campaigns is the median over the networks that both measured; where they
// share too few it is the drift reference's, corrected by how far the campaign's networks then
// lie from a model of all campaigns. It returns copies, in the order given; only latencies
// are levelled.
func level(ctx context.Context, groups ...[]Source) ([][]Source, error) {
	var all []*Source
	out := make([][]Source, len(groups))
	for g := range groups {
		out[g] = slices.Clone(groups[g])
		for i := range out[g] {
			all = append(all, &out[g][i])
		}
	}
	if len(all) < 2 {
		return out, nil
	}
	slices.SortStableFunc(all, func(a, b *Source) int {
		return cmp.Compare(a.Header.Started, b.Header.Started) // those of one second, which are simulated, as they are given
	})
	base := all[0]
	networks, reference, err := speeds(ctx, base)
	if err != nil {
		return nil, err
	}
	var loose []*Source // those that nothing but the reference ties to the base
	for _, s := range all[1:] {
		own, ownReference, err := speeds(ctx, s)
		if err != nil {
			return nil, err
		}
		var ratios []float64
		for id, v := range own {
			if w, ok := networks[id]; ok {
				ratios = append(ratios, v/w)
			}
		}
		switch {
		case len(ratios) >= leastShared:
			s.slow(1 / median(ratios))
		case reference > 0 && ownReference > 0:
			s.slow(reference / ownReference)
			loose = append(loose, s)
		default:
			loose = append(loose, s)
		}
	}
	return out, tighten(ctx, all, loose)
}

// speeds are the latencies by which campaigns are compared: of networks, by their case, and
// of the drift reference, 0 when it has none.
func speeds(ctx context.Context, s *Source) (networks map[string]float64, reference float64, err error) {
	networks = map[string]float64{}
	err = s.each(ctx, func(l *Line) {
		r := &l.Record
		if r.EstimateUS == nil || !(*r.EstimateUS > 0) || !usable(r, levelled, "latency") {
			return
		}
		switch r.Kind {
		case role.Network:
			networks[r.Case] = *r.EstimateUS
		case role.Reference:
			reference = *r.EstimateUS
		}
	})
	return networks, reference, err
}

// levelled lists the validity codes with which a record still tells a campaign's speed.
var levelled = []record.Validity{record.Drift, record.Noisy, record.Preempted}

func median(xs []float64) float64 {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

// tighten corrects the campaigns in loose by how their networks lie to a model of them all,
// against the others.
func tighten(ctx context.Context, all, loose []*Source) error {
	if len(loose) == 0 {
		return nil
	}
	var obs []devicemodel.Observation
	cells := 0
	for _, s := range all {
		err := s.each(ctx, func(l *Line) {
			r := &l.Record
			if r.EstimateUS == nil || r.CI95US == nil || !usable(r, levelled, "latency") {
				return
			}
			v, se := *r.EstimateUS, (r.CI95US[1]-r.CI95US[0])/(2*1.96)
			if !(se > 0) {
				return
			}
			switch {
			case r.Kind == role.Cell && r.Key != nil:
				obs = append(obs, devicemodel.One(*r.Key, v, se))
				cells++
			case r.Kind == role.Network && len(r.Ops) > 0 && v > 0:
				obs = append(obs, devicemodel.Observation{Terms: devicemodel.Terms(r.Ops), Value: v, StdErr: math.Hypot(se, contextError*v)})
			}
		})
		if err != nil {
			return err
		}
	}
	if cells < LeastForModel {
		return nil
	}
	m, err := devicemodel.FitFrom(ctx, nil, all[0].Header.Device.Caches, obs)
	if err != nil {
		return err
	}
	// off is how the networks of a campaign lie to the model; 0 where they are too few to say.
	off := func(s *Source) (float64, error) {
		var ratios []float64
		err := s.each(ctx, func(l *Line) {
			r := &l.Record
			if r.Kind != role.Network || len(r.Ops) == 0 || r.EstimateUS == nil || !usable(r, levelled, "latency") {
				return
			}
			if e := m.Price(devicemodel.Terms(r.Ops)); e.Missing == 0 && e.Value > 0 && *r.EstimateUS > 0 {
				ratios = append(ratios, *r.EstimateUS/e.Value)
			}
		})
		if err != nil || len(ratios) < leastShared {
			return 0, err
		}
		return median(ratios), nil
	}
	level, err := off(all[0])
	if err != nil || level == 0 {
		return err
	}
	for _, s := range loose {
		own, err := off(s)
		if err != nil {
			return err
		}
		if own > 0 {
			s.slow(level / own)
		}
	}
	return nil
}

// slow multiplies the latencies of a campaign, from the next time that its records are gone
// through.
func (s *Source) slow(by float64) { s.times = append(slices.Clip(s.times), by) }

// scale multiplies a record's latencies by one factor after another, in a copy of what it
// points to.
func (l *Line) scale(factors []float64) {
	r := &l.Record
	for _, by := range factors {
		interval := func(i record.Interval) record.Interval { return record.Interval{i[0] * by, i[1] * by} }
		for _, p := range []**float64{&r.EstimateUS, &r.IsolatedUS, &r.SecondContextUS, &r.WithinUS, &r.BetweenUS} {
			if *p != nil {
				v := **p * by
				*p = &v
			}
		}
		if r.CI95US != nil {
			ci := interval(*r.CI95US)
			r.CI95US = &ci
		}
		r.Terms = slices.Clone(r.Terms)
		for k := range r.Terms {
			r.Terms[k].EstimateUS *= by
			r.Terms[k].CI95US = interval(r.Terms[k].CI95US)
		}
	}
}
