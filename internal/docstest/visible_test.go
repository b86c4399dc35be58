package docstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/isocost/isocost/internal/onnx"
)

// hostile is a text that a file's name, a node's or an option may hold: it sets the terminal's title,
// clears the screen, turns the direction of the text.
const hostile = "\x1b]0;TITLE\x07\x1b[2J\u009b31m\u202e"

// obeyed are the characters of an output that a terminal would obey.
func obeyed(out []byte) (list []rune) {
	for _, r := range string(out) {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			list = append(list, r)
		}
	}
	return list
}

// No command prints what a terminal would obey, whatever it is given: in arguments, in the
// names of files, in what a model file holds.
func TestNothingPrintedIsObeyed(t *testing.T) {
	dir := t.TempDir()
	w := onnx.FloatTensor("w"+hostile, onnx.Float, make([]float32, 8*3*9), 8, 3, 3, 3)
	model := filepath.Join(dir, "net"+hostile+".onnx")
	data := onnx.Encode(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Name:         hostile,
		Inputs:       []*onnx.ValueInfo{onnx.NewValue("x"+hostile, onnx.Float, 1, 3, 8, 8)},
		Outputs:      []*onnx.ValueInfo{onnx.NewValue("z"+hostile, onnx.Float, 1, 8, 6, 6)},
		Initializers: []*onnx.Tensor{w},
		Nodes: []*onnx.Node{
			{Op: "Conv", Name: "n" + hostile, Inputs: []string{"x" + hostile, w.Name}, Outputs: []string{"y" + hostile}},
			{Op: "Strange" + hostile, Name: "m" + hostile, Inputs: []string{"y" + hostile}, Outputs: []string{"z" + hostile}},
		}}})
	if err := os.WriteFile(model, data, 0o666); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(dir, "t.lut.json")
	csv := filepath.Join(dir, "t.csv")
	if err := os.WriteFile(csv, []byte("key,us\n\"linear/fp32@cin=8,cout=8,m=1\",10\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	run := func(p string, args ...string) []byte {
		t.Helper()
		out, _ := exec.Command(filepath.Join(bin(t), p), args...).CombinedOutput()
		if list := obeyed(out); len(list) > 0 {
			t.Errorf("%s %q prints %q", p, args, list)
		}
		return out
	}
	run("costgen", "import", "--from", "csv", csv, "-o", table)
	for _, c := range [][]string{
		{"costgen", "predict", "--lut", table, model},
		{"costgen", "predict", "--lut", table, "--json", "--all", model},
		{"costgen", "predict", "--trace", model},
		{"agent", "plan", "--model", model, "-o", filepath.Join(dir, "plan.jsonl")},
		{"agent", "bench", "--list-io", model},
		{"agent", "bench", "--list-io", "--json", model},
		{"agent", "bench", "--max-time", "5s", model},
		{"agent", "lower", model},
	} {
		if out := run(c[0], c[1:]...); !strings.Contains(string(out), `\u001b]0;TITLE\u0007`) && !strings.Contains(string(out), `\x1b]0;TITLE\a`) {
			t.Errorf("%q shows nothing of the name: %s", c, out)
		}
	}
	// Whatever a command makes of it, an argument comes back in the error.
	for _, p := range programs {
		for _, name := range append(subcommands(t, p), hostile) {
			run(p, name, "none"+hostile)
			run(p, name, "--none"+hostile)
			run(p, name, "--lut", "none"+hostile, "--space", "none"+hostile, "--model", "none"+hostile)
		}
	}
}
