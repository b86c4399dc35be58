package modelplan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/internal/hint"
)

// Array holds what is known about an array before it is read whole: numpy's name of its type,
// and its shape.
type Array struct {
	DType string
	Shape []int
}

func (a Array) String() string { return fmt.Sprintf("%s%v", a.DType, a.Shape) }

// Whole plans model files as networks, to be measured as they are. An open dimension gets
// the length of Dims, else that of the array given for its input, else the one its name
// stands for (Sizes). What is missing is listed for all models at once.
type Whole struct {
	Seed   uint64
	Dims   modelfile.Dims
	Arrays map[string]Array // by input, or by FILE/INPUT for the input of one file
	Sizes  Sizes
	// FreeBytes is the memory there is: inputs that need more are refused. 0 does not know.
	FreeBytes int64
	// ElementBytes is the size of an element of a type by numpy's name, 0 where not known.
	ElementBytes func(dtype string) int
}

// Sizes are the lengths that the names exporters give to dimensions stand for; 0 is none.
type Sizes struct{ Batch, Sequence, Resolution int }

// of is the length that a name stands for, as torch's exporters (batch, batch_size, N;
// seq, sequence_length …) and optimum use it. tf2onnx's (unk__…) mean nothing.
func (s Sizes) of(name string) int {
	switch name {
	case "batch", "batch_size", "N", "n", "b", "B", "bs":
		return s.Batch
	case "seq", "seq_len", "seqlen", "sequence", "sequence_length", "T":
		return s.Sequence
	case "h", "w", "H", "W", "height", "width":
		return s.Resolution
	}
	return 0
}

// problems holds what keeps models from being planned, kind by kind.
type problems struct {
	missing, shapeless, unlike, large []string
	open                              []string // dimensions of what is missing, each once
}

// Plan plans the files; its networks stand in their order. given names, for each input of
// each model (ID/INPUT), the array it takes by its name in Arrays, so that no model is
// given what it does not take. An error is of how the models are used, not of the files
// themselves: a length or an array that is missing, does not fit, or is of no model.
func (w *Whole) Plan(ctx context.Context, files []*modelfile.File) (plan *benchmarks.Plan, given map[string]string, err error) {
	if err := modelfile.CheckDims(w.Dims, files); err != nil {
		return nil, nil, err
	}
	planner := &benchmarks.Planner{Seed: w.Seed, Source: "models"}
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.Path
	}
	names, takes := modelfile.Names(paths), make([]map[string]string, len(files))
	var p problems
	for i, f := range files {
		sum, err := modelfile.SHA256(ctx, f.Path)
		if err != nil {
			return nil, nil, err
		}
		var dims map[string]int
		if dims, takes[i], err = w.settle(f, names[i], &p); err != nil {
			return nil, nil, err
		}
		planner.File("", names[i], benchmarks.Model{File: f.Path, SHA256: sum, Dims: dims, Signature: f.Chosen()}, nil)
	}
	if err := p.err(w.FreeBytes); err != nil {
		return nil, nil, err
	}
	if err := w.checkArrays(takes); err != nil {
		return nil, nil, err
	}
	plan, given = planner.Plan(), map[string]string{}
	slices.SortStableFunc(plan.Cases, func(a, b benchmarks.Case) int {
		return slices.Index(names, a.Name) - slices.Index(names, b.Name) // drift reference and overhead: −1
	})
	for _, m := range plan.Models {
		if i := slices.Index(paths, m.File); i >= 0 {
			for in, array := range takes[i] {
				given[m.ID+"/"+in] = array
			}
		}
	}
	return plan, given, nil
}

// settle finds the lengths of a file's open dimensions and the array each input takes:
// the one named for this file, else the one named for any.
func (w *Whole) settle(f *modelfile.File, name string, p *problems) (dims map[string]int, takes map[string]string, err error) {
	if f.Format == modelfile.ORT { // only its runtime knows
		takes = map[string]string{}
		for array := range w.Arrays {
			takes[array] = array
		}
		return f.Own(w.Dims), takes, nil
	}
	takes, byArray := map[string]string{}, map[string]int{}
	for _, v := range f.Inputs {
		array, is := w.arrayOf(name, v)
		if is {
			takes[v.Name] = array
			a := w.Arrays[array]
			for i, d := range v.Shape {
				if _, settled := byArray[d.Name]; d.Name != "" && !settled && len(a.Shape) == len(v.Shape) {
					byArray[d.Name] = a.Shape[i]
				}
			}
		}
		switch {
		case v.DType == "unknown":
			return nil, nil, hint.Wrap(fmt.Errorf("%s: input %s is not a tensor but a sequence, a map or an optional", f.Path, v.Name),
				"cut the model behind that input; only tensors can be given or made up")
		case v.AnyRank && !is:
			p.shapeless = append(p.shapeless, fmt.Sprintf("%s: input %s", f.Path, v.Name))
		}
	}
	own := f.Own(w.Dims)
	for _, open := range f.Dims() {
		n, ok := own[open]
		if !ok {
			n, ok = byArray[open]
		}
		if !ok {
			n = w.Sizes.of(open)
			ok = n > 0
		}
		if !ok {
			p.missing = append(p.missing, fmt.Sprintf("%s: dimension %s of %s", f.Path, open, f.InputWith(open)))
			if !slices.Contains(p.open, open) {
				p.open = append(p.open, open)
			}
			continue
		}
		if dims == nil {
			dims = map[string]int{}
		}
		dims[open] = n
	}
	if n := w.inputBytes(f, dims); w.FreeBytes > 0 && n > float64(w.FreeBytes) {
		p.large = append(p.large, fmt.Sprintf("%s: %.3g GB", f.Path, n/1e9))
	}
	for _, v := range f.Inputs {
		if array, is := takes[v.Name]; is && !fits(v, w.Arrays[array], dims) {
			p.unlike = append(p.unlike, fmt.Sprintf("%s: %s is given %s", f.Path, v, w.Arrays[array]))
		}
	}
	return dims, takes, nil
}

// arrayOf names the array that an input of a file takes.
func (w *Whole) arrayOf(file string, v modelfile.Value) (string, bool) {
	for _, name := range []string{file + "/" + v.Name, v.Name} {
		if _, ok := w.Arrays[name]; ok {
			return name, true
		}
	}
	return "", false
}

// err returns the first kind of the problems as an error.
func (p *problems) err(free int64) error {
	list := func(what string, of []string, cure string) error {
		return hint.Wrap(errors.New(what+": "+strings.Join(of, "; ")), "%s", cure)
	}
	switch {
	case len(p.missing) > 0:
		return list("values are missing", p.missing, "give "+hint.Dims(p.open...))
	case len(p.large) > 0:
		return list(fmt.Sprintf("the inputs alone do not fit into the %.3g GB of memory that are free", float64(free)/1e9), p.large, "give smaller values to --dim")
	case len(p.unlike) > 0:
		return list("an array does not fit its input", p.unlike, "--list-io shows what a model takes")
	case len(p.shapeless) > 0:
		return list("declared without a shape, not even a rank", p.shapeless, "give each as --input NAME=FILE.npy: its shape is taken from the array")
	}
	return nil
}

// checkArrays refuses arrays that no model takes.
func (w *Whole) checkArrays(takes []map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(w.Arrays)) {
		if !slices.ContainsFunc(takes, func(t map[string]string) bool { return slices.Contains(slices.Collect(maps.Values(t)), name) }) {
			return hint.Wrap(fmt.Errorf("no model has an input %q", name), "--list-io shows them")
		}
	}
	return nil
}

// inputBytes is the size of a model's inputs; those whose shape or type's size is not
// known count as nothing.
func (w *Whole) inputBytes(f *modelfile.File, dims map[string]int) float64 {
	total := 0.0
	for _, v := range f.Inputs {
		n := float64(w.ElementBytes(v.DType))
		if v.AnyRank {
			n = 0
		}
		for _, d := range v.Shape {
			size, _ := d.In(dims)
			n *= float64(size)
		}
		total += n
	}
	return total
}

// fits reports whether an array is of the declared type and shape, with the open
// dimensions as they were settled.
func fits(v modelfile.Value, a Array, dims map[string]int) bool {
	if a.DType != v.DType {
		return false
	}
	if v.AnyRank {
		return true
	}
	if len(a.Shape) != len(v.Shape) {
		return false
	}
	for i, d := range v.Shape {
		if n, ok := d.In(dims); !ok || n != a.Shape[i] {
			return false
		}
	}
	return true
}

// SplitInput splits NAME=FILE where the name may hold "=" itself: at the longest name of
// an input of the files, else at the first "=". ok is false where there is none, or
// nothing on one side of it.
func SplitInput(text string, files []*modelfile.File) (name, path string, ok bool) {
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.Path
	}
	for i, model := range modelfile.Names(paths) {
		for _, v := range files[i].Inputs {
			for _, n := range []string{v.Name, model + "/" + v.Name} {
				if strings.HasPrefix(text, n+"=") && len(n) > len(name) {
					name = n
				}
			}
		}
	}
	if name == "" {
		name, path, ok = strings.Cut(text, "=")
		return name, path, ok && name != "" && path != ""
	}
	path = text[len(name)+1:]
	return name, path, path != ""
}
