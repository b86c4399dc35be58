package evaluator

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// Options are what an evaluator may need.
type Options struct {
	Space   space.Space
	Seed    uint64
	Workers int
	Timeout time.Duration
	Retries int
	Stderr  io.Writer
	Note    func(string)
}

// Closer is implemented by evaluators that hold processes.
type Closer interface{ Close() error }

// Open makes the evaluator a specification names:
//
//	table:FILE[,noise=gaussian|SIGMA]   a tabular benchmark
//	exec:CMD                            an outside program, JSON lines
func Open(spec string, o Options) (search.Evaluator, error) {
	kind, rest, _ := strings.Cut(spec, ":")
	switch kind {
	case "table":
		return OpenTable(rest, o.Seed)
	case "exec":
		return NewExec(ExecOptions{Command: rest, Workers: o.Workers, Timeout: o.Timeout, Retries: o.Retries, Stderr: o.Stderr, Note: o.Note})
	}
	return nil, hint.Wrap(fmt.Errorf("unknown evaluator %.60q", spec), "there are table:FILE and exec:CMD")
}
