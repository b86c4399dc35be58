package onnxreader

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/lut"
)

func op(t testing.TB, key string) lut.Op {
	t.Helper()
	o, err := lut.ParseOp(key)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func written(t testing.TB, keys ...string) []byte {
	t.Helper()
	var c benchmarks.Chain
	for _, k := range keys {
		c = append(c, op(t, k))
	}
	g, err := benchmarks.Build(c, benchmarks.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnxwriter.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func keysOf(n *network.Network) []string {
	var out []string
	for _, o := range n.Ops() {
		out = append(out, o.String())
	}
	return out
}

// Law: what the catalogue writes reads back as what it was written from.
func TestWrittenModelsReadBack(t *testing.T) {
	for _, act := range []string{"", "relu", "relu6", "hswish", "silu", "gelu", "sigmoid", "hsigmoid"} {
		with := func(key string) string {
			if act == "" {
				return strings.NewReplacer("[A,", "[", "[A]", "").Replace(key)
			}
			return strings.Replace(key, "A", "act="+act, 1)
		}
		keys := []string{
			with("conv[A,k=3,s=2]/fp32@cin=3,cout=32,h=64,w=64"),
			with("dwconv[A,k=5,s=1]/fp32@c=32,h=32,w=32"),
			with("conv[A,g=2,k=3,p=0,s=1]/fp32@cin=32,cout=64,h=32,w=32"),
			with("conv[A,d=2,k=3,s=1]/fp32@cin=64,cout=64,h=30,w=30"),
			"gap/fp32@c=64,h=30,w=30",
			with("linear[A]/fp32@cin=64,cout=10,m=1"),
		}
		net, err := Read(written(t, keys...), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := keysOf(net); !slices.Equal(got, keys) {
			t.Errorf("act %q: read back as\n%s\nwant\n%s", act, strings.Join(got, "\n"), strings.Join(keys, "\n"))
		}
		if len(net.Unpriced) > 0 {
			t.Errorf("unpriced: %v", net.Unpriced)
		}
	}
}

// Law: the same of operators one by one, in float and with narrower weights.
func TestWrittenOperatorsReadBack(t *testing.T) {
	const mapped, rows = "conv[k=1,s=1]/fp32@cin=8,cout=16,h=8,w=8", "linear/fp32@cin=8,cout=24,m=16"
	for _, c := range []struct{ before, key string }{
		{"conv[k=1,s=1]/fp32@cin=8,cout=32,h=8,w=8 conv[k=1,s=1]/fp32@cin=32,cout=64,h=8,w=8", "concat[n=3]/fp32@c=128,h=8,w=8"},
		{mapped, "split[n=5]/fp32@c=16,h=8,w=8"},
		{rows, "split[n=5]/fp32@dim=24,seq=16"},
		{mapped, "resize[mode=linear,size=12x9]/fp32@c=16,h=8,w=8"},
		{mapped, "resize[f=2,mode=cubic]/fp32@c=16,h=8,w=8"},
		{mapped, "depthtospace[f=2]/fp32@c=16,h=8,w=8"},
		{mapped, "spacetodepth[f=4]/fp32@c=16,h=8,w=8"},
		{mapped, "deconv[g=4,k=3,s=2]/fp32@cin=16,cout=8,h=8,w=8"},
		{mapped, "deconv[k=3,p=0,s=2]/fp32@cin=16,cout=8,h=8,w=8"},
		{mapped, "deconv[k=4,p=0-1-2-0,s=2]/fp32@cin=16,cout=8,h=8,w=8"},
		{mapped, "reduce[axis=inner,op=max]/fp32@b=16,m=8,n=8"},
		{mapped, "softmax[axis=inner]/fp32@b=16,m=8,n=8"},
		{mapped, "prelu/fp32@c=16,h=8,w=8"},
		{rows, "reduce[op=sumsquare]/fp32@m=16,n=24"},
		{rows, "pow[e=2]/fp32@dim=24,seq=16"},
		{rows, "pow[e=0.7]/fp32@dim=24,seq=16"},
		{rows, "min[b=s]/fp32@dim=24,seq=16"},
		{rows, "max/fp32@dim=24,seq=16"},
		{rows, "reciprocal/fp32@dim=24,seq=16"},
		{rows, "gelutanh/fp32@dim=24,seq=16"},
		{mapped, "conv[k=3,s=2]/int8dyn@cin=16,cout=8,h=8,w=8"},
		{mapped, "dwconv[act=relu,k=3,s=1]/int8dyn@c=16,h=8,w=8"},
		{rows, "linear[act=gelu]/int8dyn@cin=24,cout=8,m=16"},
		{mapped, "conv[k=3,s=2]/int8w@cin=16,cout=8,h=8,w=8"},
		{rows, "linear/int8w@cin=24,cout=8,m=16"},
	} {
		net, err := Read(written(t, append(strings.Fields(c.before), c.key)...), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.key, err)
			continue
		}
		keys := keysOf(net)
		if len(net.Unpriced) > 0 || len(keys) == 0 || keys[len(keys)-1] != c.key {
			t.Errorf("%s reads back as %v, unpriced %v", c.key, keys, net.Unpriced)
		}
	}
}

// A block is read as the kernels it is made of, in float and quantised.
func TestBlocksReadAsKernels(t *testing.T) {
	for _, c := range []struct {
		key  string
		want []string
	}{
		{"mbconv[act=hswish,k=5,res=1,s=1,se=4]/fp32@cin=40,cout=40,h=28,mid=120,w=28", []string{
			"conv[act=hswish,k=1,s=1]/fp32@cin=40,cout=120,h=28,w=28",
			"dwconv[act=hswish,k=5,s=1]/fp32@c=120,h=28,w=28",
			"gap/fp32@c=120,h=28,w=28",
			"conv[act=relu,k=1,s=1]/fp32@cin=120,cout=32,h=1,w=1",
			"conv[act=hsigmoid,k=1,s=1]/fp32@cin=32,cout=120,h=1,w=1",
			"mul[b=c]/fp32@c=120,h=28,w=28",
			"conv[k=1,s=1]/fp32@cin=120,cout=40,h=28,w=28",
			"add[fused=1]/fp32@c=40,h=28,w=28",
		}},
		{"mbconv[act=relu6,k=3,res=1,s=1]/int8@cin=24,cout=24,h=28,mid=72,w=28", []string{
			"quantize/int8@dim=28,seq=672",
			"conv[k=1,s=1]/int8@cin=24,cout=72,h=28,w=28",
			"transpose[perm=1-0]/int8@d0=24,d1=784",
			"dwconv[k=3,s=1]/int8@c=72,h=28,w=28",
			"conv[k=1,s=1]/int8@cin=72,cout=24,h=28,w=28",
			"add/int8@c=24,h=28,w=28",
			"dequantize/int8@dim=28,seq=672",
			"transpose[perm=1-0]/int8@d0=784,d1=24",
		}},
	} {
		net, err := Read(written(t, c.key), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := keysOf(net); !slices.Equal(got, c.want) {
			t.Errorf("%s: read as\n%s\nwant\n%s", c.key, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// testdata holds small networks as torch and onnxruntime wrote them
// (scripts/export_models.py --set tiny), beside what they are read as.
func TestKernelsOfModelsOnFile(t *testing.T) {
	files, err := filepath.Glob("testdata/*.onnx")
	if err != nil || len(files) == 0 {
		t.Fatal("no models in testdata")
	}
	for _, f := range files {
		net, err := ReadFile(f, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		for _, k := range net.Kernels {
			fmt.Fprintf(&b, "%s  ← %s\n", k.Op, strings.Join(opsOf(k.Nodes), " "))
		}
		for _, u := range net.Unpriced {
			fmt.Fprintf(&b, "unpriced %s: %s\n", u.Op, u.Reason)
		}
		free := map[string]int{}
		for _, fr := range net.Free {
			free[fr.Why]++
		}
		for _, why := range []string{network.FreeConstant, network.FreeView, network.FreeShape, network.FreeUnused, network.FreeReorder} {
			fmt.Fprintf(&b, "free %d %s\n", free[why], why)
		}
		for _, w := range net.Warnings {
			fmt.Fprintf(&b, "warning: %s\n", w)
		}
		golden.File(t, strings.TrimSuffix(f, ".onnx")+".txt", b.Bytes())
	}
}

func opsOf(nodes []string) []string {
	var out []string
	for _, n := range nodes {
		o, _, _ := strings.Cut(n, " ")
		out = append(out, o)
	}
	return out
}

func FuzzRead(f *testing.F) {
	f.Add(written(f, "mbconv[act=hswish,k=5,res=1,s=1,se=4]/fp32@cin=8,cout=8,h=4,mid=8,w=4"))
	f.Add(written(f, "mbconv[act=relu6,k=3,res=1,s=1]/int8@cin=8,cout=8,h=4,mid=8,w=4"))
	files, _ := filepath.Glob("testdata/*.onnx")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		net, err := Read(data, Options{})
		if err != nil {
			return
		}
		for _, k := range net.Kernels { // every key is canonical
			if back, err := lut.ParseOp(k.Op.String()); err != nil || back.String() != k.Op.String() {
				t.Fatalf("kernel %q has key %q: %v", k.Name, k.Op, err)
			}
		}
	})
}
