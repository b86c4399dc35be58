package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/atomicfile"
)

// TestMain lets the test binary stand for two programs: the agent on the device
// (its name is then "agent") and adb (see fakeadb_test.go).
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(fakeADBEnv) != "" && len(os.Args) > 1 && os.Args[1] == "-s":
		os.Exit(fakeADB(os.Getenv(fakeADBEnv), os.Args[1:]))
	case filepath.Base(os.Args[0]) == agentName:
		if err := fakeAgent(os.Args[1:]); err != nil {
			var code exitCode
			if errors.As(err, &code) {
				os.Exit(int(code))
			}
			fmt.Fprintln(os.Stderr, "agent: error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// fakeAgent is the agent on the device: the job verbs as cmd/agent wires them,
// and a campaign to measure, "work N MS": N records, one each MS milliseconds,
// continuing what is there.
func fakeAgent(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	switch args[0] {
	case "args":
		return json.NewEncoder(os.Stdout).Encode(args[1:])
	case "exit":
		n, _ := strconv.Atoi(args[1])
		fmt.Fprintln(os.Stderr, "said before the end")
		return exitCode(n)
	case "signal":
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "work":
		n, _ := strconv.Atoi(args[1])
		ms, _ := strconv.Atoi(args[2])
		return work(n, time.Duration(ms)*time.Millisecond)
	case "job":
	default:
		return fmt.Errorf("what is %q", args)
	}
	flags := pflag.NewFlagSet("job", pflag.ContinueOnError)
	dir := flags.String("dir", "", "")
	lock := flags.String("lock", os.Getenv("FAKE_AGENT_LOCK"), "")
	by := flags.String("by", "", "")
	prefix := flags.Int64("prefix", 0, "")
	recordAt := flags.Int64("record-at", 0, "")
	talkAt := flags.Int64("talk-at", 0, "")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *lock == "" {
		*lock = lockOfTest(self)
	}
	if *dir, err = filepath.Abs(*dir); err != nil {
		return err
	}
	rest := flags.Args()[1:]
	var s JobState
	switch flags.Arg(0) {
	case "state":
		s, err = StateOf(*dir, *lock, *prefix)
	case "start":
		s, err = StartJob(*dir, *lock, *by, []string{self, "job", "supervise", "--dir", *dir, "--"}, append([]string{self}, rest...))
	case "supervise":
		return Supervise(*dir, rest)
	case "follow":
		return Follow(context.Background(), *dir, *lock, *recordAt, *talkAt, os.Stdout)
	case "stop":
		s, err = StopJob(*dir, *lock, 2*time.Second)
	case "verify":
		return VerifyFiles(*dir)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

// lockOfTest keeps tests apart: the lock lies beside the bundle's folder.
func lockOfTest(agent string) string {
	return filepath.Join(filepath.Dir(filepath.Dir(agent)), "device.lock")
}

func recordLine(i int) string {
	return fmt.Sprintf(`{"case":%d,"text":"%s"}`, i, strings.Repeat("µ", i%50))
}

// work is a campaign that can be interrupted and killed at any moment.
func work(n int, each time.Duration) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	log, whole, _, err := atomicfile.OpenLog(recordName)
	if err != nil {
		return err
	}
	have := strings.Count(string(whole), "\n")
	fmt.Fprintf(os.Stderr, "starting at %d\n", have)
	for i := have; i < n; i++ {
		if err := log.Append([]byte(recordLine(i))); err != nil {
			return err
		}
		if i%50 == 49 {
			fmt.Fprintf(os.Stderr, "%d done\n", i+1)
		}
		select {
		case <-stop:
			fmt.Fprintln(os.Stderr, "interrupted")
			return exitCode(130)
		case <-time.After(each):
		}
	}
	fmt.Println("summary")
	io.WriteString(os.Stderr, "finished") // no newline
	return exitCode(3)
}

func wantRecords(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(recordLine(i) + "\n")
	}
	return b.String()
}
