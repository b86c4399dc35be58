package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/isocost/isocost/internal/hint"
)

// world is one transport under test: a device whose folder is visible here.
type world struct {
	dialer Dialer
	base   string
	// cut breaks all links for the given time; nil where there is no link to break.
	cut func(d time.Duration)
}

var worlds = map[string]func(t *testing.T) world{
	"local": func(t *testing.T) world {
		base := filepath.Join(t.TempDir(), "isocost")
		return world{LocalDialer{base}, base, nil}
	},
	"ssh": func(t *testing.T) world {
		base := filepath.Join(t.TempDir(), "isocost")
		w := newSSHWorld(t, base)
		return world{w.dialer, base, func(time.Duration) { w.proxy.cut() }}
	},
	"adb": func(t *testing.T) world {
		base := filepath.Join(phoneFolder(t), "isocost")
		d, dir := adbWorld(t, base)
		return world{d, base, func(wait time.Duration) {
			unplugged := filepath.Join(dir, "unplugged")
			os.WriteFile(unplugged, nil, 0o600)
			time.Sleep(wait)
			os.Remove(unplugged)
		}}
	},
}

// everywhere runs the one suite on every transport.
func everywhere(t *testing.T, test func(t *testing.T, w world)) {
	for _, name := range []string{"local", "ssh", "adb"} {
		t.Run(name, func(t *testing.T) { test(t, worlds[name](t)) })
	}
}

func dial(t *testing.T, w world) Conn {
	t.Helper()
	c, err := w.dialer.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// bundle makes a bundle whose agent is this test binary.
func bundle(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, agentName)); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "lib", "libfoo.so"), "library")
	return dir
}

// hostile are arguments that a shell would make something of.
var hostile = []string{
	"", " ", "a b", "'", `"`, `\`, "`touch pwned`", "$(touch pwned)", "; touch pwned", "&& touch pwned", "| touch pwned",
	"> pwned", "*", "~", "$HOME", "-rf", "--", "a\nb", "\ttab", "x=y", "ünï", "'; touch pwned; '", `'"'"'`, "!x", "{a,b}", "#c", "%s", "\x01",
}

func TestNoArgumentMeetsAShell(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c := dial(t, w)
		agent, err := Deploy(t.Context(), c, w.base, bundle(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := c.Exec(t.Context(), slices.Concat([]string{agent, "args"}, hostile), nil, &out, nil); err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for i, want := range hostile {
			if i >= len(got) || got[i] != want {
				t.Errorf("argument %d: %q arrived as %q", i, want, got[min(i, len(got)-1)])
			}
		}
		if err := c.Exec(t.Context(), []string{agent, "a\x00b"}, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "NUL") {
			t.Errorf("a NUL byte: %v", err)
		}
		// and as the names of files
		src := filepath.Join(t.TempDir(), "src")
		put(t, src, "content")
		for _, name := range []string{"a b", "$(touch pwned)", "'; touch pwned; '", "-rf", "`x`", `"q"`} {
			remote := filepath.Join(w.base, "names", name)
			if err := c.Push(t.Context(), src, remote); err != nil {
				t.Errorf("push %q: %v", name, err)
				continue
			}
			if data, err := os.ReadFile(remote); err != nil || string(data) != "content" {
				t.Errorf("push %q: %q, %v", name, data, err)
			}
		}
		for _, dir := range []string{".", w.base, filepath.Join(w.base, "names"), os.Getenv("HOME")} {
			if _, err := os.Lstat(filepath.Join(dir, "pwned")); err == nil {
				t.Errorf("a shell ran something in %s", dir)
			}
		}
	})
}

func TestExecPassesStreamsAndExitCode(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c := dial(t, w)
		every := make([]byte, 1<<16)
		for i := range every {
			every[i] = byte(i * 7)
		}
		var out, talk bytes.Buffer
		if err := c.Exec(t.Context(), []string{"cat"}, bytes.NewReader(every), &out, &talk); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), every) || talk.Len() > 0 {
			t.Errorf("%d of %d bytes came back unchanged; stderr %q", out.Len(), len(every), talk.String())
		}
		agent, err := Deploy(t.Context(), c, w.base, bundle(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		var exit *ExitError
		talk.Reset()
		if err := c.Exec(t.Context(), []string{agent, "exit", "3"}, nil, nil, &talk); !errors.As(err, &exit) || exit.Code != 3 || !strings.Contains(err.Error(), "said before the end") {
			t.Errorf("exit code 3: %v", err)
		}
		if talk.String() != "said before the end\n" {
			t.Errorf("stderr %q", talk.String())
		}
		if err := c.Exec(t.Context(), []string{filepath.Join(w.base, "none")}, nil, nil, nil); !errors.As(err, &exit) || exit.Code != 127 {
			t.Errorf("no such program: %v", err)
		}
		if err := c.Exec(t.Context(), []string{agent, "signal"}, nil, nil, nil); !errors.As(err, &exit) || exit.Code < 128 {
			t.Errorf("killed: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := c.Exec(ctx, []string{"sleep", "20"}, nil, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a cancelled program: %v", err)
		}
	})
}

func TestPushOnlyWhatChanged(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c := dial(t, w)
		src := t.TempDir()
		put(t, filepath.Join(src, "a"), "one")
		put(t, filepath.Join(src, "sub", "b"), "two")
		push := func() []string {
			t.Helper()
			files, err := FolderFiles(src)
			if err != nil {
				t.Fatal(err)
			}
			sent, err := PushFiles(t.Context(), c, filepath.Join(w.base, "x"), files, nil)
			if err != nil {
				t.Fatal(err)
			}
			return sent
		}
		if sent := push(); !slices.Equal(sent, []string{"a", "sub/b"}) {
			t.Errorf("first push sent %v", sent)
		}
		if sent := push(); len(sent) != 0 {
			t.Errorf("an unchanged folder was sent again: %v", sent)
		}
		put(t, filepath.Join(src, "sub", "b"), "three")
		put(t, filepath.Join(src, "c"), "")
		os.Remove(filepath.Join(src, "a"))
		if sent := push(); !slices.Equal(sent, []string{"c", "sub/b"}) {
			t.Errorf("third push sent %v", sent)
		}
		remote := filepath.Join(w.base, "x")
		if data, _ := os.ReadFile(filepath.Join(remote, "sub", "b")); string(data) != "three" {
			t.Errorf("holds %q", data)
		}
		if _, err := os.Stat(filepath.Join(remote, "a")); err == nil {
			t.Error("a file that is gone here is still there")
		}
		for _, name := range []string{"c", "sub/b"} {
			if st, err := os.Stat(filepath.Join(remote, name)); err != nil || st.Mode().Perm() != 0o700 {
				t.Errorf("%s: %v, %v; want mode 0700", name, st.Mode(), err)
			}
		}
		if st, _ := os.Stat(filepath.Join(remote, "sub")); st.Mode().Perm()&0o077 != 0 {
			t.Errorf("folder of mode %v", st.Mode())
		}
		if err := VerifyFiles(remote); err != nil {
			t.Error(err)
		}
		put(t, filepath.Join(remote, "sub", "b"), "thr")
		if err := VerifyFiles(remote); err == nil {
			t.Error("a damaged file passes")
		}
		if err := c.Push(t.Context(), filepath.Join(src, "none"), filepath.Join(remote, "n")); err == nil {
			t.Error("a file that is not here was pushed")
		}
	})
}

func newJob(t *testing.T, w world, n, ms int) *Job {
	t.Helper()
	plan := filepath.Join(t.TempDir(), "plan")
	put(t, plan, "the plan")
	j := &Job{Dialer: w.dialer, Bundle: bundle(t), Files: map[string]string{"plan.jsonl": plan},
		Args: []string{"work", fmt.Sprint(n), fmt.Sprint(ms)}, Output: filepath.Join(t.TempDir(), "rec.jsonl"),
		By: "tester@here", Talk: &safeBuffer{}, Stdout: &safeBuffer{}, GiveUp: 20 * time.Second,
		Note: func(format string, args ...any) { t.Logf(format, args...) }}
	return j
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func checkRecords(t *testing.T, file string, n int) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != wantRecords(n) {
		t.Errorf("%d bytes of records here, want the %d of %d records", len(got), len(wantRecords(n)), n)
	}
}

func TestJobToTheEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("runs jobs through sshd: make test")
	}
	everywhere(t, func(t *testing.T, w world) {
		j := newJob(t, w, 120, 1)
		code, err := j.Run(t.Context())
		if err != nil || code != 3 {
			t.Fatalf("code %d, %v; want 3", code, err)
		}
		checkRecords(t, j.Output, 120)
		if out := j.Stdout.(*safeBuffer).String(); out != "summary\n" {
			t.Errorf("stdout %q", out)
		}
		if talk := j.Talk.(*safeBuffer).String(); talk != "starting at 0\n50 done\n100 done\nfinished" {
			t.Errorf("talk %q", talk)
		}
		// Again: it continues, finds all done, and doubles nothing.
		if code, err := j.Run(t.Context()); err != nil || code != 3 {
			t.Fatalf("code %d, %v", code, err)
		}
		checkRecords(t, j.Output, 120)
		// A record file that lost its end here is made whole.
		if err := os.Truncate(j.Output, int64(len(wantRecords(60)))+5); err != nil {
			t.Fatal(err)
		}
		j.Clean = true
		if code, err := j.Run(t.Context()); err != nil || code != 3 {
			t.Fatalf("code %d, %v", code, err)
		}
		checkRecords(t, j.Output, 120)
		// The device forgot everything: it continues from what is here.
		os.RemoveAll(filepath.Join(w.base, "jobs"))
		os.Truncate(j.Output, int64(len(wantRecords(100))))
		j.Talk = &safeBuffer{}
		if code, err := j.Run(t.Context()); err != nil || code != 3 {
			t.Fatalf("code %d, %v", code, err)
		}
		checkRecords(t, j.Output, 120)
		if talk := j.Talk.(*safeBuffer).String(); !strings.HasPrefix(talk, "starting at 100\n") {
			t.Errorf("the device did not continue from the records here: %q", talk)
		}
		// Another campaign's records are not mixed in.
		put(t, j.Output, "{\"another\":1}\n")
		if _, err := j.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "different campaigns") || hint.Of(err) == "" {
			t.Errorf("%v", err)
		}
	})
}

// TestCutLinks breaks the link at random moments, while pushing, starting and
// following: the device goes on, the host comes back, and nothing is lost or
// duplicated.
func TestCutLinks(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for links to break: make test")
	}
	everywhere(t, func(t *testing.T, w world) {
		if w.cut == nil {
			t.Skip("a local target has no link")
		}
		const maxCuts = 8 // a slow machine must get through in the end
		rng := rand.New(rand.NewPCG(7, 8))
		for round := range 2 {
			j := newJob(t, w, 350+round, 4)
			// Known to be reachable once: before that, a lost link is taken for a typing error.
			if _, err := Deploy(t.Context(), dial(t, w), w.base, j.Bundle, nil); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			cuts := 0
			var wg sync.WaitGroup
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range maxCuts {
					select {
					case <-done:
						return
					case <-time.After(time.Duration(100+rng.IntN(400)) * time.Millisecond):
						w.cut(time.Duration(rng.IntN(100)) * time.Millisecond)
						cuts++
					}
				}
			}()
			var code int
			var err error
			for range maxCuts + 1 { // the very first dial may be cut, which is an error; the same call goes on
				if code, err = j.Run(t.Context()); !errors.Is(err, ErrLost) {
					break
				}
			}
			close(done)
			wg.Wait()
			if err != nil || code != 3 {
				t.Fatalf("code %d, %v", code, err)
			}
			checkRecords(t, j.Output, 350+round)
			if cuts < 3 {
				t.Errorf("only %d cuts: nothing was tested", cuts)
			}
			t.Logf("%d cuts", cuts)
		}
	})
}

func TestADeviceRunsOneJob(t *testing.T) {
	if testing.Short() {
		t.Skip("runs jobs through sshd: make test")
	}
	everywhere(t, func(t *testing.T, w world) {
		first := newJob(t, w, 100000, 5)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { _, err := first.Run(ctx); ended <- err }()
		waitFor(t, func() bool { st, err := os.Stat(first.Output); return err == nil && st.Size() > 100 })

		second := newJob(t, w, 10, 1)
		if _, err := second.Run(t.Context()); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "tester@here since 2") {
			t.Errorf("a second job: %v", err)
		}
		// A second host with the same command follows the same job and stops it.
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(hint.Of(err), "same command") {
			t.Errorf("%v, hint %q", err, hint.Of(err))
		}
		// Stopped here means stopped there: the device is free again.
		if code, err := second.Run(t.Context()); err != nil || code != 3 {
			t.Errorf("after the first was stopped: code %d, %v", code, err)
		}
		// And the first goes on where it was.
		have, _ := os.ReadFile(first.Output)
		n := strings.Count(string(have), "\n")
		first.Args = slices.Clone(first.Args)
		if string(have) != wantRecords(n) {
			t.Errorf("the records of the stopped job are not whole")
		}
	})
}

// within says whether something happens in so long a time.
func within(d time.Duration, what func() bool) bool {
	for deadline := time.Now().Add(d); !what(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	if !within(time.Minute, what) {
		t.Fatal("waited too long")
	}
}

// TestDeadJobIsStartedAgain kills the agent and its supervisor, as a restart of
// the device would.
func TestDeadJobIsStartedAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("runs jobs through sshd: make test")
	}
	everywhere(t, func(t *testing.T, w world) {
		j := newJob(t, w, 300, 4)
		killed := make(chan error, 1)
		go func() {
			var pid int
			begun := func() bool { // it has a process, which has said so and written records
				pids, _ := filepath.Glob(filepath.Join(w.base, "jobs", "*", "pid"))
				records, _ := filepath.Glob(filepath.Join(w.base, "jobs", "*", recordName))
				if len(pids) == 0 || len(records) == 0 {
					return false
				}
				data, _ := os.ReadFile(pids[0])
				fmt.Sscan(string(data), &pid)
				st, err := os.Stat(records[0])
				return pid > 0 && err == nil && st.Size() > 0
			}
			if !within(time.Minute, begun) {
				killed <- errors.New("the job does not begin")
				return
			}
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				killed <- fmt.Errorf("the agent is gone: %w", err)
				return
			}
			var parent int
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
			fmt.Sscan(fields[1], &parent)
			killed <- errors.Join(syscall.Kill(parent, syscall.SIGKILL), syscall.Kill(pid, syscall.SIGKILL))
		}()
		code, err := j.Run(t.Context())
		if err := <-killed; err != nil {
			t.Fatal(err)
		}
		if err != nil || code != 3 {
			t.Fatalf("code %d, %v", code, err)
		}
		checkRecords(t, j.Output, 300)
		if talk := j.Talk.(*safeBuffer).String(); strings.Count(talk, "starting at ") != 2 {
			t.Errorf("talk %q: the agent was not started twice", talk)
		}
	})
}

// TestFullDisk pushes onto a file system of 64 KiB.
func TestFullDisk(t *testing.T) {
	for _, name := range []string{"local", "ssh"} {
		t.Run(name, func(t *testing.T) {
			w := worlds[name](t)
			small := filepath.Join(t.TempDir(), "small")
			os.MkdirAll(small, 0o755)
			if err := syscall.Mount("none", small, "tmpfs", 0, "size=64k"); err != nil {
				t.Skip("mounting a small file system needs root: ", err)
			}
			defer syscall.Unmount(small, 0)
			src := filepath.Join(t.TempDir(), "big")
			put(t, src, strings.Repeat("x", 1<<20))
			err := dial(t, w).Push(t.Context(), src, filepath.Join(small, "sub", "big"))
			if !errors.Is(err, ErrNoSpace) || hint.Of(err) == "" {
				t.Errorf("%v, want ErrNoSpace with a hint", err)
			}
			if left, _ := os.ReadDir(filepath.Join(small, "sub")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestBundleForAnotherDeviceIsRefused(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c := dial(t, w)
		if _, err := Deploy(t.Context(), c, w.base, t.TempDir(), nil); err == nil || hint.Of(err) == "" {
			t.Errorf("an empty folder: %v", err)
		}
		dir := t.TempDir()
		put(t, filepath.Join(dir, agentName), "\x7fELF this is for another machine")
		if _, err := Deploy(t.Context(), c, w.base, dir, nil); err == nil {
			t.Error("an agent that cannot run was accepted")
		} else if !strings.Contains(err.Error(), "does not run") {
			t.Errorf("%v", err)
		}
	})
}
