//go:build !cgo

package ort

import (
	"context"
	"errors"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

var errNoCgo = hint.Wrap(errors.New("this program was built without cgo and cannot load ONNX Runtime"),
	"build it with CGO_ENABLED=1 and a C compiler (make build)")

// Info fails: the program has no cgo.
func (b *Backend) Info() (agent.Info, error) { return agent.Info{}, errNoCgo }

// Open fails: the program has no cgo.
func (b *Backend) Open(context.Context, agent.Model, agent.Options) (agent.Session, error) {
	return nil, errNoCgo
}

// Features fails: the program has no cgo.
func (b *Backend) Features(context.Context, agent.Options) (string, error) { return "", errNoCgo }

// Placement fails: the program has no cgo.
func (b *Backend) Placement(context.Context, agent.Model, agent.Options) (agent.Placement, error) {
	return agent.Placement{}, errNoCgo
}

// Profile fails: the program has no cgo.
func (b *Backend) Profile(context.Context, agent.Model, agent.Options, int) ([]agent.KernelTime, error) {
	return nil, errNoCgo
}

// Execution fails: the program has no cgo.
func (b *Backend) Execution(context.Context, agent.Model, agent.Options, lut.Precision) (agent.Execution, error) {
	return agent.Execution{}, errNoCgo
}

// Accelerators fails: the program has no cgo.
func (b *Backend) Accelerators() ([]agent.Accelerator, error) { return nil, errNoCgo }

// Optimised fails: the program has no cgo.
func (b *Backend) Optimised(context.Context, agent.Model, agent.Options) ([]byte, error) {
	return nil, errNoCgo
}
