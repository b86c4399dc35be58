//go:build cgo

package ort

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
)

// TestOpenVINO runs the conformance suite on the provider that is built into an
// ONNX Runtime of its own. One process runs one ONNX Runtime: it is the test
// again, in another.
func TestOpenVINO(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles every model: make test")
	}
	if runtime.GOARCH != "amd64" || runtime.GOOS != "linux" {
		t.Skip("OpenVINO's package is for linux/amd64")
	}
	lib := nativelib.Require(t, "onnxruntime-openvino")
	const env = "ISOCOST_TEST_OPENVINO"
	if os.Getenv(env) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestOpenVINO$", "-test.count=1", "-test.v")
		cmd.Env = append(os.Environ(), env+"=1", "ISOCOST_ONNXRUNTIME="+lib)
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestOpenVINO")) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	b := backend(t)
	models := []agent.Model{{Name: "add", ID: "add", Bytes: addModel()}, {Name: "conv", ID: "conv", Bytes: convModel(1)}, {Name: "int8", ID: "int8", Bytes: quantModel(true)}}
	opt := agent.Options{Provider: "openvino", Threads: 1, Seed: 1}
	backendtest.Run(t, backendtest.Config{
		New:       func(testing.TB) agent.Backend { return b },
		Provider:  "openvino",
		Models:    models,
		Bad:       []agent.Model{{Name: "unknown operator", ID: "unknown", Bytes: unknownOp()}},
		Input:     &agent.Tensor{Name: "x", DType: "float32", Shape: []int{1, 3}, Data: floats(4, 5, 6)},
		MaxAllocs: 0,
	})
	for _, m := range models {
		p, err := b.Placement(context.Background(), m, opt)
		if err != nil || len(p.Nodes) == 0 {
			t.Fatalf("%s: %+v, %v", m.Name, p, err)
		}
		for _, n := range p.Nodes {
			if n.Provider != "openvino" {
				t.Errorf("%s: %s is on %s", m.Name, n.Name, n.Provider)
			}
		}
		// It compiles the model into kernels of its own: nothing tells what they compute in.
		e, err := b.Execution(context.Background(), m, opt, lut.FP32)
		if err != nil || e.Mode != "" || !strings.Contains(e.Why, "do not tell") {
			t.Errorf("%s: %+v, %v; want no claim", m.Name, e, err)
		}
		want, got := outputs(t, open(t, b, m.Bytes, agent.Options{Seed: 1})), outputs(t, open(t, b, m.Bytes, opt))
		if diff, err := agent.CompareTensors(got, want); err != nil || diff.RelRMS > 1e-2 {
			t.Errorf("%s: relative RMS error %g, %v", m.Name, diff.RelRMS, err)
		}
	}

	// The plugin swaps the signal stack of the thread that loads it. Without
	// keepSignalStack the process dies here, of the signals by which Go preempts.
	stop := time.Now().Add(2 * time.Second)
	for time.Now().Before(stop) {
		s := open(t, b, convModel(1), opt)
		s.Close()
		done := make(chan struct{})
		for range 4 {
			go func() {
				for range 5_000_000 {
					_ = filepath.Base("a")[0]
				}
				done <- struct{}{}
			}()
		}
		for range 4 {
			<-done
		}
		runtime.GC()
	}
}
