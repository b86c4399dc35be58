//go:build unix

package atomicfile

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// temporary opens the empty file dir/name, locked (flock(2)) against other writers of
// the same path until it is closed. One name per path, and not a fresh one per write, so
// that killed programs leave at most one such file, which the next write takes over.
// Where the name cannot be had – a file system without locks, or something there that no
// write left behind: another user's file, a link, a second name of a file – it is a fresh
// one. A new file has the mode perm less the umask.
func temporary(dir, name string, perm os.FileMode) (*os.File, error) {
	path := filepath.Join(dir, name)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, perm)
		if err != nil {
			return fresh(dir, name, perm)
		}
		if !ours(f) { // before the lock, which its owner could hold for ever
			f.Close()
			return fresh(dir, name, perm)
		}
		if err := lock(f); err != nil {
			f.Close()
			return fresh(dir, name, perm)
		}
		// Whoever held the lock has renamed or removed the file meanwhile: what the name
		// means now is another one, or none.
		if mine, err := f.Stat(); err == nil {
			if now, err := os.Lstat(path); err != nil || !os.SameFile(mine, now) {
				f.Close()
				continue
			}
		}
		if err := f.Truncate(0); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
}

// ours reports whether the file is a regular one of this user that has no second name:
// what is written into it then reaches nothing else. One that another writer has removed
// meanwhile has no name left.
func ours(f *os.File) bool {
	var at unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &at); err != nil {
		return false
	}
	return at.Mode&unix.S_IFMT == unix.S_IFREG && at.Nlink <= 1 && int(at.Uid) == unix.Geteuid()
}

func lock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// publish gives the written file its name and closes it, in this order: the lock must
// hold until the temporary name is free.
func publish(f *os.File, path string) error {
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return f.Close()
}

// discard removes the file, and only then lets go of its lock.
func discard(f *os.File) {
	os.Remove(f.Name())
	f.Close()
}

// syncDir makes the names in a folder last through a crash of the machine.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = syncError(d.Sync())
	return errors.Join(err, d.Close())
}

// syncError drops the errors by which a file system says that it cannot sync folders
// (fsync(2): EINVAL; FUSE and network file systems: ENOTSUP, EOPNOTSUPP, ENOSYS). The
// rename has happened by then, and nothing more can be done for it there. Every other
// error, EIO or ENOSPC say, means that the name may be lost.
func syncError(err error) error {
	for _, cannot := range []error{unix.EINVAL, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS} {
		if errors.Is(err, cannot) {
			return nil
		}
	}
	return err
}
