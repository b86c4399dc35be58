package docstest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// What people read in a terminal fits into 80 columns.
func TestTablesFitEightyColumns(t *testing.T) {
	dir := exampleFiles(t)
	for _, line := range []string{
		"agent device --probe 0",
		"costgen audit --lut device.lut.json --records audit.jsonl",
		"isosearch verify run",
	} {
		words := strings.Fields(line)
		cmd := exec.Command(filepath.Join(bin(t), words[0]), words[1:]...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		rows := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(rows) < 3 {
			t.Errorf("%s printed %d lines", line, len(rows))
		}
		for _, row := range rows {
			if n := utf8.RuneCountInString(row); n > 80 {
				t.Errorf("%s: %d columns: %s", line, n, row)
			}
		}
	}
}
