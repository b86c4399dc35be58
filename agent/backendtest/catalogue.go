package backendtest

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// CatalogueModel is a chain of the catalogue's test file in one precision.
type CatalogueModel struct {
	Keys      []string // of the file, with P for the precision
	Chain     benchmarks.Chain
	Precision lut.Precision
}

// Name tells models of the same file apart for people; several may share one.
func (m CatalogueModel) Name() string {
	return m.Chain[len(m.Chain)/2].Family() + " " + string(m.Precision)
}

// Catalogue reads benchmarks/testdata/kernels.txt: chains of keys, one a line, blocks
// of them separated by an empty line, and below each what ONNX Runtime makes of it in
// which precision. Every chain comes in every precision that the catalogue can build,
// one whose keys name their precisions in those alone.
func Catalogue(t testing.TB, path string) []CatalogueModel {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []CatalogueModel
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var keys, results []string
		for line := range strings.SplitSeq(strings.Trim(block, "\n"), "\n") {
			if prec, _, isResult := strings.Cut(line, ": "); isResult {
				results = append(results, prec)
			} else if !strings.HasPrefix(line, "#") {
				keys = append(keys, line)
			}
		}
		if len(keys) == 0 {
			continue
		}
		precisions := lut.Precisions
		if !slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, "/P@") }) {
			precisions = nil
			for _, r := range results {
				precisions = append(precisions, lut.Precision(r))
			}
		}
		for _, p := range precisions {
			m := CatalogueModel{Keys: keys, Precision: p}
			if m.Chain, err = chain(keys, p); err == nil {
				list = append(list, m)
			} else if !errors.Is(err, errNotInCatalogue) {
				t.Fatalf("%s: %v", path, err)
			}
		}
	}
	if len(list) < 100 {
		t.Fatalf("%s: only %d models", path, len(list))
	}
	return list
}

var errNotInCatalogue = errors.New("a precision that an operator does not have")

func chain(keys []string, p lut.Precision) (benchmarks.Chain, error) {
	var c benchmarks.Chain
	for _, key := range keys {
		op, err := lut.ParseOp(strings.ReplaceAll(key, "/P@", "/"+string(p)+"@"))
		if err != nil {
			return nil, err
		}
		if err := benchmarks.Check(op); err != nil {
			return nil, errors.Join(errNotInCatalogue, err)
		}
		c = append(c, op)
	}
	if _, err := benchmarks.Build(c, benchmarks.BuildOptions{Batch: 1, Shapes: true}); err != nil {
		return nil, errors.Join(errNotInCatalogue, err)
	}
	return c, nil
}
