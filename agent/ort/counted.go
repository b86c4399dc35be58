//go:build cgo

package ort

/*
#include "counting.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"

	"github.com/isocost/isocost/agent"
)

// counted is a session without an arena: it takes only what its kernels ask for.
// ONNX Runtime's arena rounds up to powers of two and keeps what it cannot split, a
// quarter to a half more; two networks' arenas cannot be compared to the byte.
type counted struct {
	*session
	before int64 // in use before the session was opened
}

var _ agent.MemoryReporter = counted{}

// openCounted opens a session on the counting allocator, runs it once, so that what is
// made once is there, and begins to look for the peak. Other counted sessions of the
// process must be closed.
func (l *library) openCounted(ctx context.Context, model agent.Model, opt agent.Options) (agent.Session, error) {
	fail := func(err error) (agent.Session, error) {
		return nil, fmt.Errorf("open %s to count its memory: %w", describe(model), err)
	}
	if opt.Provider != "" && opt.Provider != "cpu" {
		return fail(fmt.Errorf("provider %s has memory of its own: %w", opt.Provider, agent.ErrUnsupported))
	}
	if err := l.start(opt.Threads); err != nil {
		return fail(err)
	}
	if err := l.check(C.iso_counting_register(l.api, l.env)); err != nil {
		return fail(err)
	}
	before := int64(C.iso_counting_now())
	s, err := l.open(ctx, model, opt, secondPass{counted: true})
	if err != nil {
		return fail(err)
	}
	if err := s.run(); err != nil {
		s.Close()
		return fail(err)
	}
	C.iso_counting_restart()
	return counted{s, before}, nil
}

// MemoryStats counts from when the session was opened: InUse counts what it holds between
// runs, weights as the kernels keep them; MaxInUse the most since it was opened.
// Inputs and outputs are the caller's and in neither.
func (c counted) MemoryStats() (agent.MemoryStats, error) {
	if c.raw == nil {
		return agent.MemoryStats{}, errors.New("memory of a closed session")
	}
	return agent.MemoryStats{InUse: int64(C.iso_counting_now()) - c.before, MaxInUse: int64(C.iso_counting_peak()) - c.before,
		Source: agent.FromRequests}, nil
}
