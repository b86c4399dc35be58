//go:build cgo

package tflite

import (
	"context"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

func TestKernelPrecision(t *testing.T) {
	for tag, want := range map[string]lut.Precision{
		"Fully Connected (NC, QDU8, F32, QC8W) GEMM": lut.INT8Dyn,
		"Fully Connected (NC, QS8, QC8W) GEMM":       lut.INT8,
		"Fully Connected (NC, F32, QC4W) GEMM":       lut.INT8W,
		"Convolution (NHWC, QC8) DWConv":             lut.INT8,
		"Convolution (NHWC, F16) IGEMM":              lut.FP16,
		"Convolution (NHWC, F32) IGEMM":              lut.FP32,
		"Batch Matrix Multiply (NC, F32) GEMM":       lut.FP32,
		"Add (ND)":                                   "",
		"Convert (NC)":                               "",
	} {
		if got := kernelPrecision(tag); got != want {
			t.Errorf("%s: %q, want %q", tag, got, want)
		}
	}
}

// TestExecutionIsSaidPerPrecision: the verdict follows the kernels that ran, not the model's name.
func TestExecutionIsSaidPerPrecision(t *testing.T) {
	halfMode := agent.Emulated // forced half precision on a CPU without the arithmetic
	if noHalfArithmetic() == "" {
		halfMode = agent.Native
	}
	kinds(t, func(t *testing.T, b *Backend) {
		for _, c := range []struct {
			key, options string
			want         record.Execution
		}{
			{"conv[k=3]/fp32@cin=8,cout=8,h=8,w=8", "", agent.Native},
			{"conv[k=3]/int8@cin=8,cout=8,h=8,w=8", "", agent.Native},
			{"conv[k=3]/int8dyn@cin=8,cout=8,h=8,w=8", "", agent.Native},
			{"conv[k=3]/int8w@cin=8,cout=8,h=8,w=8", "", agent.Emulated}, // widened in advance
			{"conv[k=3]/fp16@cin=8,cout=8,h=8,w=8", "fp16=0", agent.Emulated},
			{"conv[k=3]/fp16@cin=8,cout=8,h=8,w=8", "fp16=1", halfMode},
			{"conv[k=3]/fp16@cin=8,cout=8,h=8,w=8", "", halfMode},
			{"conv[k=3]/fp32@cin=8,cout=8,h=8,w=8", "fp16=1", agent.Emulated}, // fp32 was asked for
			{"quantize/int8@c=8,h=8,w=8", "", agent.Native},
			{"add/int8@c=8,h=8,w=8", "", agent.Native},
			{"relu/fp32@c=8,h=8,w=8", "", agent.Native},
		} {
			op, err := lut.ParseOp(c.key)
			if err != nil {
				t.Fatal(err)
			}
			m, _ := buildModel(t, "tflite", benchmarks.Chain{op})
			opt := agent.Options{Provider: CPU, Threads: 1}
			if name, value, ok := strings.Cut(c.options, "="); ok {
				opt.ProviderOptions = map[string]string{name: value}
			}
			got, err := b.Execution(context.Background(), m, opt, op.Precision)
			if err != nil {
				t.Errorf("%s: %v", c.key, err)
			} else if got.Mode != c.want || got.Why == "" {
				t.Errorf("%s with %q: %+v, want %s", c.key, c.options, got, c.want)
			}
		}
	})
}
