package nativelib

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

func TestManifestIsChecked(t *testing.T) {
	m, err := parseManifest(manifestJSON)
	if err != nil {
		t.Fatal(err)
	}
	for _, platform := range []string{"linux-amd64", "linux-arm64", "android-arm64"} {
		rt, _ := m.Runtime("onnxruntime")
		found := false
		for _, p := range rt.Packages {
			found = found || p.Platform == platform
		}
		if !found {
			t.Errorf("onnxruntime has no package for %s", platform)
		}
	}
	for _, bad := range []string{
		`{}`, `{"format":"isocost/runtimes/v2"}`, `{"format":"isocost/runtimes/v1","x":1}`,
		strings.Replace(string(manifestJSON), `"symbols": ["OrtGetApiBase"],`, ``, 1),
		strings.Replace(string(manifestJSON), `"client": "pip"`, `"client": "curl"`, 1),
		strings.Replace(string(manifestJSON), `"sha256": "99`, `"sha256": "9`, 1),
		strings.Replace(string(manifestJSON), `"libonnxruntime.so.*"`, `"libother.so.*"`, 1),
		strings.Replace(string(manifestJSON), `"platform": "linux-amd64"`, `"platform": "linux"`, 1),
	} {
		if _, err := parseManifest([]byte(bad)); err == nil {
			t.Errorf("accepted: %.80s", bad)
		}
	}
}

// What parseManifest accepts, and so what is installed, is pinned by hashes.
func FuzzManifest(f *testing.F) {
	f.Add(manifestJSON)
	f.Add([]byte(`{"format":"isocost/runtimes/v1","runtimes":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "runtimes.json:") {
				t.Fatal(err)
			}
			return
		}
		for _, r := range m.Runtimes {
			for _, p := range r.Packages {
				if len(p.SHA256) != 64 || len(p.Take) == 0 {
					t.Fatalf("%q: %+v", data, p)
				}
			}
		}
	})
}

// tree makes files below a temporary folder and returns it.
func tree(t *testing.T, files ...string) string {
	root := t.TempDir()
	for _, f := range files {
		p := filepath.Join(root, f)
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(f), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLibrariesAreLookedForInOrder(t *testing.T) {
	root := tree(t,
		"flag/libonnxruntime.so.9",
		"env/mylib.so",
		"repo/.native/linux-arm64/onnxruntime/libonnxruntime.so.1.32.0",
		"repo/.native/linux-arm64/onnxruntime/libonnxruntime.so.1.31.0",
		"repo/a/b/x",
		"bundle/bin/lib/onnxruntime/libonnxruntime.so",
		"system/libonnxruntime.so.1.20.0",
	)
	full := Search{
		Platform:   "linux-arm64",
		Getenv:     func(n string) string { return map[string]string{"ISOCOST_ONNXRUNTIME": root + "/env/mylib.so"}[n] },
		WorkDir:    root + "/repo/a/b",
		Executable: root + "/bundle/bin/agent",
		System:     []string{root + "/system"},
	}
	noEnv := full
	noEnv.Getenv = func(string) string { return "" }
	bundle := noEnv
	bundle.WorkDir = root + "/flag"
	installed := bundle
	installed.Executable = root + "/repo/bin/agent"
	system := bundle
	system.Executable = ""
	for _, c := range []struct {
		name, explicit string
		s              Search
		want, from     string
	}{
		{"flag names a folder", root + "/flag", full, "/flag/libonnxruntime.so.9", "the path given"},
		{"environment", "", full, "/env/mylib.so", "ISOCOST_ONNXRUNTIME"},
		{"working directory, higher version", "", noEnv, "/repo/.native/linux-arm64/onnxruntime/libonnxruntime.so.1.32.0", "working directory"},
		{"bundle", "", bundle, "/bundle/bin/lib/onnxruntime/libonnxruntime.so", "beside the executable"},
		{"repository of the executable", "", installed, "/repo/.native/linux-arm64/onnxruntime/libonnxruntime.so.1.32.0", "of the executable"},
		{"system", "", system, "/system/libonnxruntime.so.1.20.0", "loader"},
	} {
		got, err := c.s.Find("onnxruntime", c.explicit)
		if err != nil || got.Path != root+c.want || !strings.Contains(got.From, c.from) {
			t.Errorf("%s: %+v, %v; want %s from %s", c.name, got, err, c.want, c.from)
		}
	}
}

func TestFindNeverReplacesANamedPath(t *testing.T) {
	root := tree(t, ".native/linux-amd64/onnxruntime/libonnxruntime.so.1.32.0", "empty/x")
	s := Search{Platform: "linux-amd64", Getenv: func(string) string { return "" }, WorkDir: root}
	for _, explicit := range []string{root + "/missing.so", root + "/empty"} {
		if lib, err := s.Find("onnxruntime", explicit); err == nil || hint.Of(err) == "" {
			t.Errorf("%s: %+v, %v; want an error with a hint", explicit, lib, err)
		}
	}
	s.Getenv = func(string) string { return root + "/missing.so" }
	if lib, err := s.Find("onnxruntime", ""); err == nil {
		t.Errorf("a wrong environment variable was ignored: %+v", lib)
	}
}

func TestMissingSaysHow(t *testing.T) {
	s := Search{Platform: "android-arm64", Getenv: func(string) string { return "" }, WorkDir: t.TempDir()}
	_, err := s.Find("onnxruntime", "")
	if err == nil || runtime.GOOS != "android" && !strings.Contains(hint.Of(err), "scripts/setup-native.sh --platform android-arm64 onnxruntime") {
		t.Errorf("%v; hint %q", err, hint.Of(err))
	}
	s.Platform = "plan9-386"
	if _, err = s.Find("onnxruntime", ""); err == nil || !strings.Contains(hint.Of(err), "ISOCOST_ONNXRUNTIME") {
		t.Errorf("%v; hint %q", err, hint.Of(err))
	}
	if _, err = s.Find("nonesuch", ""); err == nil {
		t.Error("an unknown runtime was found")
	}
}

// recorder stands in for a test.
type recorder struct{ skipped, failed bool }

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.skipped = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic(r) }

// Where a package counts its own versions, the library's is told.
func TestPinnedIsTheLibrarysVersion(t *testing.T) {
	for name, want := range map[string]string{"onnxruntime": "1.29.0", "tflite": "2.16.1"} {
		rt, _ := Known().Runtime(name)
		for _, p := range rt.Packages {
			if p.Platform != "android-arm64" {
				continue
			}
			if got := rt.Pinned("dir/"+p.Take[0].Name(), p.Take[0].SHA256); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
			if got := rt.Pinned("dir/other.so", p.Take[0].SHA256); got != "" {
				t.Errorf("another file of %s: %q", name, got)
			}
		}
	}
}

func TestMissingFailsWhenRequired(t *testing.T) {
	t.Setenv(RequireEnv, "")
	var r recorder
	Missing(&r, os.ErrNotExist)
	if !r.skipped || r.failed {
		t.Errorf("not required: %+v, want skipped", r)
	}
	t.Setenv(RequireEnv, "1")
	r = recorder{}
	func() {
		defer func() { recover() }()
		Missing(&r, os.ErrNotExist)
	}()
	if r.skipped || !r.failed {
		t.Errorf("required: %+v, want failed", r)
	}
	t.Setenv(RequireEnv, "onnxruntime,litert")
	r = recorder{}
	MissingRuntime(&r, "tflite", os.ErrNotExist)
	if !r.skipped || r.failed {
		t.Errorf("another runtime required: %+v, want skipped", r)
	}
	r = recorder{}
	func() {
		defer func() { recover() }()
		MissingRuntime(&r, "litert", os.ErrNotExist)
	}()
	if r.skipped || !r.failed {
		t.Errorf("this runtime required: %+v, want failed", r)
	}
}
