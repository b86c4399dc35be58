// Package cli is the frame all three commands share: subcommands, help with an
// example, exit codes, errors with hints, interruption.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/hint"
)

// Exit codes, the same for every command.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitPartial     = 3 // finished, but some cases failed or the claim was not reached
	ExitInterrupted = 130
)

const exitCodesHelp = `Exit codes:
  0    done
  1    failed
  2    wrong use
  3    finished, but some cases failed or the claim was not reached
  130  interrupted; the same command goes on
`

// Env holds what a command may use of the outside: streams and the environment.
// Data goes to Stdout, talk to Stderr.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
}

// Command is one subcommand. Setup registers flags and returns what to run; it
// is called once per invocation.
type Command struct {
	Name    string
	Args    string // of the usage line, e.g. "rec.jsonl…"
	Short   string // one sentence, lower case, no full stop
	Long    string // optional, after the sentence
	Example string // one command line that works as written
	// Finishes says that a signal leaves the command to end by itself, however long it
	// takes, because it puts back or keeps what nobody else would. Others are left where
	// they stand if they do not end within a second.
	Finishes bool
	Setup    func(flags *pflag.FlagSet) RunFunc
}

// RunFunc runs a subcommand with its positional arguments.
type RunFunc func(ctx context.Context, env Env, args []string) error

// Program is a command with subcommands.
type Program struct {
	Name     string
	Short    string
	Version  string
	Commands []Command
}

// usageError and partialError carry exit codes 2 and 3.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

type partialError struct{ error }

func (e partialError) Unwrap() error { return e.error }

// Usagef makes an error of wrong use: exit code 2 and a pointer to -h.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Usage marks err as wrong use: exit code 2.
func Usage(err error) error {
	if err == nil || errors.Is(err, context.Canceled) { // an interruption is no wrong use
		return err
	}
	return usageError{err}
}

// Partial marks err as "finished, but": exit code 3.
func Partial(err error) error {
	if err == nil {
		return nil
	}
	return partialError{err}
}

// Run runs one invocation and returns the exit code. Errors are printed as
// "name: error: …" and "name: hint: …" on env.Stderr.
// Both streams show what they are given: see Printed.
// Standard output that cannot be written is a failure, whether or not the command noticed.
func (p *Program) Run(ctx context.Context, args []string, env Env) int {
	out, talk := &Printed{To: env.Stdout, Name: "standard output"}, &Printed{To: env.Stderr, Name: "standard error"}
	env.Stdout, env.Stderr = out, talk
	code := p.run(ctx, args, env)
	out.End()
	talk.End()
	if err := out.Err(); err != nil && code == ExitOK {
		env.complain(p.Name, err.Error(), "what was printed is not whole")
		return ExitFailed
	}
	return code
}

func (p *Program) run(ctx context.Context, args []string, env Env) int {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		if len(args) > 1 {
			return p.run(ctx, []string{args[1], "-h"}, env)
		}
		if len(args) == 0 {
			p.usage(env.Stderr)
			return ExitUsage
		}
		p.usage(env.Stdout)
		return ExitOK
	}
	if args[0] == "--version" || args[0] == "version" {
		fmt.Fprintln(env.Stdout, p.Name, p.Version)
		return ExitOK
	}
	commands := p.all()
	i := slices.IndexFunc(commands, func(c Command) bool { return c.Name == args[0] })
	if i < 0 {
		return p.report(env, usageError{fmt.Errorf("unknown command %q", args[0])}, "")
	}
	cmd := commands[i]
	flags := pflag.NewFlagSet(p.Name+" "+cmd.Name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(io.Discard)
	run := cmd.Setup(flags)
	err := flags.Parse(args[1:])
	switch {
	case errors.Is(err, pflag.ErrHelp):
		cmd.help(env.Stdout, p.Name, flags)
		return ExitOK
	case err != nil:
		return p.report(env, usageError{err}, cmd.Name)
	}
	return p.report(env, run(ctx, env, flags.Args()), cmd.Name)
}

func (p *Program) report(env Env, err error, cmd string) int {
	if err == nil {
		return ExitOK
	}
	var usage usageError
	var partial partialError
	code := ExitFailed
	switch {
	case errors.As(err, &usage):
		code = ExitUsage
	case errors.As(err, &partial):
		code = ExitPartial
	case errors.Is(err, context.Canceled):
		code = ExitInterrupted
	}
	text := err.Error()
	if code == ExitInterrupted { // as people say it
		text = strings.ReplaceAll(text, context.Canceled.Error(), "interrupted")
	}
	h := hint.Of(err)
	if h == "" && code == ExitUsage {
		h = "see " + strings.TrimSpace(p.Name+" "+cmd) + " -h"
	}
	if h == "" && code == ExitInterrupted {
		h = "run the same command again to go on"
	}
	env.complain(p.Name, text, h)
	return code
}

// Complain prints an error that does not end the command, and its hint, as those that do
// are printed.
func (e Env) Complain(program string, err error) { e.complain(program, err.Error(), hint.Of(err)) }

func (e Env) complain(program, text, hint string) {
	fmt.Fprintf(e.Stderr, "%s: error: %s\n", program, text)
	if hint != "" {
		fmt.Fprintf(e.Stderr, "%s: hint: %s\n", program, hint)
	}
}

// all is the program's own commands and the ones every program has.
func (p *Program) all() []Command {
	return append(slices.Clone(p.Commands), p.completion(), p.reference())
}

func (p *Program) usage(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n\nUsage:\n  %s COMMAND [flags]\n\nCommands:\n", p.Name, p.Short, p.Name)
	for _, c := range p.all() {
		if c.Short != Hidden {
			fmt.Fprintf(w, "  %-10s %s\n", c.Name, c.Short)
		}
	}
	fmt.Fprintf(w, "\n%s COMMAND -h explains one command.\n", p.Name)
}

func (c Command) help(w io.Writer, program string, flags *pflag.FlagSet) {
	fmt.Fprintf(w, "%s %s: %s\n\nUsage:\n  %s %s %s\n", program, c.Name, c.Short, program, c.Name,
		strings.TrimSpace("[flags] "+c.Args))
	if c.Long != "" {
		fmt.Fprintf(w, "\n%s\n", reflow(c.Long, helpColumns))
	}
	fmt.Fprintf(w, "\nExample:\n  %s\n", c.Example)
	fmt.Fprintf(w, "%s\n%s", flagHelp(flags), exitCodesHelp)
}
