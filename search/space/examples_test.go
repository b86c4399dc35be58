package space

import (
	"os"
	"strings"
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

// Every layer of the hybrid may convolve, fused or not, attend, in windows or not, or be nothing;
// what attends is an encoder of a map, and only a square map has one.
func TestALayerConvolvesOrAttends(t *testing.T) {
	const path = "../../examples/digits-hybrid/space.yaml"
	m, err := OpenMeasured(path)
	if err != nil {
		t.Fatal(err)
	}
	for l := range m.Layers() {
		if got := m.Choices(l); len(got) != 7 {
			t.Errorf("layer %d has the choices %v", l, got)
		}
	}
	a := m.Default()
	for _, choice := range []string{"enc_h2", "enc_h4_w4"} {
		a.Layers[1].Choice = choice
		chain, err := m.Lower(a)
		if err != nil {
			t.Fatal(err)
		}
		if op := chain[2]; op.Kind != "encoder" || op.Attr("map") != "1" {
			t.Errorf("%s in a stage of maps is %s", choice, op)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	oblong := strings.Replace(string(text), "width: 8}", "width: 4}", 1)
	if _, err := ReadMeasured(path, []byte(oblong)); err == nil || !strings.Contains(err.Error(), "encoder wants a sequence or a square map, not 24 channels of 8×4") {
		t.Errorf("an encoder of an oblong map: %v", err)
	}
}
