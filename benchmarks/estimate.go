package benchmarks

import (
	"fmt"
	"math"
	"time"
)

// Schedule holds the part of a protocol that decides how long a campaign takes; times are seconds.
type Schedule struct {
	Rounds          int     // visits of each model
	PerVisit        int     // samples of a visit
	MinSample       float64 // shortest sample
	Discard         int     // untimed runs at the start of a visit
	ReferenceVisits int     // per round
	WarmRuns        int     // of a model when it is opened
	WarmSeconds     float64 // at which they are cut short, after two
	MaxModel        float64 // samples of one model end here
	Device          float64 // warming the device up
}

// Figures behind Estimate, of one core of a server (AMD EPYC, AVX-512, 2026) under
// ONNX Runtime; a phone's big core is about half as fast, which matters where a run
// takes more than the shortest sample. Opening is the time that building, writing and loading a
// model took, per model and per byte of weights in campaigns of 36 to 400 models; a
// visit is the message, the clock and what a run costs with another model's data in
// the caches.
const (
	estimateMACs   = 4e10 // multiply-adds per second, fp32
	estimateBytes  = 1e10 // bytes per second, from and to memory
	estimateNode   = 1e-6 // least seconds per operator
	estimateOpen   = 0.03
	estimateLoad   = 3e7 // bytes of weights per second
	estimateVisit  = 1.2e-3
	estimateLaunch = 1.5 // the child, its library, the checks
)

// Estimate says how long measuring the plan takes on one core: the child is started and
// the device warmed up, every model opened once and visited in each round, the drift
// reference more often. It is a model of what the agent does, with the figures above for what it
// cannot know; what a campaign really needs depends on how many rounds the device's
// noise asks for. modules holds those of the plan's chains. Model files count with the operators they are known to hold.
func (p *Plan) Estimate(s Schedule, modules *Library) (time.Duration, error) {
	known := map[string]Chain{} // what model files consist of
	for _, c := range p.Cases {
		if len(c.Ops) > 0 && len(c.Terms) == 1 {
			known[c.Terms[0].Model] = c.Ops
		}
	}
	total := estimateLaunch + s.Device
	var reference float64
	for i, m := range p.Models {
		var w modelWork
		var err error
		if len(m.Chain) > 0 {
			w, err = modelWorkOf(m.Chain, modules)
		} else {
			for _, op := range known[m.ID] {
				var one modelWork
				if one, err = modelWorkOf(Chain{op}, modules); err != nil {
					break
				}
				w.seconds, w.weights = w.seconds+one.seconds, w.weights+one.weights
			}
		}
		if err != nil {
			return 0, fmt.Errorf("estimate model %s: %w", m.ID, err)
		}
		w.seconds *= float64(max(1, p.Batch))
		open, visit, rounds := s.parts(w)
		total += open + rounds*visit
		if i == 0 {
			reference = float64(s.Rounds*s.ReferenceVisits) * visit
		}
	}
	return time.Duration((total + reference) * float64(time.Second)), nil
}

// parts hold what opening a model takes, what a visit takes, and how many there are.
func (s Schedule) parts(w modelWork) (open, visit, rounds float64) {
	run := max(w.seconds, 1e-6)
	warm := min(float64(s.WarmRuns)*run, max(s.WarmSeconds, 2*run))
	sample := run * max(1, math.Ceil(s.MinSample/run))
	visit = estimateVisit + float64(s.Discard)*run + float64(s.PerVisit)*sample
	rounds = float64(s.Rounds)
	if s.MaxModel > 0 {
		rounds = max(1, min(rounds, math.Ceil(s.MaxModel/(float64(s.PerVisit)*sample))))
	}
	return estimateOpen + float64(w.weights)/estimateLoad + warm, visit, rounds
}

// ModelSeconds is about how long one model takes in a campaign on the core that the
// figures of Estimate are of: it is opened once and visited in every round. It fails like
// Build.
func (s Schedule) ModelSeconds(c Chain) (float64, error) {
	w, err := modelWorkOf(c, nil)
	if err != nil {
		return 0, err
	}
	open, visit, rounds := s.parts(w)
	return open + rounds*visit, nil
}

// Seconds is about how long one run of the chain takes on the core that the figures of
// Estimate are of. It fails like Build.
func Seconds(c Chain) (float64, error) {
	w, err := modelWorkOf(c, nil)
	return w.seconds, err
}

// modelWork holds what a model computes and stores.
type modelWork struct {
	seconds float64
	weights int64 // bytes
}

// modelWorkOf takes every operator for bound by arithmetic or by memory, whichever is
// slower (the roofline model of Williams et al. 2009).
func modelWorkOf(c Chain, modules *Library) (modelWork, error) {
	g, err := Build(c, BuildOptions{Shapes: true, Modules: modules})
	if err != nil {
		return modelWork{}, err
	}
	var w modelWork
	for _, v := range g.Weights {
		w.weights += v.Bytes()
	}
	of := WorkOf(g)
	for _, n := range g.Nodes {
		if work := of(n); work != (Work{}) {
			bytes := work.Read + work.Written + work.Weights
			w.seconds += estimateNode + max(float64(work.MACs)/estimateMACs, float64(bytes)/estimateBytes)
		}
	}
	return w, nil
}
