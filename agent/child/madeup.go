package child

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/modelfile"
)

// madeUp is the error of a first run, of a model whose runtime may only have refused what it
// was given: integers that stand for something, such as the length of a sequence, and that
// were made up. Nothing has crashed then.
func madeUp(err error, m agent.Model, given map[string]agent.Tensor) error {
	if m.Path == "" {
		return err
	}
	f, no := modelfile.OpenSignature(m.Path, m.Signature)
	if no != nil {
		return err
	}
	var names []string
	for _, v := range f.Inputs {
		if _, is := given[v.Name]; !is && slices.Contains([]string{"int32", "int64", "uint32", "uint64"}, v.DType) {
			names = append(names, v.Name)
		}
	}
	if len(names) == 0 {
		return err
	}
	return fmt.Errorf("%w with made-up values in %s: give what it expects as --input NAME=FILE.npy: %w", agent.ErrUnsupported, strings.Join(names, ", "), err)
}
