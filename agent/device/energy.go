package device

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Energy is what a window of repeated runs cost, in joules over all runs.
type Energy struct {
	GrossJ  float64       `json:"gross_j"`   // everything the sensor saw
	IdleJ   float64       `json:"idle_j"`    // idle power times the window
	NetJ    float64       `json:"net_j"`     // gross − idle
	StdErrJ float64       `json:"std_err_j"` // of net
	IdleW   [2]float64    `json:"idle_w"`    // before and after
	Runs    int           `json:"runs"`
	Window  time.Duration `json:"window_ns"`
	Source  EnergySource  `json:"source"`
}

// Timekeeper is implemented by meters of devices that do not live in the machine's
// own time: the simulated one.
type Timekeeper interface {
	Now() time.Time
	// Idle lets d pass with nothing running.
	Idle(ctx context.Context, d time.Duration) error
}

// wall is the machine's own time.
type wall struct{}

func (wall) Now() time.Time { return time.Now() }

func (wall) Idle(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// MeasureEnergy measures idle power for at least idle, then repeats run for at least
// window (never less than the source's own Window; idle never less than half of
// it), then idle power again. The caller makes sure that nothing else runs; run must
// not sleep. Net energy may be negative within its standard error for a very small
// load: it is not clamped.
func MeasureEnergy(ctx context.Context, m EnergyMeter, window, idle time.Duration, run func() error) (Energy, error) {
	info := m.Info()
	window = max(window, info.Window())
	idle = max(idle, info.Window()/2)
	before, err := IdlePower(ctx, m, idle)
	if err != nil {
		return Energy{}, fmt.Errorf("idle before: %w", err)
	}
	gross, runs, err := EnergyWindow(ctx, m, window, run)
	if err != nil {
		return Energy{}, err
	}
	after, err := IdlePower(ctx, m, idle)
	if err != nil {
		return Energy{}, fmt.Errorf("idle after: %w", err)
	}
	w := gross.Window.Seconds()
	rest := Between(before, after)
	return Energy{
		GrossJ: gross.Value, IdleJ: rest.W * w, NetJ: gross.Value - rest.W*w,
		StdErrJ: math.Hypot(gross.StdErr, rest.StdErrW*w),
		IdleW:   [2]float64{before.W, after.W}, Runs: runs, Window: gross.Window, Source: info,
	}, nil
}

// Power is a mean power and its standard error, in watts.
type Power struct{ W, StdErrW float64 }

// Between is the idle power between two idle windows. It moves while the chip warms
// up: half of what it moved is how well it is known in between.
func Between(before, after Power) Power {
	return Power{(before.W + after.W) / 2, math.Hypot(math.Hypot(after.StdErrW, before.StdErrW)/2, math.Abs(after.W-before.W)/2)}
}

// timekeeper is the meter's own time, or the machine's.
func timekeeper(m Meter) Timekeeper {
	if own, ok := m.(Timekeeper); ok {
		return own
	}
	return wall{}
}

// EnergyWindow repeats run for at least window and returns what the meter saw and how
// often it ran.
func EnergyWindow(ctx context.Context, m Meter, window time.Duration, run func() error) (r Reading, runs int, err error) {
	clock := timekeeper(m)
	if err := m.Start(ctx); err != nil {
		return Reading{}, 0, err
	}
	start := clock.Now()
	for clock.Now().Sub(start) < window && err == nil {
		if err = ctx.Err(); err == nil {
			if err = run(); err == nil {
				runs++
			}
		}
	}
	r, stopErr := m.Stop()
	return r, runs, errors.Join(err, stopErr)
}

// IdlePower is the power while nothing runs, over a window.
func IdlePower(ctx context.Context, m Meter, window time.Duration) (Power, error) {
	r, err := idlePower(ctx, m, timekeeper(m), window)
	if err != nil {
		return Power{}, err
	}
	w := r.Window.Seconds()
	return Power{r.Value / w, r.StdErr / w}, nil
}

func idlePower(ctx context.Context, m Meter, clock Timekeeper, window time.Duration) (Reading, error) {
	if err := m.Start(ctx); err != nil {
		return Reading{}, err
	}
	if err := clock.Idle(ctx, window); err != nil {
		m.Stop()
		return Reading{}, err
	}
	r, err := m.Stop()
	if err == nil && r.Window <= 0 {
		err = errors.New("empty window")
	}
	return r, err
}
