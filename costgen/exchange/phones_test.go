package exchange

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

const mobileKernelsHeader = "model,operation,feature,a1|gpu|float,a1|gpu|kernel,b2|gpu|float,b2|gpu|kernel\n"

// publishedPhones invents a folder as it is published: two phones, one of half the other's speed,
// and networks of four families that share their kernels' kinds but not all of their widths.
func publishedPhones() (kernels, networks string) {
	var k, e strings.Builder
	k.WriteString(mobileKernelsHeader)
	e.WriteString("model,FLOPS,size,a1|gpu|float|mean,a1|gpu|float|std,b2|gpu|float|mean,b2|gpu|float|std\n")
	for i, family := range []string{"anet", "bnet", "cnet", "dnet"} {
		for depth := range 4 {
			model, sum, n := fmt.Sprintf("%s%d", family, depth), 0.0, 0
			put := func(operation, kernel, links string, in, cin, out, s, window, cout int, us float64) {
				us *= 1 + 0.01*math.Sin(float64(7*n+3*depth+i)) // from place to place
				f := fmt.Sprintf("{'Input_shape': '%d', 'Input_channel': %d, 'Output_shape': '%d', 'Stride': '%d', 'Kernel': '%d', 'Filter': '%d', 'Group': '1', 'FLOPS': '1'}", in, cin, out, s, window, cout)
				name := fmt.Sprintf("%s_%d", kernel, n)
				for l := range strings.FieldsSeq(links) {
					n++
					name += fmt.Sprintf("_linked_:_%s_%d", l, n)
				}
				n++
				fmt.Fprintf(&k, "%s,%s,\"%s\",%.4f,%s,%.4f,%s\n", model, operation, f, us, name, 2*us, name)
				sum += us
			}
			conv := func(links string, side, cin, cout int) {
				put("CONV_2D", "convolution_2d", links, side, cin, side, 1, 1, cout, 5+float64(side*side*cin*cout)/4e4)
			}
			width := 16 + 8*i
			put("CONV_2D", "convolution_2d", "hard_swish", 226, 3, 112, 2, 3, width, 60+float64(width))
			put("DEPTHWISE_CONV_2D", "depthwise_convolution", "relu", 114, width, 56, 2, 3, 1, 10+float64(width)/2)
			conv("relu", 56, width, 4*width)
			for d := range depth + 1 {
				put("DEPTHWISE_CONV_2D", "depthwise_convolution", "relu", 58, 4*width, 56, 1, 3, 1, 10+float64(width))
				conv("add relu", 56, 4*width, 4*width+8*d)
			}
			put("MEAN", "mean", "", 56, 4*width, 4*width, 0, 0, 0, 8)
			put("FULLY_CONNECTED", "fully_connected", "", 0, 4*width, 0, 0, 0, 1000, 20+float64(width)/4)
			total := 300 + 1.1*sum
			fmt.Fprintf(&e, "%s,1,1,%.2f,%.2f,%.2f,%.2f\n", model, total, total/100, 2*total, total/50)
		}
	}
	return strings.ReplaceAll(k.String(), "'Stride': '0'", "'Stride': '-'"), e.String()
}

func phoneFolder(t testing.TB, kernels, networks string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{MobileMLKernels: kernels, MobileMLNetworks: networks, "LICENSE": "MIT License\n\nCopyright (c) 2024 Somebody\n\nPermission …\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestImportOfPhones(t *testing.T) {
	kernels, networks := publishedPhones()
	dir := phoneFolder(t, kernels, networks)
	made, err := ImportPhones(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 2 || made[0].Name != "a1" || made[1].Name != "b2" {
		t.Fatalf("phones %v", made)
	}
	f := made[0].Table.File()
	if f.Model == nil || f.Calibration == nil || f.Audit == nil || f.Audit.Errors.N != 16 || f.Audit.Eta != nil {
		t.Fatalf("model %v, calibration %v, audit %+v", f.Model != nil, f.Calibration, f.Audit)
	}
	if f.Audit.Errors.RMSPE > 0.1 || f.Audit.Interval.Inside < 0.9 {
		t.Errorf("families not seen are %.1f %% off, %.0f %% inside", 100*f.Audit.Errors.RMSPE, 100*f.Audit.Interval.Inside)
	}
	said := map[string]string{}
	for _, w := range f.Warnings {
		said[w.Code] = w.Detail
	}
	if !strings.Contains(said["provenance"], "MIT License, Copyright (c) 2024 Somebody") || said["cross-audit"] == "" {
		t.Errorf("warnings %v", said)
	}
	for _, key := range []string{ // paddings are of the kernel, links its activation
		"conv[act=hswish,k=3,s=2]/fp32@cin=3,cout=16,h=224,w=224",
		"dwconv[act=relu,k=3,s=2]/fp32@c=16,h=112,w=112",
		"conv[act=add.relu,k=1,s=1]/fp32@cin=64,cout=64,h=56,w=56",
		"gap/fp32@c=64,h=56,w=56",
		"linear/fp32@cin=64,cout=1000,m=1",
	} {
		op, err := lut.ParseOp(key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := made[0].Table.Cost(op)
		if err != nil || !(c.Lo < c.Value && c.Value < c.Hi) {
			t.Errorf("%s costs %+v, %v", key, c, err)
		}
	}
	if back, err := lut.Decode(made[1].Table.Encode()); err != nil || back.Hash() != made[1].Table.Hash() {
		t.Errorf("does not read back: %v", err)
	}

	// A block that was never measured is what its kernels are together, and its shortcut is linked.
	block, err := lut.ParseOp("mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=24,cout=24,h=56,mid=96,w=56")
	if err != nil {
		t.Fatal(err)
	}
	c, err := made[0].Table.Cost(block)
	if err != nil {
		t.Fatal(err)
	}
	p, err := costgen.Predict(made[0].Table, "block", []costgen.Kernel{
		{Name: "expand", Op: mustOp(t, "conv[act=relu,k=1,s=1]/fp32@cin=24,cout=96,h=56,w=56")},
		{Name: "depthwise", Op: mustOp(t, "dwconv[act=relu,k=3,s=1]/fp32@c=96,h=56,w=56")},
		{Name: "project", Op: mustOp(t, "conv[act=add,k=1,s=1]/fp32@cin=96,cout=24,h=56,w=56")}}, nil, false)
	if err != nil || math.Abs(c.Value/p.Known-1) > 1e-9 {
		t.Errorf("the block costs %v, its kernels %v (%v)", c.Value, p.Known, err)
	}
	total, err := made[0].Table.Network([]lut.Op{block})
	if err != nil || math.Abs(total.Value / *p.Total - 1) > 1e-9 || math.Abs(total.Hi / *p.Hi - 1) > 1e-9 {
		t.Errorf("as a network the block costs %+v, its kernels %v to %v (%v)", total, *p.Total, *p.Hi, err)
	}

	one, err := ImportPhones(t.Context(), dir, Options{Device: "b2"})
	if err != nil || len(one) != 1 || one[0].Name != "b2" {
		t.Errorf("one phone: %v, %v", one, err)
	}
	if _, err := ImportPhones(t.Context(), dir, Options{Device: "c3"}); err == nil || !strings.Contains(hint.Of(err), "a1, b2") {
		t.Errorf("a phone that is not there: %v, hint %q", err, hint.Of(err))
	}
}

func mustOp(t *testing.T, key string) lut.Op {
	t.Helper()
	op, err := lut.ParseOp(key)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// What is wrong with a file is said with its line and what to do.
func TestImportOfBrokenPhones(t *testing.T) {
	kernels, networks := publishedPhones()
	line := func(text string, n int) string { return strings.Split(text, "\n")[n-1] }
	for _, c := range []struct {
		what              string
		kernels, networks string
		says, hints       string
	}{
		{"empty", " \n", networks, MobileMLKernels + ":1: the file is empty", "whole"},
		{"no networks", kernels, "", MobileMLNetworks + ":1: the file is empty", "whole"},
		{"header alone", mobileKernelsHeader, networks, MobileMLKernels + ":1: no kernel", "whole"},
		{"column lost", strings.Replace(kernels, "operation", "op", 1), networks, `:1: no column "operation"`, "feature"},
		{"semicolons", strings.ReplaceAll(kernels, ",", ";"), networks, `:1: no column`, "semicolons"},
		{"tabs", strings.ReplaceAll(kernels, ",", "\t"), networks, `:1: no column`, "tabs"},
		{"column twice", strings.Replace(kernels, "operation", "model", 1), networks, `:1: the column "model" is there twice`, "whole"},
		{"no phone", strings.ReplaceAll(kernels, "|gpu|kernel", "|gpu|name"), networks, "no phone has both columns", "GPU"},
		{"cut", kernels[:len(kernels)-40], networks, fmt.Sprintf("%s:%d: ", MobileMLKernels, strings.Count(kernels, "\n")), "cut or edited"},
		{"NaN", strings.Replace(kernels, line(kernels, 3), strings.Replace(line(kernels, 3), "}\",", "}\",NaN", 1), 1), networks, MobileMLKernels + ":3: a1|gpu|float", "measure"},
		{"kernel twice", kernels + line(kernels, 4) + "\n", networks, "of anet0 is on line 4 as well", "take one"},
		{"negative", strings.Replace(kernels, "}\",", "}\",-", 1), networks, MobileMLKernels + ":2 conv[", "--drop-bad"},
		{"another operation", strings.Replace(kernels, "MEAN", "EINSUM", 1), networks, `the operation "EINSUM"`, "whole"},
		{"feature", strings.Replace(kernels, "'Input_channel': 3,", "'Input_channel': -3,", 1), networks, ":2: the feature Input_channel", "whole"},
		{"feature lost", strings.Replace(kernels, "'Input_channel': 3,", "", 1), networks, ":2: CONV_2D has no feature Input_channel", "whole"},
		{"no features", strings.Replace(kernels, "{'Input_shape': '226'", "[", 1), networks, "", ""},
		{"network twice", kernels, networks + line(networks, 2) + "\n", "anet0 is on line 2 as well", "take one"},
		{"network of a word", kernels, strings.Replace(networks, "anet0,1,1,", "anet0,1,1,fast", 1), MobileMLNetworks + ":2: a1|gpu|float|mean", "measure"},
		{"other phones", kernels, strings.ReplaceAll(networks, "b2|", "c3|"), "no columns b2|gpu|float|mean", "same phones"},
	} {
		made, err := ImportPhones(t.Context(), phoneFolder(t, c.kernels, c.networks), Options{Device: "a1"})
		if c.says == "" { // what is left says enough, or it is refused: nothing panics
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(hint.Of(err), c.hints) {
			t.Errorf("%s: %v (%d tables), hint %q; want %q, %q", c.what, err, len(made), hint.Of(err), c.says, c.hints)
		}
	}
	if _, err := ImportPhones(t.Context(), t.TempDir(), Options{}); err == nil || !strings.Contains(hint.Of(err), MobileMLNetworks) {
		t.Errorf("an empty folder: %v, hint %q", err, hint.Of(err))
	}
	// Told to, it leaves a bad kernel out, and with it the network's total.
	made, err := ImportPhones(t.Context(), phoneFolder(t, strings.Replace(kernels, "}\",", "}\",-", 1), networks), Options{Device: "a1", DropBad: true})
	if err != nil {
		t.Fatal(err)
	}
	f := made[0].Table.File()
	if f.Audit.Errors.N != 15 || !slices.ContainsFunc(f.Warnings, func(w lut.Warning) bool { return w.Code == "non-positive" }) {
		t.Errorf("%d networks, warnings %v", f.Audit.Errors.N, f.Warnings)
	}
}

// Whatever is accepted has keys that are read back, and times that are numbers.
func FuzzMobileML(f *testing.F) {
	kernels, networks := publishedPhones()
	head := strings.Join(strings.Split(kernels, "\n")[:6], "\n")
	f.Add(head, networks)
	f.Add(strings.Replace(head, "'Input_shape': '226'", "'Input_shape': '999'", 1), networks)
	f.Add(strings.Replace(head, "hard_swish", "cos_linked_:_]", 1), networks)
	f.Fuzz(func(t *testing.T, kernels, networks string) {
		read, err := readMobileML([]byte(kernels), []byte(networks), lut.FP32)
		if err != nil {
			if hint.Of(err) == "" && !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("%v has no hint", err)
			}
			return
		}
		for _, r := range read.rows {
			for phone, op := range r.key {
				back, err := lut.ParseOp(op.String())
				if err != nil || back.String() != op.String() || math.IsNaN(r.us[phone]) {
					t.Fatalf("line %d: %s costs %v, %v", r.line, op, r.us[phone], err)
				}
			}
		}
	})
}
