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

// MeasureEnergy measures idle power, then repeats run for at least window (never
// less than the source's own Window), then idle power again. The caller makes
// sure that nothing else runs; run must not sleep. Net energy may be negative
// within its standard error for a very small load: it is not clamped.
func MeasureEnergy(ctx context.Context, m EnergyMeter, window time.Duration, run func() error) (Energy, error) {
	info := m.Info()
	window = max(window, info.Window())
	before, err := idlePower(ctx, m, window/2)
	if err != nil {
		return Energy{}, fmt.Errorf("idle before: %w", err)
	}
	if err := m.Start(ctx); err != nil {
		return Energy{}, err
	}
	runs := 0
	start := time.Now()
	for time.Since(start) < window && err == nil {
		if err = ctx.Err(); err == nil {
			if err = run(); err == nil {
				runs++
			}
		}
	}
	gross, stopErr := m.Stop()
	if err := errors.Join(err, stopErr); err != nil {
		return Energy{}, err
	}
	after, err := idlePower(ctx, m, window/2)
	if err != nil {
		return Energy{}, fmt.Errorf("idle after: %w", err)
	}
	w := gross.Window.Seconds()
	b, bse := before.Value/before.Window.Seconds(), before.StdErr/before.Window.Seconds()
	a, ase := after.Value/after.Window.Seconds(), after.StdErr/after.Window.Seconds()
	idle := (a + b) / 2
	// Idle power moves while the chip warms up; half of what it moved is how well
	// it is known during the run.
	idleSE := math.Hypot(math.Hypot(ase, bse)/2, math.Abs(a-b)/2)
	return Energy{
		GrossJ: gross.Value, IdleJ: idle * w, NetJ: gross.Value - idle*w,
		StdErrJ: math.Hypot(gross.StdErr, idleSE*w),
		IdleW:   [2]float64{b, a}, Runs: runs, Window: gross.Window, Source: info,
	}, nil
}

func idlePower(ctx context.Context, m Meter, window time.Duration) (Reading, error) {
	if err := m.Start(ctx); err != nil {
		return Reading{}, err
	}
	t := time.NewTimer(window)
	defer t.Stop()
	select {
	case <-ctx.Done():
		m.Stop()
		return Reading{}, ctx.Err()
	case <-t.C:
	}
	r, err := m.Stop()
	if err == nil && r.Window <= 0 {
		err = errors.New("empty window")
	}
	return r, err
}
