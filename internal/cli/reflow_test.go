package cli

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReflow(t *testing.T) {
	text := "\none two\nthree\n\n  an   example that is longer than all of it\nfour µµµµ five\n"
	want := "one two\nthree\n\n  an   example that is longer than all of it\nfour µµµµ\nfive"
	if got := reflow(text, 9); got != want {
		t.Errorf("%q, not %q", got, want)
	}
	for line := range strings.Lines(reflow(strings.Repeat("a longer word ", 90), helpColumns)) {
		if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > helpColumns {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}
