package cli

import (
	"strings"
	"unicode/utf8"
)

// helpColumns is the width of a command's help.
const helpColumns = 96

// reflow fills the lines of paragraphs up to so many columns. Indented lines – examples,
// lists – and empty ones stay as they are.
func reflow(text string, columns int) string {
	var out []string
	open := false // the last line of out takes further words
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == ' ' {
			out, open = append(out, line), false
			continue
		}
		for word := range strings.FieldsSeq(line) {
			last := len(out) - 1
			if open && utf8.RuneCountInString(out[last])+1+utf8.RuneCountInString(word) <= columns {
				out[last] += " " + word
			} else {
				out, open = append(out, word), true
			}
		}
	}
	return strings.Join(out, "\n")
}
