package build

import "github.com/isocost/isocost/benchmarks"

// ends are the device seconds at which campaigns end: each lasts longer than the one before,
// since the first teach most; the last ends with the time there is. A build of 10 minutes has
// one after 1, 2 and 5.
func ends(seconds float64) []float64 {
	var out []float64
	last := 0.0
	for _, e := range []float64{60, 120, 210, 300, 450, 600, 900, 1200, 1800} {
		if e > 0.8*seconds {
			break
		}
		out, last = append(out, e), e
	}
	for last > 0 && seconds-last > 900 {
		last += 900
		if seconds-last > 450 {
			out = append(out, last)
		}
	}
	if len(out) == 0 && seconds >= 20 {
		out = append(out, seconds/2)
	}
	return append(out, seconds)
}

// schedule tells how long the package's protocol takes for a model, at the rounds wanted.
var schedule = benchmarks.Schedule{Rounds: roundsWanted, PerVisit: 2, MinSample: 0.0003, Discard: 1, ReferenceVisits: 3, WarmRuns: 3, WarmSeconds: 0.03}

// beside is the time a campaign takes besides its models: starting the child, warming up.
const beside = 3.0 // seconds

// share is the part of a campaign's time that its plan fills by estimate.
const share = 0.9
