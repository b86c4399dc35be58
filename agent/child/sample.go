package child

import (
	"time"

	"github.com/isocost/isocost/agent"
)

// sampler takes timed samples of sessions. It allocates its buffers once: the
// timed region calls the session and the clock and nothing else.
type sampler struct {
	clock    agent.Clock
	switches func() int64
	took     []time.Duration
	moved    []bool
}

// visit takes n samples of repeat runs each, after discard untimed runs, and
// returns microseconds per run and the indexes of samples during which the
// thread was switched out.
func (p *sampler) visit(s agent.Session, n, repeat, discard int) (us []float64, preempted []int, err error) {
	if cap(p.took) < n {
		p.took, p.moved = make([]time.Duration, n), make([]bool, n)
	}
	took, moved := p.took[:n], p.moved[:n]
	for range discard {
		if err := s.Run(); err != nil {
			return nil, nil, err
		}
	}
	for i := range took {
		before := p.switches()
		t0 := p.clock.Now()
		for range repeat {
			if err := s.Run(); err != nil {
				return nil, nil, err
			}
		}
		took[i] = p.clock.Now().Sub(t0)
		moved[i] = p.switches() != before
	}
	us = make([]float64, n)
	for i, d := range took {
		us[i] = float64(d.Nanoseconds()) / 1e3 / float64(repeat)
		if moved[i] {
			preempted = append(preempted, i)
		}
	}
	return us, preempted, nil
}

// TakeSamples times a session as a campaign does: n samples of repeat runs each after
// discard untimed runs, in microseconds per run, with the indexes of samples
// during which the thread was switched out. threads is the number the session runs on.
// The caller keeps its goroutine on one OS thread.
func TakeSamples(s agent.Session, clock agent.Clock, threads, n, repeat, discard int) (us []float64, preempted []int, err error) {
	p := sampler{clock: clock, switches: func() int64 { return involuntarySwitches(threads) }}
	return p.visit(s, n, repeat, discard)
}
