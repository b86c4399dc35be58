package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
)

// modelIO is what a model file declares.
type modelIO struct {
	Model   string    `json:"model"`
	Inputs  []ioValue `json:"inputs"`
	Outputs []ioValue `json:"outputs"`
}

type ioValue struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	// Shape holds numbers and names by which --dim gives an open dimension its value;
	// "…" where even the rank is open.
	Shape []string `json:"shape"`
}

func (v ioValue) String() string {
	return fmt.Sprintf("%s %s[%s]", v.Name, v.DType, strings.Join(v.Shape, ","))
}

// readIO reads a model's declarations; nil for formats that this program does
// not read.
func readIO(path string) (*modelIO, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(path) {
	case ".tflite":
		return tfliteIO(path, data)
	case ".onnx":
	default:
		return nil, nil
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
	for i, d := range v.Type.Shape {
		switch {
		case d.Known && d.Value >= 0:
			out.Shape = append(out.Shape, fmt.Sprint(d.Value))
		case d.Param != "":
			out.Shape = append(out.Shape, d.Param)
		default: // as agent/ort calls a dimension without a name
			out.Shape = append(out.Shape, fmt.Sprintf("%s[%d]", v.Name, i))
		}
	}
	return out
}

func tfliteIO(path string, data []byte) (*modelIO, error) {
	m, err := tflitefb.Decode(data)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s: %w", path, err), "is it a TensorFlow Lite model, whole and uncompressed?")
	}
	of := func(list []int32) (out []ioValue) {
		for _, i := range list {
			t := m.Tensors[i]
			v := ioValue{Name: t.Name, DType: t.Type.String(), Shape: []string{}}
			for d, n := range t.Shape {
				if d < len(t.Dynamic) && t.Dynamic[d] < 0 { // as agent/tflite calls it
					v.Shape = append(v.Shape, fmt.Sprintf("%s_%d", t.Name, d))
				} else {
					v.Shape = append(v.Shape, fmt.Sprint(n))
				}
			}
			out = append(out, v)
		}
		return out
	}
	return &modelIO{Model: path, Inputs: of(m.Inputs), Outputs: of(m.Outputs)}, nil
}

// symbols lists the open dimensions of a model's inputs, in order.
func (m *modelIO) symbols() []string {
	var out []string
	for _, v := range m.Inputs {
		for _, d := range v.Shape {
			if d != "…" && (d[0] < '0' || d[0] > '9') && !slices.Contains(out, d) {
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
			return hint.Wrap(fmt.Errorf("%s: inputs and outputs are listed of .onnx and .tflite files", path), "convert the model, or rename the file to what it is")
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
			fmt.Fprintf(env.Stdout, "  open: --dim %s=N\n", strings.Join(s, "=N --dim "))
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

// modelPlan makes a plan of model files: each a whole network. Open dimensions
// get the value of --dim, else that of the array given for the input, else the
// protocol's for their meaning; what is missing is listed for all models at once.
//
// The plan's networks stand in the order of paths. perModel are the files of
// inputs by model and input (ID/NAME), so that no model is given what it does not take.
//
// Inputs that need more than free bytes of memory are refused; 0 does not know.
func modelPlan(paths, dimFlags []string, inputs map[string]string, p agent.Protocol, free int64) (plan *benchmarks.Plan, perModel map[string]string, err error) {
	given, err := parseDims(dimFlags)
	if err != nil {
		return nil, nil, err
	}
	planner := &benchmarks.Planner{Seed: p.Seed, Source: "models"}
	arrays, err := givenArrays(inputs)
	if err != nil {
		return nil, nil, err
	}
	used, fed := map[string]bool{}, map[string]bool{}
	takes := make([]map[string]string, len(paths)) // input → file, by model
	var missing, shapeless, unlike, large []string
	names := modelNames(paths)
	for i, path := range paths {
		sum, err := filehash.SHA256(path)
		if err != nil {
			return nil, nil, hint.Wrap(err, "give the path of an .onnx or .tflite file")
		}
		io, err := readIO(path)
		if err != nil {
			return nil, nil, err
		}
		var dims map[string]int
		if io == nil {
			dims = given
			takes[i] = inputs
			for n := range inputs {
				fed[n] = true
			}
			for n := range given {
				used[n] = true
			}
		} else {
			byArray, arrayOf := io.arrayDims(names[i], arrays)
			takes[i] = map[string]string{}
			for in, n := range arrayOf {
				fed[n], takes[i][in] = true, inputs[n]
			}
			for _, v := range io.Inputs {
				switch _, is := arrayOf[v.Name]; {
				case v.DType == "unknown":
					return nil, nil, hint.Wrap(fmt.Errorf("%s: input %s is no tensor but a sequence, a map or an optional", path, v.Name),
						"cut the model behind that input; only tensors can be given or made up")
				case slices.Contains(v.Shape, "…") && !is:
					shapeless = append(shapeless, fmt.Sprintf("%s: input %s", path, v.Name))
				}
			}
			for _, s := range io.symbols() {
				n := given[s]
				if n > 0 {
					used[s] = true
				} else if byArray[s] > 0 {
					n = byArray[s]
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
			if n := io.inputBytes(dims); free > 0 && n > float64(free) {
				large = append(large, fmt.Sprintf("%s: %.3g GB", path, n/1e9))
			}
			for _, v := range io.Inputs {
				if a, is := arrays[arrayOf[v.Name]]; is && !v.takes(a, dims) {
					unlike = append(unlike, fmt.Sprintf("%s: %s is given %s%v", path, v, a.DType, a.Shape))
				}
			}
		}
		planner.File("", names[i], path, sum, dims, nil)
	}
	if len(missing) > 0 {
		return nil, nil, cli.Usage(hint.Wrap(errors.New("values are missing: "+strings.Join(missing, "; ")), "give each as --dim NAME=N"))
	}
	if len(large) > 0 {
		return nil, nil, cli.Usage(hint.Wrap(fmt.Errorf("the inputs alone do not fit into the %.3g GB of memory that are free: %s", float64(free)/1e9, strings.Join(large, "; ")),
			"give smaller values to --dim"))
	}
	if len(unlike) > 0 {
		return nil, nil, cli.Usage(hint.Wrap(errors.New("an array does not fit its input: "+strings.Join(unlike, "; ")), "--list-io shows what a model takes"))
	}
	if len(shapeless) > 0 {
		return nil, nil, cli.Usage(hint.Wrap(errors.New("declared without a shape, not even a rank: "+strings.Join(shapeless, "; ")),
			"give each as --input NAME=FILE.npy: its shape is taken from the array"))
	}
	for _, n := range slices.Sorted(maps.Keys(given)) {
		if !used[n] {
			return nil, nil, cli.Usage(hint.Wrap(fmt.Errorf("no model has a dimension %q", n), "--list-io shows them"))
		}
	}
	for _, n := range slices.Sorted(maps.Keys(inputs)) {
		if !fed[n] {
			return nil, nil, cli.Usage(hint.Wrap(fmt.Errorf("no model has an input %q", n), "--list-io shows them"))
		}
	}
	plan, perModel = planner.Plan(), map[string]string{}
	slices.SortStableFunc(plan.Cases, func(a, b benchmarks.Case) int {
		return slices.Index(names, a.Name) - slices.Index(names, b.Name) // anchor and overhead: −1
	})
	for _, m := range plan.Models {
		if i := slices.Index(paths, m.File); i >= 0 {
			for in, file := range takes[i] {
				perModel[m.ID+"/"+in] = file
			}
		}
	}
	return plan, perModel, nil
}

// inputBytes is the size of the model's inputs with the open dimensions as they were
// settled; those whose shape or size of element is not known count as nothing.
func (m *modelIO) inputBytes(dims map[string]int) float64 {
	total := 0.0
	for _, v := range m.Inputs {
		n := float64(agent.ElementBytes(v.DType))
		for _, s := range v.Shape {
			if size, err := strconv.Atoi(s); err == nil {
				n *= float64(size)
			} else {
				n *= float64(dims[s])
			}
		}
		total += n
	}
	return total
}

// takes reports whether an array is of the declared type and shape, with the open
// dimensions as they were settled.
func (v ioValue) takes(a agent.Tensor, dims map[string]int) bool {
	if a.DType != v.DType {
		return false
	}
	if slices.Contains(v.Shape, "…") {
		return true
	}
	if len(a.Shape) != len(v.Shape) {
		return false
	}
	for i, s := range v.Shape {
		want, err := strconv.Atoi(s)
		if err != nil {
			want = dims[s]
		}
		if want != a.Shape[i] {
			return false
		}
	}
	return true
}

// givenArrays reads the arrays of --input, and keeps their types and shapes.
func givenArrays(inputs map[string]string) (map[string]agent.Tensor, error) {
	out := map[string]agent.Tensor{}
	for name, path := range inputs {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
		t, err := agent.ParseNPY(path, data)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
		out[name] = agent.Tensor{DType: t.DType, Shape: t.Shape}
	}
	return out, nil
}

// arrayDims are the open dimensions that the arrays given for the model's inputs
// settle, and which array each input takes: the one named for this model
// ("net.onnx/x"), else the one named for any ("x").
func (m *modelIO) arrayDims(model string, arrays map[string]agent.Tensor) (out map[string]int, arrayOf map[string]string) {
	out, arrayOf = map[string]int{}, map[string]string{}
	for _, v := range m.Inputs {
		name := model + "/" + v.Name
		array, ok := arrays[name]
		if !ok {
			name = v.Name
			array, ok = arrays[name]
		}
		if !ok {
			continue
		}
		arrayOf[v.Name] = name
		for i, s := range v.Shape {
			if len(array.Shape) == len(v.Shape) && out[s] == 0 {
				out[s] = array.Shape[i]
			}
		}
	}
	return out, arrayOf
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
