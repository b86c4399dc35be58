package ortmodel

import (
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// elementwise is the catalogue's kind of one input that a node is, "" for none: of an
// operator of ONNX or the runtime's own by its definition, of a node that a rule fused by
// its name.
func elementwise(n *graph.Node) string {
	if kind, fused := strings.CutPrefix(n.Op, "@"); fused {
		if benchmarks.IsFunction(kind) {
			return kind
		}
		return ""
	}
	return benchmarks.ONNXFunction(n.Op, func(name string) string {
		if n.Src == nil {
			return ""
		}
		return n.Src.Str(name, "")
	})
}
