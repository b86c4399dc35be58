package child

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
)

// readInputs reads the files given with --input.
func readInputs(files map[string]string) (map[string]agent.Tensor, error) {
	out := map[string]agent.Tensor{}
	for name, path := range files {
		t, err := agent.ReadNPY(path)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
		t.Name = name
		out[name] = t
	}
	return out, nil
}

// inputsFor picks the inputs meant for a model: those named for it alone
// ("net/x") before those named for any ("x").
func inputsFor(all map[string]agent.Tensor, m agent.Model) map[string]agent.Tensor {
	out := map[string]agent.Tensor{}
	for name, t := range all {
		if model, input, ok := strings.Cut(name, "/"); ok && slices.Contains([]string{m.Name, m.ID}, model) {
			t.Name = input
			out[input] = t
		}
	}
	for name, t := range all {
		if _, own := out[name]; !own && !strings.Contains(name, "/") {
			out[name] = t
		}
	}
	return out
}
