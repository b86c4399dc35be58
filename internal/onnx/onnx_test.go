package onnx

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

// everything.onnx was written by the onnx Python package (1.20): nested graphs,
// a function, every way to store elements, external data, symbolic dimensions.
func vector(t testing.TB) []byte {
	b, err := os.ReadFile("testdata/everything.onnx")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeEverything(t *testing.T) {
	m, err := Decode(vector(t))
	if err != nil {
		t.Fatal(err)
	}
	if m.Opset("") != 17 || m.Opset("test") != 1 || m.Opset("none") != 0 || m.IRVersion != 10 || m.ProducerName != "vectors" {
		t.Errorf("header: %+v", m)
	}
	g := m.Graph
	if len(g.Nodes) != 3 || g.Nodes[0].Op != "Conv" || !reflect.DeepEqual(g.Nodes[0].Ints("pads"), []int64{1, 1, 1, 1}) ||
		g.Nodes[0].Str("auto_pad", "") != "NOTSET" || g.Nodes[2].Float("alpha", 0) != 0.5 || g.Nodes[2].Int("beta", 7) != 0 {
		t.Errorf("nodes: %+v", g.Nodes)
	}
	els := g.Nodes[1].Attr("else_branch").G
	if len(els.Nodes) != 1 || !reflect.DeepEqual(els.Nodes[0].Inputs, []string{"v", "", "six"}) {
		t.Errorf("else branch: %+v", els)
	}
	in := g.Inputs[0].Type
	if in.Elem != Float || !in.HasShape || in.Shape[0].Param != "N" || in.Shape[0].Known || in.Shape[1].Value != 3 {
		t.Errorf("input: %+v", in)
	}
	if g.Outputs[0].Type.HasShape {
		t.Error("an output without a shape got one")
	}
	if len(m.Functions) != 1 || m.Functions[0].Nodes[0].Op != "Relu" || m.Functions[0].Params[0] != "alpha" {
		t.Errorf("functions: %+v", m.Functions)
	}

	byName := map[string]*Tensor{}
	for _, x := range g.Initializers {
		byName[x.Name] = x
	}
	floats := map[string][]float32{"b": {1, -2, 0.5, 65504}, "bf": {1, -3}, "d": {0.25}}
	for name, want := range floats {
		if got, err := byName[name].Floats(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %v, %v; want %v", name, got, err, want)
		}
	}
	ints := map[string][]int64{"i4": {-8, 7, -1}, "i8": {-128, 127}, "i64": {-1, 1 << 40}, "u64": {-1 << 63}}
	for name, want := range ints {
		if got, err := byName[name].Ints(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %v, %v; want %v", name, got, err, want)
		}
	}
	if w, err := byName["w"].Floats(); err != nil || len(w) != 108 || w[107] != 107.0/8-1 {
		t.Errorf("w: %v, %v", w, err)
	}
	if _, err := byName["ext"].Bytes(); !errors.Is(err, ErrExternal) {
		t.Errorf("external bytes: %v", err)
	}
}

// TestEncodeGivesTheSameBytes: the Python package writes fields in order too, so
// decoding and encoding is the identity on its files.
func TestEncodeGivesTheSameBytes(t *testing.T) {
	want := vector(t)
	m, err := Decode(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := Encode(m); !bytes.Equal(got, want) {
		t.Errorf("%d bytes became %d", len(want), len(got))
	}
}

func TestTruncatedAndHostile(t *testing.T) {
	whole := vector(t)
	for n := range whole {
		if m, err := Decode(whole[:n]); err == nil && m.Graph == nil && len(m.Functions) == 0 {
			t.Fatalf("the first %d bytes decode to nothing without an error", n)
		}
	}
	if _, err := Decode(whole[:len(whole)/2]); err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("half a file: %v", err)
	}
	deep := func(n int) []byte { // graph → node → attribute → graph …
		var b []byte
		for i := range 3 * n {
			var w writer
			w.bytes([]int{6, 5, 1}[i%3], b)
			b = w.b
		}
		var w writer
		w.bytes(7, b)
		return w.b
	}
	if _, err := Decode(deep(10)); err != nil {
		t.Errorf("ten nested graphs: %v", err)
	}
	if _, err := Decode(deep(1000)); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("a thousand nested graphs: %v", err)
	}
	var w writer
	w.bytes(7, bytes.Repeat([]byte{1<<3 | 2, 0}, maxMessages+1))
	if _, err := Decode(w.b); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("too many messages: %v", err)
	}
	for _, junk := range []string{"", "\x00", "PK\x03\x04 a zip archive", "{\"format\":\"isocost/plan/v1\"}", "\x1c\x00\x00\x00TFL3"} {
		if _, err := Decode([]byte(junk)); err == nil {
			t.Errorf("%q was accepted", junk)
		}
	}
}

func TestTensorChecksItsSize(t *testing.T) {
	for _, x := range []*Tensor{
		RawTensor("short", Float, make([]byte, 7), 2),
		RawTensor("negative", Float, nil, -1),
		RawTensor("huge", Float, nil, 1<<40, 1<<40),
		RawTensor("string", String, nil, 1),
		{Name: "wrong field", Type: Float, Dims: []int64{1}, DoubleData: []float64{1}},
		{Name: "few", Type: Int64, Dims: []int64{3}, Int64Data: []int64{1}},
	} {
		if b, err := x.Bytes(); err == nil || !strings.Contains(err.Error(), x.Name) {
			t.Errorf("%s: %v, %v", x.Name, b, err)
		}
	}
	if _, err := FloatTensor("f", Float, []float32{1}, 1).Ints(); err == nil {
		t.Error("integers out of floats")
	}
	if _, err := IntTensor("i", Int8, []int64{1}, 1).Floats(); err == nil {
		t.Error("floats out of integers")
	}
}

func TestLoadExternal(t *testing.T) {
	m, err := Decode(vector(t))
	if err != nil {
		t.Fatal(err)
	}
	ext := m.Graph.Initializers[9]
	root := fstest.MapFS{"weights.bin": {Data: append(make([]byte, 8), "\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40"...)}}
	for location, wantErr := range map[string]string{"../weights.bin": "outside", "/etc/passwd": "outside", "absent": "absent"} {
		bad := *ext
		bad.External = []Entry{{"location", location}}
		if err := bad.LoadExternal(root); err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%s: %v", location, err)
		}
	}
	long := *ext
	long.Dims = []int64{1 << 30}
	long.External = []Entry{{"location", "weights.bin"}}
	if err := long.LoadExternal(root); err == nil || !strings.Contains(err.Error(), "needs") {
		t.Errorf("a gigabyte out of 24 bytes: %v", err)
	}
	if err := ext.LoadExternal(root); err != nil {
		t.Fatal(err)
	}
	if got, err := ext.Floats(); err != nil || !reflect.DeepEqual(got, []float32{1, 2, 3, 4}) {
		t.Errorf("loaded %v, %v", got, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(vector(f))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			return
		}
		// What was accepted encodes to something that decodes to itself.
		once := Encode(m)
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("own output refused: %v", err)
		}
		if !bytes.Equal(Encode(again), once) {
			t.Fatal("encoding is not stable")
		}
		if m.Graph != nil {
			for _, x := range m.Graph.Initializers {
				x.Floats()
				x.Ints()
			}
		}
	})
}
