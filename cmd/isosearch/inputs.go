package main

import (
	"strings"

	"github.com/isocost/isocost/search/space"
)

// filesRead lists the files that a command reads, which none of its outputs may replace: those
// of a space, tables, and what evaluators are named by.
func filesRead(spacePath string, tables []string, evaluators ...string) []string {
	files := append(space.Files(spacePath), tables...)
	for _, e := range evaluators {
		if rest, ok := strings.CutPrefix(e, "table:"); ok {
			path, _, _ := strings.Cut(rest, ",")
			files = append(files, path)
		}
	}
	return files
}
