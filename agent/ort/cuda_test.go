//go:build cgo

package ort

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/internal/hint"
)

func cudaModels() []agent.Model {
	return []agent.Model{{Name: "add", ID: "add", Bytes: addModel()}, {Name: "conv", ID: "conv", Bytes: convModel(1)}, {Name: "half", ID: "half", Bytes: convModel(10)}}
}

// TestCUDA runs the conformance suite on a machine with a GPU; elsewhere the
// refusal must say what is missing and how to get it. One process runs one ONNX
// Runtime: scripts/cuda-check.sh runs the test with ISOCOST_ONNXRUNTIME naming the
// CUDA build.
func TestCUDA(t *testing.T) {
	b := backend(t)
	opt := agent.Options{Provider: "cuda", Threads: 1, Seed: 1}
	s, err := b.Open(context.Background(), cudaModels()[0], opt)
	if err != nil {
		if os.Getenv("ISOCOST_REQUIRE_CUDA") == "1" {
			t.Fatalf("%v (%s)", err, hint.Of(err))
		}
		if hint.Of(err) == "" || errors.Is(err, agent.ErrUnsupported) {
			t.Errorf("the refusal has no hint, or is taken for the model's fault: %v (%s)", err, hint.Of(err))
		}
		t.Logf("no CUDA here: %v (%s)", err, hint.Of(err))
		return
	}
	s.Close()
	backendtest.Run(t, backendtest.Config{
		New:       func(testing.TB) agent.Backend { return b },
		Provider:  "cuda",
		Models:    cudaModels(),
		Bad:       []agent.Model{{Name: "unknown operator", ID: "unknown", Bytes: unknownOp()}},
		Input:     &agent.Tensor{Name: "x", DType: "float32", Shape: []int{1, 3}, Data: floats(4, 5, 6)},
		MaxAllocs: 0,
	})
	for _, transfers := range []bool{true, false} {
		opt.Transfers = transfers
		for i, tolerance := range []float64{1e-6, 1e-3, 1e-2} {
			want := outputs(t, open(t, b, cudaModels()[i].Bytes, agent.Options{Seed: 1}))
			s, err := b.Open(context.Background(), cudaModels()[i], opt)
			if err != nil {
				t.Fatal(err)
			}
			got, err := agent.CompareTensors(outputs(t, s), want)
			if err != nil || got.RelRMS > tolerance {
				t.Errorf("%s, transfers %v: relative RMS error %g, %v", cudaModels()[i].Name, transfers, got.RelRMS, err)
			}
			s.Close()
		}
	}
}
