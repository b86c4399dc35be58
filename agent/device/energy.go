package device

import (
	"context"
	"errors"
	"math"
	"time"
)

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
