// Package anchors runs searches from several anchors in one directory: a run
// directory each, and pareto.json, which compares where they ended.
package anchors
