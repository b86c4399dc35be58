// Package sysfs reads the one-value files of /sys and /proc under a root given
// as a parameter, so that a folder captured on a board reads like the board.
//
// A captured tree cannot hold a file that no one may read or a driver that
// answers EAGAIN. It lists them in a file ERRORS at its root, one
// "ERRNO path" a line (scripts/capture-sysfs.sh writes it), and FS answers with
// those errors: "EACCES sys/class/powercap/intel-rapl:0/energy_uj", or
// "EAGAIN*2 …" for a file that fails twice before it answers.
package sysfs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrorsFile is the list of reproduced errors at the root of a captured tree.
const ErrorsFile = "ERRORS"

// A sysfs attribute is at most one page (Documentation/filesystems/sysfs.rst);
// /proc files are longer, and no file read here needs more than this.
const maxFile = 1 << 20

// A driver in the middle of a conversion answers EAGAIN (ina3221, some thermal
// drivers); its next answer is a few milliseconds away.
const (
	againTries = 4
	againPause = 5 * time.Millisecond
)

// FS reads files under a root. Paths are relative to it, with slashes:
// "sys/class/thermal". It is safe for concurrent use.
type FS struct {
	root string

	mu     sync.Mutex
	errnos map[string]*reproduced
}

type reproduced struct {
	err  syscall.Errno
	left int // times still to fail; negative: always
}

// Open returns the tree under root. An error means that root is not a folder or
// its ERRORS file is malformed.
func Open(root string) (*FS, error) {
	if st, err := os.Stat(root); err != nil {
		return nil, err
	} else if !st.IsDir() {
		return nil, fmt.Errorf("%s: not a folder", root)
	}
	f := &FS{root: root}
	if filepath.Clean(root) == "/" {
		return f, nil
	}
	data, err := os.ReadFile(filepath.Join(root, ErrorsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	} else if err != nil {
		return nil, err
	}
	if f.errnos, err = parseErrors(data); err != nil {
		return nil, fmt.Errorf("%s:%w", filepath.Join(root, ErrorsFile), err)
	}
	return f, nil
}

// errnos that a kernel file answers with and that a capture may list.
var errnoByName = map[string]syscall.Errno{
	"EACCES": syscall.EACCES, "EPERM": syscall.EPERM, "EAGAIN": syscall.EAGAIN,
	"EIO": syscall.EIO, "ENODEV": syscall.ENODEV, "ENODATA": syscall.ENODATA,
	"EINVAL": syscall.EINVAL, "ENXIO": syscall.ENXIO, "EBUSY": syscall.EBUSY,
	"ETIMEDOUT":  syscall.ETIMEDOUT,
	"EOPNOTSUPP": syscall.EOPNOTSUPP, "ENOENT": syscall.ENOENT,
	"EREMOTEIO": syscall.Errno(121), // an i2c chip that does not answer; Linux only
}

func parseErrors(data []byte) (map[string]*reproduced, error) {
	out := map[string]*reproduced{}
	sc := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, file, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("%d: want ERRNO path, not %q", n, line)
		}
		left := -1
		if base, times, ok := strings.Cut(name, "*"); ok {
			v, err := strconv.Atoi(times)
			if err != nil || v < 1 {
				return nil, fmt.Errorf("%d: bad count in %q", n, name)
			}
			name, left = base, v
		}
		e, ok := errnoByName[name]
		if !ok {
			return nil, fmt.Errorf("%d: unknown error %q", n, name)
		}
		out[path.Clean(strings.TrimLeft(strings.TrimSpace(file), "/"))] = &reproduced{e, left}
	}
	return out, sc.Err()
}

// Root returns the root as given to Open.
func (f *FS) Root() string { return f.root }

// Live reports whether the root is this machine's own.
func (f *FS) Live() bool { return filepath.Clean(f.root) == "/" }

// Path returns the path of a file of the tree in the host's file system.
func (f *FS) Path(name string) string { return filepath.Join(f.root, filepath.FromSlash(name)) }

func (f *FS) fail(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.errnos[path.Clean(name)]
	if r == nil || r.left == 0 {
		return nil
	}
	if r.left > 0 {
		r.left--
	}
	return &fs.PathError{Op: "read", Path: f.Path(name), Err: r.err}
}

// Read returns the bytes of a file. EAGAIN is retried a few times.
func (f *FS) Read(name string) ([]byte, error) {
	for try := 1; ; try++ {
		data, err := f.readOnce(name)
		if !errors.Is(err, syscall.EAGAIN) || try == againTries {
			return data, err
		}
		time.Sleep(againPause)
	}
}

func (f *FS) readOnce(name string) ([]byte, error) {
	if err := f.fail(name); err != nil {
		return nil, err
	}
	// Non-blocking, so that a FIFO or a sleepy character device in a captured tree
	// cannot hang the caller, and one read call each: sysfs regenerates the value
	// per open, so a value is never torn.
	file, err := os.OpenFile(f.Path(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxFile))
}

// String returns the file's text without surrounding white space and without
// the NUL that ends device-tree strings.
func (f *FS) String(name string) (string, error) {
	data, err := f.Read(name)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(strings.TrimRight(string(data), "\x00\n")), nil
}

// Int returns the file's one integer.
func (f *FS) Int(name string) (int64, error) {
	s, err := f.String(name)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: want an integer, not %q", f.Path(name), clip(s))
	}
	return v, nil
}

// Uint returns the file's one non-negative integer.
func (f *FS) Uint(name string) (uint64, error) {
	s, err := f.String(name)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: want a non-negative integer, not %q", f.Path(name), clip(s))
	}
	return v, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// Exists reports whether the file is there, readable or not.
func (f *FS) Exists(name string) bool {
	f.mu.Lock()
	r := f.errnos[path.Clean(name)]
	f.mu.Unlock()
	if r != nil && r.err != syscall.ENOENT {
		return true
	}
	_, err := os.Stat(f.Path(name))
	return err == nil
}

// Glob returns the paths that match the pattern, relative to the root, in
// natural order: cpu2 before cpu10.
func (f *FS) Glob(pattern string) []string {
	matches, _ := fs.Glob(os.DirFS(f.root), pattern)
	f.mu.Lock()
	for name := range f.errnos {
		if ok, _ := path.Match(pattern, name); ok && !slices.Contains(matches, name) {
			matches = append(matches, name)
		}
	}
	f.mu.Unlock()
	slices.SortFunc(matches, compareNatural)
	return matches
}

// compareNatural orders runs of digits by value.
func compareNatural(a, b string) int {
	digits := func(s string) int {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	for a != "" && b != "" {
		if da, db := digits(a), digits(b); da > 0 && db > 0 {
			x, y := strings.TrimLeft(a[:da], "0"), strings.TrimLeft(b[:db], "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
			a, b = a[da:], b[db:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}
