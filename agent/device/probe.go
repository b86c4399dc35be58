package device

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"
)

// Noise reports how far timings on this machine can be trusted, by a fixed piece of work.
type Noise struct {
	Samples   int     `json:"samples"`
	MedianUS  float64 `json:"median_us"`
	SpreadPct float64 `json:"spread_pct"` // 1.4826·MAD over the median: a standard deviation deaf to outliers
	TailPct   float64 `json:"tail_pct"`   // the 95th percentile above the median
	BlockPct  float64 `json:"block_pct"`  // highest over lowest median of quarter-second blocks: how far a single campaign wanders
	TrendPct  float64 `json:"trend_pct"`  // median of the last third over the first third
	Preempted float64 `json:"preempted"`  // share of samples in which the scheduler took the core away
	StealPct  float64 `json:"steal_pct"`  // CPU time the hypervisor took while probing
}

// The work unit is calibrated to this: long against the clock's resolution,
// short against a scheduler tick (1–10 ms), so that most samples meet none.
const probeUnit = 200 * time.Microsecond

// blocks of this length split the probe
const probeBlock = 250 * time.Millisecond

// A distribution of fewer samples has no tail to speak of.
const leastSamples = 100

// Probe times a fixed computation on the calling goroutine for about the given
// time (3 s is enough; where others leave too few samples of it, up to ten times as
// long) and returns how much the time moved. It keeps one core busy and reads no sensor.
func (d *Device) Probe(ctx context.Context, length time.Duration) (Noise, error) {
	unlock, preempted := probeThread()
	defer unlock()
	before := d.steal()
	start := time.Now()
	n, err := probe(ctx, length, func() time.Duration { return time.Since(start) }, busyWork, preempted)
	if after := d.steal(); err == nil && before != nil && after != nil {
		// ticks are 10 ms (USER_HZ is 100 on every Linux architecture of ours) and
		// summed over all CPUs
		cpus := max(1, len(d.Topology().Online()))
		n.StealPct = float64(*after-*before) / 100 / time.Since(start).Seconds() / float64(cpus) * 100
	}
	return n, err
}

// busyWork is a chain of dependent multiply-adds: its time is the core's clock
// and nothing else (no memory, no vector unit whose power state changes it).
func busyWork(n int) float64 {
	x := 1.0
	for range n {
		x = x*0.999999 + 1e-6
	}
	return x
}

func probe(ctx context.Context, length time.Duration, now func() time.Duration, work func(int) float64, preempted func() int64) (Noise, error) {
	n := 1000
	for { // find the size of a work unit, by the fastest of a few: another program's turn does no work
		fastest := time.Duration(math.MaxInt64)
		for range 5 {
			t := now()
			runtime.KeepAlive(work(n))
			fastest = min(fastest, now()-t)
		}
		if fastest >= probeUnit {
			break
		}
		if n *= 2; n > 1<<30 {
			return Noise{}, fmt.Errorf("noise probe: the clock does not move")
		}
	}
	type sample struct {
		at, took time.Duration
		stolen   bool
	}
	var s []sample
	begin := now()
	for now()-begin < length || len(s) < leastSamples && now()-begin < 10*length {
		if err := ctx.Err(); err != nil {
			return Noise{}, err
		}
		p := preempted()
		t := now()
		runtime.KeepAlive(work(n))
		took := now() - t
		s = append(s, sample{t - begin, took, preempted() != p})
	}
	if len(s) < leastSamples {
		return Noise{}, fmt.Errorf("noise probe: only %d samples in %v", len(s), now()-begin)
	}
	var clean, all []float64
	blocks := map[int][]float64{}
	var first, last []float64
	end := s[len(s)-1].at
	var out Noise
	for _, x := range s {
		us := float64(x.took) / 1e3
		all = append(all, us)
		if x.stolen {
			out.Preempted++
			continue
		}
		clean = append(clean, us)
		b := int(x.at / probeBlock)
		blocks[b] = append(blocks[b], us)
		switch {
		case x.at < end/3:
			first = append(first, us)
		case x.at > end*2/3:
			last = append(last, us)
		}
	}
	out.Samples = len(s)
	out.Preempted /= float64(len(s))
	if len(clean) < len(s)/2 {
		clean = all // then the preemptions are the machine
	}
	out.MedianUS = quantile(clean, 0.5)
	dev := make([]float64, len(clean))
	for i, v := range clean {
		dev[i] = math.Abs(v - out.MedianUS)
	}
	out.SpreadPct = 1.4826 * quantile(dev, 0.5) / out.MedianUS * 100
	out.TailPct = (quantile(all, 0.95)/out.MedianUS - 1) * 100
	lo, hi := math.Inf(1), 0.0
	for _, b := range blocks {
		if len(b) < 20 {
			continue // a block cut short says little
		}
		m := quantile(b, 0.5)
		lo, hi = min(lo, m), max(hi, m)
	}
	if hi > 0 {
		out.BlockPct = (hi/lo - 1) * 100
	}
	if len(first) > 0 && len(last) > 0 {
		out.TrendPct = (quantile(last, 0.5)/quantile(first, 0.5) - 1) * 100
	}
	return out, nil
}

// quantile by nearest rank; x is not kept in order.
func quantile(x []float64, q float64) float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// Grades of a verdict.
const (
	Good    = "good"
	Fair    = "fair"
	Poor    = "poor"
	Unknown = "unknown" // nothing speaks against the machine, but it was not probed
)

// Verdict says how far timings taken here can be trusted, and what would make
// them better.
type Verdict struct {
	Grade   string   `json:"grade"` // good, fair, poor, unknown
	Reasons []string `json:"reasons,omitempty"`
	Advice  []string `json:"advice,omitempty"`
}

// Limits of the grades, in percent: good allows a ±1 % interval target (design
// 2.1) needs from the machine, fair what one common scale between campaigns still
// mends (2–3.5 % between campaigns was measured on a shared virtual host).
var (
	goodLimits = noiseLimits{block: 1, tail: 3, trend: 1, preempted: 0.01, steal: 0.5}
	fairLimits = noiseLimits{block: 4, tail: 15, trend: 3, preempted: 0.05, steal: 3}
)

type noiseLimits struct{ block, tail, trend, preempted, steal float64 }

func (l noiseLimits) exceeded(n Noise) []string {
	var out []string
	add := func(over bool, format string, args ...any) {
		if over {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(n.BlockPct > l.block, "the same work takes %.1f %% more in one quarter second than in another", n.BlockPct)
	add(n.TailPct > l.tail, "one sample in twenty is %.0f %% slow", n.TailPct)
	add(math.Abs(n.TrendPct) > l.trend, "the work changed by %+.1f %% during the probe", n.TrendPct)
	add(n.Preempted > l.preempted, "%.1f %% of the samples lost the core to other programs", n.Preempted*100)
	add(n.StealPct > l.steal, "the hypervisor took %.1f %% of the CPU time", n.StealPct)
	return out
}

// Judge puts the probe (nil where none was made), the identity and the state
// together.
func Judge(id Identity, s State, n *Noise) Verdict {
	v := Verdict{Grade: Unknown}
	if n != nil {
		v.Grade = Good
	}
	worse := func(grade string) {
		if v.Grade != Poor {
			v.Grade = grade
		}
	}
	if n != nil {
		if r := goodLimits.exceeded(*n); len(r) > 0 {
			worse(Fair)
			v.Reasons = append(v.Reasons, r...)
		}
		if len(fairLimits.exceeded(*n)) > 0 {
			worse(Poor)
		}
	}
	if id.Emulated != "" {
		worse(Poor)
		v.Reasons = append(v.Reasons, id.Emulated+" emulates this processor: timings mean nothing")
	}
	if e := Throttling(s, s); len(e) > 0 {
		worse(Poor)
		v.Reasons = append(v.Reasons, e...)
		v.Advice = append(v.Advice, "let it cool down, give it air and a supply that holds its voltage; lift the power mode's caps (Jetson: nvpmodel -m 0)")
	}
	if s.CPUQuota != nil && *s.CPUQuota < float64(len(id.Topology.Usable())) {
		v.Reasons = append(v.Reasons, fmt.Sprintf("the process may use %.2g CPUs' worth of time: a quota of its control group, which pauses it when that is spent", *s.CPUQuota))
		v.Advice = append(v.Advice, "lift the quota (docker --cpus, Kubernetes limits.cpu) and name cores instead (--cpuset-cpus)")
		worse(Fair)
		if *s.CPUQuota < 1 {
			worse(Poor) // one thread alone is paused in every period
		}
	}
	if s.Load != nil && s.Load.One > 0.5*float64(len(id.Topology.Online())) {
		v.Reasons = append(v.Reasons, fmt.Sprintf("the load average is %.1f on %d CPUs", s.Load.One, len(id.Topology.Online())))
		v.Advice = append(v.Advice, "stop other work, or measure on fewer cores with --cores")
		worse(Fair)
	}
	if id.Virtual != "" && v.Grade != Good && v.Grade != Unknown {
		v.Advice = append(v.Advice, "a shared "+id.Virtual+" mostly adds time: use the estimator quantile, 0.25, in protocol.yaml")
	}
	if s.Battery != nil && s.Battery.Percent >= 0 && s.Battery.Percent < 25 {
		// AndroidX Microbenchmark refuses below 25 %.
		v.Reasons = append(v.Reasons, fmt.Sprintf("the battery is at %d %%", s.Battery.Percent))
		v.Advice = append(v.Advice, "charge it above 25 %")
		worse(Fair)
	}
	for _, c := range s.Clocks {
		if len(c.CPUs) > 0 && c.Governor != "" && c.Governor != "performance" && c.MinHz < c.MaxHz {
			v.Advice = append(v.Advice, "the governor "+c.Governor+" moves the clocks: set clock: fixed-performance (or locked) in protocol.yaml")
			break
		}
	}
	return v
}
