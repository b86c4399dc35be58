package probe

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/strictjson"
)

// Plan says how an installed library is tried.
type Plan struct {
	// Flags are those by which the child's backend loads it.
	Flags []string
	// Providers are the ones in question; nil is all that the library has.
	Providers []string
	// Plugin is of a library that another one loads: only the provider's own devices count,
	// and their version.
	Plugin bool
}

// Result holds what a child found: its only line of output.
type Result struct {
	Version   string              `json:"version,omitempty"`
	Path      string              `json:"path,omitempty"`
	SHA256    string              `json:"sha256,omitempty"`
	Providers []string            `json:"providers,omitempty"`
	Devices   []agent.Accelerator `json:"devices,omitempty"`
	Error     string              `json:"error,omitempty"`
	Hint      string              `json:"hint,omitempty"`
}

// Child is the program that probes: it prints a Result for the flags of a backend and
// --provider, "" to load the library only.
type Child struct {
	Path     string
	Args     []string // before the flags
	Patience time.Duration
}

// Ask starts the child and returns what it found, or how it ended.
func (c Child) Ask(ctx context.Context, backend, provider string, flags []string) Result {
	ctx, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	args := append(append([]string{}, c.Args...), "--provider", provider, "--backend", backend)
	cmd := exec.CommandContext(ctx, c.Path, append(args, flags...)...)
	cmd.WaitDelay = time.Second
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var r Result
	if jsonErr := strictjson.Known(out.Bytes(), &r); jsonErr == nil {
		return r
	}
	var words string // the first line of Go's report of a signal, else the last line
	for line := range strings.Lines(talk.String()) {
		words = strings.TrimSpace(line)
		if strings.HasPrefix(words, "SIG") || strings.HasPrefix(words, "fatal error") {
			break
		}
	}
	how := fmt.Sprint(err)
	switch {
	case ctx.Err() != nil:
		how = fmt.Sprintf("no answer within %v", c.Patience)
	case err == nil:
		how = "exit status 0" // some drivers call exit(0)
	}
	return Result{Error: strings.TrimSuffix(fmt.Sprintf("the library ended its process (%s): %s", how, words), ": "),
		Hint: "the driver or library crashes; update it or take another"}
}
