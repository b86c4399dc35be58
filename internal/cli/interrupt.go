package cli

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/isocost/isocost/internal/atomicfile"
)

// grace says how long an interrupted command may take to end by itself, unless it Finishes.
const grace = time.Second / 2

// written says how long the file that such a command is writing may take to be whole.
const written = 2 * time.Second

// Main runs the program with the process's own arguments, streams and signals
// and returns its exit code.
func (p *Program) Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once: the first one's handling is over by then.
	context.AfterFunc(ctx, stop)
	defer atomicfile.Settle(written) // a command that was left where it stood may be writing
	return p.runInterruptible(ctx, os.Args[1:], Env{os.Stdin, os.Stdout, os.Stderr, os.Getenv})
}

// runInterruptible is Run, but returns soon after ctx is cancelled although the command
// goes on: a computation that looks at no context, a read that waits for its input. The
// process is expected to end with it.
func (p *Program) runInterruptible(ctx context.Context, args []string, env Env) int {
	ended := make(chan int, 1)
	go func() { ended <- p.Run(ctx, args, env) }()
	select {
	case code := <-ended:
		return code
	case <-ctx.Done():
	}
	if p.finishes(args) {
		return <-ended
	}
	select {
	case code := <-ended:
		return code
	case <-time.After(grace):
		env.complain(p.Name, "interrupted", "run the same command again")
		return ExitInterrupted
	}
}

// finishes reports whether the command that args name is to be waited for.
func (p *Program) finishes(args []string) bool {
	return len(args) > 0 && slices.ContainsFunc(p.Commands, func(c Command) bool { return c.Name == args[0] && c.Finishes })
}
