package campaign

import (
	"os"
	"path/filepath"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/record"
)

// memoryOf is a model's memory as its opening told it; nil when nothing is known.
// Its weights are the bytes that the runtime's allocator held once it was open, or the
// model's own constants where those are more: a runtime may use them where they lie
// in the file and copy only what it repacks (ONNX Runtime does).
func (r *run) memoryOf(o *record.Open) *record.Memory {
	var m record.Memory
	weights := max(o.WeightsB, r.constants(r.models[o.Model]))
	if weights > 0 {
		m.WeightsBytes = &weights
	}
	if o.PeakActB > 0 {
		m.PeakActBytes = &o.PeakActB
	}
	if o.WeightsB > 0 || o.PeakActB > 0 {
		m.Source = o.MemorySource
	}
	if m.WeightsBytes == nil && m.PeakActBytes == nil {
		return nil
	}
	return &m
}

// constants are the bytes of a model file's constant tensors, those of an .onnx
// file's external data included; 0 for what cannot be read. It is the parent that
// reads them: the child's memory is measured.
func (r *run) constants(m benchmarks.Model) int64 {
	if m.File == "" {
		return 0
	}
	path := m.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.Backend.PlanDir, path)
	}
	data, err := os.ReadFile(path)
	if err != nil || filepath.Ext(path) == "" {
		return 0
	}
	return agent.ConstantBytes(agent.Format(filepath.Ext(path)[1:]), data)
}
