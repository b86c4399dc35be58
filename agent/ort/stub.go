//go:build !cgo

package ort

import (
	"context"
	"errors"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
)

var errNoCgo = hint.Wrap(errors.New("this program was built without cgo and cannot load ONNX Runtime"),
	"build it with CGO_ENABLED=1 and a C compiler (make build)")

// Info fails: the program has no cgo.
func (b *Backend) Info() (agent.Info, error) { return agent.Info{}, errNoCgo }

// Open fails: the program has no cgo.
func (b *Backend) Open(context.Context, agent.Model, agent.Options) (agent.Session, error) {
	return nil, errNoCgo
}
