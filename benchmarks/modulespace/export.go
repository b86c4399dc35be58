package modulespace

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/internal/atomicfile"
)

// Export writes a chain as a module into dir, a folder that is there, and puts it into
// the library under a key of its own; the seed is that of its weights. The chain's first
// operator says the precision.
func Export(lib *benchmarks.Library, dir, name string, c benchmarks.Chain, seed uint64) (benchmarks.ModuleFile, error) {
	data, err := model(c, seed)
	if err != nil {
		return benchmarks.ModuleFile{}, err
	}
	m, err := onnxmodule.Read(data)
	if err != nil {
		return benchmarks.ModuleFile{}, err
	}
	sum := sha256.Sum256(data)
	f := benchmarks.ModuleFile{SHA256: hex.EncodeToString(sum[:])}
	f.File = filepath.Join(dir, f.SHA256[:12]+".onnx")
	f.Key = benchmarks.ModuleKey(name, benchmarks.ModuleID([][]string{{f.SHA256}}), c[0].Precision, m, 1)
	if err := atomicfile.Write(f.File, data, 0o644); err != nil {
		return benchmarks.ModuleFile{}, err
	}
	return f, lib.Add(f, m, nil)
}

// model is a chain as an ONNX model.
func model(c benchmarks.Chain, seed uint64) ([]byte, error) {
	return written(c, seed, onnxwriter.Write)
}

func written(c benchmarks.Chain, seed uint64, write func(*graph.Graph) ([]byte, error)) ([]byte, error) {
	g, err := benchmarks.Build(c, benchmarks.BuildOptions{Seed: seed})
	if err != nil {
		return nil, err
	}
	return write(g)
}
