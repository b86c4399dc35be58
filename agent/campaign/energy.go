package campaign

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/isocost/isocost/agent/analysis"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/record"
)

// Energy is measured in rounds, like latency: each model's window is cut into slices,
// and every round takes a slice of every model in an order of its own, between two
// windows of idle power. What the device drifts by between rounds hits all models
// alike and is taken out of them.

const (
	// energySlice says how long the child runs a model between two looks at the window:
	// long against the exchange of a request, short against a slice.
	energySlice = 0.05
	// maxEnergyRounds says how many slices a window is cut into at most. A round is then
	// half a second per model with the default window.
	maxEnergyRounds = 10
	// slicePeriods says how many periods of its counter a slice holds at least. Both ends
	// of a slice are off by up to one; the errors of n slices are √n times one window's.
	slicePeriods = 20
	// energyRoundNumbers keeps the orders of energy rounds apart from those of latency.
	energyRoundNumbers = 1 << 20
)

// modelEnergy is a model's energy, or why it has none.
type modelEnergy struct {
	energy *record.Energy
	absent string
}

// slice holds one window of one model in one round: joules over its runs.
type slice struct {
	round                 int
	gross, idle, se, secs float64
	runs                  int
}

func (s slice) perRun() float64 { return (s.gross - s.idle) / float64(s.runs) }

// energyRounds measures the energy of a group's models that cases are made of and that
// have no outcome yet. After an interruption the pass of a group begins anew.
func (r *run) energyRounds(ctx context.Context, g int) (map[string]modelEnergy, error) {
	out := map[string]modelEnergy{}
	var models []string
	for _, id := range r.j.groups[g].Models {
		if r.j.checks[id] == nil && r.j.faults[id] == nil && r.j.opens[id] != nil && r.isTerm(id) {
			models = append(models, id)
		}
	}
	meter := r.Meter
	if _, known := r.talk.Joules(); meter == nil && known {
		meter = &worldMeter{r: r}
	}
	if meter == nil {
		for _, id := range models {
			out[id] = modelEnergy{absent: r.MeterAbsent}
		}
		return out, nil
	}
	info := meter.Info()
	window := max(seconds(r.Protocol.Energy.WindowSeconds), time.Duration(r.Protocol.Energy.CounterPeriods)*info.Period, info.Window())
	rounds := maxEnergyRounds
	if info.Period > 0 {
		rounds = int(min(maxEnergyRounds, max(1, window/(slicePeriods*info.Period))))
	}
	idleFor := max(seconds(r.Protocol.Energy.IdleSeconds), info.Window()/2)
	of := map[string][]slice{}
	var before device.Power
	for round := range rounds {
		if len(models) == 0 {
			break
		}
		if round == 0 {
			var err error
			if before, err = device.IdlePower(ctx, meter, idleFor); err != nil {
				return r.noEnergy(ctx, out, models, err)
			}
		}
		taken := map[string]slice{}
		for _, v := range roundOrder(r.Protocol.Seed, g, energyRoundNumbers+round, r.j.groups[g].Models, set(models), "", 1) {
			s, why, err := r.energySlice(ctx, meter, v.model, window/time.Duration(rounds))
			switch {
			case err != nil:
				return nil, err
			case why != "":
				out[v.model] = modelEnergy{absent: why}
				models = without(models, v.model)
				delete(of, v.model)
			default:
				taken[v.model] = s
			}
		}
		after, err := device.IdlePower(ctx, meter, idleFor)
		if err != nil {
			return r.noEnergy(ctx, out, models, err)
		}
		idle := device.Between(before, after)
		for id, s := range taken {
			s.round, s.idle, s.se = round, idle.W*s.secs, math.Hypot(s.se, idle.StdErrW*s.secs)
			of[id] = append(of[id], s)
		}
		before = after
		r.show("energy", g)
	}
	drift := energyDrift(of, rounds)
	a := r.analysis(g).Extend(math.MaxInt)
	for _, id := range models {
		out[id] = modelEnergy{energy: r.sumSlices(of[id], drift, a, id, info.String())}
	}
	return out, nil
}

// noEnergy gives every model that is left the meter's failure as its reason.
func (r *run) noEnergy(ctx context.Context, out map[string]modelEnergy, models []string, err error) (map[string]modelEnergy, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, id := range models {
		out[id] = modelEnergy{absent: record.CleanDetail(err.Error())}
	}
	return out, nil
}

func set(list []string) map[string]bool {
	out := map[string]bool{}
	for _, s := range list {
		out[s] = true
	}
	return out
}

func without(list []string, one string) []string {
	var out []string
	for _, s := range list {
		if s != one {
			out = append(out, s)
		}
	}
	return out
}

// energySlice runs a model for one slice. why says that it has no energy; err ends the
// campaign.
func (r *run) energySlice(ctx context.Context, meter device.EnergyMeter, id string, window time.Duration) (s slice, why string, err error) {
	if err := r.openModels(ctx, []string{id}); err != nil {
		return s, "", err
	}
	if !r.open[id] {
		return s, "it could not be opened again", nil
	}
	reading, _, err := device.EnergyWindow(ctx, meter, window, func() error {
		done, err := r.talk.Ask(ctx, child.Request{Loop: &child.Loop{Model: id, Seconds: energySlice}}, r.visitPatience(), nil)
		s.runs += done.Runs
		return err
	})
	var f *child.Failure
	switch {
	case errors.As(err, &f):
		return s, "the measuring child failed within its window", r.survive(ctx, err)
	case ctx.Err() != nil:
		return s, "", ctx.Err()
	case err != nil:
		return s, record.CleanDetail(err.Error()), nil
	case s.runs == 0:
		return s, "no run ended within the window", nil
	}
	s.gross, s.se, s.secs = reading.Value, reading.StdErr, reading.Window.Seconds()
	return s, "", nil
}

// energyDrift is, for each round, what a run costs then against the first: the median
// over the models that show a cost in every round. 1 where none does.
func energyDrift(of map[string][]slice, rounds int) []float64 {
	out := make([]float64, rounds)
	for i := range out {
		var ratios []float64
		for _, list := range of {
			if len(list) > i && list[0].perRun() > 0 && list[i].perRun() > 0 {
				ratios = append(ratios, list[i].perRun()/list[0].perRun())
			}
		}
		if out[i] = 1; len(ratios) > 0 {
			out[i] = stats.Median(ratios)
		}
	}
	return out
}

// sumSlices is the energy of one run, as it was in the first round. Its standard error
// holds the meter's, what the rounds differ by beyond their common drift, and what a run
// took longer in the first slice than in the rounds of latency.
func (r *run) sumSlices(list []slice, drift []float64, a *analysis.Group, model, source string) *record.Energy {
	if len(list) == 0 {
		return nil
	}
	var e record.Energy
	var variance, runs, first float64
	var nets []float64
	for i, s := range list {
		f := drift[s.round]
		e.GrossMJ += s.gross / f
		e.IdleMJ += s.idle / f
		variance += s.se * s.se / (f * f)
		runs += float64(s.runs)
		nets = append(nets, s.perRun()/f)
		e.WindowS += s.secs
		if i == 0 {
			first = s.secs * 1e6 / float64(s.runs)
		}
	}
	per := 1e3 / runs // joules of all runs to millijoules of one
	e.GrossMJ *= per
	e.IdleMJ *= per
	e.NetMJ = e.GrossMJ - e.IdleMJ
	e.StdErrMJ = math.Sqrt(variance) * per
	if n := float64(len(nets)); n >= 3 {
		mean, ss := stats.Mean(nets), 0.0
		for _, v := range nets {
			ss += (v - mean) * (v - mean)
		}
		e.StdErrMJ = max(e.StdErrMJ, 1e3*math.Sqrt(ss/(n-1)/n))
	}
	if us := a.Samples(model); us != nil {
		e.StdErrMJ = math.Hypot(e.StdErrMJ, math.Abs(first/stats.Median(us)-1)*math.Abs(e.NetMJ))
	}
	e.Source, e.WindowS = source, record.RoundS(e.WindowS)
	return &e
}
