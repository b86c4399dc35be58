//go:build cgo

package tflite

import (
	"context"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

// sharedLibrary compiles C into a library, with the compiler cgo itself needs.
func sharedLibrary(t *testing.T, source string) string {
	t.Helper()
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	lib := filepath.Join(t.TempDir(), "lib.so")
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", lib, source, "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cc, err, out)
	}
	return lib
}

// TestExternalDelegate: a delegate out of a library of its own takes the whole
// model, gets its options, and lives on one OS thread.
func TestExternalDelegate(t *testing.T) {
	classic := nativelib.Require(t, Classic)
	b := New(Config{Library: classic, Search: nativelib.Host()})
	plugin := sharedLibrary(t, "testdata/delegate.c")
	log := filepath.Join(t.TempDir(), "threads")
	m := convModel(t, 12, 8, false)
	opt := agent.Options{Provider: Delegate, Threads: 1, Seed: 7, ProviderOptions: map[string]string{"library": plugin, "xnnpack": classic, "threads": log}}
	want := outputs(t, open(t, b, m, agent.Options{Provider: Builtin, Threads: 1, Seed: 7}))
	s, err := b.Open(context.Background(), m, opt)
	if err != nil {
		t.Fatal(err)
	}
	if d := maxDiff(outputs(t, plain(s)), want); d > 1e-4 {
		t.Errorf("differs by %g", d)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	threads := map[string]bool{}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		what, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		seen[what], threads[id] = true, true
	}
	if !seen["create"] || !seen["prepare"] || !seen["destroy"] || len(threads) != 1 {
		t.Errorf("created, prepared and destroyed on several threads, or not at all:\n%s", text)
	}

	opt.ProviderOptions = map[string]string{"library": plugin, "xnnpack": classic}
	if _, err := b.Open(context.Background(), convModel(t, 12, 8, true), opt); !errors.Is(err, agent.ErrFallback) || !strings.Contains(err.Error(), "1 of 3 nodes") {
		t.Errorf("half a model: %v", err)
	}
	opt.ProviderOptions = map[string]string{"library": plugin, "speed": "high"}
	if _, err := b.Open(context.Background(), m, opt); err == nil || !strings.Contains(err.Error(), "unknown option speed") {
		t.Errorf("an option the delegate refuses: %v", err)
	}
	opt.ProviderOptions = map[string]string{"library": classic}
	if _, err := b.Open(context.Background(), m, opt); err == nil || !strings.Contains(err.Error(), "tflite_plugin_create_delegate") {
		t.Errorf("a library that is not a delegate: %v", err)
	}
	opt.ProviderOptions = nil
	if _, err := b.Open(context.Background(), m, opt); err == nil || hint.Of(err) == "" {
		t.Errorf("no library: %v", err)
	}
}

// TestMissingSymbol: a library that lacks a function is named with it, and a
// library that is neither runtime is called that.
func TestMissingSymbol(t *testing.T) {
	dir := t.TempDir()
	for source, want := range map[string]string{
		"int LiteRtCreateCompiledModel(void) { return 0; }\n": "has no LiteRtCreateEnvironment",
		"int TfLiteInterpreterCreate(void) { return 0; }\n":   "has no TfLiteVersion",
		"int something_else(void) { return 0; }\n":            "is neither LiteRT nor TensorFlow Lite",
	} {
		file := filepath.Join(dir, "fake.c")
		if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := New(Config{Library: sharedLibrary(t, file), Search: nativelib.Host()}).Info()
		if err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("%q: %v, hint %q", want, err, hint.Of(err))
		}
	}
}

// TestClassicGPUNeedsItsLibrary: without the delegate's file the error names it;
// with the file for another machine it says so.
func TestClassicGPUNeedsItsLibrary(t *testing.T) {
	b := New(Config{Library: nativelib.Require(t, Classic), Search: nativelib.Host()})
	_, err := b.Open(context.Background(), convModel(t, 12, 8, false), agent.Options{Provider: GPU, Threads: 1})
	if err == nil || !strings.Contains(err.Error(), "GPU delegate") || hint.Of(err) == "" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
	android := nativelib.Host()
	android.Platform = "android-arm64"
	lib, err := android.Find("tflite-gpu", "")
	if err != nil {
		t.Skip(err) // the AAR's library is not installed here
	}
	// What the loader binds on a phone is there.
	for _, symbol := range []string{"TfLiteGpuDelegateV2Create", "TfLiteGpuDelegateV2Delete"} {
		if !exports(t, lib.Path, symbol) {
			t.Errorf("%s exports no %s", lib.Path, symbol)
		}
	}
	if c, err := android.Find(Classic, ""); err == nil {
		for _, symbol := range []string{"TfLiteInterpreterCreate", "TfLiteInterpreterModifyGraphWithDelegate", "TfLiteXNNPackDelegateCreate",
			"TfLiteInterpreterOptionsSetErrorReporter", "TfLiteTensorCopyToBuffer"} {
			if !exports(t, c.Path, symbol) {
				t.Errorf("%s exports no %s", c.Path, symbol)
			}
		}
	}
	b = New(Config{Library: nativelib.Require(t, Classic), GPULibrary: lib.Path, Search: nativelib.Host()})
	if _, err := b.Open(context.Background(), convModel(t, 12, 8, false), agent.Options{Provider: GPU, Threads: 1}); err == nil {
		t.Error("a phone's library ran here")
	}
}

func exports(t *testing.T, path, name string) bool {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == name && s.Section != elf.SHN_UNDEF })
}
