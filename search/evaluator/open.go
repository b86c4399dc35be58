package evaluator

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// Options hold what an evaluator may need.
type Options struct {
	Space   space.Space
	Seed    uint64
	Workers int
	Timeout time.Duration
	Retries int
	Agent   string // the agent program; "" to find it
	ORTLib  string // handed on to it
	Stderr  io.Writer
	Log     io.Writer // keeps what an outside program prints between its answers
	Note    func(string)
}

// Closer is implemented by evaluators that hold processes.
type Closer interface{ Close() error }

// Open makes the evaluator a specification names:
//
//	table:FILE[,noise=gaussian|SIGMA]   a tabular benchmark
//	onnx[:batch=N,side=N]               training-free utilities
//	exec:CMD                            an outside program, JSON lines
func Open(ctx context.Context, spec string, o Options) (search.Evaluator, error) {
	kind, rest, _ := strings.Cut(spec, ":")
	switch kind {
	case "table":
		return OpenTable(rest, o.Seed)
	case "onnx":
		low, ok := o.Space.(space.Lowerer)
		if !ok {
			return nil, hint.Wrap(fmt.Errorf("evaluator onnx: the space %s has no networks", o.Space.Name()), "use table:FILE for a tabular space")
		}
		if space.ModulesOf(low) != nil {
			return nil, hint.Wrap(fmt.Errorf("evaluator onnx: it draws the weights of networks, and the modules of %s come with theirs", o.Space.Name()),
				"train them: exec:CMD takes any program")
		}
		agent, err := FindAgent(o.Agent)
		if err != nil {
			return nil, err
		}
		var args []string
		if o.ORTLib != "" {
			args = append(args, "--ort-lib", o.ORTLib)
		}
		return OpenONNX(ctx, rest, ONNXOptions{Space: low, Agent: agent, Args: args, Workers: o.Workers, Timeout: o.Timeout, Retries: o.Retries, Stderr: o.Stderr, Note: o.Note})
	case "exec":
		return NewExec(ctx, ExecOptions{Command: rest, Workers: o.Workers, Timeout: o.Timeout, Retries: o.Retries, Stderr: o.Stderr, Log: o.Log, Note: o.Note})
	}
	return nil, hint.Wrap(fmt.Errorf("unknown evaluator %.60q", spec), "there are onnx, table:FILE and exec:CMD")
}
