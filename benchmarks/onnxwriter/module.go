package onnxwriter

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
)

// Module adds a module's nodes and constants, which read the tensor in and write the
// tensor out. Names of its own begin with prefix.
func (w *Writer) Module(m *onnxmodule.Module, prefix, in, out string) {
	m.Into(w.g, prefix, in, out)
	if !slices.Contains(w.modules, m) {
		w.modules = append(w.modules, m)
	}
}

// versions raises the model's versions to the highest that a module is written for. It
// fails where the nodes of another, or those written here, mean something else then.
func (w *Writer) versions(m *onnx.Model) error {
	for _, module := range w.modules {
		opsets, ir := module.Requires()
		m.IRVersion = max(m.IRVersion, ir)
		for _, o := range opsets {
			if o.Domain == "ai.onnx" {
				o.Domain = ""
			}
			i := slices.IndexFunc(m.Opsets, func(have onnx.Opset) bool { return have.Domain == o.Domain })
			if i < 0 {
				m.Opsets = append(m.Opsets, o)
				continue
			}
			m.Opsets[i].Version = max(m.Opsets[i].Version, o.Version)
		}
	}
	if v := m.Opset(""); v > onnx.Known {
		return hint.Wrap(fmt.Errorf("a module is written for version %d of ONNX's operators, of which the changes since version %d are not known", v, onnx.Known),
			"export it with opset_version=%d", onnx.Known)
	}
	for _, module := range w.modules {
		if err := module.Fits(m.Opset("")); err != nil {
			return err
		}
	}
	return nil
}
