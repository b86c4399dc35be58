package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"
)

// fullDisk takes the first bytes and no more.
type fullDisk struct{ room int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, syscall.ENOSPC
	}
	return len(b), nil
}

// TestUnwrittenOutputIsAFailure: of a command that ignores the error, of help and of the
// version; a command that failed anyway keeps its own exit code.
func TestUnwrittenOutputIsAFailure(t *testing.T) {
	p := &Program{Name: "prog", Version: "v1", Commands: []Command{{Name: "do", Example: "prog do", Setup: func(*pflag.FlagSet) RunFunc {
		return func(_ context.Context, env Env, args []string) error {
			fmt.Fprintln(env.Stdout, "one")
			fmt.Fprintln(env.Stdout, "two")
			if len(args) > 0 {
				return Usagef("%s", args[0])
			}
			return nil
		}
	}}}}
	for _, c := range []struct {
		args string
		room int
		code int
	}{
		{"do", 100, ExitOK}, {"do", 5, ExitFailed}, {"do", 0, ExitFailed}, {"do bad", 0, ExitUsage},
		{"do -h", 3, ExitFailed}, {"-h", 3, ExitFailed}, {"help do", 3, ExitFailed}, {"--version", 3, ExitFailed}, {"reference", 3, ExitFailed},
	} {
		var talk bytes.Buffer
		code := p.Run(t.Context(), strings.Fields(c.args), Env{Stdout: &fullDisk{c.room}, Stderr: &talk})
		said := strings.Contains(talk.String(), "no space left on device")
		if code != c.code || said != (c.code == ExitFailed) {
			t.Errorf("%s with room for %d bytes: code %d, want %d; %q", c.args, c.room, code, c.code, talk.String())
		}
	}
}
