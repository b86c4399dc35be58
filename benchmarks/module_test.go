package benchmarks_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/lut"
)

// asModule exports a chain of the catalogue as a module and returns its key in lib.
func asModule(t *testing.T, lib *benchmarks.Library, name string, c benchmarks.Chain, width int) lut.Op {
	t.Helper()
	g, err := benchmarks.Build(c, benchmarks.BuildOptions{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	data, err := onnxwriter.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnxmodule.Read(data)
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}
	path := filepath.Join(t.TempDir(), name+".onnx")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	file := benchmarks.ModuleFile{File: path, SHA256: hex.EncodeToString(sum[:])}
	file.Key = benchmarks.ModuleKey(name, benchmarks.ModuleID([][]string{{file.SHA256}}), c[0].Precision, m, width)
	if err := lib.Add(file, m, nil); err != nil {
		t.Fatal(err)
	}
	return file.Key
}

// blocks are blocks and operators of the catalogue of one shape.
var moduleBlocks = []string{
	"mbconv[act=relu6,k=3,res=1,s=1]/P@cin=24,cout=24,h=14,mid=72,w=14",
	"mbconv[act=relu6,k=3,s=2]/P@cin=24,cout=40,h=14,mid=72,w=14",
	"resbasic/P@cin=16,cout=16,h=14,mid=16,w=14",
	"conv[act=relu,k=3]/P@cin=16,cout=24,h=14,w=14",
	"encoder[heads=2]/P@dim=32,mid=64,seq=16",
}

// runs are the kernels that ONNX Runtime makes of a chain.
func runs(t *testing.T, c benchmarks.Chain, lib *benchmarks.Library) string {
	t.Helper()
	g, err := benchmarks.Build(c, benchmarks.BuildOptions{Seed: 7, Modules: lib})
	if err != nil {
		t.Fatal(err)
	}
	model, err := onnxwriter.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	_, optimised, err := runORT(t, model, g, randomInputs(g))
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}
	return kernels(optimised)
}

// A block of the catalogue is the same kernels as a module and as a key, wherever it
// stands: in its frame, between others of its kind, beside another precision.
func TestABlockAsAModuleRunsAsTheBlock(t *testing.T) {
	needORT(t)
	for _, text := range moduleBlocks {
		for _, p := range []lut.Precision{lut.FP32, lut.INT8, lut.FP16} {
			op := chain(t, strings.ReplaceAll(text, "/P@", "/"+string(p)+"@"))[0]
			lib := &benchmarks.Library{}
			module := asModule(t, lib, "mine", benchmarks.Chain{op}, 16)
			as := func(c benchmarks.Chain) benchmarks.Chain {
				out := make(benchmarks.Chain, len(c))
				for i, o := range c {
					if out[i] = o; o.String() == op.String() {
						out[i] = module
					}
				}
				return out
			}
			frame, err := benchmarks.Frame(op)
			if err != nil {
				t.Fatal(err)
			}
			mine, err := benchmarks.Frame(module)
			if err != nil {
				t.Fatal(err)
			}
			if want, got := frame[0].Chain.String(), mine[0].Chain.String(); op.Kind != "conv" && got != as(frame[0].Chain).String() {
				t.Errorf("%s is framed as\n  %s\nas a module as\n  %s", op, want, got)
			}
			chains := []benchmarks.Chain{frame[0].Chain}
			if in, out, _ := benchmarks.Shapes(op); len(in) == len(out) && in.String() == out.String() {
				chains = append(chains, benchmarks.Chain{op, op, op})
			}
			if p == lut.INT8 {
				chains = append(chains, beside(t, op))
			}
			for _, c := range chains {
				if want, got := runs(t, c, nil), runs(t, as(c), lib); got != want {
					t.Errorf("%v runs as\n  %s\nwith the module as\n  %s", c, want, got)
				}
			}
		}
	}
}

// beside is an int8 operator between two of fp32, with the switches that a space puts.
func beside(t *testing.T, op lut.Op) benchmarks.Chain {
	t.Helper()
	in, out, err := benchmarks.Shapes(op)
	if err != nil {
		t.Fatal(err)
	}
	l := benchmarks.Layout{Precision: lut.FP32}
	var c benchmarks.Chain
	for _, o := range []lut.Op{neighbour(in), op, neighbour(out)} {
		keys, next := l.Next(o)
		c, l = append(append(c, keys...), o), next
	}
	return c
}

func neighbour(s benchmarks.Shape) lut.Op {
	if len(s) == 2 {
		return lut.NewOp("linear", lut.FP32, nil, map[string]int{"m": s[0], "cin": s[1], "cout": s[1]})
	}
	return lut.NewOp("conv", lut.FP32, map[string]string{"k": "1"}, map[string]int{"cin": s[0], "cout": s[0], "h": s[1], "w": s[2]})
}

// Without its file a module has a place in a table, and nothing that is not known is zero.
func TestAModuleWithoutItsFile(t *testing.T) {
	lib := &benchmarks.Library{}
	op := asModule(t, lib, "Mine", chain(t, moduleBlocks0), 16)
	if want := "name=mine,res=1]/fp32@cin=24,cout=24,h=14,hout=14,w=14,width=16,wout=14"; !strings.HasSuffix(op.String(), want) {
		t.Errorf("its key is %s, not …%s", op, want)
	}
	if err := benchmarks.Check(op); err != nil {
		t.Error(err)
	}
	if _, err := benchmarks.MemoryOf(op); !errors.Is(err, benchmarks.ErrNoModule) {
		t.Errorf("its memory without a file: %v", err)
	}
	if _, err := benchmarks.Build(benchmarks.Chain{op}, benchmarks.BuildOptions{}); !errors.Is(err, benchmarks.ErrNoModule) {
		t.Errorf("built without a file: %v", err)
	}
	if err := (&benchmarks.Planner{}).Cell(op); !errors.Is(err, benchmarks.ErrNoModule) {
		t.Errorf("planned without a file: %v", err)
	}
	block := chain(t, moduleBlocks0)
	want, err := benchmarks.MemoryOf(block[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := lib.MemoryOf(op); err != nil || got != want {
		t.Errorf("its memory is %+v (%v), that of the block %+v", got, err, want)
	}
	count := func(c benchmarks.Chain, lib *benchmarks.Library) benchmarks.Counts {
		g, err := benchmarks.Build(c, benchmarks.BuildOptions{Shapes: true, Modules: lib})
		if err != nil {
			t.Fatal(err)
		}
		return benchmarks.Count(g)
	}
	if got, want := count(benchmarks.Chain{op}, lib), count(block, nil); got.MACs != want.MACs || got.Stored != want.Stored {
		t.Errorf("it counts %+v, the block %+v", got, want)
	}
}

const moduleBlocks0 = "mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=24,cout=24,h=14,mid=72,w=14"

// A network of modules computes what its modules compute one after another.
func TestANetworkOfModulesIsItsModulesInARow(t *testing.T) {
	needORT(t)
	for _, p := range []lut.Precision{lut.FP32, lut.INT8} {
		lib := &benchmarks.Library{}
		var modules benchmarks.Chain
		for i, text := range []string{
			"conv[act=relu6,k=3,s=2]/P@cin=3,cout=16,h=32,w=32",
			"mbconv[act=relu6,k=3,s=2]/P@cin=16,cout=24,h=16,mid=48,w=16",
			"mbconv[act=hswish,k=3,res=1,se=4]/P@cin=24,cout=24,h=8,mid=48,w=8",
			"gap/P@c=24,h=8,w=8",
		} {
			op := chain(t, strings.ReplaceAll(text, "/P@", "/"+string(p)+"@"))[0]
			modules = append(modules, asModule(t, lib, "part"+string(rune('0'+i)), benchmarks.Chain{op}, 1))
		}
		run := func(c benchmarks.Chain, in []float32) (got, input []float32) {
			g, err := benchmarks.Build(c, benchmarks.BuildOptions{Modules: lib})
			if err != nil {
				t.Fatal(err)
			}
			model, err := onnxwriter.Write(g)
			if err != nil {
				t.Fatal(err)
			}
			feed := randomInputs(g)
			if in != nil {
				feed[g.Inputs[0].Name] = in
			}
			out, _, err := runORT(t, model, g, feed)
			if err != nil {
				t.Fatal(err)
			}
			return out[g.Outputs[0].Name], feed[g.Inputs[0].Name]
		}
		whole, x := run(modules, nil)
		for _, op := range modules {
			x, _ = run(benchmarks.Chain{op}, x)
		}
		tolerance := map[lut.Precision]float64{lut.FP32: 1e-6, lut.INT8: 0.03}[p] // a step of the coarser grid
		if rms, worst := distance(whole, x); rms > tolerance || len(whole) != 24 {
			t.Errorf("%s: %d outputs, off by rms %.2g, worst %.2g", p, len(whole), rms, worst)
		}
	}
}
