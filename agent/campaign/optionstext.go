package campaign

import (
	"maps"
	"slices"
	"strings"
)

// optionsText is the canonical form in which records name provider options.
func optionsText(options map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(options)) {
		list = append(list, name+"="+options[name])
	}
	return strings.Join(list, " ")
}
