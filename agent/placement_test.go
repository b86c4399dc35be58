package agent

import (
	"context"
	"errors"
	"testing"

	"github.com/isocost/isocost/benchmarks"
)

// placing is a backend that cannot prove placement.
type placing struct {
	Backend
	err error
}

func (p placing) Placement(context.Context, Model, Options) (Placement, error) {
	return Placement{}, p.err
}

// TestPlacementIsNamedOnce: backends say what they were doing, and to which model.
func TestPlacementIsNamedOnce(t *testing.T) {
	want := errors.New("placement of anchor: the provider is not there")
	s := &childState{backend: placing{err: want}}
	s.Build = func(benchmarks.Model, BuildSpec) (Model, error) { return Model{}, nil }
	if _, err := s.openOne(context.Background(), openModel{Prove: true}, "onnx"); err == nil || err.Error() != want.Error() {
		t.Errorf("the error reads %q, want %q", err, want)
	}
}
