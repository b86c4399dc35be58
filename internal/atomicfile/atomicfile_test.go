package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestWriteReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "f")
	for _, want := range []string{"first", "second"} {
		if err := Write(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

// What killed programs leave behind is gone with the next write.
func TestKilledWriterLeavesNothing(t *testing.T) {
	if path := os.Getenv("ATOMICFILE_WRITES"); path != "" {
		for data := make([]byte, 1<<20); ; {
			if err := Write(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if runtime.GOOS == "windows" {
		t.Skip("a killed program's temporary files stay here")
	}
	path := filepath.Join(t.TempDir(), "f")
	for tries, interrupted := 0, 0; interrupted < 3; tries++ {
		if tries == 500 {
			t.Fatalf("only %d writes were interrupted: this shows nothing", interrupted)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriterLeavesNothing$")
		cmd.Env = append(os.Environ(), "ATOMICFILE_WRITES="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if _, err := os.Stat(path); err == nil || time.Now().After(deadline) {
				break
			}
		}
		time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
		cmd.Process.Kill()
		cmd.Wait()
		if len(names(t, filepath.Dir(path))) == 1 {
			continue
		}
		interrupted++
		if err := Write(path, []byte("whole"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := names(t, filepath.Dir(path)); len(got) != 1 {
			t.Errorf("left behind: %v", got)
		}
		if got, _ := os.ReadFile(path); string(got) != "whole" {
			t.Errorf("the file holds %d bytes", len(got))
		}
	}
}

// A process that ends after Settle leaves no temporary file, whatever it was writing.
func TestSettledWriterLeavesNothing(t *testing.T) {
	if dir := os.Getenv("ATOMICFILE_SETTLES"); dir != "" {
		for i := range 4 {
			go func() {
				for data := make([]byte, 1<<18); ; {
					Write(filepath.Join(dir, fmt.Sprint(i)), data, 0o644)
				}
			}()
		}
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		Settle(time.Hour)
		os.Exit(0)
	}
	dir := t.TempDir()
	for range 10 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSettledWriterLeavesNothing$")
		cmd.Env = append(os.Environ(), "ATOMICFILE_SETTLES="+dir)
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		for _, name := range names(t, dir) {
			if strings.HasPrefix(name, ".") {
				t.Fatalf("left behind: %s", name)
			}
		}
	}
}

// Writers of one path take turns: the file is always one of theirs, whole.
func TestWritersOfOnePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for range 20 {
				if err := Write(path, bytes.Repeat([]byte{byte('a' + w)}, 10_000+w), 0o644); err != nil {
					t.Error(err)
				}
				got, err := os.ReadFile(path)
				if err != nil || len(got) != 10_000+int(got[0]-'a') || bytes.Count(got, got[:1]) != len(got) {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
			}
		})
	}
	all.Wait()
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteKeepsLinksAndPipes(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	if err := Write(link, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "new" {
		t.Errorf("behind the link stands %q", got)
	}
	if at, err := os.Lstat(link); err != nil || at.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", at, err)
	}
	null := filepath.Join(dir, "null")
	if err := os.Symlink(os.DevNull, null); err != nil {
		t.Fatal(err)
	}
	if err := Write(null, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if at, err := os.Stat(null); err != nil || at.Mode().IsRegular() {
		t.Errorf("the device became %v, %v", at, err)
	}
}

func TestLogCutsTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("a\nb\nhalf"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, whole, torn, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(whole) != "a\nb\n" || string(torn) != "half" {
		t.Errorf("whole %q, torn %q", whole, torn)
	}
	if err := l.Append([]byte("c")); err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]byte("d\ne")); err == nil {
		t.Error("a line with a newline was accepted")
	}
	l.Close()
	got, _ := os.ReadFile(path)
	if string(got) != "a\nb\nc\n" {
		t.Errorf("file holds %q", got)
	}
}

// A log that was read goes on where its whole lines end, and not when it has changed.
func TestContinueLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\ntor"), 0o666); err != nil {
		t.Fatal(err)
	}
	log, err := ContinueLog(path, 7, 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(log.Append([]byte("two")), log.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("the log holds %q, %v", got, err)
	}
	if _, err := ContinueLog(path, 7, 4); err == nil {
		t.Error("a log that has changed since it was read is continued")
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(again, got) {
		t.Errorf("refusing changed the log to %q", again)
	}
	if _, err := ContinueLog(filepath.Join(t.TempDir(), "absent"), 0, 0); err == nil {
		t.Error("a log that is not there is continued")
	}
}
