package ort

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/nativelib"
)

func TestFlagsOfTheBackend(t *testing.T) {
	var f Flags
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.AddFlags(set)
	if err := set.Parse([]string{"--ort-lib", "lib.so", "--ep-library", "webgpu=a.so", "--ep-library", "npu=b.so"}); err != nil {
		t.Fatal(err)
	}
	b, err := f.New()
	if err != nil || b.cfg.Library != "lib.so" || b.cfg.EPLibraries["webgpu"] != "a.so" || b.cfg.EPLibraries["npu"] != "b.so" {
		t.Errorf("%v: %+v", err, b)
	}
	for _, bad := range [][]string{{"webgpu"}, {"=a.so"}, {"webgpu=a.so", "webgpu=b.so"}} {
		f.EPLibraries = bad
		if b, err := f.Backend(); err == nil || b != nil || !strings.Contains(err.Error(), "--ep-library") {
			t.Errorf("%q: %v, %v", bad, b, err)
		}
	}
}

// What is probed of a library is what it is there for.
func TestProbeFindsTheLibrary(t *testing.T) {
	var f Flags
	for _, c := range []struct {
		rt        nativelib.Runtime
		flags     []string // nil: not driven by this backend
		providers []string
	}{
		{nativelib.Runtime{Name: "onnxruntime"}, []string{"--ort-lib", "x.so"}, nil},
		{nativelib.Runtime{Name: "onnxruntime-openvino"}, []string{"--ort-lib", "x.so"}, []string{"openvino"}},
		{nativelib.Runtime{Name: "onnxruntime-webgpu", Plugin: "webgpu"}, []string{"--ep-library", "webgpu=x.so"}, []string{"webgpu"}},
		{nativelib.Runtime{Name: "litert"}, nil, nil},
	} {
		p, ok := f.Probe(c.rt, "x.so")
		if ok != (c.flags != nil) || !slices.Equal(p.Flags, c.flags) || !slices.Equal(p.Providers, c.providers) || p.Plugin != (c.rt.Plugin != "") {
			t.Errorf("%s: %+v, %v", c.rt.Name, p, ok)
		}
	}
}
