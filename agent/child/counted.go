package child

import (
	"context"
	"errors"
	"runtime"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// countMemory opens the model on a counting allocator, runs it twice and closes it; and
// reads off the runtime's own graph what its plan keeps alive.
func (s *server) countMemory(ctx context.Context, q Memory) error {
	if err := s.send(Report{Begin: true, Model: q.Model.ID}); err != nil {
		return err
	}
	m, err := s.counted(ctx, q)
	r := Report{Model: q.Model.ID, Counted: m}
	if err != nil {
		r.Failed = failure(q.Model.ID, err)
	}
	return s.send(r)
}

func (s *server) counted(ctx context.Context, q Memory) (*record.Memory, error) {
	info, err := s.backend.Info()
	if err != nil {
		return nil, err
	}
	model, err := s.Build(q.Model, s.buildSpec(info.Format))
	if err != nil {
		return nil, err
	}
	if model.Name == "" {
		model.Name = q.Name
	}
	opt := s.options
	opt.Inputs = inputsFor(s.options.Inputs, model)
	m := &record.Memory{}
	if o, ok := s.backend.(agent.Optimiser); ok && info.Format == "onnx" && opt.Provider == "cpu" {
		s.plan(ctx, o, model, opt, m)
	}
	opt.CountMemory = true
	session, err := s.backend.Open(ctx, model, opt)
	if errors.Is(err, agent.ErrUnsupported) {
		return m, nil // it cannot be counted
	}
	if err != nil {
		return nil, err
	}
	defer session.Close()
	reporter, ok := session.(agent.MemoryReporter)
	if !ok {
		return m, nil
	}
	idle, err := reporter.MemoryStats()
	if err != nil || idle.Source != agent.FromRequests {
		return m, nil
	}
	if err := session.Run(); err != nil {
		return nil, err
	}
	after, err := reporter.MemoryStats()
	if err != nil {
		return nil, err
	}
	peak := max(0, after.MaxInUse-idle.InUse)
	weights := max(idle.InUse, agent.ConstantBytes(info.Format, model.Bytes)) // it may use them where they lie
	m.WeightsBytes, m.PeakActBytes, m.Source = &weights, &peak, after.Source
	return m, nil
}

// plan reads the runtime's optimised graph for what is alive while each kernel runs. A
// graph that cannot be read leaves the figures out.
func (s *server) plan(ctx context.Context, o agent.Optimiser, model agent.Model, opt agent.Options, m *record.Memory) {
	data, err := o.Optimised(ctx, model, opt)
	if err != nil {
		return
	}
	read := onnxreader.Options{Dims: model.Dims, Lowered: true, Target: ortmodel.On(lut.Device{Arch: runtime.GOARCH}, lut.Runtime{Features: s.features})}
	if model.Path != "" {
		read.Root = onnx.Folder(model.Path)
	}
	net, err := onnxreader.Read(data, read)
	if err != nil || net.PeakBytes == 0 {
		return
	}
	m.LivenessBytes = &net.PeakBytes
}
