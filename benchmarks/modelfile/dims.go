package modelfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/hint"
)

// Dims are the lengths of open dimensions by name, and the value of a flag --dim: NAME=N,
// or NAME:N as onnxruntime_perf_test's -f wants it; several stand in one value with commas
// between them. A length of 0 makes an empty tensor, such as a cache that holds nothing yet.
type Dims map[string]int

// DimHelp is the help of --dim.
const DimHelp = "`NAME=N` gives an open dimension of a model its length; NAME is what agent bench --list-io prints, INPUT[i] where the file has none; may be repeated"

// String lists the lengths as --dim takes them.
func (d *Dims) String() string {
	return strings.Join(d.GetSlice(), ",")
}

// Type names the flag's value.
func (d *Dims) Type() string { return "NAME=N" }

// Set adds what one --dim gives. Errors: text that is not NAME=N, a negative length, a
// name that has a length already.
func (d *Dims) Set(text string) error {
	parts := strings.Split(text, ",")
	if slices.ContainsFunc(parts, func(p string) bool { _, _, err := parseDim(p); return err != nil }) {
		parts = []string{text} // a name may hold a comma
	}
	for _, p := range parts {
		name, n, err := parseDim(p)
		if err != nil {
			return err
		}
		if _, twice := (*d)[name]; twice {
			return fmt.Errorf("%s is given twice", name)
		}
		if *d == nil {
			*d = Dims{}
		}
		(*d)[name] = n
	}
	return nil
}

// Append adds what one --dim gives, as Set does.
func (d *Dims) Append(text string) error { return d.Set(text) }

// Replace starts again with a list of NAME=N.
func (d *Dims) Replace(list []string) error {
	*d = nil
	for _, text := range list {
		if err := d.Set(text); err != nil {
			return err
		}
	}
	return nil
}

// GetSlice lists the lengths, each as a --dim of its own.
func (d *Dims) GetSlice() []string {
	list := []string{}
	for _, name := range slices.Sorted(maps.Keys(*d)) {
		list = append(list, fmt.Sprintf("%s=%d", name, (*d)[name]))
	}
	return list
}

func parseDim(text string) (name string, n int, err error) {
	at := strings.LastIndexByte(text, '=')
	if at < 0 {
		at = strings.LastIndexByte(text, ':')
	}
	if at < 1 {
		return "", 0, errors.New("it is not NAME=N")
	}
	n, err = strconv.Atoi(text[at+1:])
	if err != nil || n < 0 {
		return "", 0, errors.New("it is not NAME=N with N a length, 0 or more")
	}
	return text[:at], n, nil
}

// length returns what dims gives an open dimension of the file. A .tflite model's took
// INPUT_i, as LiteRT's own tools name them, before there was one grammar; it still does.
func (f *File) length(dims Dims, open string) (n int, by string, ok bool) {
	if n, ok = dims[open]; ok {
		return n, open, true
	}
	if f.Format == TFLite {
		at := strings.LastIndexByte(open, '[')
		by = open[:at] + "_" + strings.TrimSuffix(open[at+1:], "]")
		n, ok = dims[by]
	}
	return n, by, ok
}

// Own are the lengths among dims that are of this file's inputs, by the names in Dims; all
// where only the runtime knows the inputs.
func (f *File) Own(dims Dims) map[string]int {
	if f.Format == ORT {
		return dims
	}
	var own map[string]int
	for _, open := range f.Dims() {
		if n, _, ok := f.length(dims, open); ok {
			if own == nil {
				own = map[string]int{}
			}
			own[open] = n
		}
	}
	return own
}

// WithBatch are the lengths that Own gives, and 1 for the first dimension of an input that
// dims does not say: a batch, as Kernels takes it.
func (f *File) WithBatch(dims Dims) map[string]int {
	own := f.Own(dims)
	for _, v := range f.Inputs {
		if len(v.Shape) == 0 || v.Shape[0].Name == "" {
			continue
		}
		if _, given := own[v.Shape[0].Name]; !given {
			if own == nil {
				own = map[string]int{}
			}
			own[v.Shape[0].Name] = 1
		}
	}
	return own
}

// CheckDims refuses lengths that none of the files has a dimension for: an option without
// effect would be taken for one that has it. Files whose dimensions only their runtime
// knows may have any.
func CheckDims(dims Dims, files []*File) error {
	left := maps.Clone(dims)
	var have []string
	for _, f := range files {
		if f.Format == ORT {
			return nil
		}
		for _, open := range f.Dims() {
			if _, by, ok := f.length(dims, open); ok {
				delete(left, by)
			}
			if !slices.Contains(have, open) {
				have = append(have, open)
			}
		}
	}
	if len(left) == 0 {
		return nil
	}
	name := slices.Sorted(maps.Keys(left))[0]
	err := fmt.Errorf("no model has a dimension %q", name)
	switch {
	case len(have) > 0:
		return hint.Wrap(err, "open are %s", hint.Dims(have...))
	case len(files) == 1 && files[0].Format == Kernels:
		return hint.Wrap(err, "%s is lowered already: --dim belongs to agent lower", files[0].Path)
	}
	return hint.Wrap(err, "all their sizes are fixed; leave --dim out")
}
