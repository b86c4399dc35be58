package evaluator

import (
	"testing"

	"github.com/isocost/isocost/search/space"
)

// BenchmarkModel returns what building one model costs beside running it.
func BenchmarkModel(b *testing.B) {
	s, err := space.OpenMeasured("../../examples/mobile-cnn/space.yaml")
	if err != nil {
		b.Fatal(err)
	}
	chain, err := s.Lower(s.Default())
	if err != nil {
		b.Fatal(err)
	}
	if chain, err = resize(chain, 32); err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		if _, err := newTrainingFree(chain, 16, uint64(i)); err != nil {
			b.Fatal(err)
		}
	}
}
