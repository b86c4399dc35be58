package modelfile_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

// open is a float tensor whose dimensions are a length each, or a name; "" has none.
func open(name string, dims ...any) *onnx.ValueInfo {
	v := onnx.NewValue(name, onnx.Float)
	for _, d := range dims {
		switch d := d.(type) {
		case int:
			v.Type.Shape = append(v.Type.Shape, onnx.Dim{Known: true, Value: int64(d)})
		case string:
			v.Type.Shape = append(v.Type.Shape, onnx.Dim{Param: d})
		}
	}
	return v
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeONNX writes a model of one relu per input.
func writeONNX(t *testing.T, name string, inputs ...*onnx.ValueInfo) string {
	t.Helper()
	g := &onnx.Graph{Name: "g", Inputs: inputs}
	for _, in := range inputs {
		y := open(in.Name + ".relu")
		y.Type.HasShape = false
		g.Outputs = append(g.Outputs, y)
		g.Nodes = append(g.Nodes, &onnx.Node{Op: "Relu", Name: "n" + in.Name, Inputs: []string{in.Name}, Outputs: []string{y.Name}})
	}
	return write(t, name, onnx.Encode(&onnx.Model{IRVersion: 8, Graph: g, Opsets: []onnx.Opset{{Version: 17}}}))
}

// writeTFLite writes a model of one RELU over a map whose batch is open.
func writeTFLite(t *testing.T, name string) string {
	t.Helper()
	return write(t, name, tfliteOf(t, []int32{-1, 4, 4, 8}))
}

// tfliteOf is a Relu of an open batch, whose output's shape the file says.
func tfliteOf(t *testing.T, out []int32) []byte {
	t.Helper()
	m := &tflitefb.Model{Signature: "serving_default", Inputs: []int32{0}, Outputs: []int32{1},
		Tensors: []tflitefb.Tensor{
			{Name: "x", Shape: []int32{1, 4, 4, 8}, Dynamic: []int32{-1, 4, 4, 8}},
			{Name: "y", Shape: []int32{1, 4, 4, 8}, Dynamic: out}},
		Operators: []tflitefb.Operator{{Code: tflitefb.Relu, Version: 1, Inputs: []int32{0}, Outputs: []int32{1}}}}
	data, err := tflitefb.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustOpen(t *testing.T, path string) *modelfile.File {
	t.Helper()
	f, err := modelfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func dimsOf(t *testing.T, texts ...string) modelfile.Dims {
	t.Helper()
	var d modelfile.Dims
	for _, text := range texts {
		if err := d.Set(text); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestDimsReadOneGrammar(t *testing.T) {
	got := dimsOf(t, "batch=2", "seq:128", "in:0[1]=3", "in:0[2]:4", "h=5,w=6", "a,b=7", "c=d=8", "past=0")
	want := modelfile.Dims{"batch": 2, "seq": 128, "in:0[1]": 3, "in:0[2]": 4, "h": 5, "w": 6, "a,b": 7, "c=d": 8, "past": 0}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, bad := range []string{"", "batch", "batch=", "=3", "batch=-1", ":3", "batch:x", "h=5,w=", "n=1,n=2", "n=1.5", "n=99999999999999999999"} {
		var d modelfile.Dims
		if err := d.Set(bad); err == nil {
			t.Errorf("%q gave %v", bad, d)
		}
	}
	// What is handed on to another program, flag by flag, is read as the same.
	if again := dimsOf(t, got.GetSlice()...); !maps.Equal(again, want) {
		t.Errorf("handed on: %v", again)
	}
	if err := got.Set("seq=1"); err == nil {
		t.Error("a dimension was given twice")
	}
}

func TestOpenONNX(t *testing.T) {
	f := mustOpen(t, writeONNX(t, "Net.ONNX", open("x", "N", 3, "", -1), open("z", "N", "1D")))
	if f.Format != modelfile.ONNX || f.Name != "Net" {
		t.Errorf("%s %q", f.Format, f.Name)
	}
	if got, want := f.Dims(), []string{"N", "x[2]", "x[3]", "1D"}; !slices.Equal(got, want) {
		t.Errorf("open are %q, want %q", got, want)
	}
	if got := f.Inputs[0].String(); got != "x float32[N,3,x[2],x[3]]" {
		t.Error(got)
	}
	if data, err := json.Marshal(f.Outputs[0]); err != nil || string(data) != `{"name":"x.relu","dtype":"float32","shape":["…"]}` {
		t.Errorf("%v: %s", err, data)
	}
	if _, err := f.Kernels(modelfile.Use{Dims: dimsOf(t, "1D=5", "x[3]=8")}); err == nil || !strings.Contains(hint.Of(err), "--dim 'x[2]=N'") {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
	if got, want := f.WithBatch(dimsOf(t, "x[2]=8", "other=4")), map[string]int{"N": 1, "x[2]": 8}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	net, err := f.Kernels(modelfile.Use{Dims: dimsOf(t, "1D=5", "x[2]=8", "x[3]=9", "other=4")})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]int{"N": 1, "x[2]": 8, "x[3]": 9, "1D": 5}; !maps.Equal(net.Dims, want) {
		t.Errorf("%v, want %v", net.Dims, want)
	}
	if len(net.Kernels) != 2 || net.Kernels[0].Op.String() != "relu/fp32@dim=9,seq=24" {
		t.Errorf("%v", net.Kernels)
	}
}

// A length of 0 is a tensor that holds nothing: what only has such results is free.
func TestEmptyTensors(t *testing.T) {
	f := mustOpen(t, writeONNX(t, "past.onnx", open("past", 1, 8, "past_len", 64), open("x", 1, 8)))
	net, err := f.Kernels(modelfile.Use{Dims: dimsOf(t, "past_len=0")})
	if err != nil {
		t.Fatal(err)
	}
	if len(net.Kernels) != 1 || len(net.Free) != 1 || net.Free[0].Name != "npast" || len(net.Unpriced) != 0 {
		t.Errorf("kernels %v, free %v, unpriced %v", net.Kernels, net.Free, net.Unpriced)
	}
}

func TestOpenTFLite(t *testing.T) {
	f := mustOpen(t, writeTFLite(t, "net.TFLite"))
	if f.Format != modelfile.TFLite || f.Name != "net" || f.Inputs[0].String() != "x float32[x[0],4,4,8]" {
		t.Errorf("%s %q %v", f.Format, f.Name, f.Inputs)
	}
	for _, given := range []modelfile.Dims{nil, dimsOf(t, "x[0]=1"), dimsOf(t, "x_0=1")} { // the last as it was once called
		net, err := f.Kernels(modelfile.Use{Dims: given})
		if err != nil || len(net.Kernels) != 1 || net.Dims["x[0]"] != 1 || len(net.Dims) != 1 {
			t.Errorf("%v: %v %+v", given, err, net)
		}
		if err := modelfile.CheckDims(given, []*modelfile.File{f}); err != nil {
			t.Error(err)
		}
	}
	// A batch is followed: as many items as the runtime resizes the model to.
	one, err := f.Kernels(modelfile.Use{})
	if err != nil {
		t.Fatal(err)
	}
	eight, err := f.Kernels(modelfile.Use{Dims: dimsOf(t, "x[0]=8")})
	if err != nil || eight.Dims["x[0]"] != 8 || len(eight.Kernels) != 1 || eight.Batch != 8 || one.Batch == 8 {
		t.Errorf("%v: %+v, of one item %+v", err, eight, one)
	}
	// So is one whose tensors the file states for one item alone.
	ends := mustOpen(t, write(t, "ends.tflite", tfliteOf(t, []int32{1, 4, 4, 8})))
	if net, err := ends.Kernels(modelfile.Use{Dims: dimsOf(t, "x[0]=8")}); err != nil || net.Batch != 8 || len(net.Kernels) != 1 {
		t.Errorf("%v: %+v", err, net)
	}
	if _, err := ends.Kernels(modelfile.Use{Dims: dimsOf(t, "x[0]=0")}); err == nil || hint.Of(err) == "" {
		t.Errorf("no items: %v", err)
	}
	// The content says what a file is, whatever it is called.
	data, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if f := mustOpen(t, write(t, "net.onnx", data)); f.Format != modelfile.TFLite {
		t.Errorf("%s", f.Format)
	}
}

// What lies in a model's place is called by its name, and the hint says what to do.
func TestOpenRefusesWhatIsNotAModel(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "saved"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "saved", "saved_model.pb"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want, cure string }{
		{filepath.Join(dir, "none.onnx"), "no such file", "name a model file"},
		{dir, "is a folder", "name a model file"},
		{filepath.Join(dir, "saved"), "a TensorFlow SavedModel", "tf2onnx"},
		{write(t, "a.onnx", nil), "is empty", "again"},
		{write(t, "b.onnx", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")), "a Git LFS pointer", "git lfs pull"},
		{write(t, "c.tflite", []byte("\n\n<!DOCTYPE html>\n<html><body>404</body></html>")), "a web page", "fetch the file itself"},
		{write(t, "d.onnx", []byte("<HTML>")), "a web page", "fetch"},
		{write(t, "e.onnx", []byte("\x1f\x8b\x08\x00rest of it")), "gzip", "uncompress"},
		{write(t, "f.pt", []byte("PK\x03\x04rest of it")), "zip archive", "torch.onnx.export"},
		{write(t, "g.tflite", []byte("no model at all")), "not a valid .tflite model", "whole and uncompressed"},
		{write(t, "h.onnx", []byte("no model at all")), "decode onnx", "whole and uncompressed"},
		{write(t, "i.onnx", []byte(`{"layers": 3}`)), "i.onnx:1:", "agent lower"},
	} {
		f, err := modelfile.Open(c.path)
		if err == nil {
			t.Errorf("%s was opened: %+v", c.path, f)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filepath.Base(c.path)) || !strings.Contains(hint.Of(err), c.cure) {
			t.Errorf("%s: %v, hint %q", filepath.Base(c.path), err, hint.Of(err))
		}
	}
}

// A length that no model has a dimension for is an error: it would be taken for one that
// has an effect.
func TestCheckDims(t *testing.T) {
	one, two := mustOpen(t, writeONNX(t, "one.onnx", open("x", "N", 3))), mustOpen(t, writeONNX(t, "two.onnx", open("x", 1, "seq")))
	fixed := mustOpen(t, writeONNX(t, "fixed.onnx", open("x", 1, 3)))
	for _, c := range []struct {
		dims  modelfile.Dims
		files []*modelfile.File
		cure  string // "" for no error
	}{
		{dimsOf(t, "N=8"), []*modelfile.File{one, two}, ""},
		{nil, []*modelfile.File{fixed}, ""},
		{dimsOf(t, "n=8"), []*modelfile.File{one, two}, "open are --dim N=N --dim seq=N"},
		{dimsOf(t, "N=8", "seq=3"), []*modelfile.File{one}, "open are --dim N=N"},
		{dimsOf(t, "N=8"), []*modelfile.File{fixed}, "sizes are fixed"},
	} {
		err := modelfile.CheckDims(c.dims, c.files)
		if (err == nil) != (c.cure == "") || !strings.Contains(hint.Of(err), c.cure) {
			t.Errorf("%v: %v, hint %q, want %q", c.dims, err, hint.Of(err), c.cure)
		}
	}
}

func TestUnlikeNamesAnotherRuntimesTable(t *testing.T) {
	f := mustOpen(t, writeTFLite(t, "net.tflite"))
	if got := f.Unlike(lut.Runtime{Library: lut.Library{Backend: "ort"}}); !strings.HasSuffix(got, "net.tflite is read as LiteRT runs it; the table is of ort") {
		t.Error(got)
	}
	for _, r := range []lut.Runtime{{}, {Library: lut.Library{Backend: "tflite"}}} {
		if got := f.Unlike(r); got != "" {
			t.Errorf("%v: %s", r, got)
		}
	}
}

// twoSignatures is a .tflite model that a relu of 8 numbers and an addition of 3 share.
func twoSignatures(t *testing.T) string {
	t.Helper()
	encode := &tflitefb.Model{Signature: "encode", Inputs: []int32{0}, Outputs: []int32{1},
		Tensors:   []tflitefb.Tensor{{Name: "x", Shape: []int32{1, 8}}, {Name: "y", Shape: []int32{1, 8}}},
		Operators: []tflitefb.Operator{{Code: tflitefb.Relu, Version: 1, Inputs: []int32{0}, Outputs: []int32{1}}}}
	decode := &tflitefb.Model{Signature: "decode", Inputs: []int32{0}, Outputs: []int32{1}, InputNames: []string{"state"}, OutputNames: []string{"next"},
		Tensors: []tflitefb.Tensor{{Name: "decode_state:0", Shape: []int32{1, 3}}, {Name: "PartitionedCall:0", Shape: []int32{1, 3}}},
		Operators: []tflitefb.Operator{{Code: tflitefb.Add, Version: 1, Inputs: []int32{0, 0}, Outputs: []int32{1},
			Options: tflitefb.Options{Type: tflitefb.AddOptions}}}}
	data, err := tflitefb.Encode(encode, decode)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "two.tflite", data)
}

func TestOpenSignature(t *testing.T) {
	path := twoSignatures(t)
	for _, c := range []struct{ key, used, chosen, input, kernel string }{
		{"", "encode", "", "x float32[1,8]", "relu"},
		{"encode", "encode", "", "x float32[1,8]", "relu"},
		{"decode", "decode", "decode", "state float32[1,3]", "add"},
	} {
		f, err := modelfile.OpenSignature(path, c.key)
		if err != nil {
			t.Fatal(err)
		}
		net, err := f.Kernels(modelfile.Use{})
		if err != nil {
			t.Fatal(err)
		}
		if f.Signature != c.used || f.Chosen() != c.chosen || f.Inputs[0].String() != c.input || len(net.Kernels) != 1 || net.Kernels[0].Op.Kind != c.kernel {
			t.Errorf("%q: %q, %v, %v", c.key, f.Signature, f.Inputs, net.Kernels)
		}
		if note := f.Entrance(); !strings.Contains(note, "encode, decode; "+c.used+" is used") {
			t.Error(note)
		}
	}
	for _, c := range []struct{ path, key, cure string }{
		{path, "train", "its signatures are encode, decode"},
		{writeTFLite(t, "one.tflite"), "train", "its signatures are serving_default"},
		{writeONNX(t, "net.onnx", open("x", 1, 3)), "encode", "only .tflite models have them"},
	} {
		if _, err := modelfile.OpenSignature(c.path, c.key); err == nil || !strings.Contains(err.Error(), c.key) || !strings.Contains(hint.Of(err), c.cure) {
			t.Errorf("%s: %v, hint %q", c.path, err, hint.Of(err))
		}
	}
}
