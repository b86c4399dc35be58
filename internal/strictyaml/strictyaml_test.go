package strictyaml

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type inner struct {
	Runs int `yaml:"runs"`
}

type config struct {
	N     int
	X     float64
	On    bool
	Name  string
	In    inner `yaml:"in"`
	List  []int
	Named map[string]int
}

func TestWrongTypesAreNamedByLine(t *testing.T) {
	for text, want := range map[string]string{
		"n: many\n":           "f:1: `many` where a whole number belongs",
		"x: 1\nn: [1]\n":      "f:2: a list where a whole number belongs",
		"x: lots\n":           "f:1: `lots` where a number belongs",
		"on: 3\n":             "f:1: `3` where true or false belongs",
		"name: {a: 1}\n":      "f:1: a mapping where text belongs",
		"in: [1]\n":           "f:1: a list where a mapping belongs",
		"list: 3\n":           "f:1: `3` where a list belongs",
		"in:\n  rnus: 3\n":    `f:2: unknown field "rnus"`,
		"":                    "f: the file is empty",
		"x: 1\n y: 2\n":       "f:2: mapping values are not allowed in this context",
		"n: a\nx: b\nlist: c": "f:1: `a` where a whole number belongs\nf:2: `b` where a number belongs\nf:3: `c` where a list belongs",
	} {
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		err := d.Decode(new(config))
		if err == nil {
			t.Errorf("%q is accepted", text)
			continue
		}
		var got []string
		for _, p := range Problems(err) {
			got = append(got, p.At("f"))
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%q gives\n%s\nwant\n%s", text, strings.Join(got, "\n"), want)
		}
	}
}

func TestFractionsAreNotWholeNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"n: 1\nx: 1.5\nin: {runs: 2}\n": "",
		"n: 1.0\n":                      "",
		"x: 1\nn: 1.5\n":                "f:2: n: 1.5 where a whole number belongs",
		"in:\n  runs: 0.5\n":            "f:2: in.runs: 0.5 where a whole number belongs",
		"list: [1, 2.5]\n":              "f:1: list: 2.5 where a whole number belongs",
		"named: {a: 2.5}\n":             "f:1: named.a: 2.5 where a whole number belongs",
	} {
		var got []string
		for _, p := range Fractions([]byte(text), new(config)) {
			got = append(got, p.At("f"))
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}
