//go:build cgo

package tflite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

// kinds runs a test against both libraries, each loaded for real.
func kinds(t *testing.T, f func(t *testing.T, b *Backend)) {
	for _, kind := range []string{LiteRT, Classic} {
		t.Run(kind, func(t *testing.T) {
			path := nativelib.Require(t, kind)
			f(t, New(Config{Library: path, Search: nativelib.Host()}))
		})
	}
}

func randomBytes(seed uint64, n int, scale float32) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	for range n {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(scale*(2*r.Float32()-1)))
	}
	return b
}

// convModel is two 3×3 convolutions with ReLU6 on side×side×c, and an operator
// that XNNPACK does not take when odd is set.
func convModel(t *testing.T, side, c int32, odd bool) agent.Model {
	t.Helper()
	m := &tflitefb.Model{Description: "conv", Signature: "serving_default", Inputs: []int32{0}}
	add := func(x tflitefb.Tensor) int32 {
		m.Tensors = append(m.Tensors, x)
		return int32(len(m.Tensors) - 1)
	}
	shape := []int32{1, side, side, c}
	x := add(tflitefb.Tensor{Name: "x", Shape: shape})
	conv := func(x int32, name string, seed uint64) int32 {
		w := add(tflitefb.Tensor{Name: name + ".w", Shape: []int32{c, 3, 3, c}, Data: randomBytes(seed, int(c*9*c), 0.3)})
		b := add(tflitefb.Tensor{Name: name + ".b", Shape: []int32{c}, Data: randomBytes(seed+1, int(c), 0.1)})
		y := add(tflitefb.Tensor{Name: name, Shape: shape})
		m.Operators = append(m.Operators, tflitefb.Operator{Code: tflitefb.Conv2D, Version: 1, Inputs: []int32{x, w, b}, Outputs: []int32{y},
			Options: tflitefb.Options{Type: tflitefb.Conv2DOptions, Values: map[string]float64{
				"stride_w": 1, "stride_h": 1, "fused_activation_function": tflitefb.ActRelu6}}})
		return y
	}
	y := conv(x, "one", 1)
	if odd {
		// XNNPACK takes LOG_SOFTMAX neither in 2.9 nor in LiteRT 2.3.
		z := add(tflitefb.Tensor{Name: "odd", Shape: shape})
		m.Operators = append(m.Operators, tflitefb.Operator{Code: logSoftmax, Version: 1, Inputs: []int32{y}, Outputs: []int32{z}})
		y = z
	}
	m.Outputs = []int32{conv(y, "two", 3)}
	file, err := tflitefb.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return agent.Model{Name: "conv", Bytes: file}
}

func open(t *testing.T, b *Backend, m agent.Model, opt agent.Options) *session {
	t.Helper()
	s, err := b.Open(context.Background(), m, opt)
	if err != nil {
		t.Fatalf("%v\nhint: %s", err, hint.Of(err))
	}
	t.Cleanup(func() { s.Close() })
	return plain(s)
}

// plain is a session without what it tells of its memory.
func plain(s agent.Session) *session {
	switch s := s.(type) {
	case *arenaSession:
		return s.session
	case *heapSession:
		return s.session
	}
	return s.(*session)
}

func outputs(t *testing.T, s *session) []float32 {
	t.Helper()
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	out, err := s.Outputs()
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(out[0].Data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(out[0].Data[4*i:]))
	}
	return v
}

func maxDiff(a, b []float32) float64 {
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

func TestProvidersAgree(t *testing.T) {
	m := convModel(t, 12, 8, false)
	var all [][]float32
	kinds(t, func(t *testing.T, b *Backend) {
		info, err := b.Info()
		if err != nil || len(info.SHA256) != 64 || info.Version == "" || info.Version == "unknown" || !strings.HasPrefix(string(info.Format), "tflite") {
			t.Fatalf("%+v, %v", info, err)
		}
		for _, p := range []string{CPU, XNNPACK, Builtin} {
			for _, threads := range []int{1, 2, 3} {
				all = append(all, outputs(t, open(t, b, m, agent.Options{Provider: p, Threads: threads, Seed: 7})))
			}
		}
	})
	for i, v := range all {
		if d := maxDiff(v, all[0]); d > 1e-4 || len(v) != 12*12*8 {
			t.Errorf("run %d of %d differs by %g", i, len(all), d)
		}
	}
}

func TestPartialPlacementIsRefused(t *testing.T) {
	m := convModel(t, 12, 8, true)
	kinds(t, func(t *testing.T, b *Backend) {
		if _, err := b.Open(context.Background(), m, agent.Options{Provider: XNNPACK, Threads: 1}); !errors.Is(err, agent.ErrFallback) {
			t.Errorf("xnnpack: %v", err)
		}
		open(t, b, m, agent.Options{Provider: CPU, Threads: 1})
		p, err := b.Placement(context.Background(), m, agent.Options{Provider: CPU, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		on := map[string]int{}
		for _, n := range p.Nodes {
			if n.Provider != CPU {
				t.Errorf("%+v is not on the CPU", n)
			}
			kernel, _, _ := strings.Cut(n.Op, ": ")
			on[kernel]++
		}
		if on[Builtin] < 1 || on[XNNPACK] < 2 {
			t.Errorf("placement %+v", p.Nodes)
		}
		p, err = b.Placement(context.Background(), m, agent.Options{Provider: Builtin, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Nodes {
			if n.Provider != Builtin {
				t.Errorf("builtin placement %+v", p.Nodes)
			}
		}
	})
}

func TestOptionsWithoutEffectAreErrors(t *testing.T) {
	m := convModel(t, 12, 8, false)
	kinds(t, func(t *testing.T, b *Backend) {
		for want, opt := range map[string]agent.Options{
			"has no option":    {Provider: CPU, Threads: 1, ProviderOptions: map[string]string{"num_threds": "2"}},
			"option fp16=yes":  {Provider: CPU, Threads: 1, ProviderOptions: map[string]string{"fp16": "yes"}},
			"none of that":     {Provider: "cuda", Threads: 1},
			"0 threads":        {Provider: CPU},
			"has no input":     {Provider: CPU, Threads: 1, Inputs: map[string]agent.Tensor{"nothing": {}}},
			"the model wants ": {Provider: CPU, Threads: 1, Inputs: map[string]agent.Tensor{"x": {DType: "int8"}}},
		} {
			if _, err := b.Open(context.Background(), m, opt); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", want, err)
			}
		}
	})
}

func TestWrongFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "libLiteRt.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, path := range map[string]string{
		"not a shared library": text,
		"no such file":         filepath.Join(dir, "absent.so"),
	} {
		_, err := New(Config{Library: path, Search: nativelib.Host()}).Info()
		if err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%q: %v, hint %q", want, err, hint.Of(err))
		}
	}
	other := nativelib.Host()
	other.Platform = map[string]string{"linux-amd64": "linux-arm64", "linux-arm64": "linux-amd64"}[other.Platform]
	if lib, err := other.Find(LiteRT, ""); err == nil {
		_, err := New(Config{Library: lib.Path, Search: nativelib.Host()}).Info()
		if err == nil || !strings.Contains(err.Error(), "this program for") {
			t.Errorf("another architecture: %v", err)
		}
	}
	kinds(t, func(t *testing.T, b *Backend) {
		for _, bytes := range [][]byte{[]byte("no model"), {}} {
			if _, err := b.Open(context.Background(), agent.Model{Name: "bad", Bytes: bytes}, agent.Options{Provider: CPU, Threads: 1}); !errors.Is(err, agent.ErrUnsupported) {
				t.Errorf("%q: %v", bytes, err)
			}
		}
	})
}

// TestForcedHalf: forced half precision shows in the results, or the option is
// refused; it is never accepted without effect.
func TestForcedHalf(t *testing.T) {
	m := convModel(t, 12, 8, false)
	kinds(t, func(t *testing.T, b *Backend) {
		full := outputs(t, open(t, b, m, agent.Options{Provider: XNNPACK, Threads: 1, Seed: 7}))
		s, err := b.Open(context.Background(), m, agent.Options{Provider: XNNPACK, Threads: 1, Seed: 7, ProviderOptions: map[string]string{"fp16": "1"}})
		if err != nil {
			t.Logf("refused: %v", err)
			if !strings.Contains(err.Error(), "fp16") && !errors.Is(err, agent.ErrUnsupported) {
				t.Error("the refusal does not say why")
			}
			return
		}
		defer s.Close()
		half := outputs(t, plain(s))
		if d := maxDiff(full, half); d == 0 || d > 0.05 {
			t.Errorf("half precision differs from full by %g", d)
		}
	})
}

// TestNoEffectIsNoticed: the checks that an option took effect fail where it did
// not – a session opened otherwise than claimed.
func TestNoEffectIsNoticed(t *testing.T) {
	m := convModel(t, 48, 16, false)
	kinds(t, func(t *testing.T, b *Backend) {
		full := open(t, b, m, agent.Options{Provider: XNNPACK, Threads: 1, Seed: 7})
		if err := full.checkHalf(); err == nil || !strings.Contains(err.Error(), "had no effect") {
			t.Errorf("fp32 results passed for half precision: %v", err)
		}
		for _, provider := range []string{XNNPACK, Builtin} {
			for _, started := range []int{1, 3} {
				thread := newThread()
				err := thread.do(func() error {
					tag, err := tagThread()
					if err != nil {
						return err
					}
					s := &session{}
					if s.native, err = b.openNative(m.Bytes, m, agent.Options{Provider: provider, Threads: started}, false); err != nil {
						return err
					}
					defer s.native.close()
					if err := s.native.run(); err != nil {
						return err
					}
					if err := b.checkThreads(s, tag, agent.Options{Provider: provider, Threads: started}); err != nil {
						return err
					}
					// A library's own pool may have one more than asked for.
					if err := b.checkThreads(s, tag, agent.Options{Provider: XNNPACK, Threads: started + 2}); err == nil {
						return fmt.Errorf("%d threads passed for %d", started, started+2)
					}
					return nil
				})
				thread.stop()
				if err != nil {
					t.Errorf("%s, %d threads: %v", provider, started, err)
				}
			}
		}
	})
}

func TestArenaBytesAreReported(t *testing.T) {
	b := New(Config{Library: nativelib.Require(t, Classic), Search: nativelib.Host()})
	s, err := b.Open(context.Background(), convModel(t, 12, 8, false), agent.Options{Provider: Builtin, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stats, err := s.(agent.MemoryReporter).MemoryStats()
	// Two activations of 12·12·8 floats live at once; im2col of a 3×3 kernel is nine
	// times one.
	if one := int64(4 * 12 * 12 * 8); err != nil || stats.MaxInUse-stats.InUse < 2*one || stats.MaxInUse > 40*one {
		t.Errorf("%+v, %v", stats, err)
	}
}

// TestHeapOfASession: where the runtime shows no memory of its own, a session's is what the
// heap grew by: at least the constants and, at the peak, the tensors it is given
// and gives; together no more than a few copies of either.
func TestHeapOfASession(t *testing.T) {
	if heapInUse() < 0 {
		nativelib.Missing(t, errors.New("this C library does not tell its heap (glibc 2.33 does)"))
	}
	kinds(t, func(t *testing.T, b *Backend) {
		for _, c := range []struct{ side, channels int64 }{{12, 8}, {24, 64}, {96, 16}} {
			s, err := b.Open(context.Background(), convModel(t, int32(c.side), int32(c.channels), false), agent.Options{Provider: CPU, Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			m, err := s.(agent.MemoryReporter).MemoryStats()
			s.Close()
			weights, maps := 2*4*9*c.channels*c.channels, 2*4*c.side*c.side*c.channels
			// 256 KiB: the interpreter and the delegate themselves.
			const own = 256 << 10
			if err != nil || m.Source != agent.FromHeap || m.InUse < weights || m.MaxInUse-m.InUse < maps ||
				m.MaxInUse > 4*(weights+maps)+own {
				t.Errorf("%+v: %+v, %v; weights %d, input and output %d", c, m, err, weights, maps)
			}
		}
	})
}

// TestConformance checks what a campaign relies on, for each library and each way to
// run on a CPU.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole suite per library: make test")
	}
	unknown, err := tflitefb.Encode(&tflitefb.Model{Signature: "serving_default", Inputs: []int32{0}, Outputs: []int32{1},
		Tensors:   []tflitefb.Tensor{{Name: "x", Shape: []int32{1, 4}}, {Name: "y", Shape: []int32{1, 4}}},
		Operators: []tflitefb.Operator{{Code: tflitefb.Custom, Custom: "NoSuchOperator", Version: 1, Inputs: []int32{0}, Outputs: []int32{1}}}})
	if err != nil {
		t.Fatal(err)
	}
	models := []agent.Model{convModel(t, 12, 8, false), convModel(t, 6, 4, true)}
	for _, key := range []string{"mbconv[act=relu6,k=3,res=1,s=1]/int8@cin=16,cout=16,h=8,mid=32,w=8", "linear/fp16@cin=8,cout=16,m=1"} {
		op, err := lut.ParseOp(key)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := buildModel(t, "tflite-classic", benchmarks.Chain{op}) // both libraries read it
		models = append(models, m)
	}
	for i := range models {
		models[i].ID = fmt.Sprint("model ", i)
	}
	kinds(t, func(t *testing.T, b *Backend) {
		for _, provider := range []string{CPU, XNNPACK, Builtin} {
			models := models
			if provider == XNNPACK { // which does not take the odd operator
				models = slices.Delete(slices.Clone(models), 1, 2)
			}
			t.Run(provider, func(t *testing.T) {
				backendtest.Run(t, backendtest.Config{
					New:      func(testing.TB) agent.Backend { return New(b.cfg) },
					Provider: provider,
					Models:   models,
					Bad:      []agent.Model{{Name: "unknown operator", ID: "unknown", Bytes: unknown}},
					Input:    &agent.Tensor{Name: "x", DType: "float32", Shape: []int{1, 12, 12, 8}, Data: randomBytes(9, 12*12*8, 1)},
					Threads:  []int{2},
				})
			})
		}
	})
}
