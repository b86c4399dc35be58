package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/isocost/isocost/internal/hint"
)

// evidence are the formats of files that took a device's or an evaluator's time to
// come about. Nothing but the command that continues them writes to them.
var evidence = []string{"isocost/records/", "isocost/journal/"}

// NewOutput refuses, as wrong use, a whole-file output that would replace one of the
// files the command reads, by whatever name, or a file of measurements.
func NewOutput(flag, path string, inputs ...string) error {
	if path == "" || path == "-" {
		return nil
	}
	at, err := os.Stat(path)
	if err != nil || !at.Mode().IsRegular() {
		return nil // nothing there to lose; what is wrong with the path, writing says
	}
	for _, in := range inputs {
		if i, err := os.Stat(in); err == nil && os.SameFile(at, i) {
			return Usage(hint.Wrap(fmt.Errorf("%s %s would replace what is read", flag, path), "give another %s", flag))
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	head, _ := bufio.NewReader(io.LimitReader(f, 64)).ReadBytes('\n')
	for _, format := range evidence {
		if bytes.HasPrefix(head, []byte(`{"format":"`+format)) {
			return Usage(hint.Wrap(fmt.Errorf("%s %s would replace measurements", flag, path),
				"give another %s, or remove the file first", flag))
		}
	}
	return nil
}
