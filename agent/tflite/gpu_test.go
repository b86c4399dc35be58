//go:build cgo

package tflite

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// gpuBackend is LiteRT on a software Vulkan driver.
func gpuBackend(t *testing.T) *Backend {
	t.Helper()
	nativelib.SoftwareVulkan(t)
	return New(Config{Library: nativelib.Require(t, LiteRT), Search: nativelib.Host()})
}

// TestGPUComputes: small models are right on the GPU, in full and half precision,
// and the verdict on their precision follows.
func TestGPUComputes(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of software Vulkan: make test")
	}
	b := gpuBackend(t)
	for _, c := range []struct {
		key, precision string
		tolerance      float64
		mode           record.Execution
	}{
		{"conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=8,h=16,w=16", "", 1e-5, agent.Native},
		{"mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=8,cout=8,h=8,mid=16,w=8", "", 1e-5, agent.Native},
		{"mbconv[act=hswish,k=5,s=2,se=4]/fp32@cin=8,cout=12,h=8,mid=32,w=8", "", 1e-5, agent.Native},
		{"mbconv[act=relu6,k=3,res=1,s=1]/fp16@cin=8,cout=8,h=8,mid=16,w=8", "fp16", 5e-2, agent.Native},
		{"mbconv[act=relu6,k=3,res=1,s=1]/fp16@cin=8,cout=8,h=8,mid=16,w=8", "fp32", 1e-2, agent.Emulated},
		{"linear/fp32@cin=16,cout=10,m=1", "", 1e-5, agent.Native},
	} {
		op, err := lut.ParseOp(c.key)
		if err != nil {
			t.Fatal(err)
		}
		m, g := buildModel(t, "tflite", benchmarks.Chain{op})
		in, tensors := graphInputs(g)
		opt := agent.Options{Provider: GPU, Threads: 1, Inputs: tensors}
		if c.precision != "" {
			opt.ProviderOptions = map[string]string{"precision": c.precision}
		}
		s, err := b.Open(context.Background(), m, opt)
		if err != nil {
			t.Errorf("%s: %v (%s)", c.key, err, hint.Of(err))
			continue
		}
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		got, err := s.(agent.OutputReader).Outputs()
		s.Close()
		if err != nil {
			t.Fatal(err)
		}
		ref, err := reference.Run(g, in)
		if err != nil {
			t.Fatal(err)
		}
		v := g.Outputs[0]
		n, err := agent.CompareTensors(got, []agent.Tensor{{Name: v.Name, DType: "float32", Shape: v.Shape, Data: float32Data(ref[v.Name])}})
		if err != nil || !(n.RelRMS <= c.tolerance) {
			t.Errorf("%s at precision %q: off by %.3g, %v", c.key, c.precision, n.RelRMS, err)
		}
		e, err := b.Execution(context.Background(), m, opt, op.Precision)
		if err != nil || e.Mode != c.mode {
			t.Errorf("%s at precision %q: %+v, %v", c.key, c.precision, e, err)
		}
		p, err := b.Placement(context.Background(), m, opt)
		if err != nil || len(p.Nodes) == 0 || p.Nodes[0].Provider != GPU {
			t.Errorf("%s: placement %+v, %v", c.key, p, err)
		}
	}
}

// TestGPURunWaits: Run returns when the results are there. The device works for
// milliseconds; if Run only handed the work over, reading would have to wait.
func TestGPURunWaits(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of software Vulkan: make test")
	}
	b := gpuBackend(t)
	s := open(t, b, convModel(t, 64, 24, false), agent.Options{Provider: GPU, Threads: 1, Seed: 7})
	run, read := time.Hour, time.Hour // the shortest: other programs make each longer at times
	for range 5 {
		start := time.Now()
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		run = min(run, time.Since(start))
		start = time.Now()
		if _, err := s.Outputs(); err != nil {
			t.Fatal(err)
		}
		read = min(read, time.Since(start))
	}
	t.Logf("run %v, read %v", run, read)
	if run < 2*read {
		t.Errorf("Run takes %v and reading the results %v: Run did not wait for the device", run, read)
	}
}

func TestGPURefusesHalfAModel(t *testing.T) {
	b := gpuBackend(t)
	_, err := b.Open(context.Background(), convModel(t, 12, 8, true), agent.Options{Provider: GPU, Threads: 1})
	if !errors.Is(err, agent.ErrFallback) || errors.Is(err, agent.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

// TestGPUWithoutDriver: a process without a Vulkan driver gets an error with a
// cure, not a CPU's number. The driver is looked for once per process, hence the child.
func TestGPUWithoutDriver(t *testing.T) {
	const child = "ISOCOST_TEST_NO_VULKAN"
	if os.Getenv(child) == "" {
		nativelib.Require(t, LiteRT)
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe, "-test.run=^TestGPUWithoutDriver$", "-test.v")
		none := t.TempDir() + "/none.json"
		cmd.Env = append(os.Environ(), child+"=1", "VK_DRIVER_FILES="+none, "VK_ICD_FILENAMES="+none)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	b := New(Config{Library: nativelib.Require(t, LiteRT), Search: nativelib.Host()})
	_, err := b.Open(context.Background(), convModel(t, 12, 8, false), agent.Options{Provider: GPU, Threads: 1})
	if err == nil || !strings.Contains(hint.Of(err), "Vulkan") {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}
