package child

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
)

// provePlacement returns "provider: nodes" when every node of the optimised
// graph runs on the provider asked for, and ErrFallback naming the others when
// not. Provider names compare without case, spaces and the runtime's suffix
// "ExecutionProvider".
func provePlacement(p agent.Placement, provider string) (string, error) {
	want := providerName(provider)
	elsewhere := map[string]int{}
	for _, n := range p.Nodes {
		if got := providerName(n.Provider); got != want {
			elsewhere[n.Op+" on "+got]++
		}
	}
	if len(elsewhere) == 0 {
		return fmt.Sprintf("%s: %d", want, len(p.Nodes)), nil
	}
	var parts []string
	total := 0
	for _, k := range slices.Sorted(maps.Keys(elsewhere)) {
		parts = append(parts, fmt.Sprintf("%d× %s", elsewhere[k], k))
		total += elsewhere[k]
	}
	return "", fmt.Errorf("%w: %d of %d nodes are not on %s: %s", agent.ErrFallback, total, len(p.Nodes), want, strings.Join(parts, ", "))
}

func providerName(s string) string {
	s = strings.ToLower(strings.ReplaceAll(s, " ", ""))
	return strings.TrimSuffix(s, "executionprovider")
}
