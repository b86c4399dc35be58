package space

import (
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/internal/tier"
)

// Every cell that a shipped space can ask for has a frame, and its architectures
// build: as graphs, and as ONNX models.
func TestShippedSpacesCanBeMeasured(t *testing.T) {
	tier.Slow(t, "builds networks of every shipped space")
	for _, path := range spaceFiles(t) {
		m, err := OpenMeasured(path)
		if err != nil {
			t.Fatal(err)
		}
		cells := m.Cells()
		for _, op := range cells {
			if _, err := benchmarks.Frame(op); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		archs := append(Sample(m, 6, 1), m.Default())
		for _, a := range archs {
			chain, err := m.Lower(a)
			if err != nil {
				t.Fatal(err)
			}
			g, err := benchmarks.Build(chain, benchmarks.BuildOptions{})
			if err != nil {
				t.Fatalf("%s: %s: %v", path, a.Key(), err)
			}
			if _, err := onnxwriter.Write(g); err != nil {
				t.Errorf("%s: %s: %v", path, a.Key(), err)
			}
		}
		macs, _ := mustLower(t, m).MACs()
		t.Logf("%s: %d layers, %d cells, the default has %d million multiply-adds", path, m.Layers(), len(cells), macs/1e6)
	}
}

func mustLower(t *testing.T, m *Measured) benchmarks.Chain {
	t.Helper()
	c, err := m.Lower(m.Default())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFamiliesAreRich(t *testing.T) {
	for path, kinds := range map[string][]string{
		"../../examples/hybrid-vit/space.yaml": {"mbconv", "fusedmbconv", "resbasic", "encoder", "switch"},
		"../../examples/mobile-cnn/full.yaml":  {"mbconv", "fusedmbconv", "resbasic", "resbottleneck", "switch"},
	} {
		m, err := OpenMeasured(path)
		if err != nil {
			t.Fatal(err)
		}
		if m.Layers() < 10 {
			t.Errorf("%s: %d mutable layers, want at least 10", path, m.Layers())
		}
		has := map[string]bool{}
		attrs := map[string]bool{}
		for _, op := range m.Cells() {
			has[op.Kind] = true
			for _, a := range op.Attrs {
				attrs[op.Kind+"."+a.Name] = true
			}
		}
		for _, k := range kinds {
			if !has[k] {
				t.Errorf("%s: no %s among its cells", path, k)
			}
		}
		if !attrs["mbconv.se"] || has["encoder"] && !attrs["encoder.win"] {
			t.Errorf("%s: no squeeze-excite, or no windows", path)
		}
	}
}
