// Package atomicfile writes files that are either whole or absent, and logs that
// lose at most their last, torn line.
package atomicfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// writing is held by every write, and by Settle.
var writing sync.RWMutex

// Settle waits, at most so long, until no file is being written, and lets no further write
// begin: a process that ends then leaves no temporary file.
func Settle(within time.Duration) {
	settled := make(chan struct{})
	go func() {
		writing.Lock()
		close(settled)
	}()
	select {
	case <-settled:
	case <-time.After(within):
	}
}

// Write replaces the file at path with data, or leaves it as it was: the bytes
// go to a temporary name in the same folder, are synced, renamed over path, and
// the folder is synced, so that a crash at any instant leaves the old file or
// the new one. What a crash leaves under the temporary name is overwritten by the next
// Write to path. Missing parent folders are created. A symbolic link stays and what it
// points to is replaced; a pipe or a device is written to. A new file has the mode perm
// less the umask, one that is replaced keeps its own.
func Write(path string, data []byte, perm os.FileMode) (err error) {
	replaced := false
	if at, err := os.Stat(path); err == nil && !at.IsDir() {
		if !at.Mode().IsRegular() {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.Write(data)
			return errors.Join(err, f.Close())
		}
		replaced, perm = true, at.Mode().Perm()
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
	}
	writing.RLock()
	defer writing.RUnlock()
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := temporary(dir, "."+filepath.Base(path)+".tmp", perm)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			discard(f)
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if replaced {
		if err = f.Chmod(perm); err != nil {
			return err
		}
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = publish(f, path); err != nil {
		return err
	}
	return syncDir(dir)
}

// fresh creates a file under a name that cannot be guessed.
func fresh(dir, name string, perm os.FileMode) (*os.File, error) {
	for {
		f, err := os.OpenFile(filepath.Join(dir, name+"-"+rand.Text()), os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// Log appends whole lines to a file, each synced before Append returns.
type Log struct {
	f *os.File
	// Relaxed leaves syncing to Close and the operating system: what a killed process
	// appended is there all the same, but the last seconds before a power cut may not be.
	Relaxed bool
}

// OpenLog opens or creates the log at path for appending and returns what it
// already holds. A last line without its newline was torn by a crash: it is cut
// off the file and returned as torn, so that the caller can say so.
func OpenLog(path string) (log *Log, whole, torn []byte, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, nil, nil, err
	}
	_, statErr := os.Stat(path)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, nil, nil, err
	}
	if errors.Is(statErr, fs.ErrNotExist) { // its name must last as long as its lines
		if err := syncDir(filepath.Dir(path)); err != nil {
			f.Close()
			return nil, nil, nil, err
		}
	}
	data, err := io.ReadAll(f)
	if err != nil {
		f.Close()
		return nil, nil, nil, err
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	whole, torn = data[:end], data[end:]
	if len(torn) > 0 {
		if err := f.Truncate(int64(end)); err != nil {
			f.Close()
			return nil, nil, nil, fmt.Errorf("cut the torn last line off %s: %w", path, err)
		}
	}
	if _, err := f.Seek(int64(end), io.SeekStart); err != nil {
		f.Close()
		return nil, nil, nil, err
	}
	return &Log{f: f}, whole, torn, nil
}

// ContinueLog opens the log at path for appending, for a caller that has read its size
// bytes already and found the first whole of them to be lines; what follows those was
// torn by a crash and is cut off. It fails when the file is not of that size any more.
func ContinueLog(path string, size, whole int64) (*Log, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = fmt.Errorf("%s has changed since it was read: %d bytes then, %d now", path, size, info.Size())
	}
	if err == nil && whole < size {
		if err = f.Truncate(whole); err != nil {
			err = fmt.Errorf("cut the torn last line off %s: %w", path, err)
		}
	}
	if err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Log{f: f}, nil
}

// Append writes one line, adding the newline, and syncs it to the disk. The line
// must not contain a newline of its own.
func (l *Log) Append(line []byte) error {
	if bytes.IndexByte(line, '\n') >= 0 {
		return fmt.Errorf("append to %s: the line contains a newline", l.f.Name())
	}
	if _, err := l.f.Write(append(line[:len(line):len(line)], '\n')); err != nil {
		return err
	}
	return l.sync()
}

// Close closes the file.
func (l *Log) Close() error {
	var err error
	if l.Relaxed {
		err = l.f.Sync()
	}
	return errors.Join(err, l.f.Close())
}

func (l *Log) sync() error {
	if l.Relaxed {
		return nil
	}
	return l.f.Sync()
}

// AppendLines writes several lines, in order, with one sync. A crash in between
// leaves a prefix of them and at most one torn line.
func (l *Log) AppendLines(lines ...[]byte) error {
	var buf []byte
	for _, line := range lines {
		if bytes.IndexByte(line, '\n') >= 0 {
			return fmt.Errorf("append to %s: a line contains a newline", l.f.Name())
		}
		buf = append(append(buf, line...), '\n')
	}
	if len(buf) == 0 {
		return nil
	}
	if _, err := l.f.Write(buf); err != nil {
		return err
	}
	return l.sync()
}
