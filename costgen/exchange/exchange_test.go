package exchange

import (
	"bytes"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/lut"
)

func sharedData(t *testing.T, path ...string) []byte {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, err := os.ReadFile(filepath.Join(append([]string{dir, "shared", "data"}, path...)...))
		if err == nil {
			return data
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skipf("no shared/data/%s beside the checkout or above it: public data of others, not part of the repository", strings.Join(path, "/"))
		}
		dir = up
	}
}

// The published table of TF-NAS has 84 entries that are not positive, left by
// extrapolation; all are found, none other is lost.
func TestImportOfTFNAS(t *testing.T) {
	tier.Slow(t, "imports 36,480 published entries")
	data := sharedData(t, "tf-nas", "latency_cpu.json")
	_, err := Import("tfnas", data, Options{})
	var bad *BadCellsError
	if !errors.As(err, &bad) || len(bad.Cells) != 84 {
		t.Fatalf("refused with %v", err)
	}
	for _, c := range bad.Cells {
		if !strings.HasPrefix(c, "MBInvertedResBlock_") || !strings.Contains(c, " mid=") {
			t.Errorf("a bad cell is not named: %s", c)
		}
	}
	tab, err := Import("tfnas", data, Options{DropBad: true, Device: "Xeon 6130"})
	if err != nil {
		t.Fatal(err)
	}
	cells, codes := 0, map[string]int{}
	for _, f := range tab.File().Families {
		cells += len(f.Knots)
	}
	for _, w := range tab.File().Warnings {
		codes[w.Code]++
	}
	if cells != 36480-84 || codes["non-positive"] != 84 || codes["no-variance"] != 1 || codes["unknown"] != 0 {
		t.Errorf("%d cells, warnings %v", cells, codes)
	}
	if o := tab.File().Overhead; o == nil || math.Abs(o.Value-9356.469964981079) > 1e-6 {
		t.Errorf("base is %+v", o)
	}
	op, err := lut.ParseOp("mbconv[act=relu,k=3,s=2]/fp32@cin=16,cout=24,h=112,mid=17,w=112")
	if err != nil {
		t.Fatal(err)
	}
	if c, err := tab.Cost(op); err != nil || math.Abs(c.Value-1150.3807) > 1e-3 {
		t.Errorf("%s costs %+v, %v; published 1.1504 ms", op, c, err)
	}
	back, err := lut.Decode(tab.Encode())
	if err != nil || back.Hash() != tab.Hash() {
		t.Errorf("does not read back: %v", err)
	}
}

const ofaTable = `
Conv-input:224x224x3-output:112x112x32: {count: 10, mean: 12.5, std: 0.5}
Conv_1-input:7x7x320-output:7x7x1280: {count: 10, mean: 3.0}
expanded_conv-input:112x112x16-output:56x56x24-expand:3-kernel:5-stride:2-idskip:0: {count: 10, mean: 2.0}
expanded_conv-input:56x56x24-output:56x56x24-expand:6-kernel:3-stride:1-idskip:1-se:1-hs:1: {count: 10, mean: 4.25}
Logits-input:7x7x1280-output:1000: {count: 10, mean: 1.5}
classifier-input:1x1x1280-output:1000: {mean: 0.75}
`

func TestImportOfOnceForAll(t *testing.T) {
	tab, err := Import("ofa", []byte(ofaTable), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		"conv[k=3,s=2]/fp32@cin=3,cout=32,h=224,w=224":                                12500,
		"conv[k=1,s=1]/fp32@cin=320,cout=1280,h=7,w=7":                                3000,
		"mbconv[act=relu6,k=5,s=2]/fp32@cin=16,cout=24,h=112,mid=48,w=112":            2000,
		"mbconv[act=hswish,k=3,res=1,s=1,se=4]/fp32@cin=24,cout=24,h=56,mid=144,w=56": 4250,
		"linear/fp32@cin=1280,cout=1000,m=1":                                          750,
	} {
		op, err := lut.ParseOp(key)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := tab.Cost(op); err != nil || c.Value != want {
			t.Errorf("%s costs %v, %v; want %v", key, c.Value, err, want)
		}
	}
	unknown := 0
	for _, w := range tab.File().Warnings {
		if w.Code == "unknown" && strings.Contains(w.Detail, "Logits") {
			unknown++
		}
	}
	if unknown != 1 {
		t.Errorf("Logits is not reported: %v", tab.File().Warnings)
	}
	// Written and read again, what the format can name is the same.
	data, skipped, err := Export("ofa", tab)
	if err != nil || len(skipped) != 1 {
		t.Fatalf("export: %v, skipped %v", err, skipped)
	}
	again, err := Import("ofa", data, Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	each(again, func(op lut.Op, c lut.Cost, _ lut.Knot) {
		if want, err := tab.Cost(op); err != nil || math.Abs(c.Value/want.Value-1) > 1e-12 {
			t.Errorf("%s came back as %v, was %v (%v)", op, c.Value, want.Value, err)
		}
	})
}

func TestImportOfMobileVision(t *testing.T) {
	tab, err := Import("fbnet", []byte(`[
{"op":{"type":"Conv2d","info":{"in_channels":3,"out_channels":20,"kernel_size":[3,3],"stride":[2,2],"padding":[1,1],"dilation":[1,1],"groups":1,"bias":false}},"input_shapes":[[1,3,224,224]],"latency":1.5},
{"op":{"type":"Conv2d","info":{"in_channels":20,"out_channels":20,"kernel_size":5,"stride":1,"padding":0,"dilation":1,"groups":20,"bias":false}},"input_shapes":[[1,20,56,56]],"latency":0.5,"std":0.1,"count":4},
{"op":{"type":"Linear","info":{"in_features":64,"out_features":10,"bias":true}},"input_shapes":[[1,64]],"latency":0.25},
{"op":{"type":"Conv3d","info":{"in_channels":3,"out_channels":20}},"input_shapes":[[1,3,8,8,8]],"latency":1}
]`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	each(tab, func(op lut.Op, c lut.Cost, k lut.Knot) {
		keys = append(keys, op.String())
		if op.Kind == "dwconv" && (math.Abs(c.Hi-c.Lo-2*1.96*50) > 1e-9 || k.N != 4) {
			t.Errorf("spread of %s: %+v", op, c)
		}
	})
	want := "conv[k=3,s=2]/fp32@cin=3,cout=20,h=224,w=224 dwconv[k=5,p=0,s=1]/fp32@c=20,h=56,w=56 linear/fp32@cin=64,cout=10,m=1"
	if strings.Join(keys, " ") != want {
		t.Errorf("keys %v", keys)
	}
}

func TestCSVAndJSONRoundTrip(t *testing.T) {
	tab, err := Import("csv", []byte("key,us,n\n\"conv[k=1,s=1]/int8@cin=8,cout=8,h=7,w=7\",10,5\n\"conv[k=1,s=1]/int8@cin=16,cout=8,h=7,w=7\",8,5\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if w := tab.File().Warnings; len(w) != 2 || w[1].Code != "reversed" || !strings.Contains(w[1].Detail, "cin from 8 to 16") {
		t.Errorf("the reversed pair is not reported: %+v", w)
	}
	// An interval need not lie around its cost's middle.
	tab, err = Import("csv", []byte("key,us,lo_us,hi_us,n\n\"conv[k=1,s=1]/fp32@cin=8,cout=8,h=7,w=7\",10.768,10.672,10.88,144\n\"conv[k=3,s=2]/fp32@cin=3,cout=8,h=7,w=7\",0.5,0,3.25,5\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"csv", "json", "ofa"} {
		data, skipped, err := Export(format, tab)
		if err != nil || len(skipped) > 0 {
			t.Fatalf("%s: %v %v", format, err, skipped)
		}
		if format == "ofa" && !strings.Contains(string(data), "mean: 0.010768}") {
			t.Errorf("a cost in ms is not what it is in us:\n%s", data)
		}
		again, err := Import(format, data, Options{})
		if err != nil {
			t.Fatalf("%s: %v\n%s", format, err, data)
		}
		other, _, _ := Export(format, again)
		if !bytes.Equal(data, other) {
			t.Errorf("%s: exported, imported, exported:\n%s\n%s", format, data, other)
		}
	}
	for what, text := range map[string]string{
		"unknown column": "key,ms\n", "no cost": "key,n\n", "bad key": "key,us\nConv,1\n", "bad number": "key,us\n\"linear/fp32@cin=1,cout=1,m=1\",x\n",
		"NaN": "key,us\n\"linear/fp32@cin=1,cout=1,m=1\",NaN\n", "negative": "key,us\n\"linear/fp32@cin=1,cout=1,m=1\",-3\n", "empty": "",
		"interval":          "key,us,lo_us,hi_us,n\n\"linear/fp32@cin=1,cout=1,m=1\",5,6,7,3\n",
		"reversed interval": "key,us,lo_us,hi_us,n\n\"linear/fp32@cin=1,cout=1,m=1\",5,6,4,3\n",
		"ragged":            "key,us\n\"linear/fp32@cin=1,cout=1,m=1\"\n",
	} {
		if _, err := Import("csv", []byte(text), Options{}); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

// A spreadsheet begins its CSV with a byte order mark.
func TestCSVOfASpreadsheet(t *testing.T) {
	if _, err := Import("csv", []byte("\ufeffkey,us\r\n\"linear/fp32@cin=1,cout=1,m=1\",5\r\n"), Options{}); err != nil {
		t.Error(err)
	}
}

// The header compiles and finds a key.
func TestExportOfCHeader(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler: install gcc or clang")
	}
	tab, err := Import("csv", []byte("key,us\n\"linear/fp32@cin=1,cout=1,m=1\",3.5\n\"linear/fp32@cin=2,cout=1,m=1\",4.5\n"), Options{Device: "odd */ name"})
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := Export("c", tab)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"lut.h": string(data), "main.c": `#include <stdio.h>
#include <string.h>
#include "lut.h"
int main(void) {
	for (int i = 0; i < ISOCOST_CELLS; i++)
		if (!strcmp(isocost_lut[i].key, "linear/fp32@cin=2,cout=1,m=1")) printf("%.1f", isocost_lut[i].us);
	return 0;
}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "main")
	if out, err := exec.Command(cc, "-Wall", "-Wextra", "-pedantic", "-Werror", "-o", bin, filepath.Join(dir, "main.c")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Included by a file that does not use it, as C and as C++.
	langs := []string{"c"}
	if _, err := exec.LookPath("c++"); err == nil {
		langs = append(langs, "c++")
	}
	for _, lang := range langs {
		if out, err := exec.Command(cc, "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-x", lang, "-include", filepath.Join(dir, "lut.h"), os.DevNull).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", lang, err, out)
		}
	}
	if out, err := exec.Command(bin).Output(); err != nil || string(out) != "4.5" {
		t.Errorf("printed %q, %v", out, err)
	}
}

func FuzzImport(f *testing.F) {
	f.Add("ofa", []byte(ofaTable))
	f.Add("csv", []byte("key,us\n\"linear/fp32@cin=1,cout=1,m=1\",3\n"))
	f.Add("json", []byte(`[{"key":"linear/fp32@cin=1,cout=1,m=1","us":3}]`))
	f.Add("tfnas", []byte(`{"base":1,"MBInvertedResBlock_112_16_0_24_k3_s2_relu":{"8":1}}`))
	f.Add("fbnet", []byte(`[{"op":{"type":"Linear","info":{"in_features":64,"out_features":10}},"input_shapes":[[1,64]],"latency":0.25}]`))
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		tab, err := Import(format, data, Options{})
		if err != nil {
			return
		}
		if _, err := lut.Decode(tab.Encode()); err != nil {
			t.Fatalf("imported a table that does not read back: %v", err)
		}
	})
}
