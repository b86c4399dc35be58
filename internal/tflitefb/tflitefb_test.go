package tflitefb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

func float32s(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// sample holds one of everything the format has: constants, quantisation, a
// dynamic dimension, an optional input, a custom operator, options of each kind.
func sample() *Model {
	return &Model{
		Description: "sample",
		Signature:   "serving_default",
		Tensors: []Tensor{
			{Name: "in", Type: Int8, Shape: []int32{1, 4}, Dynamic: []int32{-1, 4}, Quant: &Quant{Scale: []float32{0.5}, Zero: []int64{-3}}},
			{Name: "w", Type: Int8, Shape: []int32{2, 4}, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8},
				Quant: &Quant{Scale: []float32{0.1, 0.2}, Zero: []int64{0, 0}}},
			{Name: "mid", Type: Int8, Shape: []int32{1, 2}, Quant: &Quant{Scale: []float32{1}, Zero: []int64{0}}},
			{Name: "real", Type: Float32, Shape: []int32{1, 2}},
			{Name: "bias", Type: Float32, Shape: []int32{2}, Data: float32s(1, -1)},
			{Name: "sum", Type: Float32, Shape: []int32{1, 2}},
			{Name: "flat", Type: Float32, Shape: []int32{2}},
			{Name: "out", Type: Float32, Shape: []int32{2}},
		},
		Inputs:  []int32{0},
		Outputs: []int32{7},
		Operators: []Operator{
			{Code: FullyConnected, Version: 4, Inputs: []int32{0, 1, -1}, Outputs: []int32{2},
				Options: Options{Type: FullyConnectedOptions, Values: map[string]float64{"keep_num_dims": 1, "fused_activation_function": ActRelu6}}},
			{Code: Dequantize, Version: 2, Inputs: []int32{2}, Outputs: []int32{3}, Options: Options{Type: DequantizeOptions}},
			{Code: Add, Version: 1, Inputs: []int32{3, 4}, Outputs: []int32{5},
				Options: Options{Type: AddOptions, Values: map[string]float64{"pot_scale_int16": 0}}},
			{Code: Reshape, Version: 1, Inputs: []int32{5}, Outputs: []int32{6}, Options: Options{Type: ReshapeOptions, NewShape: []int32{2}}},
			{Code: Custom, Custom: "Mine", Version: 1, Inputs: []int32{6}, Outputs: []int32{7}},
		},
	}
}

func TestModelsRoundTrip(t *testing.T) {
	m := sample()
	file, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, m) {
		t.Errorf("decoded\n%+v\nwant\n%+v", got, m)
	}
	again, err := Encode(got)
	if err != nil || !bytes.Equal(again, file) {
		t.Errorf("encoding what was decoded gives other bytes (%v)", err)
	}
	// The runtime uses weights in place: they must lie on 16-byte boundaries.
	for _, x := range m.Tensors {
		if at := bytes.Index(file, x.Data); len(x.Data) > 4 && at%dataAlignment != 0 {
			t.Errorf("data of %s at offset %d", x.Name, at)
		}
	}
	if v := got.Operators[2].Options.Value("fused_activation_function"); v != 0 {
		t.Errorf("a field left out reads %v", v)
	}
}

func TestNewerOperatorsKeepTheirCode(t *testing.T) {
	m := &Model{Tensors: []Tensor{{Name: "x", Shape: []int32{1}}, {Name: "y", Shape: []int32{1}}}, Inputs: []int32{0}, Outputs: []int32{1},
		Operators: []Operator{{Code: Gelu, Version: 1, Inputs: []int32{0}, Outputs: []int32{1},
			Options: Options{Type: GeluOptions, Values: map[string]float64{"approximate": 1}}}}}
	file, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(file)
	if err != nil || got.Operators[0].Code != Gelu || got.Operators[0].Code.String() != "GELU" {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*Model){
		"no tensor 9":               func(m *Model) { m.Operators[0].Inputs[0] = 9 },
		"no tensor -1":              func(m *Model) { m.Outputs[0] = -1 },
		"scales for":                func(m *Model) { m.Tensors[1].Quant.Zero = nil },
		"of another rank":           func(m *Model) { m.Tensors[0].Dynamic = []int32{-1} },
		"bytes of data for":         func(m *Model) { m.Tensors[4].Data = m.Tensors[4].Data[:5] },
		"is not of table":           func(m *Model) { m.Operators[1].Options.Values = map[string]float64{"axis": 1} },
		"option keep_num_dims is 2": func(m *Model) { m.Operators[0].Options.Values["keep_num_dims"] = 2 },
		"has a name and only it":    func(m *Model) { m.Operators[4].Custom = "" },
		"is not written":            func(m *Model) { m.Operators[1].Options.Type = 3 },
		"no such built-in operator": func(m *Model) { m.Operators[1].Code = 9999 },
	} {
		m := sample()
		spoil(m)
		if _, err := Encode(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	file, err := Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(file)-1; n += 7 {
		if _, err := Decode(file[:n]); err != nil && !errors.Is(err, ErrFormat) {
			t.Fatalf("%d bytes: %v", n, err)
		} else if err == nil && n < len(file)/2 {
			t.Errorf("half a file of %d bytes was read", n)
		}
	}
	other := bytes.Replace(file, []byte(identifier), []byte("ONNX"), 1)
	if _, err := Decode(other); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "ONNX") {
		t.Errorf("wrong identifier: %v", err)
	}
}

// FuzzDecode: whatever the bytes, Decode answers with a model that Encode could
// write, or with ErrFormat.
func FuzzDecode(f *testing.F) {
	file, err := Encode(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add([]byte("\x08\x00\x00\x00TFL3"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if err := m.check(); err != nil {
			t.Fatal(err)
		}
	})
}

// A file may be entered at several places: the first is the one that a runtime takes when nobody
// says otherwise, and the names of inputs are the signature's, not the tensors'.
func TestSignaturesAreRead(t *testing.T) {
	second := &Model{Signature: "decode", Tensors: []Tensor{{Name: "decode_t:0", Shape: []int32{3}}, {Name: "r", Shape: []int32{3}}},
		Inputs: []int32{0}, Outputs: []int32{1}, InputNames: []string{"t"}, OutputNames: []string{"state"},
		Operators: []Operator{{Code: Relu, Version: 1, Inputs: []int32{0}, Outputs: []int32{1}}}}
	file, err := Encode(sample(), second)
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{"serving_default", "decode"}
	for _, key := range []string{"", "serving_default"} {
		got, err := DecodeSignature(file, key)
		want := sample()
		want.Signatures = keys
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("signature %q: %v\n%+v\nwant\n%+v", key, err, got, want)
		}
	}
	got, err := DecodeSignature(file, "decode")
	want := *second
	want.Description, want.Signatures, want.Subgraph = "sample", keys, 1
	if err != nil || !reflect.DeepEqual(got, &want) {
		t.Errorf("%v\n%+v\nwant\n%+v", err, got, &want)
	}
	if got.InputName(0) != "t" || got.OutputName(0) != "state" {
		t.Errorf("%q, %q", got.InputName(0), got.OutputName(0))
	}
	if _, err := DecodeSignature(file, "train"); !errors.Is(err, ErrNoSignature) || errors.Is(err, ErrFormat) {
		t.Errorf("an unknown signature: %v", err)
	}
	// One subgraph of several need not be the one the first signature enters.
	behind := &Model{Tensors: second.Tensors, Inputs: []int32{0}, Outputs: []int32{1}, Operators: second.Operators}
	if file, err = Encode(behind, sample()); err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(file); err != nil || got.Subgraph != 1 || got.Signature != "serving_default" || len(got.Tensors) != len(sample().Tensors) {
		t.Errorf("%v: %+v", err, got)
	}
}

// What a copy would lose is said: the option tables here hold a field more than they do.
func TestDecodeSaysWhatItDoesNotKeep(t *testing.T) {
	one := func(o Options) *Model {
		return &Model{Inputs: []int32{0}, Outputs: []int32{1}, Tensors: []Tensor{{Name: "x", Shape: []int32{1}}, {Name: "y", Shape: []int32{1}}},
			Operators: []Operator{{Code: Squeeze, Version: 1, Inputs: []int32{0}, Outputs: []int32{1}, Options: o}}}
	}
	for name, c := range map[string]struct {
		options Options
		known   []optionField // what the table is taken for
		want    int
	}{
		"a list":           {Options{Type: SqueezeOptions, NewShape: []int32{0}}, optionFields[SqueezeOptions], 0},
		"known fields":     {Options{Type: PackOptions, Values: map[string]float64{"axis": 3}}, optionFields[PackOptions], 0},
		"a further field":  {Options{Type: PackOptions, Values: map[string]float64{"axis": 3}}, optionFields[PackOptions][:1], 1},
		"an empty table":   {Options{Type: TransposeOptions}, nil, 0},
		"an unknown table": {Options{Type: PackOptions, Values: map[string]float64{"axis": 3}}, nil, 1},
	} {
		data, err := Encode(one(c.options))
		if err != nil {
			t.Fatal(err)
		}
		was := optionFields[c.options.Type]
		if optionFields[c.options.Type] = c.known; c.known == nil {
			delete(optionFields, c.options.Type)
		}
		m, err := Decode(data)
		optionFields[c.options.Type] = was
		if err != nil || len(m.Unkept) != c.want {
			t.Errorf("%s: %v, %v", name, m.Unkept, err)
		}
	}
}
