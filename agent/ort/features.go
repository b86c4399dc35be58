//go:build cgo

package ort

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/onnx"
)

// Features says how the CPU provider lays float maps out here: "nchwc=16", the channels of a
// block, 1 where it has no such layout, and "nhwc=1" where it turns maps for convolutions that
// want the channels last. Its library decides that by the processor and by how it was built,
// so it is asked: it optimises two convolutions of as few channels as it lays out at all, and
// fills them up to a block. opt's threads are those of the sessions to come, which share a
// pool. "" for other providers.
func (b *Backend) Features(ctx context.Context, opt agent.Options) (string, error) {
	if opt.Provider != "cpu" {
		return "", nil
	}
	data, err := b.Optimised(ctx, agent.Model{Name: "two convolutions", Bytes: narrowConvs()}, agent.Options{Provider: "cpu", Threads: opt.Threads})
	if err != nil {
		return "", fmt.Errorf("ask for the layout of maps: %w", err)
	}
	m, err := onnx.Decode(data)
	if err != nil {
		return "", fmt.Errorf("ask for the layout of maps: %w", err)
	}
	weights := map[string]int64{}
	for _, t := range m.Graph.Initializers {
		if len(t.Dims) == 4 {
			weights[t.Name] = t.Dims[0]
		}
	}
	block, last := int64(1), ""
	for _, n := range m.Graph.Nodes {
		switch {
		case strings.HasSuffix(n.Domain, ".nchwc") && n.Op == "Conv" && len(n.Inputs) > 1:
			block = max(block, weights[n.Inputs[1]])
		case n.Op == "NhwcFusedConv":
			last = fmt.Sprintf(" %s=1", ortmodel.LastFeature)
		}
	}
	return fmt.Sprintf("%s=%d%s", ortmodel.Feature, block, last), nil
}

// narrowConvs are convolutions of 3 channels into 4, the fewest that are laid out in blocks,
// the second of a window that is worth the channels last.
func narrowConvs() []byte {
	conv := func(name, in, out string, pad int) *onnx.Node {
		n := &onnx.Node{Op: "Conv", Name: name, Inputs: []string{in, name}, Outputs: []string{out}, Attrs: []*onnx.Attr{{Name: "pads", Type: onnx.AttrInts}}}
		n.Attrs[0].Ints = slices.Repeat([]int64{int64(pad)}, 4)
		return n
	}
	return onnx.Encode(&onnx.Model{
		IRVersion: 8,
		Opsets:    []onnx.Opset{{Version: 13}},
		Graph: &onnx.Graph{
			Name:    "narrow",
			Inputs:  []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 3, 16, 16)},
			Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 1, 4, 16, 16)},
			Initializers: []*onnx.Tensor{
				onnx.FloatTensor("a", onnx.Float, make([]float32, 4*3), 4, 3, 1, 1),
				onnx.FloatTensor("b", onnx.Float, make([]float32, 4*4*3*3), 4, 4, 3, 3),
			},
			Nodes: []*onnx.Node{conv("a", "x", "h", 0), conv("b", "h", "y", 1)},
		},
	})
}
