package build

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/costgen"
)

// Options say which table is to be made of what.
type Options struct {
	Dir      string // the run's folder: settings, plans, records
	Program  string // path of agent
	Target   string // local, adb:SERIAL, ssh:USER@HOST
	Args     []string
	Protocol string // text of the protocol; "" is the package's own

	Census *census.Census // networks that the table is to price
	Unseen *census.Census // networks that will judge it: see deviceplan.Request; nil for none

	Seconds float64 // device time in all
	Error   float64 // expected error at which the build ends, a fraction; 0 goes on to the end
	Seed    uint64
	Compile costgen.Options // of the table, its prior included; Model is set

	Stderr io.Writer // of agent; nil discards
	// Tell, when set, is told how far the build is: before each campaign and at the end.
	Tell func(Progress)
}

// Progress is a moment of a build.
type Progress struct {
	Campaign, Campaigns int     // those finished, and all there are time for
	Spent, Seconds      float64 // device time
	Kernels, Chains     int     // measured so far
	// Error is the standard deviation of a network of the census relative to its cost, the median over the
	// networks; NaN before anything was measured. Priced is the share of the networks that have a price.
	Error, Priced float64
	Next          string // what the next campaign measures, "" at the end
}

func (o *Options) validate() error {
	var errs []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	add(o.Dir == "", "no folder for the run")
	add(o.Program == "", "no agent program")
	add(o.Census == nil || len(o.Census.Networks) == 0, "no network to price")
	add(!(o.Seconds >= 1) || math.IsInf(o.Seconds, 0), "%v seconds of device time, want at least 1", o.Seconds)
	add(!(o.Error >= 0 && o.Error < 1), "an expected error of %v, want a fraction", o.Error)
	if t := o.Compile.Prior; t != nil {
		add(t.File().Model == nil, "a prior without a model of its device")
	}
	return errors.Join(errs...)
}

// protocol is for a campaign of many models and little time, decision 0405: short visits and
// as many rounds as there is time for, the same for every model; a low quantile, since on a
// shared host interference only adds; a short warm-up, and no proof of placement and no
// comparison of outputs, which would take longer than the measurement. What the host's speed
// does from one campaign to the next is taken out by the chains that they share.
const protocol = `format: isocost/protocol/v1
threads: 1
estimator: quantile
quantile: 0.25
model_warmup: {runs: 3, max_seconds: 0.03}
sample: {min_seconds: 0.0003, per_visit: 2, discard: 1}
stop: {interval: 0.00001, min_rounds: 12, max_rounds: 100000, min_samples: 24, max_seconds: 3600}
check: {placement: false, numeric: false}
drift: {correct: false, allow: 1, limit: 10}
`

// The figures that plans of such a campaign rest on: rounds that a plan leaves time for.
const roundsWanted = 36
