//go:build cgo

package ort

import (
	"runtime"
	"testing"

	"golang.org/x/sys/cpu"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/lut"
)

// thisMachine holds the library's layout of maps here.
func thisMachine(t *testing.T) ortmodel.Target {
	t.Helper()
	text, err := backend(t).Features(t.Context(), oneThread)
	if err != nil {
		t.Fatal(err)
	}
	return ortmodel.On(lut.Device{}, lut.Runtime{Features: text})
}

// On x86 a block is a register of floats. scripts/test-avx2.sh runs this where that is 8.
func TestFeatures(t *testing.T) {
	got, err := backend(t).Features(t.Context(), oneThread)
	if err != nil {
		t.Fatal(err)
	}
	want := map[bool]string{true: "nchwc=16", false: "nchwc=8"}[cpu.X86.HasAVX512F]
	if runtime.GOARCH == "amd64" && got != want {
		t.Errorf("features %q, want %q", got, want)
	}
	if got, err := backend(t).Features(t.Context(), agent.Options{Provider: "cuda"}); got != "" || err != nil {
		t.Errorf("another provider's features are %q: %v", got, err)
	}
}
