package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
)

// openModels opens model files by a signature, "" for the first, and notes on stderr where
// there was a choice. The first file that cannot be read is the error.
func openModels(env cli.Env, paths []string, signature string) ([]*modelfile.File, error) {
	files := make([]*modelfile.File, len(paths))
	for i, path := range paths {
		var err error
		if files[i], err = modelfile.OpenSignature(path, signature); err != nil {
			return nil, err
		}
		if note := files[i].Entrance(); note != "" && signature == "" {
			fmt.Fprintf(env.Stderr, "agent: note: %s\n", note)
		}
	}
	return files, nil
}

// modelIO holds the inputs and outputs that a model declares, as --list-io --json prints it.
type modelIO struct {
	Model   string            `json:"model"`
	Inputs  []modelfile.Value `json:"inputs"`
	Outputs []modelfile.Value `json:"outputs"`
}

// listIO prints what goes into models and comes out of them.
func listIO(env cli.Env, paths []string, signature string, asJSON bool) error {
	if len(paths) == 0 {
		return cli.Usage(errors.New("--list-io needs a model"))
	}
	files, err := openModels(env, paths, signature)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Format == modelfile.ORT || f.Format == modelfile.Kernels {
			return hint.Wrap(fmt.Errorf("%s: inputs and outputs are listed of .onnx and .tflite files", f.Path), "give the model that it was made of")
		}
	}
	if asJSON {
		var all []modelIO
		for _, f := range files {
			all = append(all, modelIO{f.Path, f.Inputs, f.Outputs})
		}
		e := json.NewEncoder(env.Stdout)
		e.SetEscapeHTML(false)
		return e.Encode(all)
	}
	for _, f := range files {
		fmt.Fprintln(env.Stdout, f.Path)
		for _, v := range f.Inputs {
			fmt.Fprintln(env.Stdout, "  in ", v)
		}
		for _, v := range f.Outputs {
			fmt.Fprintln(env.Stdout, "  out", v)
		}
		if open := f.Dims(); len(open) > 0 {
			fmt.Fprintln(env.Stdout, "  open:", hint.Dims(open...))
		}
	}
	return nil
}
