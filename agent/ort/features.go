//go:build cgo

package ort

import (
	"context"
	"fmt"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/onnx"
)

// Features says in what blocks of channels the CPU provider lays float maps out here:
// "nchwc=16", 1 where it has no such layout. Its library decides that by the processor's
// registers and by how it was built, so it is asked: it optimises a convolution of as few
// channels as it lays out at all, and fills them up to a block. opt's threads are those of
// the sessions to come, which share a pool. "" for other providers.
func (b *Backend) Features(ctx context.Context, opt agent.Options) (string, error) {
	if opt.Provider != "cpu" {
		return "", nil
	}
	data, err := b.Optimised(ctx, agent.Model{Name: "a convolution", Bytes: narrowConv()}, agent.Options{Provider: "cpu", Threads: opt.Threads})
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
	block := int64(1)
	for _, n := range m.Graph.Nodes {
		if strings.HasSuffix(n.Domain, ".nchwc") && n.Op == "Conv" && len(n.Inputs) > 1 {
			block = max(block, weights[n.Inputs[1]])
		}
	}
	return fmt.Sprintf("%s=%d", ortmodel.Feature, block), nil
}

// narrowConv is a convolution of 3 channels into 4, the fewest that are laid out in blocks.
func narrowConv() []byte {
	return onnx.Encode(&onnx.Model{
		IRVersion: 8,
		Opsets:    []onnx.Opset{{Version: 13}},
		Graph: &onnx.Graph{
			Name:         "narrow",
			Inputs:       []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 3, 4, 4)},
			Outputs:      []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 1, 4, 4, 4)},
			Initializers: []*onnx.Tensor{onnx.FloatTensor("w", onnx.Float, make([]float32, 4*3), 4, 3, 1, 1)},
			Nodes:        []*onnx.Node{{Op: "Conv", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}},
		},
	})
}
