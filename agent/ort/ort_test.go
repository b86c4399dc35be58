//go:build cgo

package ort

import (
	"context"
	"encoding/json"
	"errors"
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

func backend(t testing.TB) *Backend {
	nativelib.Require(t, "onnxruntime")
	return New(Config{Search: nativelib.Host()})
}

func open(t testing.TB, b *Backend, model []byte, opt agent.Options) agent.Session {
	t.Helper()
	if opt.Threads == 0 {
		opt.Threads = 1
	}
	if opt.Provider == "" {
		opt.Provider = "cpu"
	}
	s, err := b.Open(context.Background(), agent.Model{Name: t.Name(), Bytes: model}, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func outputs(t testing.TB, s agent.Session) []agent.Tensor {
	t.Helper()
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	out, err := s.(agent.OutputReader).Outputs()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestConformance checks what a campaign relies on.
func TestConformance(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	backendtest.Run(t, backendtest.Config{
		New:      func(t testing.TB) agent.Backend { return backend(t) },
		Provider: "cpu",
		Models: []agent.Model{
			{Name: "add", ID: "add", Bytes: addModel()},
			{Name: "conv", ID: "conv", Bytes: convModel(1)},
			{Name: "int8", ID: "int8", Bytes: quantModel(true)},
			{Name: "fp16", ID: "fp16", Bytes: convModel(10)},
		},
		Bad:     []agent.Model{{Name: "unknown operator", ID: "unknown", Bytes: unknownOp()}},
		Input:   &agent.Tensor{Name: "x", DType: "float32", Shape: []int{1, 3}, Data: floats(4, 5, 6)},
		Threads: []int{2},
	})
}

func TestInfoNamesTheLibrary(t *testing.T) {
	info, err := backend(t).Info()
	if err != nil {
		t.Fatal(err)
	}
	if info.Backend != "ort" || info.Format != "onnx" || !strings.HasPrefix(info.Version, "1.") || len(info.SHA256) != 64 ||
		!filepath.IsAbs(info.Path) || !slices.Contains(info.Providers, "cpu") {
		t.Errorf("%+v", info)
	}
}

func TestGivenInputs(t *testing.T) {
	s := open(t, backend(t), addModel(), agent.Options{Inputs: map[string]agent.Tensor{
		"x": {DType: "float32", Shape: []int{1, 3}, Data: floats(1, 2, 3)},
	}})
	runtime.GC() // tensors must not depend on the collector's mercy
	out := outputs(t, s)
	if len(out) != 1 || out[0].Name != "y" || out[0].DType != "float32" || !slices.Equal(out[0].Shape, []int{1, 3}) {
		t.Fatalf("%+v", out)
	}
	if got := decodeFloats(out[0].Data); !slices.Equal(got, []float32{11, 22, 33}) {
		t.Errorf("got %v, want [11 22 33]", got)
	}
}

func TestSynthesisedInputsFollowTheSeed(t *testing.T) {
	b := backend(t)
	run := func(seed uint64) []byte { return outputs(t, open(t, b, addModel(), agent.Options{Seed: seed}))[0].Data }
	if !slices.Equal(run(7), run(7)) {
		t.Error("the same seed gave two outputs")
	}
	if slices.Equal(run(7), run(8)) {
		t.Error("two seeds gave the same output")
	}
	for i, v := range decodeFloats(run(7)) {
		if x := v - []float32{10, 20, 30}[i]; x < -6 || x > 6 {
			t.Errorf("synthesised input %d is %g, not standard normal", i, x)
		}
	}
}

// TestElementTypes runs an identity over every type a model may declare.
func TestElementTypes(t *testing.T) {
	b := backend(t)
	for number, d := range dtypes {
		m := testModel{
			in:      []testValue{{"x", number, []any{2, 5}}},
			out:     []testValue{{"y", number, []any{2, 5}}},
			nodes:   []testNode{{op: "Reshape", in: []string{"x", "s"}, out: []string{"y"}}},
			weights: []testTensor{{"s", 7, []int{2}, []byte{2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0}}},
		}
		s := open(t, b, m.bytes(), agent.Options{Seed: 3})
		want := make([]byte, 10*d.size)
		agent.Synthesise(want, d.name, 3, 0)
		if d.name == "string" {
			want = agent.JoinStrings(agent.SynthesiseStrings(10, 3, 0))
		}
		out := outputs(t, s)
		if out[0].DType != d.name || !slices.Equal(out[0].Data, want) {
			t.Errorf("%s: got %s %v, want %v", d.name, out[0].DType, out[0].Data, want)
		}
	}
}

func TestSymbolicDimensions(t *testing.T) {
	b := backend(t)
	m := testModel{
		in:    []testValue{{"x", 1, []any{"batch", ""}}},
		out:   []testValue{{"y", 1, []any{"batch", ""}}, {"n", 7, []any{2}}},
		nodes: []testNode{{op: "Relu", in: []string{"x"}, out: []string{"y"}}, {op: "Shape", in: []string{"x"}, out: []string{"n"}}},
	}.bytes()
	ctx := context.Background()
	_, err := b.Open(ctx, agent.Model{Bytes: m, Dims: map[string]int{"batch": 2}}, agent.Options{Provider: "cpu", Threads: 1})
	if err == nil || !strings.Contains(hint.Of(err), "--dim 'x[1]=N'") {
		t.Errorf("%v; hint %q", err, hint.Of(err))
	}
	s, err := b.Open(ctx, agent.Model{Bytes: m, Dims: map[string]int{"batch": 2, "x[1]": 4}}, agent.Options{Provider: "cpu", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if out := outputs(t, s); !slices.Equal(out[0].Shape, []int{2, 4}) || out[1].Data[0] != 2 || out[1].Data[8] != 4 {
		t.Errorf("%+v", out)
	}
}

func TestScalarOutput(t *testing.T) {
	m := testModel{
		in:    []testValue{{"x", 1, []any{4}}},
		out:   []testValue{{"y", 1, nil}},
		nodes: []testNode{{op: "ReduceMax", in: []string{"x"}, out: []string{"y"}, ints: map[string][]int{"keepdims": {0}}}},
	}.bytes()
	s := open(t, backend(t), m, agent.Options{Inputs: map[string]agent.Tensor{
		"x": {DType: "float32", Shape: []int{4}, Data: floats(1, 9, 2, 3)}}})
	if out := outputs(t, s); len(out[0].Shape) != 0 || decodeFloats(out[0].Data)[0] != 9 {
		t.Errorf("%+v", out)
	}
}

func TestModelFromPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, addModel(), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := backend(t).Open(context.Background(), agent.Model{Path: path}, agent.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	outputs(t, s)
}

func TestRefusalsAreUnsupported(t *testing.T) {
	b := backend(t)
	for _, c := range []struct {
		name        string
		model       agent.Model
		opt         agent.Options
		unsupported bool
		message     string
	}{
		{"unknown operator", agent.Model{Bytes: unknownOp()}, agent.Options{Threads: 1}, true, "Nonesuch"},
		{"garbage", agent.Model{Bytes: []byte("not a model")}, agent.Options{Threads: 1}, true, "ONNX Runtime"},
		{"no model", agent.Model{}, agent.Options{Threads: 1}, true, "neither bytes nor a path"},
		{"missing file", agent.Model{Path: "nonesuch.onnx"}, agent.Options{Threads: 1}, false, "no such file"},
		{"no threads", agent.Model{Bytes: addModel()}, agent.Options{}, false, "at least 1"},
		{"provider the library lacks", agent.Model{Bytes: addModel()}, agent.Options{Threads: 1, Provider: "coreml"}, false, "has only"},
		{"option cpu lacks", agent.Model{Bytes: addModel()}, agent.Options{Threads: 1, ProviderOptions: map[string]string{"x": "1"}}, false, `no option "x"`},
		{"unknown input", agent.Model{Bytes: addModel()}, agent.Options{Threads: 1, Inputs: map[string]agent.Tensor{"z": {}}}, false, `no input "z"`},
		{"wrong input", agent.Model{Bytes: addModel()}, agent.Options{Threads: 1, Inputs: map[string]agent.Tensor{"x": {DType: "int8"}}}, false, `wants float32 [1 3]`},
	} {
		s, err := b.Open(context.Background(), c.model, c.opt)
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", c.name)
			continue
		}
		if errors.Is(err, agent.ErrUnsupported) != c.unsupported || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v; want %q, unsupported %v", c.name, err, c.message, c.unsupported)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Open(ctx, agent.Model{Bytes: addModel()}, agent.Options{Threads: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestMemoryStats(t *testing.T) {
	// Four chained operators over a megabyte each: the arena must hold at least
	// one of them while running.
	m := testModel{in: []testValue{{"x0", 1, []any{1 << 18}}}, out: []testValue{{"x4", 1, []any{1 << 18}}}}
	for i, op := range []string{"Sin", "Cos", "Sin", "Cos"} {
		m.nodes = append(m.nodes, testNode{op: op, in: []string{"x" + string('0'+byte(i))}, out: []string{"x" + string('1'+byte(i))}})
	}
	s := open(t, backend(t), m.bytes(), agent.Options{})
	before, err := s.(agent.MemoryReporter).MemoryStats()
	if err != nil {
		t.Fatal(err)
	}
	outputs(t, s)
	after, err := s.(agent.MemoryReporter).MemoryStats()
	if err != nil {
		t.Fatal(err)
	}
	if peak := after.MaxInUse - before.InUse; peak < 1<<20 || peak > 8<<20 {
		t.Errorf("peak activation %d bytes, want one to eight MiB (%+v, %+v)", peak, before, after)
	}
}

func TestClosedSession(t *testing.T) {
	s := open(t, backend(t), addModel(), agent.Options{})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if s.Run() == nil {
		t.Error("a closed session ran")
	}
	if _, err := s.(agent.OutputReader).Outputs(); err == nil {
		t.Error("a closed session has outputs")
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	s := open(t, backend(t), addModel(), agent.Options{})
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Run allocates %g times; the collector would show in the samples", n)
	}
}

func BenchmarkRun(b *testing.B) {
	s := open(b, backend(b), addModel(), agent.Options{})
	for b.Loop() {
		if err := s.Run(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLibrariesOfOneProcess loads files that are not a usable ONNX Runtime, each in a process of its own.
func TestLibrariesOfOneProcess(t *testing.T) {
	if path := os.Getenv("ISOCOST_TEST_LIBRARY"); path != "" {
		_, err := New(Config{Library: path, Search: nativelib.Host()}).Info()
		json.NewEncoder(os.Stdout).Encode([]string{err.Error(), hint.Of(err)})
		os.Exit(0)
	}
	dir := t.TempDir()
	compile := func(name, source string) string {
		src, out := filepath.Join(dir, name+".c"), filepath.Join(dir, "lib"+name+".so")
		if err := os.WriteFile(src, []byte(source), 0o666); err != nil {
			t.Fatal(err)
		}
		if msg, err := exec.Command("cc", "-shared", "-fPIC", "-o", out, src).CombinedOutput(); err != nil {
			t.Fatalf("cc: %v\n%s", err, msg)
		}
		return out
	}
	text := filepath.Join(dir, "text.so")
	if err := os.WriteFile(text, []byte("plain text"), 0o666); err != nil {
		t.Fatal(err)
	}
	other := elfFor(t, dir)
	for _, c := range []struct{ name, path, message, hint string }{
		{"missing", filepath.Join(dir, "nonesuch.so"), "no such file", "existing"},
		{"no library", text, "not a shared library", "setup-native.sh"},
		{"another architecture", other, "this program for", "--platform linux-" + runtime.GOARCH},
		{"not an ONNX Runtime", compile("other", "int f(void) { return 1; }"), "not an ONNX Runtime", "setup-native.sh"},
		{"missing symbol", compile("broken", "extern int nonesuch(void); __attribute__((constructor)) void f(void) { nonesuch(); } int *g = (int *)nonesuch;"),
			"nonesuch", "setup-native.sh"},
		{"too old", compile("old", `#include <stddef.h>
			static void *api(unsigned v) { return NULL; }
			static const char *version(void) { return "1.17.3"; }
			static struct { void *(*a)(unsigned); const char *(*v)(void); } base = {api, version};
			void *OrtGetApiBase(void) { return &base; }`), `"1.17.3" is older than 1.24`, "newer library"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLibrariesOfOneProcess$")
		cmd.Env = append(os.Environ(), "ISOCOST_TEST_LIBRARY="+c.path)
		out, err := cmd.Output()
		var got []string
		if err != nil || json.Unmarshal(out, &got) != nil || len(got) != 2 {
			t.Errorf("%s: %v: %s", c.name, err, out)
			continue
		}
		if !strings.Contains(got[0], c.message) || !strings.Contains(got[1], c.hint) {
			t.Errorf("%s: %q, hint %q; want %q, hint %q", c.name, got[0], got[1], c.message, c.hint)
		}
	}
}

// elfFor writes the head of a shared library for a machine that is not this one.
func elfFor(t *testing.T, dir string) string {
	machine := byte(0xb7) // EM_AARCH64
	if runtime.GOARCH == "arm64" {
		machine = 0x3e // EM_X86_64
	}
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	head[16], head[18], head[20] = 3, machine, 1 // ET_DYN, machine, EV_CURRENT
	head[52] = 64                                // e_ehsize
	path := filepath.Join(dir, "foreign.so")
	if err := os.WriteFile(path, head, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestShimIndices holds the shim's table of functions against the header the
// binding is built with.
func TestShimIndices(t *testing.T) {
	pkg, err := build.Import("github.com/yalue/onnxruntime_go", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(pkg.Dir, "onnxruntime_c_api.h"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.Contains(text, "#define ORT_API_VERSION 24\n") || apiVersion != 24 {
		t.Fatalf("the header is not of API version %d", apiVersion)
	}
	text = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`).ReplaceAllString(text, "")
	_, text, _ = strings.Cut(text, "struct OrtApi {")
	text, _, _ = strings.Cut(text, "\n};")
	member := regexp.MustCompile(`ORT_API2_STATUS\(\s*(\w+)|ORT_CLASS_RELEASE\w*\(\s*(\w+)|ORT_API_CALL\s*\*\s*(\w+)\s*\)|ORT_API_T\([^,]*,\s*(\w+)`)
	want := map[string]int{}
	i := 0
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		m := member.FindStringSubmatch(part)
		if m == nil {
			t.Fatalf("member %d of OrtApi not understood: %s", i, part)
		}
		name := m[1] + m[3] + m[4]
		if m[2] != "" {
			name = "Release" + m[2]
		}
		want[name] = i
		i++
	}
	seen := 0
	for name, index := range shimFunctions() {
		seen++
		if w, ok := want[name]; !ok || w != index {
			t.Errorf("%s: the shim calls index %d, the header has it at %d (%v)", name, index, w, ok)
		}
	}
	if seen < 40 {
		t.Errorf("only %d functions were checked", seen)
	}
}
