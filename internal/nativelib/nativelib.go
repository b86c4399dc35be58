// Package nativelib finds the native runtime libraries: ONNX Runtime, TensorFlow
// Lite, TensorFlow and their plugins. It only looks; loading and judging what was
// found is the adapters' work, and installing is scripts/setup-native.sh's.
//
// A runtime's library is, in this order,
//
//  1. the path the user gave by flag: a library, or a folder holding it,
//  2. the path in the runtime's environment variable (ISOCOST_ONNXRUNTIME…),
//  3. in .native/<goos>-<goarch>/<runtime>/ of the working directory or a
//     folder above it,
//  4. the same beside the executable or a folder above it, or in lib/<runtime>/ or
//     lib/ beside the executable (a device bundle),
//  5. in the folders of the system's loader.
//
// A path the user named is never silently replaced by another.
package nativelib

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/hint"
)

// RequireEnv makes tests fail, not skip, when a library is missing: "1" for every
// library, or the names of those that must be there, separated by commas.
const RequireEnv = "ISOCOST_REQUIRE_NATIVE"

// Library is a library that was found.
type Library struct {
	Runtime string `json:"runtime"`
	Path    string `json:"path"` // absolute
	From    string `json:"from"` // where the path came from, for people
}

// Search says where to look. The zero value looks nowhere; Host is this process's.
type Search struct {
	Platform   string // GOOS-GOARCH
	Getenv     func(string) string
	WorkDir    string // "" to leave out
	Executable string // path of the running program, "" to leave out
	System     []string
}

// Host searches on behalf of this process.
func Host() Search {
	s := Search{Platform: runtime.GOOS + "-" + runtime.GOARCH, Getenv: os.Getenv, System: systemFolders(os.Getenv)}
	s.WorkDir, _ = os.Getwd()
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		s.Executable = exe
	}
	return s
}

// Find returns the library of a runtime in the manifest. explicit is the path
// given by flag, "" if none. The error says where it looked and its hint how to
// get the library.
func (s Search) Find(name, explicit string) (Library, error) {
	rt, ok := Known().Runtime(name)
	if !ok {
		return Library{}, fmt.Errorf("find native library: no runtime is called %q", name)
	}
	if explicit != "" {
		return s.named(rt, explicit, "the path given")
	}
	if p := s.Getenv(rt.Env); p != "" {
		return s.named(rt, p, rt.Env)
	}
	var looked []string
	try := func(dir, from string) (Library, bool) {
		if dir == "" || slices.Contains(looked, dir) {
			return Library{}, false
		}
		looked = append(looked, dir)
		if p := match(rt, dir); p != "" {
			return Library{rt.Name, p, from}, true
		}
		return Library{}, false
	}
	below := filepath.Join(".native", s.Platform, rt.Name)
	for dir := range parents(s.WorkDir) {
		if lib, ok := try(filepath.Join(dir, below), below+" of the working directory"); ok {
			return lib, nil
		}
	}
	if s.Executable != "" {
		home := filepath.Dir(s.Executable)
		for _, dir := range []string{filepath.Join(home, "lib", rt.Name), filepath.Join(home, "lib"), home} {
			if lib, ok := try(dir, "beside the executable"); ok {
				return lib, nil
			}
		}
		for dir := range parents(home) {
			if lib, ok := try(filepath.Join(dir, below), below+" of the executable"); ok {
				return lib, nil
			}
		}
	}
	for _, dir := range s.System {
		if lib, ok := try(dir, "the system's loader path"); ok {
			return lib, nil
		}
	}
	return Library{}, hint.Wrap(
		fmt.Errorf("no %s library (%s) for %s in %s, beside the program or on the system's loader path",
			rt.Title, rt.Library[0], s.Platform, below),
		"%s", s.howToGet(rt))
}

// howToGet is the action that makes a missing library appear.
func (s Search) howToGet(rt Runtime) string {
	for _, p := range rt.Packages {
		if p.Platform == s.Platform {
			platform := ""
			if s.Platform != runtime.GOOS+"-"+runtime.GOARCH {
				platform = "--platform " + s.Platform + " "
			}
			return fmt.Sprintf("run scripts/setup-native.sh %s%s, or name a library in %s", platform, rt.Name, rt.Env)
		}
	}
	return fmt.Sprintf("no package is pinned for %s; name a library of your own in %s", s.Platform, rt.Env)
}

// named resolves a path the user gave.
func (s Search) named(rt Runtime, path, from string) (Library, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Library{}, err
	}
	info, err := os.Stat(abs)
	switch {
	case err != nil:
		return Library{}, hint.Wrap(fmt.Errorf("%s library from %s: %w", rt.Title, from, err),
			"give the path of an existing %s", rt.Library[0])
	case info.IsDir():
		p := match(rt, abs)
		if p == "" {
			return Library{}, hint.Wrap(fmt.Errorf("%s library from %s: %s holds no %s", rt.Title, from, path, rt.Library[0]),
				"give the path of the library itself")
		}
		abs = p
	}
	return Library{rt.Name, abs, from}, nil
}

// match returns the runtime's library in dir, "" if there is none. Of several
// files for one pattern the last by name wins: the higher version.
func match(rt Runtime, dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, pattern := range rt.Library {
		for _, e := range slices.Backward(entries) {
			if ok, _ := filepath.Match(pattern, e.Name()); ok && !e.IsDir() {
				return filepath.Join(dir, e.Name())
			}
		}
	}
	return ""
}

// parents yields dir and every folder above it.
func parents(dir string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for dir != "" && yield(dir) {
			up := filepath.Dir(dir)
			if up == dir {
				return
			}
			dir = up
		}
	}
}

// systemFolders say where the system's loader looks. A file is found rather than
// handed to dlopen by bare name because its hash belongs into every record.
func systemFolders(getenv func(string) string) []string {
	if runtime.GOOS == "android" {
		return []string{"/vendor/lib64", "/system/lib64"}
	}
	out := filepath.SplitList(getenv("LD_LIBRARY_PATH"))
	confs, _ := filepath.Glob("/etc/ld.so.conf.d/*.conf")
	for _, conf := range confs {
		data, err := os.ReadFile(conf)
		if err != nil {
			continue
		}
		for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
			if dir := strings.TrimSpace(sc.Text()); filepath.IsAbs(dir) {
				out = append(out, dir)
			}
		}
	}
	return append(out, "/usr/local/lib", "/usr/lib", "/usr/lib64", "/lib", "/lib64")
}

// TB is the part of testing.TB that Require needs.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Require returns the path of a runtime's library for a test. Without it the test
// is skipped with the way to get it, or fails when ISOCOST_REQUIRE_NATIVE asks for it.
func Require(t TB, name string) string {
	t.Helper()
	lib, err := Host().Find(name, "")
	if err != nil {
		MissingRuntime(t, name, err)
	}
	return lib.Path
}

// MissingRuntime ends a test that cannot run for want of a runtime: it skips, or
// fails when ISOCOST_REQUIRE_NATIVE is 1 or lists that runtime.
func MissingRuntime(t TB, name string, err error) {
	t.Helper()
	if want := os.Getenv(RequireEnv); want == "1" || name != "" && slices.Contains(strings.Split(want, ","), name) {
		t.Fatalf("%s=%s, and %v (%s)", RequireEnv, want, err, hint.Of(err))
	}
	t.Skipf("%v (%s)", err, hint.Of(err))
}

// Missing ends a test that cannot run for want of something native that is no
// runtime of the manifest: it skips, or fails when ISOCOST_REQUIRE_NATIVE is 1.
func Missing(t TB, err error) {
	t.Helper()
	MissingRuntime(t, "", err)
}
