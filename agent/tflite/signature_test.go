package tflite

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/tflitefb"
)

// twoEntrances is a model that squares what it is given, by its first signature, and
// doubles it by its second, of another length and with names of its own.
func twoEntrances(t *testing.T) []byte {
	t.Helper()
	one := func(key string, code tflitefb.Op, n int32, names ...string) *tflitefb.Model {
		m := &tflitefb.Model{Signature: key, Inputs: []int32{0}, Outputs: []int32{1},
			Tensors: []tflitefb.Tensor{{Name: key + "_in:0", Shape: []int32{1, n}}, {Name: key + "_out:0", Shape: []int32{1, n}}}}
		m.InputNames, m.OutputNames = names[:1], names[1:]
		o := tflitefb.Options{Type: tflitefb.MulOptions}
		if code == tflitefb.Add {
			o.Type = tflitefb.AddOptions
		}
		m.Operators = []tflitefb.Operator{{Code: code, Version: 1, Inputs: []int32{0, 0}, Outputs: []int32{1}, Options: o}}
		return m
	}
	file, err := tflitefb.Encode(one("square", tflitefb.Mul, 2, "x", "squared"), one("double", tflitefb.Add, 3, "y", "twice"))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func floatsOf(v ...float32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// A model is entered by the signature asked for, else by its first, and its inputs and
// outputs have the signature's names.
func TestSignatureIsTheOneThatRuns(t *testing.T) {
	file := twoEntrances(t)
	for _, kind := range []string{LiteRT, Classic} {
		t.Run(kind, func(t *testing.T) {
			nativelib.Require(t, kind)
			b := New(Config{Prefer: kind, Search: nativelib.Host()})
			for _, c := range []struct {
				key, in, out string
				given, want  []float32
			}{
				{"", "x", "squared", []float32{3, -2}, []float32{9, 4}},
				{"square", "x", "squared", []float32{3, -2}, []float32{9, 4}},
				{"double", "y", "twice", []float32{3, -2, 1}, []float32{6, -4, 2}},
			} {
				m := agent.Model{Name: "two", Bytes: file, Signature: c.key}
				s, err := b.Open(context.Background(), m, agent.Options{Provider: CPU, Threads: 1,
					Inputs: map[string]agent.Tensor{c.in: {Name: c.in, DType: "float32", Shape: []int{1, len(c.given)}, Data: floatsOf(c.given...)}}})
				if kind == Classic && c.key == "double" {
					if !errors.Is(err, agent.ErrUnsupported) {
						t.Errorf("a second subgraph on the classic library: %v", err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%q: %v", c.key, err)
				}
				if err := s.Run(); err != nil {
					t.Fatal(err)
				}
				out, err := s.(agent.OutputReader).Outputs()
				if err != nil || len(out) != 1 || out[0].Name != c.out || !slices.Equal(out[0].Data, floatsOf(c.want...)) {
					t.Errorf("%q: %v, %+v", c.key, err, out)
				}
				s.Close()
			}
			if _, err := b.Open(context.Background(), agent.Model{Bytes: file, Signature: "train"}, agent.Options{Provider: CPU, Threads: 1}); err == nil {
				t.Error("a signature that the file does not have was run")
			}
		})
	}
}

// A batch that the file leaves open has the length that is asked for: a runtime that ran
// another one would be measured under a false name.
func TestOpenDimensionHasTheLengthAskedFor(t *testing.T) {
	file, err := tflitefb.Encode(&tflitefb.Model{Signature: "serving_default", Inputs: []int32{0}, Outputs: []int32{1}, InputNames: []string{"x"}, OutputNames: []string{"y"},
		Tensors: []tflitefb.Tensor{{Name: "x:0", Shape: []int32{1, 3}, Dynamic: []int32{-1, 3}}, {Name: "y:0", Shape: []int32{1, 3}, Dynamic: []int32{-1, 3}}},
		Operators: []tflitefb.Operator{{Code: tflitefb.Mul, Version: 1, Inputs: []int32{0, 0}, Outputs: []int32{1},
			Options: tflitefb.Options{Type: tflitefb.MulOptions}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{LiteRT, Classic} {
		t.Run(kind, func(t *testing.T) {
			nativelib.Require(t, kind)
			b := New(Config{Prefer: kind, Search: nativelib.Host()})
			for _, dims := range []map[string]int{{"x[0]": 4}, {"x_0": 4}} {
				s, err := b.Open(context.Background(), agent.Model{Bytes: file, Dims: dims}, agent.Options{Provider: CPU, Threads: 1})
				if err != nil {
					t.Fatalf("%v: %v", dims, err)
				}
				if err := s.Run(); err != nil {
					t.Fatal(err)
				}
				out, err := s.(agent.OutputReader).Outputs()
				if err != nil || !slices.Equal(out[0].Shape, []int{4, 3}) {
					t.Errorf("%v: %v, %v", dims, err, out)
				}
				s.Close()
			}
		})
	}
}
