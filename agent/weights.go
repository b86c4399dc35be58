package agent

import (
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
)

// ConstantBytes are the bytes of a model's constant tensors; format is onnx or
// tflite. 0 for what cannot be read.
func ConstantBytes(format Format, data []byte) int64 {
	total := int64(0)
	switch format {
	case FormatONNX:
		f, err := onnx.Decode(data)
		if err != nil || f.Graph == nil {
			return 0
		}
		for _, t := range f.Graph.Initializers {
			if n, err := t.Len(); err == nil {
				total += (int64(n)*int64(t.Type.Bits()) + 7) / 8
			}
		}
	case FormatTFLite:
		f, err := tflitefb.Decode(data)
		if err != nil {
			return 0
		}
		for _, t := range f.Tensors {
			total += int64(len(t.Data))
		}
	}
	return total
}
