package campaign

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/agent/device"
)

// worldMeter is the energy meter of a simulated device: the child reports what the
// device has spent, in the device's own time.
type worldMeter struct {
	r          *run
	base, from float64     // joules and device seconds at Start
	running    *child.Talk // the child that Start spoke to
}

var (
	_ device.EnergyMeter = (*worldMeter)(nil)
	_ device.Timekeeper  = (*worldMeter)(nil)
)

// worldPeriod is the period at which the simulated counter is updated.
const worldPeriod = time.Millisecond

func (m *worldMeter) Unit() string { return "J" }

func (m *worldMeter) Info() device.EnergySource {
	return device.EnergySource{Name: "sim", Scope: "simulated device", Kind: device.KindCounter, Period: worldPeriod}
}

func (m *worldMeter) Start(context.Context) error {
	m.base, _ = m.r.talk.Joules()
	m.from, m.running = m.r.talk.Now(), m.r.talk
	return nil
}

func (m *worldMeter) Stop() (device.Reading, error) {
	if m.r.talk != m.running {
		return device.Reading{}, errors.New("sim: the child was replaced within the window")
	}
	spent, _ := m.r.talk.Joules()
	j, s := spent-m.base, m.r.talk.Now()-m.from
	// Two ends cut off within a period, each uniformly.
	se := j / s * worldPeriod.Seconds() / math.Sqrt(6)
	return device.Reading{Value: j, StdErr: se, Window: seconds(s), Updates: int(s / worldPeriod.Seconds())}, nil
}

func (m *worldMeter) Now() time.Time { return time.Unix(0, 0).Add(seconds(m.r.talk.Now())) }

func (m *worldMeter) Idle(ctx context.Context, d time.Duration) error {
	return m.r.idle(ctx, d.Seconds())
}
