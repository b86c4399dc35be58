package tflite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// threadTag marks the calling OS thread so that threads created by it can be
// counted: on Linux a new thread inherits its creator's name. The caller must be
// locked to its OS thread.
type threadTag struct{ name, before string }

var tagNumber atomic.Uint32

func tagThread() (*threadTag, error) {
	old := make([]byte, 16) // TASK_COMM_LEN
	if err := unix.Prctl(unix.PR_GET_NAME, uintptr(unsafe.Pointer(&old[0])), 0, 0, 0); err != nil {
		return nil, fmt.Errorf("read the thread's name: %w", err)
	}
	t := &threadTag{name: fmt.Sprintf("isocost-%x", tagNumber.Add(1)&0xffffff), before: unix.ByteSliceToString(old)}
	return t, setThreadName(t.name)
}

func setThreadName(name string) error {
	buf := append([]byte(name), 0)
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&buf[0])), 0, 0, 0); err != nil {
		return fmt.Errorf("name the thread: %w", err)
	}
	return nil
}

// created counts the living threads the tagged thread and its descendants created.
func (t *threadTag) created() (int, error) {
	tasks, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil {
		return 0, err
	}
	n := -1 // the tagged thread itself
	for _, path := range tasks {
		if comm, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(comm)) == t.name {
			n++
		}
	}
	return n, nil
}

// restore gives the calling thread its name back; call it on the tagged thread.
func (t *threadTag) restore() error { return setThreadName(t.before) }
