package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/cli"
)

func TestCheck(t *testing.T) {
	table := tabular(t, t.TempDir())
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"sound", []string{"--evaluator", "table:" + table + ",noise=gaussian"}, 0, []string{"answers      15 of 15", "repeated     3 of 3", "neighbours about", "no procedure needs fewer than"}},
		{"a band counts its neighbours", []string{"--evaluator", "table:" + table + ",noise=gaussian", "--lut", "space:us", "--tau", "0.01"}, 0, []string{"no neighbour"}},
		{"nothing of a script", []string{"--evaluator", "exec:exit 9"}, 1, []string{"exit status 9"}},
		{"no seed", []string{"--evaluator", `exec:while read l; do echo "$l" | sed 's/{"id":"\([^"]*\)".*/{"id":"\1","utility":1}/'; done`}, 3,
			[]string{"isocost/exec/v1 (no hello), one at a time", "the seed changes nothing", "--sigma 0"}},
		{"usage", []string{"--evaluator", "onnx", "--seeds", "1"}, 2, []string{"--seeds at least 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			env := cli.Env{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }}
			code := program().Run(context.Background(), append([]string{"check", "--space", table}, c.args...), env)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
		})
	}
}
