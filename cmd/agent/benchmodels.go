package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
)

// modelIO is what a model file declares.
type modelIO struct {
	Model   string    `json:"model"`
	Inputs  []ioValue `json:"inputs"`
	Outputs []ioValue `json:"outputs"`
}

type ioValue struct {
	Name  string   `json:"name"`
	DType string   `json:"dtype"`
	Shape []string `json:"shape"` // numbers, names of symbolic dimensions, or "?"
}

func (v ioValue) String() string {
	return fmt.Sprintf("%s %s[%s]", v.Name, v.DType, strings.Join(v.Shape, ","))
}

// readIO reads a model's declarations; nil for formats that this program does
// not read.
func readIO(path string) (*modelIO, error) {
	if filepath.Ext(path) != ".onnx" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := onnx.Decode(data)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s: %w", path, err), "is it an ONNX model, whole and uncompressed?")
	}
	if m.Graph == nil {
		return nil, fmt.Errorf("%s: the model has no graph", path)
	}
	weights := map[string]bool{}
	for _, t := range m.Graph.Initializers {
		weights[t.Name] = true
	}
	io := &modelIO{Model: path}
	for _, v := range m.Graph.Inputs {
		if !weights[v.Name] {
			io.Inputs = append(io.Inputs, describe(v))
		}
	}
	for _, v := range m.Graph.Outputs {
		io.Outputs = append(io.Outputs, describe(v))
	}
	return io, nil
}

func describe(v *onnx.ValueInfo) ioValue {
	out := ioValue{Name: v.Name, DType: "unknown", Shape: []string{}}
	if v.Type == nil || v.Type.Other != nil {
		return out
	}
	out.DType = v.Type.Elem.String()
	if !v.Type.HasShape {
		out.Shape = []string{"…"}
	}
	for _, d := range v.Type.Shape {
		switch {
		case d.Known:
			out.Shape = append(out.Shape, fmt.Sprint(d.Value))
		case d.Param != "":
			out.Shape = append(out.Shape, d.Param)
		default:
			out.Shape = append(out.Shape, "?")
		}
	}
	return out
}

// symbols lists the named dimensions of a model's inputs, in order.
func (m *modelIO) symbols() []string {
	var out []string
	for _, v := range m.Inputs {
		for _, d := range v.Shape {
			if d != "?" && d != "…" && (d[0] < '0' || d[0] > '9') && d[0] != '-' && !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	return out
}

func listIO(env cli.Env, models []string, asJSON bool) error {
	if len(models) == 0 {
		return cli.Usagef("--list-io needs a model")
	}
	var all []*modelIO
	for _, path := range models {
		io, err := readIO(path)
		if err != nil {
			return err
		}
		if io == nil {
			return hint.Wrap(fmt.Errorf("%s: inputs and outputs are listed of .onnx files only", path), "the runtime synthesises inputs from the model's own declarations")
		}
		all = append(all, io)
	}
	if asJSON {
		e := json.NewEncoder(env.Stdout)
		e.SetEscapeHTML(false)
		return e.Encode(all)
	}
	for _, io := range all {
		fmt.Fprintln(env.Stdout, io.Model)
		for _, v := range io.Inputs {
			fmt.Fprintln(env.Stdout, "  in ", v)
		}
		for _, v := range io.Outputs {
			fmt.Fprintln(env.Stdout, "  out", v)
		}
		if s := io.symbols(); len(s) > 0 {
			fmt.Fprintf(env.Stdout, "  symbolic: --dim %s=N\n", strings.Join(s, "=N --dim "))
		}
	}
	return nil
}

// meanings are the names exporters give to dimensions whose value the protocol
// knows: torch's exporters (batch, batch_size, N; seq, sequence_length…), tf2onnx
// (unk__…, which mean nothing and are not here), optimum.
var meanings = map[string]func(agent.Protocol) int{}

func init() {
	for _, n := range []string{"batch", "batch_size", "N", "n", "b", "B", "bs"} {
		meanings[n] = func(p agent.Protocol) int { return p.Batch }
	}
	for _, n := range []string{"seq", "seq_len", "seqlen", "sequence", "sequence_length", "T"} {
		meanings[n] = func(p agent.Protocol) int { return p.Sequence }
	}
	for _, n := range []string{"h", "w", "H", "W", "height", "width"} {
		meanings[n] = func(p agent.Protocol) int { return p.Resolution }
	}
}

// modelPlan makes a plan of model files: each a whole network. Symbolic
// dimensions get the value of --dim, else the protocol's for their meaning; what
// is missing is listed for all models at once.
func modelPlan(paths, dimFlags []string, p agent.Protocol) (*benchmarks.Plan, error) {
	given, err := parseDims(dimFlags)
	if err != nil {
		return nil, err
	}
	planner := &benchmarks.Planner{Seed: p.Seed, Source: "models"}
	used := map[string]bool{}
	var missing []string
	names := modelNames(paths)
	for i, path := range paths {
		sum, err := agent.HashFile(path)
		if err != nil {
			return nil, hint.Wrap(err, "give the path of an .onnx or .tflite file")
		}
		io, err := readIO(path)
		if err != nil {
			return nil, err
		}
		var dims map[string]int
		if io == nil {
			dims = given
			for n := range given {
				used[n] = true
			}
		} else {
			for _, s := range io.symbols() {
				n := given[s]
				if n > 0 {
					used[s] = true
				} else if f := meanings[s]; f != nil {
					n = f(p)
				}
				if n == 0 {
					missing = append(missing, fmt.Sprintf("%s: dimension %s of %s", path, s, inputWith(io, s)))
					continue
				}
				if dims == nil {
					dims = map[string]int{}
				}
				dims[s] = n
			}
		}
		planner.File("", names[i], path, sum, dims, nil)
	}
	if len(missing) > 0 {
		return nil, cli.Usage(hint.Wrap(errors.New("values are missing: "+strings.Join(missing, "; ")), "give each as --dim NAME=N"))
	}
	for _, n := range slices.Sorted(maps.Keys(given)) {
		if !used[n] {
			return nil, cli.Usage(hint.Wrap(fmt.Errorf("no model has a dimension %q", n), "--list-io shows them"))
		}
	}
	return planner.Plan(), nil
}

func inputWith(io *modelIO, dim string) string {
	for _, v := range io.Inputs {
		if slices.Contains(v.Shape, dim) {
			return v.String()
		}
	}
	return "its inputs"
}

// modelNames are the files' names without folders, as far as they differ.
func modelNames(paths []string) []string {
	count := map[string]int{}
	for _, p := range paths {
		count[filepath.Base(p)]++
	}
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = filepath.Base(p)
		if count[out[i]] > 1 {
			out[i] = p
		}
	}
	return out
}
