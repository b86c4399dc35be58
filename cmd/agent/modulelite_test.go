package main

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/tflite"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modulespace"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/search/space"
)

// A network put together of .tflite files computes on LiteRT what the files compute one
// after another.
func TestModulesAreOneNetworkOnLiteRT(t *testing.T) {
	nativelib.Require(t, "litert")
	dir := t.TempDir()
	s := modulespace.Example()
	s.TFLite = true
	if err := s.Write(dir); err != nil {
		t.Fatal(err)
	}
	sp, err := space.OpenModules(filepath.Join(dir, "space.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	backend := tflite.New(tflite.Config{Prefer: tflite.LiteRT, Search: nativelib.Host()})
	x := make([]float32, 3*48*48)
	for i := range x {
		x[i] = float32(math.Sin(float64(i)))
	}
	for _, key := range []string{
		"inverted:1:fp32|plain:2:fp32|inverted:fp32|plain:4:fp32",
		"plain:1:int8|inverted:2:int8|plain:int8|inverted:3:int8",
		"inverted:int8|skip:fp32|plain:3:fp32|inverted:1:int8",
	} {
		a, err := space.ParseArch(key)
		if err != nil {
			t.Fatal(err)
		}
		data, err := sp.TFLite(a)
		if err != nil || data == nil {
			t.Fatalf("%s: %d bytes, %v", key, len(data), err)
		}
		got := onLiteRT(t, backend, data, x)
		chain, err := sp.Lower(a)
		if err != nil {
			t.Fatal(err)
		}
		want := x
		for _, op := range chain {
			files, err := sp.Modules().Of(benchmarks.Chain{op})
			if err != nil {
				t.Fatal(err)
			}
			if len(files) == 0 {
				continue // a switch is inside the modules
			}
			form, err := os.ReadFile(files[0].TFLite.File)
			if err != nil {
				t.Fatal(err)
			}
			want = onLiteRT(t, backend, form, want)
		}
		var worst float64
		for i := range want {
			worst = max(worst, math.Abs(float64(got[i]-want[i])))
		}
		if len(got) != 10 || len(want) != 10 || worst > 1e-5 {
			t.Errorf("%s: %v, the files in a row %v", key, got, want)
		}
		m, err := tflitefb.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: within %.1g, %d operators", key, worst, len(m.Operators))
	}
}

// onLiteRT runs a model of one input and one output, whose maps have their channels last.
func onLiteRT(t *testing.T, b agent.Backend, model []byte, x []float32) []float32 {
	t.Helper()
	m, err := tflitefb.Decode(model)
	if err != nil {
		t.Fatal(err)
	}
	in := agent.Tensor{Name: m.InputName(0), DType: "float32"}
	for _, d := range m.Tensors[m.Inputs[0]].Shape {
		in.Shape = append(in.Shape, int(d))
	}
	for _, v := range x {
		in.Data = binary.LittleEndian.AppendUint32(in.Data, math.Float32bits(v))
	}
	s, err := b.Open(t.Context(), agent.Model{Name: "m", Bytes: model}, agent.Options{Provider: tflite.CPU, Threads: 1, Inputs: map[string]agent.Tensor{in.Name: in}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	out, err := s.(agent.OutputReader).Outputs()
	if err != nil || len(out) != 1 {
		t.Fatalf("%v, %d outputs", err, len(out))
	}
	y := make([]float32, len(out[0].Data)/4)
	for i := range y {
		y[i] = math.Float32frombits(binary.LittleEndian.Uint32(out[0].Data[4*i:]))
	}
	return y
}
