package space

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

const tabularSpace = `format: isocost/space/v1
kind: tabular
name: tiny
layers: [[a, b], [a, c]]
table: tiny.jsonl
costs:
  latency_us: {base: 2, layers: [[10, 20], [1, 2.5]]}
default: a|c
`

const tinyTable = `{"format":"isocost/table/v1","name":"tiny"}
{"arch":"a|a","utility":[1,2],"cost":{"latency_us":7,"params":3}}
{"arch":"a|c","utility":[0.5]}
`

func readTiny(space, table string) (*Tabular, error) {
	return ReadTabular("space.yaml", []byte(space), func(name string) ([]byte, error) {
		if name != "tiny.jsonl" {
			return nil, fs.ErrNotExist
		}
		return []byte(table), nil
	})
}

func TestTabularSpaceIsRead(t *testing.T) {
	s, err := readTiny(tabularSpace, tinyTable)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Metrics(); !slices.Equal(got, []string{"latency_us", "params"}) {
		t.Errorf("metrics %v", got)
	}
	cost := func(key, metric string) float64 {
		a, err := ParseArch(key)
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.Cost(a, metric)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := cost("a|a", "latency_us"); v != 7 {
		t.Errorf("the row's own cost is 7, got %v", v)
	}
	if v := cost("b|c", "latency_us"); v != 2+20+2.5 {
		t.Errorf("the cost by choice is 24.5, got %v", v)
	}
	b, _ := ParseArch("b|c")
	if _, err := s.Cost(b, "params"); !errors.Is(err, ErrNoCost) || hint.Of(err) == "" {
		t.Errorf("an unpriced architecture: %v", err)
	}
	if _, ok := s.Row(b); ok {
		t.Error("b|c has no row")
	}
	if r, ok := s.Row(s.Default()); !ok || r.Utility[0] != 0.5 {
		t.Errorf("row of the default: %v %v", r, ok)
	}
	inferred, err := InferTabular("dir/tiny.jsonl", []byte(tinyTable))
	if err != nil || inferred.Name() != "tiny" || inferred.Layers() != 2 || inferred.Default().Key() != "a|a" {
		t.Errorf("inferred %v: %v", inferred, err)
	}
	bare, err := InferTabular("t.jsonl", []byte("{\"arch\":\"0|2\",\"utility\":[1]}\n"))
	if err != nil || bare.Default().Key() != "0|2" {
		t.Errorf("a table without a header: %v", err)
	}
}

func TestTabularRefuses(t *testing.T) {
	for _, c := range []struct{ name, inSpace, inTable, with, want string }{
		{"unknown choice", "", `"a|c"`, `"a|d"`, "tiny.jsonl:3: layer 1: choice \"d\" is none of a, c"},
		{"unknown field", "", `"utility":[0.5]`, `"utilities":[0.5]`, "tiny.jsonl:3: unknown field"},
		{"duplicate row", "", `"a|c"`, `"a|a"`, "tiny.jsonl:3: architecture \"a|a\" is duplicate, first on line 2"},
		{"duplicate field", "", `"utility":[0.5]`, `"utility":[0.5],"utility":[1]`, "tiny.jsonl:3: field \"utility\" is named twice"},
		{"negative cost", "", `:7,`, `:-7,`, "tiny.jsonl:2: cost latency_us is -7, not positive"},
		{"NaN", "", `[0.5]`, `[NaN]`, "tiny.jsonl:3: "},
		{"no utility", "", `[0.5]`, `[]`, "tiny.jsonl:3: 0 utilities"},
		{"torn", "", "\"utility\":[0.5]}\n", `"utility":[0`, "tiny.jsonl:3: torn last line"},
		{"version", "", "table/v1", "table/v2", "tiny.jsonl:1: format is"},
		{"width", "", `"a|c"`, `"a:1|c"`, "neither widths nor precisions"},
		{"out of the folder", "table: tiny.jsonl", "", "table: ../x.jsonl", "space.yaml:5: table \"../x.jsonl\" leads out"},
		{"missing table", "table: tiny.jsonl", "", "table: x.jsonl", "space.yaml:5: table: file does not exist"},
		{"other hash", "default", "", "sha256: abc\ndefault", "has SHA-256"},
		{"default", "default: a|c", "", "default: c|c", "space.yaml:8: default: layer 0"},
		{"ragged costs", "[1, 2.5]", "", "[1]", "space.yaml:7: costs of a layer has 1 entries"},
		{"negative choice cost", "[1, 2.5]", "", "[1, -2]", "space.yaml:7: cost -2 is outside"},
	} {
		t.Run(c.name, func(t *testing.T) {
			space, table := tabularSpace, tinyTable
			if c.inSpace != "" {
				space = strings.Replace(space, c.inSpace, c.with, 1)
			} else {
				table = strings.Replace(table, c.inTable, c.with, 1)
			}
			if space == tabularSpace && table == tinyTable {
				t.Fatal("the test changes nothing")
			}
			if _, err := readTiny(space, table); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not say %q", err, c.want)
			}
		})
	}
}

// sharedData finds ../shared/data above the package, or skips.
func sharedData(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if p := filepath.Join(dir, "shared", "data", name); exists(p) {
			return p
		}
		dir = filepath.Dir(dir)
	}
	t.Skipf("needs shared/data/%s beside the checkout", name)
	return ""
}

func exists(p string) bool { _, err := os.Stat(p); return err == nil }

// NAS-Bench-Macro as a measured space is exactly the published family: from the
// keys, with convolutions without bias and two numbers a channel of batch norm,
// all 6,561 published parameter and FLOP counts come out (its FLOPs are
// multiply-adds of convolutions and the classifier).
func TestNASBenchMacroLowersToThePublishedNetworks(t *testing.T) {
	data, err := os.ReadFile(sharedData(t, "nas-bench-macro/nas-bench-macro_cifar10.json"))
	if err != nil {
		t.Fatal(err)
	}
	var published map[string]struct{ Params, Flops int }
	if err := json.Unmarshal(data, &published); err != nil {
		t.Fatal(err)
	}
	if len(published) != 6561 {
		t.Fatalf("%d networks, want 6561", len(published))
	}
	m, err := OpenMeasured("../../examples/nas-bench-macro/space.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for digits, want := range published {
		a, err := ParseArch(strings.Join(strings.Split(digits, ""), "|"))
		if err != nil {
			t.Fatal(err)
		}
		chain, err := m.Lower(a)
		if err != nil {
			t.Fatal(err)
		}
		params, macs := 0, 0
		for _, op := range chain {
			at := func(axis string) int { v, _ := op.Coord(axis); return v }
			k, s := 0, 1
			fmt.Sscan(op.Attr("k"), &k)
			fmt.Sscan(op.Attr("s"), &s)
			in := at("h") * at("w")
			out := (at("h") / s) * (at("w") / s)
			switch op.Kind {
			case "conv":
				params += at("cin")*at("cout")*k*k + 2*at("cout")
				macs += out * at("cin") * at("cout") * k * k
			case "mbconv":
				params += at("cin")*at("mid") + k*k*at("mid") + at("mid")*at("cout") + 4*at("mid") + 2*at("cout")
				macs += in*at("cin")*at("mid") + out*(k*k*at("mid")+at("mid")*at("cout"))
			case "linear":
				params += (at("cin") + 1) * at("cout")
				macs += at("cin") * at("cout")
			case "gap":
			default:
				t.Fatalf("%s lowers to %s", digits, op)
			}
		}
		if params != want.Params || macs != want.Flops {
			if bad++; bad < 4 {
				t.Errorf("%s: %d parameters, %d multiply-adds; published %d, %d", digits, params, macs, want.Params, want.Flops)
			}
		}
	}
	if bad > 0 {
		t.Errorf("%d of %d differ", bad, len(published))
	}
}

func FuzzReadRows(f *testing.F) {
	f.Add([]byte(tinyTable))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := InferTabular("t.jsonl", data)
		if err != nil {
			return
		}
		for _, key := range s.Rows() {
			a, err := ParseArch(key)
			if err != nil {
				t.Fatal(err)
			}
			if r, ok := s.Row(a); !ok || len(r.Utility) == 0 {
				t.Fatalf("row %q was read but is not there", key)
			}
		}
	})
}

func FuzzReadTabular(f *testing.F) {
	f.Add([]byte(tabularSpace))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := readTiny(string(data), tinyTable); err == nil {
			if err := s.Validate(s.Default()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
