//go:build unix

// Package filelock keeps two processes off one file: both would append to it, and
// neither would notice.
package filelock

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience says how long a lock may take. A program that was killed between fork and
// exec of a child leaves the lock with that child until the exec closes it.
const patience = 2 * time.Second

// Lock takes an exclusive lock on the file at path, creating it; the lock ends when
// it is closed and with the process, however that ends (flock(2)). It waits two
// seconds for another process, or another Lock of this one, and is then an error.
func Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			f.Close()
			return nil, &os.PathError{Op: "lock", Path: path, Err: err}
		}
	}
}
