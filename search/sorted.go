package search

import (
	"cmp"
	"maps"
	"slices"
)

// sortedKeys returns a map's keys in order: map order must never show.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
