package device

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// Meter measures an additive quantity between Start and Stop. A meter is used by
// one goroutine and may be started again after Stop. An error of Start or Stop
// means there is no reading: never a zero in its place.
type Meter interface {
	Unit() string // "J" or "B"
	Start(ctx context.Context) error
	Stop() (Reading, error)
}

// Reading holds what a meter read in one window, in the meter's unit.
type Reading struct {
	Value   float64            `json:"value"`
	StdErr  float64            `json:"std_err"` // of Value, from the sensor's resolution in time
	Window  time.Duration      `json:"window_ns"`
	Updates int                `json:"updates"` // sensor readings or counter periods in the window
	Missed  int                `json:"missed,omitempty"`
	Parts   map[string]float64 `json:"parts,omitempty"` // rails, packages
}

// EnergyMeter is a Meter of joules that says where they come from.
type EnergyMeter interface {
	Meter
	Info() EnergySource
}

// EnergySource describes an energy sensor.
type EnergySource struct {
	Name   string        `json:"name"`            // rapl, ina3221, ina238, odpm, battery, nvml
	Scope  string        `json:"scope"`           // what the joules include
	Parts  []string      `json:"parts,omitempty"` // rails that are summed
	Kind   string        `json:"kind"`            // counter, or sampled power
	Period time.Duration `json:"period_ns"`       // between updates of the sensor
	Note   string        `json:"note,omitempty"`  // what to be careful about
}

// Kinds of energy sensors.
const (
	KindCounter = "counter" // the hardware integrates
	KindSampled = "sampled" // power is read and integrated here
)

// An energy window is at least this long, and at least so many sensor periods:
// with 50 periods the two cut-off periods at the ends are an error
// below 1 % (√(1/6)/50).
const (
	minEnergyWindow = 5 * time.Second
	minPeriods      = 50
)

// Window returns the shortest window that a reading of this source is worth.
func (s EnergySource) Window() time.Duration {
	return max(minEnergyWindow, minPeriods*s.Period)
}

func (s EnergySource) String() string {
	if len(s.Parts) == 0 {
		return s.Name
	}
	out := s.Name + ":"
	for i, p := range s.Parts {
		if i > 0 {
			out += "+"
		}
		out += p
	}
	return out
}

// ErrBackwards is wrapped by Stop when a counter ran backwards by more than a
// wrap explains: a reset, a suspended device, a broken driver.
var ErrBackwards = errors.New("the energy counter ran backwards")

// A count is one part's energy counter.
type count struct {
	part   string
	joules float64
	wrap   float64       // joules at which the counter wraps; 0: it does not
	at     time.Duration // the sensor's own time of the value; 0: it has none
}

// counterMeter turns a cumulative counter into a Meter.
type counterMeter struct {
	info EnergySource
	read func() ([]count, error)
	// poll says how often the counter must be seen so that no wrap is missed; 0: the
	// two ends are enough.
	poll time.Duration

	mu      sync.Mutex
	started time.Time
	last    []count
	total   map[string]float64
	sensorT map[string]time.Duration
	err     error
	stop    chan struct{}
	done    chan struct{}
}

func (m *counterMeter) Unit() string       { return "J" }
func (m *counterMeter) Info() EnergySource { return m.info }

func (m *counterMeter) Start(context.Context) error {
	if m.stop != nil {
		return fmt.Errorf("%s: started twice", m.info.Name)
	}
	c, err := m.read()
	if err != nil {
		return fmt.Errorf("%s: %w", m.info.Name, err)
	}
	m.started, m.last, m.err = time.Now(), c, nil
	m.total, m.sensorT = map[string]float64{}, map[string]time.Duration{}
	m.stop, m.done = make(chan struct{}), make(chan struct{})
	go m.follow(m.stop, m.done)
	return nil
}

// follow reads often enough that the counter cannot wrap twice unseen.
func (m *counterMeter) follow(stop, done chan struct{}) {
	defer close(done)
	if m.poll <= 0 {
		<-stop
		return
	}
	t := time.NewTicker(m.poll)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			m.advance()
		}
	}
}

func (m *counterMeter) advance() {
	c, err := m.read()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		err = m.add(c)
	}
	if err != nil && m.err == nil {
		m.err = err
	}
}

func (m *counterMeter) add(now []count) error {
	if len(now) != len(m.last) {
		return fmt.Errorf("%d parts answer, %d did before", len(now), len(m.last))
	}
	for i, c := range now {
		p := m.last[i]
		if p.part != c.part {
			return fmt.Errorf("part %s became %s", p.part, c.part)
		}
		delta := c.joules - p.joules
		if delta < 0 {
			if c.wrap <= 0 {
				return fmt.Errorf("%s fell from %g to %g J: %w", c.part, p.joules, c.joules, ErrBackwards)
			}
			// polled often enough, a true wrap is a step of less than half the range
			if delta += c.wrap; delta > c.wrap/2 {
				return fmt.Errorf("%s fell from %g to %g J: %w", c.part, p.joules, c.joules, ErrBackwards)
			}
		}
		m.total[c.part] += delta
		m.sensorT[c.part] += c.at - p.at
	}
	m.last = now
	return nil
}

func (m *counterMeter) Stop() (Reading, error) {
	if m.stop == nil {
		return Reading{}, fmt.Errorf("%s: stopped without a start", m.info.Name)
	}
	m.advance()
	window := time.Since(m.started)
	close(m.stop)
	<-m.done
	m.stop = nil
	if m.err != nil {
		return Reading{}, fmt.Errorf("%s: %w", m.info.Name, m.err)
	}
	r := Reading{Window: window, Parts: map[string]float64{}}
	for part, j := range m.total {
		// The sensor's own clock says which interval its joules belong to; they are
		// scaled to ours.
		if t := m.sensorT[part]; t > 0 {
			j *= window.Seconds() / t.Seconds()
		}
		r.Parts[part] = j
		r.Value += j
	}
	if window > 0 {
		// Each end falls anywhere in an update period: two uniform errors of one
		// period, so P·T·√(2/12).
		r.StdErr = r.Value / window.Seconds() * m.info.Period.Seconds() / math.Sqrt(6)
		r.Updates = int(window / max(m.info.Period, 1))
	}
	return r, nil
}

// powerMeter samples power and integrates it by the trapezoid rule.
type powerMeter struct {
	info EnergySource
	read func() (map[string]float64, error) // watts of each part

	started time.Time
	samples []powerSample
	missed  int
	lastErr error
	stop    chan struct{}
	done    chan struct{}
}

type powerSample struct {
	at    time.Time
	watts map[string]float64
	total float64
}

func (m *powerMeter) Unit() string       { return "J" }
func (m *powerMeter) Info() EnergySource { return m.info }

func (m *powerMeter) Start(context.Context) error {
	if m.stop != nil {
		return fmt.Errorf("%s: started twice", m.info.Name)
	}
	m.samples, m.missed, m.lastErr = nil, 0, nil
	m.sample()
	if len(m.samples) == 0 {
		return fmt.Errorf("%s: %w", m.info.Name, m.lastErr)
	}
	m.started = m.samples[0].at
	m.stop, m.done = make(chan struct{}), make(chan struct{})
	go func(stop, done chan struct{}) {
		defer close(done)
		t := time.NewTicker(m.info.Period)
		defer t.Stop()
		for {
			select {
			case <-stop:
				return
			case <-t.C:
				m.sample()
			}
		}
	}(m.stop, m.done)
	return nil
}

func (m *powerMeter) sample() {
	w, err := m.read()
	if err != nil {
		m.missed++
		m.lastErr = err
		return
	}
	s := powerSample{at: time.Now(), watts: w}
	for _, v := range w {
		s.total += v
	}
	m.samples = append(m.samples, s)
}

func (m *powerMeter) Stop() (Reading, error) {
	if m.stop == nil {
		return Reading{}, fmt.Errorf("%s: stopped without a start", m.info.Name)
	}
	close(m.stop)
	<-m.done
	m.stop = nil
	m.sample()
	window := time.Since(m.started)
	n := len(m.samples)
	if n < 2 || m.missed > n {
		return Reading{}, fmt.Errorf("%s: %d of %d readings failed: %w", m.info.Name, m.missed, m.missed+n, m.lastErr)
	}
	r := Reading{Window: window, Updates: n, Missed: m.missed, Parts: map[string]float64{}}
	for i := 1; i < n; i++ {
		a, b := m.samples[i-1], m.samples[i]
		dt := b.at.Sub(a.at).Seconds()
		for part := range b.watts {
			r.Parts[part] += (a.watts[part] + b.watts[part]) / 2 * dt
		}
	}
	for _, j := range r.Parts {
		r.Value += j
	}
	// A last reading that failed leaves a tail without samples.
	if covered := m.samples[n-1].at.Sub(m.started).Seconds(); covered > 0 {
		scale := window.Seconds() / covered
		r.Value *= scale
		for part := range r.Parts {
			r.Parts[part] *= scale
		}
	}
	r.StdErr = batchStdErr(m.samples) * window.Seconds()
	return r, nil
}

// batchStdErr is the standard error of the mean power by batch means: successive
// samples are correlated (a regulator's ripple, an averaging chip), means of ten
// long batches hardly are (Law & Kelton, Simulation Modeling and Analysis, 9.5.3).
func batchStdErr(s []powerSample) float64 {
	const batches = 10
	b := min(batches, len(s))
	if b < 2 {
		return 0
	}
	var mean, ss float64
	means := make([]float64, b)
	for i := range means {
		part := s[i*len(s)/b : (i+1)*len(s)/b]
		for _, p := range part {
			means[i] += p.total
		}
		means[i] /= float64(len(part))
		mean += means[i]
	}
	mean /= float64(b)
	for _, m := range means {
		ss += (m - mean) * (m - mean)
	}
	return math.Sqrt(ss / float64(b-1) / float64(b))
}

// NewCounterMeter makes a meter of a cumulative counter: read returns the joules
// of each part so far. The counter must not wrap.
func NewCounterMeter(info EnergySource, read func(context.Context) (map[string]float64, error)) EnergyMeter {
	return &counterMeter{info: info, read: func() ([]count, error) {
		m, err := read(context.Background())
		if err != nil {
			return nil, err
		}
		var out []count
		for _, part := range slices.Sorted(maps.Keys(m)) {
			out = append(out, count{part: part, joules: m[part]})
		}
		return out, nil
	}}
}

// NewPowerMeter makes a meter of a power sensor: read returns the watts of each
// part; it is sampled each info.Period.
func NewPowerMeter(info EnergySource, read func(context.Context) (map[string]float64, error)) EnergyMeter {
	return &powerMeter{info: info, read: func() (map[string]float64, error) { return read(context.Background()) }}
}
