package tflitereader

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func keysOf(n *network.Network) []string {
	var out []string
	for _, o := range n.Ops() {
		out = append(out, o.String())
	}
	return out
}

// written is a chain as the catalogue's writer puts it into a file.
func written(t testing.TB, keys ...string) []byte {
	t.Helper()
	var c benchmarks.Chain
	for _, k := range keys {
		op, err := lut.ParseOp(k)
		if err != nil {
			t.Fatal(err)
		}
		c = append(c, op)
	}
	g, err := benchmarks.Build(c, benchmarks.BuildOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	data, err := tflitewriter.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Law: what the catalogue writes reads back as what it was written from.
func TestWrittenModelsReadBack(t *testing.T) {
	for _, keys := range [][]string{
		{"conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=32,h=64,w=64", "dwconv[act=relu,k=5,s=1]/fp32@c=32,h=32,w=32",
			"conv[g=2,k=3,p=0,s=1]/fp32@cin=32,cout=64,h=32,w=32", "conv[d=2,k=3,s=1]/fp32@cin=64,cout=64,h=30,w=30",
			"gap/fp32@c=64,h=30,w=30", "linear[act=relu]/fp32@cin=64,cout=10,m=1"},
		{"conv[k=1,s=1]/fp32@cin=8,cout=16,h=9,w=7", "silu/fp32@c=16,h=9,w=7", "hswish/fp32@c=16,h=9,w=7", "gelu/fp32@c=16,h=9,w=7",
			"sigmoid/fp32@c=16,h=9,w=7", "hsigmoid/fp32@c=16,h=9,w=7", "relu/fp32@c=16,h=9,w=7", "leakyrelu/fp32@c=16,h=9,w=7",
			"tanh/fp32@c=16,h=9,w=7", "gelutanh/fp32@c=16,h=9,w=7", "clip/fp32@c=16,h=9,w=7", "elu/fp32@c=16,h=9,w=7"},
		{"maxpool[k=3,s=2]/fp32@c=16,h=16,w=16", "avgpool[k=2,s=2]/fp32@c=16,h=8,w=8", "resize[f=2,mode=linear]/fp32@c=16,h=4,w=4",
			"resize[mode=nearest,size=12x20]/fp32@c=16,h=8,w=8", "depthtospace[f=2]/fp32@c=16,h=12,w=20", "spacetodepth[f=2]/fp32@c=4,h=24,w=40"},
		{"linear/fp32@cin=16,cout=24,m=10", "layernorm/fp32@dim=24,seq=10", "softmax/fp32@m=10,n=24"},
		{"matmul/fp32@b=2,k=24,m=10,n=12"},
		{"deconv[k=2,s=2]/fp32@cin=8,cout=16,h=8,w=8", "add/fp32@c=16,h=16,w=16", "mul[b=c]/fp32@c=16,h=16,w=16", "pow[e=2]/fp32@c=16,h=16,w=16",
			"slice/fp32@c=8,h=16,w=16", "concat[n=2]/fp32@c=16,h=16,w=16"},
		{"conv[k=3,s=1]/int8@cin=8,cout=16,h=8,w=8", "dwconv[k=3,s=2]/int8@c=16,h=8,w=8", "silu/int8@c=16,h=4,w=4", "gap/int8@c=16,h=4,w=4",
			"linear/int8@cin=16,cout=8,m=1"},
		{"conv[k=3,s=1]/int8dyn@cin=8,cout=16,h=8,w=8", "dwconv[k=3,s=1]/int8dyn@c=16,h=8,w=8"},
	} {
		net, err := Read(written(t, keys...), "net")
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range net.Unpriced {
			t.Errorf("%v: unpriced: %+v", keys[0], u)
		}
		// Some bring operators with them: a scale of the product, the bytes at both ends.
		got := keysOf(net)
		for _, key := range keys {
			if i := slices.Index(got, key); i >= 0 {
				got = got[i+1:]
			} else {
				t.Errorf("%s is not, in its place, among\n%s", key, strings.Join(keysOf(net), "\n"))
			}
		}
	}
}

// Models that TensorFlow's converter wrote (scripts/export_tflite.py), with the kernels
// they are made of on file.
func TestConvertersModels(t *testing.T) {
	files, err := filepath.Glob("testdata/*" + Extension)
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		net, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		everyOperatorOnce(t, path, net)
		var b strings.Builder
		for _, k := range net.Kernels {
			b.WriteString(k.Op.String() + "  " + strings.Join(k.Nodes, ", ") + "\n")
		}
		for _, f := range net.Free {
			b.WriteString("free: " + f.Op + ": " + f.Why + "\n")
		}
		for _, u := range net.Unpriced {
			b.WriteString("unpriced: " + u.Op + ": " + u.Reason + "\n")
		}
		golden.File(t, strings.TrimSuffix(path, Extension)+".txt", []byte(b.String()))
		for _, op := range net.Ops() {
			if _, err := benchmarks.Frame(op); err != nil {
				t.Errorf("%s cannot be measured: %v", op, err)
			}
		}
	}
}

func everyOperatorOnce(t *testing.T, path string, net *network.Network) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := tflitefb.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, k := range net.Kernels {
		for _, n := range k.Nodes {
			if seen[n] {
				t.Errorf("%s: %s is in two kernels", path, n)
			}
			seen[n] = true
		}
	}
	if n := len(seen) + len(net.Free) + len(net.Unpriced); n != len(m.Operators) {
		t.Errorf("%s: %d of %d operators are accounted for", path, n, len(m.Operators))
	}
}

// What a file leaves open is an error, what it does not say as a key a reason.
func TestWhatCannotBeRead(t *testing.T) {
	tensor := func(dynamic ...int32) []tflitefb.Tensor {
		x := tflitefb.Tensor{Name: "x", Type: tflitefb.Float32, Shape: []int32{1, 4, 4, 8}, Dynamic: dynamic}
		y := x
		y.Name = "y"
		return []tflitefb.Tensor{x, y}
	}
	model := func(code tflitefb.Op, typ tflitefb.TensorType, dynamic ...int32) []byte {
		m := &tflitefb.Model{Tensors: tensor(dynamic...), Inputs: []int32{0}, Outputs: []int32{1},
			Operators: []tflitefb.Operator{{Code: code, Version: 1, Inputs: []int32{0}, Outputs: []int32{1}}}}
		for i := range m.Tensors {
			m.Tensors[i].Type = typ
		}
		data, err := tflitefb.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if net, err := Read(model(tflitefb.Relu, tflitefb.Float32, -1, 4, 4, 8), "net"); err != nil || len(net.Kernels) != 1 {
		t.Errorf("an open batch: %v, %v", net, err)
	}
	if _, err := Read(model(tflitefb.Relu, tflitefb.Float32, -1, -1, 4, 8), "net"); err == nil || !strings.Contains(err.Error(), `tensor 0 "x": dimension 1 is not known`) {
		t.Errorf("an open height: %v", err)
	}
	if _, err := Read([]byte("not a model"), "net"); err == nil {
		t.Error("no model at all was read")
	}
	for reason, data := range map[string][]byte{
		"the catalogue has no such operator": model(tflitefb.Op(77), tflitefb.Float32),
		"numbers of type uint8":              model(tflitefb.Relu, tflitefb.Uint8),
		"it has too few inputs or outputs":   model(tflitefb.Conv2D, tflitefb.Float32),
	} {
		net, err := Read(data, "net")
		if err != nil || len(net.Unpriced) != 1 || net.Unpriced[0].Reason != reason {
			t.Errorf("%s: %+v, %v", reason, net, err)
		}
	}
}

// Whatever the bytes, there is an error or every operator in one list.
func FuzzRead(f *testing.F) {
	f.Add(written(f, "conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=8,h=8,w=8", "silu/fp32@c=8,h=4,w=4", "gap/fp32@c=8,h=4,w=4"))
	f.Add(written(f, "linear/int8@cin=8,cout=8,m=4", "softmax/int8@m=4,n=8"))
	files, _ := filepath.Glob("testdata/*" + Extension)
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		net, err := Read(data, "net")
		if err != nil {
			return
		}
		m, err := tflitefb.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		n := len(net.Free) + len(net.Unpriced)
		for _, k := range net.Kernels {
			n += len(k.Nodes)
			if again, err := lut.ParseOp(k.Op.String()); err != nil || again.String() != k.Op.String() {
				t.Errorf("key %s does not read back: %v", k.Op, err)
			}
		}
		if n != len(m.Operators) {
			t.Errorf("%d of %d operators are accounted for", n, len(m.Operators))
		}
	})
}
