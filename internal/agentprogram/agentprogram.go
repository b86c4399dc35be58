// Package agentprogram runs the agent program for the programs that drive it.
package agentprogram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/isocost/isocost/internal/hint"
)

// someFailed is agent bench's exit code when some cases failed: the others count.
const someFailed = 3

// Bench runs agent bench with these arguments, "bench" not among them. The error is ctx's where
// that ended the program. Failed cases are not an error.
func Bench(ctx context.Context, program string, args []string, stdout, stderr io.Writer) error {
	cmd := exec.CommandContext(ctx, program, append([]string{"bench"}, args...)...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	// Interrupted, agent writes down what it has; killed outright it would too, but
	// leave its measuring child to notice.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err == nil || errors.As(err, &exit) && exit.ExitCode() == someFailed {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return hint.Wrap(fmt.Errorf("%s bench: %w", program, err), "its messages are above; run it by hand: %s", cmd)
}

// NeededSeconds is the device time that agent bench --json asks for, in what it printed, where it refused a
// time too short for any interval; 0 where it did not.
func NeededSeconds(printed []byte) float64 {
	var short struct {
		NeedS float64 `json:"need_s"`
	}
	if json.Unmarshal(printed, &short) != nil {
		return 0
	}
	return short.NeedS
}
