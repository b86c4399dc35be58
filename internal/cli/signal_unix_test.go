//go:build unix

package cli

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// TestSecondSignalEndsAtOnce: a command that is waited for after the first signal does not
// survive a second.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	if os.Getenv("ISOCOST_TEST_ROLE") == "deaf" {
		p := &Program{Name: "prog", Commands: []Command{{Name: "do", Finishes: true, Setup: func(*pflag.FlagSet) RunFunc {
			return func(ctx context.Context, env Env, _ []string) error {
				os.Stdout.WriteString("ready\n")
				<-ctx.Done()
				os.Stdout.WriteString("first\n")
				time.Sleep(time.Minute)
				return nil
			}
		}}}}
		os.Args = []string{"prog", "do"}
		os.Exit(p.Main())
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestSecondSignalEndsAtOnce$")
	cmd.Env = append(os.Environ(), "ISOCOST_TEST_ROLE=deaf")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	said := make([]byte, 6)
	for _, want := range []string{"ready\n", "first\n"} {
		if _, err := out.Read(said); err != nil || string(said) != want {
			t.Fatalf("it says %q, %v", said, err)
		}
		time.Sleep(100 * time.Millisecond) // the handler is put back a moment after the context is cancelled
		cmd.Process.Signal(syscall.SIGINT)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
		if !cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
			t.Errorf("it ended with %v", cmd.ProcessState)
		}
	case <-time.After(30 * time.Second):
		t.Error("it goes on after the second signal")
	}
}
