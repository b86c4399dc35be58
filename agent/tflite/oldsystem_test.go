//go:build cgo && linux

package tflite

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/isocost/isocost/internal/nativelib"
)

// futuristic makes a LiteRT that needs a C library there is not.
func futuristic(t *testing.T, name string) {
	t.Helper()
	dir := t.TempDir()
	cc := func(source, version string, args ...string) {
		t.Helper()
		c := filepath.Join(dir, "x.c")
		if err := errors.Join(os.WriteFile(c, []byte(source), 0o666), os.WriteFile(filepath.Join(dir, "map"), []byte(version), 0o666)); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cc", append([]string{"-shared", "-fPIC", "-nostdlib", c}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	libc := filepath.Join(dir, "libc.so.6")
	cc("void newer(void) {}", "GLIBC_99 { newer; };", "-Wl,-soname,libc.so.6", "-Wl,--version-script", filepath.Join(dir, "map"), "-o", libc)
	cc("void newer(void); void LiteRtCreateCompiledModel(void) { newer(); }", "", libc, "-o", name)
}

// On a system that is too old for LiteRT the classic library stands in, unless
// LiteRT was asked for.
func TestClassicStandsInOnAnOldSystem(t *testing.T) {
	classic := nativelib.Require(t, Classic)
	if _, err := exec.LookPath("cc"); err != nil {
		nativelib.Missing(t, err)
	}
	root := t.TempDir()
	for _, name := range []string{LiteRT, Classic} {
		if err := os.MkdirAll(filepath.Join(root, ".native", "linux-"+runtime.GOARCH, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	lib := filepath.Join(root, ".native", "linux-"+runtime.GOARCH, LiteRT, "libLiteRt.so")
	futuristic(t, lib)
	if err := os.Symlink(classic, filepath.Join(root, ".native", "linux-"+runtime.GOARCH, Classic, filepath.Base(classic))); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Search: nativelib.Search{Platform: "linux-" + runtime.GOARCH, WorkDir: root, Getenv: func(string) string { return "" }}}
	info, err := New(cfg).Info()
	if err != nil || filepath.Base(info.Path) != filepath.Base(classic) {
		t.Errorf("%+v, %v; want the classic library", info, err)
	}
	for _, named := range []Config{{Prefer: LiteRT, Search: cfg.Search}, {Library: lib, Search: cfg.Search}} {
		if info, err := New(named).Info(); !errors.Is(err, errOldSystem) {
			t.Errorf("%+v: %+v, %v; want its refusal", named, info, err)
		}
	}
}
