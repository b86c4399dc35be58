package kernelfile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/lut"
)

const sum = "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f"

func sample() *File {
	return &File{Format: Format, Model: "net.onnx", SHA256: sum, Dims: Dims{"batch": 1},
		Runtime: lut.Library{Backend: "ort", Version: "1.32.0", SHA256: sum, Provider: "cpu"},
		Network: network.Network{Name: "net", Lowered: true,
			Kernels: []network.Kernel{{Name: "conv", Nodes: []string{"Conv conv"},
				Op: lut.NewOp("conv", lut.FP32, map[string]string{"k": "3", "s": "1"}, map[string]int{"h": 8, "w": 8, "cin": 3, "cout": 8})},
				{Name: "conv+", Nodes: []string{}, Op: lut.NewOp("add", lut.FP32, map[string]string{"fused": "1"}, map[string]int{"c": 8, "h": 8, "w": 8})}},
			Unpriced: []network.Unpriced{{Name: "n", Op: "NonZero", Reason: "no key describes it"}},
			Free:     []network.Free{{Name: "r", Op: "Reshape", Why: network.FreeView}},
		}}
}

func TestKernelsRoundTrip(t *testing.T) {
	data, err := Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte("{\n\t\"format\": \"isocost/kernels/v1\"")) || !Is(data) {
		t.Errorf("%s", data)
	}
	f, err := Decode("k", data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Encode(f)
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("%v\n%s\n%s", err, data, again)
	}
}

func TestDecodeRefuses(t *testing.T) {
	data, err := Encode(sample())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"another version":     {"kernels/v1", "kernels/v2", `format "isocost/kernels/v2"`},
		"unknown field":       {`"model"`, `"modell"`, "unknown field"},
		"no hash":             {sum, "abc", "not a SHA-256"},
		"key not canonical":   {"cin=3,cout=8", "cout=8,cin=3", "out of order"},
		"work of no node":     {`"conv+"`, `"other+"`, "kernel 1 lacks its name, key or nodes"},
		"no reason":           {"no key describes it", "", "lacks its operator or the reason"},
		"something follows":   {"}\n", "}\n{}\n", "follows the value"},
		"dimension not known": {`"batch": 1`, `"batch": -1`, "not at least 0"},
		"cut off":             {"\n}\n", "", "cut off"},
	} {
		bad := strings.Replace(string(data), c.old, c.new, 1)
		if c.old == "}\n" || c.old == "\n}\n" {
			i := strings.LastIndex(string(data), c.old)
			bad = string(data[:i]) + c.new
		}
		_, err := Decode("k", []byte(bad))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "k:") {
			t.Errorf("%s: %v; want k:N: … %s", name, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, err := Encode(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":"isocost/kernels/v1"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Decode("k", data)
		if err != nil {
			return
		}
		out, err := Encode(file)
		if err != nil {
			t.Fatalf("accepted, but not encodable: %v", err)
		}
		if again, err := Decode("k", out); err != nil {
			t.Fatalf("own encoding refused: %v", err)
		} else if out2, _ := Encode(again); !bytes.Equal(out, out2) {
			t.Fatal("encoding is not canonical")
		}
	})
}
