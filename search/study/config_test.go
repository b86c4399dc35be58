package study

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const good = `format: isocost/study-config/v1
space: space.yaml
tables: [space:cpu_us, device.lut.json]
evaluator: table:toy.jsonl,noise=0.1
methods: [isocost, random]
seeds: [1, 2]
budget: 100
epsilon: 0.2
`

func TestStudyConfigIsRead(t *testing.T) {
	c, err := ReadConfig("dir/study.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if c.Space != filepath.Join("dir", "space.yaml") || c.Tables[0] != "space:cpu_us" || c.Tables[1] != filepath.Join("dir", "device.lut.json") ||
		c.Evaluator != "table:"+filepath.Join("dir", "toy.jsonl")+",noise=0.1" {
		t.Errorf("paths: %+v", c)
	}
	if c.Tau != 0.05 || c.Samples != 4 || c.Fresh != 32 || c.Sigma != nil || len(c.Seeds) != 2 || c.Budget != 100 {
		t.Errorf("settings: %+v", c)
	}
	if c, err := OpenConfig("../../examples/study/study.yaml"); err != nil || len(c.Methods) != 8 {
		t.Errorf("the example: %+v, %v", c, err)
	}
}

func TestATableMayHaveGuards(t *testing.T) {
	c, err := ReadConfig("dir/study.yaml", []byte(strings.Replace(good, "device.lut.json]", "[device.lut.json, memory.lut.json, space:cpu_us]]", 1)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join("dir", "memory.lut.json"), "space:cpu_us"}
	if c.Tables[1] != filepath.Join("dir", "device.lut.json") || len(c.Guards[0]) != 0 || !slices.Equal(c.Guards[1], want) {
		t.Errorf("%q keep besides %q", c.Tables, c.Guards)
	}
}

func TestConfigErrorsHaveTheirLine(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"budget: 100", "budget: many", "s.yaml:7: `many` where a whole number belongs"},
		{"budget: 100", "budget: 0", "s.yaml:7: budget 0 is outside"},
		{"budget: 100\n", "", `s.yaml:1: field "budget" is missing`},
		{"budget: 100", "budgte: 100", "s.yaml:7: unknown field \"budgte\""},
		{"isocost, random", "isocost, annealing", `s.yaml:5: methods: "annealing" is none of`},
		{"isocost, random", "random, random", "s.yaml:5: methods: \"random\" is duplicate"},
		{"[1, 2]", "[1, 1]", "s.yaml:6: seeds: 1 is duplicate"},
		{"[1, 2]", "[1, -2]", "s.yaml:6: `-2` where a whole number belongs"},
		{"epsilon: 0.2", "epsilon: -1", "s.yaml:8: epsilon -1 is not between"},
		{"epsilon: 0.2", "epsilon: .nan", "s.yaml:8: epsilon NaN is not between"},
		{"epsilon: 0.2", "epsilon: 0.2\ntau: 1.5", "s.yaml:9: tau 1.5 is not between"},
		{"epsilon: 0.2", "epsilon: 0.2\nsigma: -1", "s.yaml:9: sigma -1"},
		{"epsilon: 0.2", "epsilon: 0.2\nfresh: 1", "s.yaml:9: fresh 1 is outside"},
		{"epsilon: 0.2", "epsilon: 0.2\nepsilon: 0.3", "s.yaml:9: "},
		{"epsilon: 0.2", "epsilon: 0.2\n---\nx: 1", "a second YAML document"},
		{"epsilon: 0.2", "epsilon: 0.2\nmeasure: [local, none, local]", "s.yaml:9: measure names 3 devices for 2 tables"},
		{"epsilon: 0.2", "epsilon: 0.2\nmeasure: ['']", "s.yaml:9: measure: an empty entry"},
		{"isocost, random", "isocost, 'penalty:-1'", "s.yaml:5: methods: \"penalty:-1\" is none of"},
		{"[space:cpu_us, device.lut.json]", "[space:cpu_us, []]", "s.yaml:3: tables: an empty entry"},
		{"[space:cpu_us, device.lut.json]", "[[a, b], [a, b]]", "s.yaml:3: tables: \"a, b\" is duplicate"},
		{"study-config/v1", "study-config/v9", "s.yaml:1: format is"},
		{"tables: [space:cpu_us, device.lut.json]\n", "", `field "tables" is missing`},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Fatalf("%q is not in the file", c.old)
		}
		if _, err := ReadConfig("s.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.new, err, c.want)
		}
	}
	if _, err := ReadConfig("s.yaml", nil); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("empty: %v", err)
	}
	_, err := ReadConfig("s.yaml", []byte(strings.NewReplacer("100", "0", "0.2", "0").Replace(good)))
	if err == nil || strings.Count(err.Error(), "s.yaml:") != 2 {
		t.Errorf("two problems: %v", err)
	}
}

func FuzzReadConfig(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("a: &x [*x]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ReadConfig("s.yaml", data)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err == nil && (c.Budget < 1 || len(c.Methods) == 0 || len(c.Seeds) == 0 || !(c.Epsilon > 0)) {
			t.Fatalf("accepted %+v", c)
		}
	})
}

func FuzzDecodeResults(f *testing.F) {
	f.Add([]byte(`{"format":"isocost/study/v1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeResults("r.json", data)
		if (r == nil) == (err == nil) {
			t.Fatalf("results %v, error %v", r, err)
		}
	})
}
