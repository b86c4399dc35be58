package ort

import (
	"encoding/binary"
	"math"
)

// The tests' own models, written field by field (numbers from onnx.proto), so
// that a fault in isocost's writer and one in this package cannot hide each other.

type testValue struct {
	name  string
	dtype int
	dims  []any // int, or string for a symbolic dimension
}

type testTensor struct {
	name  string
	dtype int
	dims  []int
	raw   []byte
}

type testNode struct {
	op, domain string
	in, out    []string
	ints       map[string][]int
}

type testModel struct {
	in, out []testValue
	weights []testTensor
	nodes   []testNode
}

func field(b []byte, n int, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(n)<<3|2)
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func number(b []byte, n int, v int) []byte {
	b = binary.AppendUvarint(b, uint64(n)<<3)
	return binary.AppendUvarint(b, uint64(v))
}

func (v testValue) encode() []byte {
	var shape []byte
	for _, d := range v.dims {
		if n, ok := d.(int); ok {
			shape = field(shape, 1, number(nil, 1, n))
		} else if s := d.(string); s != "" {
			shape = field(shape, 1, field(nil, 2, []byte(s)))
		} else {
			shape = field(shape, 1, nil)
		}
	}
	tensor := field(number(nil, 1, v.dtype), 2, shape)
	return field(field(nil, 1, []byte(v.name)), 2, field(nil, 1, tensor))
}

func (m testModel) bytes() []byte {
	var g []byte
	for _, n := range m.nodes {
		var b []byte
		for _, s := range n.in {
			b = field(b, 1, []byte(s))
		}
		for _, s := range n.out {
			b = field(b, 2, []byte(s))
		}
		b = field(b, 3, []byte(n.out[0]+"_node"))
		b = field(b, 4, []byte(n.op))
		for name, ints := range n.ints {
			a := field(nil, 1, []byte(name))
			if len(ints) == 1 {
				a = number(number(a, 3, ints[0]), 20, 2)
			} else {
				for _, i := range ints {
					a = number(a, 8, i)
				}
				a = number(a, 20, 7)
			}
			b = field(b, 5, a)
		}
		if n.domain != "" {
			b = field(b, 7, []byte(n.domain))
		}
		g = field(g, 1, b)
	}
	g = field(g, 2, []byte("test"))
	for _, w := range m.weights {
		var b []byte
		for _, d := range w.dims {
			b = number(b, 1, d)
		}
		b = number(b, 2, w.dtype)
		b = field(b, 8, []byte(w.name))
		b = field(b, 9, w.raw)
		g = field(g, 5, b)
	}
	for _, v := range m.in {
		g = field(g, 11, v.encode())
	}
	for _, v := range m.out {
		g = field(g, 12, v.encode())
	}
	out := number(nil, 1, 8) // IR version 8
	out = field(out, 7, g)
	return field(out, 8, number(nil, 2, 17)) // opset 17
}

func floats(v ...float32) []byte {
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

func decodeFloats(b []byte) []float32 {
	var v []float32
	for ; len(b) >= 4; b = b[4:] {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return v
}

// addModel is y = x + [10, 20, 30].
func addModel() []byte {
	return testModel{
		in:      []testValue{{"x", 1, []any{1, 3}}},
		out:     []testValue{{"y", 1, []any{1, 3}}},
		weights: []testTensor{{"b", 1, []int{1, 3}, floats(10, 20, 30)}},
		nodes:   []testNode{{op: "Add", in: []string{"x", "b"}, out: []string{"y"}}},
	}.bytes()
}

// unknownOp has an operator no runtime knows.
func unknownOp() []byte {
	return testModel{
		in: []testValue{{"x", 1, []any{1}}}, out: []testValue{{"y", 1, []any{1}}},
		nodes: []testNode{{op: "Nonesuch", in: []string{"x"}, out: []string{"y"}}},
	}.bytes()
}
