package bundle

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

// note is the mark that the NDK's linker leaves, for an API level.
func note(api int) string {
	return fmt.Sprintf(`__asm__(".section .note.android.ident,\"a\",%%note\n.long 8\n.long 4\n.long 1\n.asciz \"Android\"\n.long %d\n.text\n");`, api)
}

// loadedBy makes a library look like a program that a loader starts.
func loadedBy(loader string) string {
	return fmt.Sprintf(`__attribute__((section(".interp"))) const char loader[] = "%s";`, loader)
}

// android is a bundle for a phone of this machine's architecture.
func android(t testing.TB) Options {
	t.Helper()
	native := t.TempDir()
	dir := filepath.Join(native, "android-"+runtime.GOARCH, "onnxruntime")
	put(t, filepath.Join(dir, "LICENSE"), "the licence")
	library(t, filepath.Join(dir, "libonnxruntime.so"), ortSource+note(24), "-Wl,-z,max-page-size=16384")
	agent := filepath.Join(native, "agent")
	library(t, agent, note(24)+loadedBy(androidLoader), "-Wl,-z,max-page-size=16384")
	return Options{Target: "android-test", OS: "android", Arch: runtime.GOARCH, Version: "v0", Agent: agent, Native: native, Runtimes: []string{"onnxruntime"}}
}

func TestPackAndroid(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the compiler makes no ELF file here")
	}
	m, err := Pack(filepath.Join(t.TempDir(), "agent-test"), android(t))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range m.Files {
		if f.PageAlign == 0 {
			continue // a text
		}
		n++
		if f.AndroidAPI != 24 || f.PageAlign != androidPages || f.GLIBC != "" {
			t.Errorf("%+v", f)
		}
	}
	if n != 2 {
		t.Errorf("%d programs and libraries, want 2: %+v", n, m.Files)
	}
}

func TestPackAndroidRefuses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the compiler makes no ELF file here")
	}
	try := func(change func(o Options, lib string), want string) {
		t.Helper()
		o := android(t)
		change(o, filepath.Join(o.Native, "android-"+runtime.GOARCH, "onnxruntime", "libonnxruntime.so"))
		if _, err := Pack(filepath.Join(t.TempDir(), "agent-test"), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Pack: %v, want %q", err, want)
		}
	}
	try(func(o Options, _ string) {
		library(t, o.Agent, note(24)+loadedBy(androidLoader), "-Wl,-z,max-page-size=4096")
	}, "pages of 4096 bytes")
	try(func(o Options, _ string) {
		library(t, o.Agent, note(24)+loadedBy("/lib/ld.so"), "-Wl,-z,max-page-size=16384")
	}, `loaded by "/lib/ld.so"`)
	try(func(o Options, _ string) {
		library(t, o.Agent, note(24)+loadedBy(androidLoader)+"int main(void) { return 0; }", "-no-pie", "-fno-pic", "-nostdlib", "-Wl,-e,main", "-Wl,-z,max-page-size=16384")
	}, "is not position-independent")
	try(func(_ Options, lib string) { library(t, lib, ortSource+note(30)) }, "built for Android API 30")
	try(func(_ Options, lib string) {
		private := filepath.Join(filepath.Dir(lib), "..", "libprivate.so")
		library(t, private, "void secret(void) {}", "-Wl,-soname,libprivate.so")
		library(t, lib, "void secret(void);\nvoid *OrtGetApiBase(void) { secret(); return 0; }\n", private)
	}, "libprivate.so, which is not part of the NDK")
	try(func(_ Options, lib string) {
		library(t, lib, "#include <stdio.h>\nvoid *OrtGetApiBase(void) { puts(\"\"); return 0; }\n", "-lc")
	}, "is linked with glibc")
	try(func(_ Options, lib string) {
		library(t, lib, ortSource+`__asm__(".section .note.android.ident,\"a\",%note\n.long 8\n.text\n");`)
	}, "is torn")
}

// The pinned packages themselves, where they are installed: arm64, the functions
// that the adapters bind, nothing that API 24 lacks.
func TestAndroidPackages(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s := nativelib.Search{Platform: "android-arm64", Getenv: func(string) string { return "" }, WorkDir: wd}
	// What agent/tflite binds by name is listed in one place.
	header, err := os.ReadFile("../../agent/tflite/classic.h")
	if err != nil {
		t.Fatal(err)
	}
	var classic []string
	for _, m := range regexp.MustCompile(`(?m)^  X\((\w+),`).FindAllStringSubmatch(string(header), -1) {
		classic = append(classic, "TfLite"+m[1])
	}
	if len(classic) < 15 {
		t.Fatalf("classic.h binds only %v", classic)
	}
	for name, c := range map[string]struct {
		symbols []string
		pages   uint64 // of the newest device that loads it
	}{
		"onnxruntime": {[]string{"OrtGetApiBase", "OrtSessionOptionsAppendExecutionProvider_Nnapi"}, 16 << 10},
		"tflite":      {classic, 4 << 10},
		"tflite-gpu":  {[]string{"TfLiteGpuDelegateV2Create", "TfLiteGpuDelegateV2Delete"}, 4 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			lib, err := s.Find(name, "")
			if err != nil {
				// Another machine's libraries: even where all of this machine's are required, these are asked for by name.
				if strings.Contains(os.Getenv(nativelib.RequireEnv), "android-"+name) {
					t.Fatalf("%v (%s)", err, hint.Of(err))
				}
				t.Skipf("%v (%s)", err, hint.Of(err))
			}
			native := filepath.Dir(filepath.Dir(filepath.Dir(lib.Path)))
			files, err := CheckRuntimes(Options{OS: "android", Arch: "arm64", Native: native, Runtimes: []string{name}})
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range files {
				if f.Path != "lib/"+name+"/"+filepath.Base(lib.Path) {
					continue
				}
				found = true
				if f.Version == "not pinned" || f.PageAlign != c.pages || f.AndroidAPI < 19 || f.AndroidAPI > 24 {
					t.Errorf("%+v", f)
				}
			}
			if !found {
				t.Errorf("%s is not among %+v", lib.Path, files)
			}
			needs, err := Needs(lib.Path)
			if err != nil {
				t.Fatal(err)
			}
			for _, symbol := range c.symbols {
				if !needs.Exports[symbol] {
					t.Errorf("%s does not export %s", lib.Path, symbol)
				}
			}
		})
	}
}
