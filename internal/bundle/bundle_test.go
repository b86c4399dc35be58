package bundle

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

func put(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

const ortSource = "void *OrtGetApiBase(void) { return 0; }\n"

// library compiles a shared library that needs no C library.
func library(t testing.TB, name, source string, flags ...string) {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		nativelib.Missing(t, hint.Wrap(err, "install a C compiler: apt-get install gcc"))
	}
	c := filepath.Join(t.TempDir(), "x.c")
	put(t, c, source)
	args := append([]string{"-shared", "-fPIC", "-nostdlib", "-o", name, c}, flags...)
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// options packs this test program as the agent, and a library made here.
func options(t testing.TB) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	native := t.TempDir()
	dir := filepath.Join(native, "linux-"+runtime.GOARCH, "onnxruntime")
	put(t, filepath.Join(dir, "LICENSE"), "the licence")
	library(t, filepath.Join(dir, "libonnxruntime.so.9"), ortSource)
	licences := t.TempDir()
	put(t, filepath.Join(licences, "module.txt"), "another licence")
	return Options{Target: "test", OS: "linux", Arch: runtime.GOARCH, Version: "v0", Agent: self, Native: native,
		Runtimes: []string{"onnxruntime"}, Licences: licences}
}

func TestPackAndVerify(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the test program is not an ELF file here")
	}
	o := options(t)
	out := filepath.Join(t.TempDir(), "dist", "agent-test")
	m, err := Pack(out, o)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range m.Files {
		paths = append(paths, f.Path)
	}
	if want := []string{"agent", "lib/onnxruntime/LICENSE", "lib/onnxruntime/libonnxruntime.so.9", "licences/module.txt"}; !slices.Equal(paths, want) {
		t.Errorf("packed %v", paths)
	}
	if f := m.Files[2]; f.Version != "not pinned" || f.Licence != "MIT" || f.Runtime != "onnxruntime" || f.PageAlign == 0 {
		t.Errorf("%+v", f)
	}
	if again, err := Verify(out); err != nil || len(again.Files) != len(m.Files) {
		t.Errorf("a fresh bundle: %v", err)
	}
	if st, _ := os.Stat(filepath.Join(out, AgentName)); st.Mode().Perm() != 0o755 {
		t.Errorf("agent of mode %v", st.Mode())
	}
	// Packing again replaces it; two packs are the same bytes.
	first, _ := os.ReadFile(filepath.Join(out, ManifestName))
	if _, err := Pack(out, o); err != nil {
		t.Fatal(err)
	}
	if second, _ := os.ReadFile(filepath.Join(out, ManifestName)); string(first) != string(second) {
		t.Error("two packs differ")
	}
	put(t, filepath.Join(out, "lib/onnxruntime/LICENSE"), "another")
	put(t, filepath.Join(out, "lib/extra.so"), "x")
	os.Remove(filepath.Join(out, "licences/module.txt"))
	_, err = Verify(out)
	for _, want := range []string{"LICENSE is not what", "extra.so is not in", "module.txt"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a damaged bundle: %v; want %q among it", err, want)
		}
	}
}

func TestPackRefuses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the test program is not an ELF file here")
	}
	out := filepath.Join(t.TempDir(), "agent-test")
	try := func(change func(*Options), want string) {
		t.Helper()
		o := options(t)
		change(&o)
		if _, err := Pack(out, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	try(func(o *Options) { o.Runtimes = []string{"nonesuch"} }, "no runtime is called")
	try(func(o *Options) { o.Runtimes = []string{"litert"} }, "no LiteRT")
	try(func(o *Options) { o.Arch = "riscv64"; o.Runtimes = nil }, "the bundle for riscv64")
	try(func(o *Options) {
		put(t, filepath.Join(o.Licences, "script"), "x")
		o.Agent = filepath.Join(o.Licences, "script")
	}, "no ELF")
	try(func(o *Options) {
		dir := filepath.Join(o.Native, "linux-"+runtime.GOARCH, "onnxruntime")
		library(t, filepath.Join(dir, "libonnxruntime.so.9"), "void OrtOther(void) {}\n")
	}, "does not export OrtGetApiBase")
	try(func(o *Options) {
		os.Remove(filepath.Join(o.Native, "linux-"+runtime.GOARCH, "onnxruntime", "libonnxruntime.so.9"))
	}, "holds no libonnxruntime.so")
	if n, err := Needs(options(t).Agent); err == nil && n.GLIBC != "" {
		try(func(o *Options) { o.MaxGLIBC = "2.0" }, "must run on 2.0")
	}
	put(t, filepath.Join(out, "thesis.txt"), "do not delete")
	if _, err := Pack(out, options(t)); err == nil || hint.Of(err) == "" {
		t.Errorf("a folder with other things: %v", err)
	}
	if _, err := os.Stat(filepath.Join(out, "thesis.txt")); err != nil {
		t.Error("it was deleted")
	}
}

func TestNewerComparesVersionsByNumber(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"2.31", "2.4", true}, {"2.4", "2.31", false}, {"2.2.5", "2.2", true}, {"2.17", "2.17", false}, {"3", "2.99", true}} {
		if newer(c.a, c.b) != c.want {
			t.Errorf("newer(%s, %s) = %v", c.a, c.b, !c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	m := Manifest{Format: Format, Target: "t", OS: "linux", Arch: "arm64", Files: []File{{Path: "agent", SHA256: strings.Repeat("0", 64)}}}
	text, err := m.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":"isocost/bundle/v1","files":[{"path":"../x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			return
		}
		text, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		a, _ := json.Marshal(m)
		b, _ := json.Marshal(again)
		if string(a) != string(b) {
			t.Errorf("%s → %s", a, b)
		}
	})
}
