//go:build !cgo

package tflite

import (
	"context"
	"errors"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
)

type library struct{}

var errNoCgo = hint.Wrap(errors.New("this program was built without cgo and cannot load TensorFlow Lite"),
	"build it with CGO_ENABLED=1 and a C compiler (make build)")

// Info fails: the program has no cgo.
func (b *Backend) Info() (agent.Info, error) { return agent.Info{}, errNoCgo }

// Open fails: the program has no cgo.
func (b *Backend) Open(context.Context, agent.Model, agent.Options) (agent.Session, error) {
	return nil, errNoCgo
}
