package child

import (
	"context"
	"errors"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
)

// placing is a backend that cannot prove placement.
type placing struct {
	agent.Backend
	err error
}

func (p placing) Placement(context.Context, agent.Model, agent.Options) (agent.Placement, error) {
	return agent.Placement{}, p.err
}

// TestPlacementErrorsAreNotWrappedAgain: backends say what they were doing, and to which model.
func TestPlacementErrorsAreNotWrappedAgain(t *testing.T) {
	want := errors.New("placement of anchor: the provider is not there")
	s := &server{backend: placing{err: want}, clock: agent.WallClock{}}
	s.Build = func(benchmarks.Model, agent.BuildSpec) (agent.Model, error) { return agent.Model{}, nil }
	if _, err := s.openOne(context.Background(), OpenModel{Prove: true}, "onnx"); err == nil || err.Error() != want.Error() {
		t.Errorf("the error reads %q, want %q", err, want)
	}
}
