package child

import (
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/record"
)

// warmDevice runs a session until the device is at its working clocks: at least
// w.Runs runs and w.Seconds, then until the fast and the slow exponential moving
// average of the run time stay within w.Within of each other for w.StableRuns
// runs, at most w.MaxSeconds.
//
// The two averages are AndroidX Microbenchmark's WarmupManager: while clocks
// ramp up, the fast one runs ahead of the slow one.
func warmDevice(s agent.Session, clock agent.Clock, w agent.Warmup) (runs int, rule record.WarmRule, err error) {
	start := clock.Now()
	var fast, slow float64
	stable := 0
	for {
		t0 := clock.Now()
		if err := s.Run(); err != nil {
			return runs, "", err
		}
		now := clock.Now()
		runs++
		t := now.Sub(t0).Seconds()
		if runs == 1 {
			fast, slow = t, t
		}
		fast += w.FastEMA * (t - fast)
		slow += w.SlowEMA * (t - slow)
		if d := fast - slow; d <= w.Within*slow && -d <= w.Within*slow {
			stable++
		} else {
			stable = 0
		}
		spent := now.Sub(start).Seconds()
		switch {
		case spent >= w.MaxSeconds:
			return runs, record.WarmTime, nil
		case runs >= w.Runs && spent >= w.Seconds && stable >= w.StableRuns:
			return runs, record.WarmConverged, nil
		}
	}
}

// warmModel runs a newly opened session w.Runs times, cut short at
// w.MaxSeconds but never below two, and returns the fastest run.
func warmModel(s agent.Session, clock agent.Clock, w agent.ModelWarmup) (runs int, rule record.WarmRule, fastest time.Duration, err error) {
	start := clock.Now()
	for {
		t0 := clock.Now()
		if err := s.Run(); err != nil {
			return runs, "", 0, err
		}
		now := clock.Now()
		if d := now.Sub(t0); runs == 0 || d < fastest {
			fastest = d
		}
		runs++
		switch {
		case runs >= w.Runs:
			return runs, record.WarmCount, fastest, nil
		case runs >= 2 && now.Sub(start).Seconds() >= w.MaxSeconds:
			return runs, record.WarmTime, fastest, nil
		}
	}
}

// repeatFor says how often a run must be repeated for a sample of minSeconds: found
// once, then frozen.
func repeatFor(run time.Duration, minSeconds float64) int {
	if run <= 0 {
		run = 1
	}
	n := int(minSeconds/run.Seconds()) + 1
	if float64(n-1)*run.Seconds() >= minSeconds {
		n--
	}
	return min(max(n, 1), 1<<20)
}
