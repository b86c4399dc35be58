//go:build unix

package atomicfile

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A folder that could not be synced is an error, except where the file system has no
// such thing.
func TestFailedFolderSyncIsReported(t *testing.T) {
	sync := func(err error) error { return &fs.PathError{Op: "sync", Path: "/folder", Err: err} }
	for _, err := range []error{unix.EIO, unix.ENOSPC, unix.EBADF, unix.EDQUOT} {
		if got := syncError(sync(err)); !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
	for _, err := range []error{unix.EINVAL, unix.ENOTSUP, unix.ENOSYS} {
		if got := syncError(sync(err)); got != nil {
			t.Errorf("a file system that cannot sync folders (%v) makes a write fail: %v", err, got)
		}
	}
	if err := syncDir(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that does not exist was synced: %v", err)
	}
}
