package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/isocost/isocost/agent"
)

// world is the device's time and what happens in it. It is an agent.Clock that
// moves only when something runs or sleeps.
type world struct {
	dev      *Device
	now      time.Duration
	rng      *rand.Rand
	switches int64
	resident int64
	joules   float64

	factorUntil time.Duration // factor holds until then
	factor      float64
}

func newWorld(dev *Device) *world {
	return &world{dev: dev, rng: rand.New(rand.NewPCG(dev.Seed, 0))}
}

// epoch says where virtual time begins; only differences mean anything.
var epoch = time.Unix(0, 0)

func (w *world) Now() time.Time { return epoch.Add(w.now) }

// Sleep moves time. The noise that follows depends on the seed and the moment, so
// that a restarted child does not repeat the noise it began with.
func (w *world) Sleep(d time.Duration) {
	if d > 0 {
		w.now += d
		w.spend(d, 0)
		w.rng = rand.New(rand.NewPCG(w.dev.Seed, uint64(w.now)))
	}
}

var _ agent.Clock = (*world)(nil)

// spend draws idle power and watts more for d.
func (w *world) spend(d time.Duration, watts float64) {
	if p := w.dev.Power; p != nil {
		w.joules += (p.IdleW + watts) * d.Seconds()
	}
}

// run does work that takes us microseconds undisturbed, at watts above idle, as the
// device would at this moment.
func (w *world) run(us, watts float64) {
	d := w.dev
	us *= w.slowdown()
	if d.Noise.Jitter > 0 {
		us *= math.Exp(d.Noise.Jitter * w.rng.NormFloat64())
	}
	if d.Noise.Interference > 0 {
		us *= 1 + d.Noise.Interference*w.rng.ExpFloat64()
	}
	if d.Preempt.PerS > 0 {
		// 1−e⁻ˣ is at most x, which spares most exponentials.
		if at, x := w.rng.Float64(), d.Preempt.PerS*us/1e6; at < x*(1+1e-9)+1e-15 && at < 1-math.Exp(-x) {
			us += d.Preempt.US
			w.switches++
		}
	}
	took := max(1, time.Duration(us*1e3+0.5))
	w.now += took
	w.spend(took, watts)
}

// slowdown is the factor at this moment. It is worked out anew each millisecond
// of device time, which is finer than anything it is made of.
func (w *world) slowdown() float64 {
	if w.now < w.factorUntil {
		return w.factor
	}
	d, s := w.dev, w.now.Seconds()
	f := 1 + d.Drift.PerHour*(d.Drift.StartS+s)/3600
	for _, p := range d.Throttle {
		if s >= p.AfterS && s < p.AfterS+p.ForS {
			f *= p.Slowdown
		}
	}
	if d.Bursts.Share > 0 && w.slot(s, d.Bursts.LengthS, 1).Float64() < d.Bursts.Share {
		f *= d.Bursts.Slowdown
	}
	if d.Noise.Wander > 0 {
		f *= math.Exp(d.Noise.Wander * w.slot(s, d.Noise.WanderS, 2).NormFloat64())
	}
	w.factor, w.factorUntil = max(f, 1e-3), w.now+time.Millisecond
	return w.factor
}

// slot is the randomness of a stretch of time: the same whenever it is asked for.
func (w *world) slot(s, length float64, kind uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.dev.Seed^kind<<56, uint64(s/length)+1))
}
