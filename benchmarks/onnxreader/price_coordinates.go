package onnxreader

import (
	"fmt"
	"strings"

	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// precision is what a node computes in, by its quantisation or its first computed
// input.
func (n *node) precision() (lut.Precision, string) {
	if n.int8 || strings.Contains(n.op, "QLinear") || strings.HasSuffix(n.op, ":QGemm") {
		return lut.INT8, ""
	}
	if n.dyn {
		return lut.INT8Dyn, ""
	}
	if (n.op == "Conv" || n.op == "ConvTranspose") && len(n.in) > 1 && n.in[1] != nil && n.in[1].quant && n.in[0] != nil && n.in[0].dtype == onnx.Float {
		return lut.INT8W, "" // the runtime widens its weights in every inference
	}
	for _, v := range n.in {
		if v == nil || v.constant && len(n.in) > 1 {
			continue
		}
		switch v.dtype {
		case onnx.Float:
			return lut.FP32, ""
		case onnx.Float16:
			return lut.FP16, ""
		case onnx.BFloat16:
			return lut.BF16, ""
		case onnx.Int8, onnx.Uint8:
			return lut.INT8, ""
		default:
			return "", fmt.Sprintf("it computes in %v", v.dtype)
		}
	}
	return lut.FP32, ""
}

// isMap reports that a shape is a batch of maps.
func (p *pricer) isMap(s []int) bool { return len(s) == 4 && s[0] == p.batch }

// shapeOf is v's shape, of a map with the channels before height and width.
func (p *pricer) shapeOf(v *value) []int {
	if p.last[v] && len(v.shape) == 4 {
		return channelsFirst(v.shape)
	}
	return v.shape
}

func (p *pricer) touchesBlocked(n *node) bool {
	for _, v := range n.in {
		if v != nil && p.blocked[v] {
			return true
		}
	}
	return false
}

// at are the coordinates of an element-wise operator on v.
func (p *pricer) at(v *value, mapped bool) (map[string]int, string) {
	s := v.shape
	if mapped {
		s = p.shapeOf(v)
	}
	total := elements(s)
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

// outer is how many rows one input of the batch has, where a row holds the
// dimensions from the axis a on; at least 1.
func (p *pricer) outer(s []int, a int) int {
	m := elements(s[:a])
	if a > 0 && s[0]%p.batch == 0 {
		m /= p.batch
	}
	return max(m, 1)
}
