package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/pflag"
)

// TestInterruptedCommandsEnd: a command that looks at no context is left where it stands;
// one that has something to put back is waited for.
func TestInterruptedCommandsEnd(t *testing.T) {
	for _, c := range []struct {
		name     string
		finishes bool
		after    time.Duration
		code     int
		stderr   string
	}{
		{"deaf", false, grace, ExitInterrupted, "prog: error: interrupted\nprog: hint: run the same command again\n"},
		{"finishing", true, time.Minute, ExitOK, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &Program{Name: "prog", Commands: []Command{{Name: "do", Finishes: c.finishes, Setup: func(*pflag.FlagSet) RunFunc {
					return func(context.Context, Env, []string) error {
						time.Sleep(time.Minute)
						return nil
					}
				}}}}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				var out, talk bytes.Buffer
				start := time.Now()
				code := p.runInterruptible(ctx, []string{"do"}, Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk})
				took := time.Since(start)
				time.Sleep(time.Minute) // the command that was left ends, too
				if code != c.code || took != c.after || talk.String() != c.stderr {
					t.Errorf("code %d after %v, stderr %q; want %d after %v, %q", code, took, talk.String(), c.code, c.after, c.stderr)
				}
			})
		})
	}
}

// TestInterruptionIsNoWrongUse: a check of the arguments that is interrupted ends as interrupted.
func TestInterruptionIsNoWrongUse(t *testing.T) {
	var talk bytes.Buffer
	p := &Program{Name: "prog"}
	if code := p.report(Env{Stderr: &talk}, Usage(fmt.Errorf("hash data: %w", context.Canceled)), "do"); code != ExitInterrupted {
		t.Errorf("exit %d: %s", code, &talk)
	}
}
