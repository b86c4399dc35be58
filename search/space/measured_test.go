package space

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

const demoPath = "../../examples/mobile-cnn/space.yaml"

func demo(t testing.TB) *Measured {
	t.Helper()
	m, err := OpenMeasured(demoPath)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDemoSpace(t *testing.T) {
	m := demo(t)
	if m.Name() != "mobile-cnn" || m.Layers() != 10 || m.GlobalWidth() {
		t.Errorf("name %q, %d layers, global %v", m.Name(), m.Layers(), m.GlobalWidth())
	}
	cells := m.Cells()
	if n := len(cells); n < 150 || n > 350 {
		t.Errorf("%d cells: the demo is to have 150 to 350 (issue: real enough, measured in two minutes)", n)
	}
	// The first layer of a stage changes the shape: no skip there.
	for l := range m.Layers() {
		if got, want := slices.Contains(m.Choices(l), "skip"), l != 0 && l != 3 && l != 6; got != want {
			t.Errorf("layer %d: skip allowed %v, want %v", l, got, want)
		}
	}
}

func TestLowerDefault(t *testing.T) {
	m := demo(t)
	chain, err := m.Lower(m.Default())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"conv[act=relu6,k=3,s=2]/fp32@cin=3,cout=16,h=96,w=96",
		"mbconv[act=relu6,k=3,s=1]/fp32@cin=16,cout=24,h=48,mid=64,w=48",
		"mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=24,cout=24,h=48,mid=96,w=48",
		"mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=24,cout=24,h=48,mid=96,w=48",
		"mbconv[act=relu6,k=3,s=2]/fp32@cin=24,cout=40,h=48,mid=96,w=48",
		"mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=40,cout=40,h=24,mid=160,w=24",
		"mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=40,cout=40,h=24,mid=160,w=24",
		"mbconv[act=relu6,k=3,s=2]/fp32@cin=40,cout=80,h=24,mid=160,w=24",
		"mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=80,cout=80,h=12,mid=320,w=12",
		"mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=80,cout=80,h=12,mid=320,w=12",
		"mbconv[act=relu6,k=3,res=1,s=1]/fp32@cin=80,cout=80,h=12,mid=320,w=12",
		"conv[act=relu6,k=1,s=1]/fp32@cin=80,cout=320,h=12,w=12",
		"gap/fp32@c=320,h=12,w=12",
		"linear/fp32@cin=320,cout=100,m=1",
	}
	for i, op := range chain {
		if i >= len(want) || op.String() != want[i] {
			t.Errorf("op %d is %s", i, op)
		}
	}
	if len(chain) != len(want) {
		t.Errorf("%d ops, want %d", len(chain), len(want))
	}
}

// A switch stands exactly where the precision changes, with the shape there, and
// a skipped layer's own precision is of no consequence.
func TestLowerSwitches(t *testing.T) {
	m := demo(t)
	a := m.Default()
	a.Layers[1].Precision = lut.INT8
	a.Layers[2] = Layer{"skip", 2, lut.FP32}
	a.Layers[3].Precision = lut.INT8
	chain, err := m.Lower(a)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, op := range chain {
		if op.Kind == "switch" {
			got = append(got, op.String())
		}
	}
	want := []string{
		"switch[from=fp32,res=1,to=int8]/int8@c=24,h=48,w=48",
		"switch[from=int8,res=1,to=fp32]/fp32@c=40,h=24,w=24",
	}
	if !slices.Equal(got, want) {
		t.Errorf("switches %q, want %q", got, want)
	}
	a.Layers[2].Precision = lut.INT8
	again, err := m.Lower(a)
	if err != nil || len(again) != len(chain) {
		t.Errorf("the skip's precision changed the chain: %d ops, %d before (%v)", len(again), len(chain), err)
	}
}

// Law: whatever an architecture lowers to is among the cells, and every cell is
// asked for by some architecture (seen from 4000 random ones for the demo, save
// for rare switches).
func TestCellsAreWhatArchitecturesAskFor(t *testing.T) {
	for _, path := range spaceFiles(t) {
		m, err := OpenMeasured(path)
		if err != nil {
			t.Fatal(err)
		}
		cells := map[string]bool{}
		for _, op := range m.Cells() {
			if cells[op.String()] {
				t.Errorf("%s: cell %s is duplicate", path, op)
			}
			cells[op.String()] = true
		}
		asked := map[string]bool{}
		for _, a := range Sample(m, 4000, 1) {
			chain, err := m.Lower(a)
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range chain {
				if !cells[op.String()] {
					t.Fatalf("%s: %s asks for %s, which is not a cell", path, a.Key(), op)
				}
				asked[op.String()] = true
			}
		}
		for key := range cells {
			if !asked[key] {
				t.Errorf("%s: no architecture asks for %s", path, key)
			}
		}
	}
}

// spaceFiles lists the measured spaces shipped in examples.
func spaceFiles(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob("../../examples/*/*.yaml")
	if err != nil || len(all) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	var out []string
	for _, p := range all {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "format: "+Format) && !strings.Contains(string(data), "kind: "+KindTabular) {
			out = append(out, p)
		}
	}
	return out
}

func TestSampleIsStratifiedAndSeeded(t *testing.T) {
	m := demo(t)
	as, again := Sample(m, 60, 7), Sample(m, 60, 7)
	if len(as) != 60 {
		t.Fatalf("%d architectures, want 60", len(as))
	}
	keys := map[string]bool{}
	uniform := map[lut.Precision]int{}
	counts := make([]map[string]int, m.Layers())
	for i, a := range as {
		if err := m.Validate(a); err != nil {
			t.Fatal(err)
		}
		if a.Key() != again[i].Key() {
			t.Fatal("the same seed gave another sample")
		}
		keys[Canonical(m, a).Key()] = true
		first, one := a.Layers[0].Precision, true
		for l, x := range a.Layers {
			if counts[l] == nil {
				counts[l] = map[string]int{}
			}
			counts[l][x.Choice]++
			one = one && x.Precision == first
		}
		if one {
			uniform[first]++
		}
	}
	if len(keys) != 60 {
		t.Errorf("%d different networks, want 60", len(keys))
	}
	for l, c := range counts {
		for _, name := range m.Choices(l) {
			if want := 60 / len(m.Choices(l)); c[name] < want-2 || c[name] > want+3 {
				t.Errorf("layer %d: %s was drawn %d times, want about %d", l, name, c[name], want)
			}
		}
	}
	if uniform[lut.FP32] < 6 || uniform[lut.INT8] < 6 {
		t.Errorf("uniform networks: %v, want at least a tenth in each precision", uniform)
	}
	if Sample(m, 1, 8)[0].Key() == Sample(m, 1, 9)[0].Key() {
		t.Error("two seeds, one architecture")
	}
}

func TestGlobalWidthScalesChannels(t *testing.T) {
	m, err := ReadMeasured("space.yaml", []byte(globalSpace))
	if err != nil {
		t.Fatal(err)
	}
	a := m.Default()
	for l := range a.Layers {
		a.Layers[l].Width = 0
	}
	chain, err := m.Lower(a)
	if err != nil {
		t.Fatal(err)
	}
	want := "conv[k=3,s=2]/fp32@cin=3,cout=8,h=32,w=32 mbconv[k=3,s=1]/fp32@cin=8,cout=16,h=16,mid=24,w=16 " +
		"gap/fp32@c=16,h=16,w=16 linear/fp32@cin=16,cout=10,m=1"
	var got []string
	for _, op := range chain {
		got = append(got, op.String())
	}
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	a.Layers[1].Width = 1
	if err := m.Validate(a); err == nil {
		t.Error("two widths in a space of global width were accepted")
	}
}

const globalSpace = `format: isocost/space/v1
name: g
input: {channels: 3, height: 32, width: 32}
width: {scope: global, divisor: 8, min: 0.5, max: 1.5, step: 0.5}
choices:
  a: {op: mbconv, k: 3, e: 3}
  skip: {op: skip}
stem: [{op: conv, k: 3, s: 2, out: 16}]
stages:
  - {name: s1, channels: 32, layers: 1}
  - {name: s2, channels: 32, layers: 1, default: skip}
head: [{op: gap}, {op: linear, out: 10}]
default: {choice: a}
`

func TestHashIsOfTheMeaning(t *testing.T) {
	a, err := ReadMeasured("a", []byte(globalSpace))
	if err != nil {
		t.Fatal(err)
	}
	same := strings.Replace(globalSpace, "min: 0.5, max: 1.5, step: 0.5", "ratios: [0.5, 1.0, 1.5]", 1) + "# a comment\nkind: measured\n"
	b, err := ReadMeasured("b", []byte(same))
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash() != b.Hash() {
		t.Errorf("the same space has two hashes:\n%s\n%s", a.Canonical(), b.Canonical())
	}
	c, err := ReadMeasured("c", []byte(strings.Replace(globalSpace, "k: 3, e: 3", "k: 5, e: 3", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash() == c.Hash() {
		t.Error("another kernel, the same hash")
	}
}

func TestReadMeasuredRefuses(t *testing.T) {
	for _, c := range []struct{ name, old, new, want, hint string }{
		{"unknown field", "name: g", "name: g\nchanels: 3", "space.yaml:3: the space: unknown field \"chanels\"", "known fields"},
		{"unknown unit field", "k: 3, e: 3}", "k: 3, e: 3, kernel: 5}", "space.yaml:6: choice a: unknown field \"kernel\"", "known fields of choice a: act, e, k, op, se"},
		{"duplicate field", "name: g", "name: g\nname: h", "space.yaml:3: ", ""},
		{"format", "space/v1", "space/v9", "space.yaml:1: format is \"isocost/space/v9\"", "isocost/space/v1"},
		{"not a number", "e: 3", "e: many", "space.yaml:6: e \"many\" is not a number", ""},
		{"NaN", "e: 3", "e: .nan", "space.yaml:6: e \".nan\" is not a number", ""},
		{"out of range", "e: 3", "e: -1", "space.yaml:6: e -1 is outside", ""},
		{"unknown op", "op: mbconv", "op: mbcnov", "space.yaml:6: op \"mbcnov\" is none of", ""},
		{"no ratio 1", "min: 0.5, max: 1.5, step: 0.5", "ratios: [0.5, 1.5]", "space.yaml:4: no point of the width grid is 1", "add the ratio 1"},
		{"descending", "min: 0.5, max: 1.5, step: 0.5", "ratios: [1, 0.5]", "space.yaml:4: ratio 0.5 is not above", ""},
		{"endless grid", "step: 0.5", "step: 0.001", "space.yaml:4: width grid has over 64 points", ""},
		{"unknown choice", "layers: 1, default: skip", "layers: 1, choices: [b]", "there is not a choice \"b\"", "define it"},
		{"default does not fit", "{name: s1, channels: 32, layers: 1}", "{name: s1, channels: 32, layers: 1, default: skip}", "default choice \"skip\" is not one of layer 0", ""},
		{"linear on a map", "[{op: gap}, ", "[", "space.yaml:12: linear: linear wants a pooled map", ""},
		{"missing", "input: {channels: 3, height: 32, width: 32}\n", "", "field \"input\" is missing", ""},
		{"anchor", "name: g", "name: &x g", "space.yaml:2: anchors and aliases", ""},
		{"tag", "name: g", "name: !!str g", "space.yaml:2: tags", ""},
		{"duplicate stage", "name: s2", "name: s1", "stage name \"s1\" is duplicate", ""},
		{"two documents", "default: {choice: a}\n", "default: {choice: a}\n---\na: b\n", "a second YAML document", ""},
		{"not YAML", "name: g", "name: [g", "not YAML", ""},
		{"no choice fits", "channels: 32, layers: 1}", "channels: 32, layers: 1, choices: [skip]}", "no choice fits", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(globalSpace, c.old, c.new, 1)
			if text == globalSpace {
				t.Fatal("the test changes nothing")
			}
			_, err := ReadMeasured("space.yaml", []byte(text))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q does not say %q", err, c.want)
			}
			if !strings.Contains(hint.Of(err), c.hint) {
				t.Errorf("hint %q does not say %q", hint.Of(err), c.hint)
			}
		})
	}
	if _, err := ReadMeasured("space.yaml", nil); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := OpenMeasured("no-such-file.yaml"); err == nil || hint.Of(err) == "" {
		t.Errorf("a missing file: %v, hint %q", err, hint.Of(err))
	}
}

func TestArchFile(t *testing.T) {
	m := demo(t)
	for _, a := range Sample(m, 20, 3) {
		data, err := EncodeArch(m, a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := DecodeArch(m, "arch.json", data)
		if err != nil || b.Key() != a.Key() {
			t.Fatalf("read back %q as %q: %v", a.Key(), b.Key(), err)
		}
		c, err := ParseArch(a.Key())
		if err != nil || c.Key() != a.Key() {
			t.Fatalf("key %q is read as %q: %v", a.Key(), c.Key(), err)
		}
		for _, cut := range []int{1, len(data) / 2, len(data) - 2} {
			if _, err := DecodeArch(m, "arch.json", data[:cut]); err == nil {
				t.Errorf("a file cut at %d of %d bytes was accepted", cut, len(data))
			}
		}
		for _, c := range [][2]string{{`"choice"`, `"chioce"`}, {m.Hash(), strings.Repeat("0", 64)}, {"arch/v1", "arch/v2"}, {`"key": "mb`, `"key": "mx`}} {
			if text := strings.Replace(string(data), c[0], c[1], 1); text != string(data) {
				if _, err := DecodeArch(m, "arch.json", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), "arch.json:") {
					t.Errorf("%s for %s: %v", c[1], c[0], err)
				}
			}
		}
	}
}

func FuzzReadMeasured(f *testing.F) {
	data, err := os.ReadFile(demoPath)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(globalSpace))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadMeasured("space.yaml", data)
		if err != nil {
			return
		}
		if err := m.Validate(m.Default()); err != nil {
			t.Fatalf("the default is not of the space: %v", err)
		}
		if _, err := m.Lower(m.Default()); err != nil {
			t.Fatalf("the default does not lower: %v", err)
		}
	})
}

func FuzzDecodeArch(f *testing.F) {
	m := demo(f)
	data, err := EncodeArch(m, m.Default())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := DecodeArch(m, "arch.json", data); err == nil {
			if err := m.Validate(a); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzParseArch(f *testing.F) {
	f.Add("mb_k3_e6:2:int8|skip:fp32|0")
	f.Fuzz(func(t *testing.T, key string) {
		if a, err := ParseArch(key); err == nil && a.Key() != key {
			t.Fatalf("%q is read, but written as %q", key, a.Key())
		}
	})
}
