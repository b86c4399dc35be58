package ortmodel

import (
	"fmt"
	"strings"

	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// precision returns the precision that a node computes in, by its quantisation or its first computed
// input.
func (g *Fused) precision(n *graph.Node) (lut.Precision, string) {
	if g.How(n).Int8 || strings.Contains(n.Op, "QLinear") || strings.HasSuffix(n.Op, ":QGemm") || n.Op == "com.microsoft:MatMulIntegerToFloat" {
		return lut.INT8, ""
	}
	if g.How(n).Dynamic || n.Op == "com.microsoft:DynamicQuantizeMatMul" {
		return lut.INT8Dyn, ""
	}
	if IsConv(n.Op) || n.Op == "ConvTranspose" || n.Op == "MatMul" || IsMatrix(n) {
		for i, v := range n.In {
			if i > 1 || v == nil || !v.Constant || !v.Dequantised {
				continue
			}
			if g.How(n).Narrow && isBytes(v.Stored) && n.In[0] != nil && n.In[0].Type == onnx.Float {
				return lut.INT8W, ""
			}
			if !IsMatrix(n) && n.Op != "MatMul" && i == 1 && isBytes(v.Stored) && n.In[0] != nil && n.In[0].Type == onnx.Float {
				return lut.INT8W, "" // the runtime widens its weights in every inference
			}
			return "", fmt.Sprintf("weights of %v that are dequantised for it alone", v.Stored)
		}
	}
	for _, v := range n.In {
		if v == nil || v.Constant && len(n.In) > 1 {
			continue
		}
		switch v.Type {
		case onnx.Float:
			return lut.FP32, ""
		case onnx.Float16:
			return lut.FP16, ""
		case onnx.BFloat16:
			return lut.BF16, ""
		case onnx.Int8, onnx.Uint8:
			return lut.INT8, ""
		default:
			return "", fmt.Sprintf("it computes in %v", v.Type)
		}
	}
	return "", "nothing it computes with is known to be a number of the network"
}

// isMap reports that a shape is a batch of maps.
func (p *pricer) isMap(s []int) bool { return len(s) == 4 && s[0] == p.batch }

// shapeOf is v's shape, of a map with the channels before height and width.
func (p *pricer) shapeOf(v *graph.Value) []int {
	if p.last[v] && len(v.Shape) == 4 {
		return channelsFirst(v.Shape)
	}
	return v.Shape
}

func (p *pricer) touchesBlocked(n *graph.Node) bool {
	for _, v := range n.In {
		if v != nil && p.blocked[v] {
			return true
		}
	}
	return false
}

// at are the coordinates of an element-wise operator on v.
func (p *pricer) at(v *graph.Value, mapped bool) (map[string]int, string) {
	s := v.Shape
	if mapped {
		s = p.shapeOf(v)
	}
	total := graph.Elements(s)
	if total < 1 {
		return nil, "an empty tensor"
	}
	if mapped && p.isMap(s) {
		return ofMap(s), ""
	}
	dim := 1
	if p.isMap(s) && (p.inner[v] || s[2]*s[3] == 1) {
		dim = s[1]
	} else if len(s) > 0 {
		dim = s[len(s)-1]
	}
	seq := total / dim
	if len(s) > 1 && s[0]%p.batch == 0 {
		seq /= p.batch
	}
	return map[string]int{"seq": max(seq, 1), "dim": dim}, ""
}

// ofMap are the coordinates of a batch of maps, channels first.
func ofMap(s []int) map[string]int { return map[string]int{"c": s[1], "h": s[2], "w": s[3]} }

// outer says how many rows one input of the batch has, where a row holds the
// dimensions from the axis a on; at least 1.
func (p *pricer) outer(s []int, a int) int {
	m := graph.Elements(s[:a])
	if a > 0 && s[0]%p.batch == 0 {
		m /= p.batch
	}
	return max(m, 1)
}
