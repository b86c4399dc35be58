package main

import (
	"strings"
	"testing"
)

func TestDescribeGroupsLayersAndChanges(t *testing.T) {
	if got := grouped("a:1:fp32|a:1:fp32|b"); got != "2×a:1:fp32 | b" {
		t.Errorf("grouped: %q", got)
	}
	got := strings.Join(changes("a:1:fp32|b:1:fp32|c", "a:2:int8|d:1:fp32|c"), "; ")
	if got != "layer 0: width 1 → 2, fp32 → int8; layer 1: b → d" {
		t.Errorf("changes: %q", got)
	}
	for _, line := range strings.Split(wrap(strings.Repeat("word ", 60), 13), "\n") {
		if len(line) > columns {
			t.Errorf("line of %d columns", len(line))
		}
	}
}
