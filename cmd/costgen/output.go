package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
)

// writeJSON prints one indented JSON object.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// warnWriter prefixes each line written, one Write a line.
type warnWriter struct{ w io.Writer }

func (w warnWriter) Write(line []byte) (int, error) {
	if _, err := fmt.Fprintf(w.w, "costgen: warning: %s", line); err != nil {
		return 0, err
	}
	return len(line), nil
}

// writeOut writes a whole file, or to stdout when path is "-" or empty.
func writeOut(env cli.Env, path string, data []byte) error {
	if path == "" || path == "-" {
		_, err := cli.Raw(env.Stdout).Write(data)
		return err
	}
	return atomicfile.Write(path, data, 0o644)
}
