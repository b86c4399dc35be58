package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain text\n\tnext": "plain text\n\tnext",
		"ümläut µs – 日本 🙂":   "ümläut µs – 日本 🙂",
		"\x1b]0;PWN\x07":     `\u001b]0;PWN\u0007`,
		"a\rb":               `a\u000db`,
		"\u009b2J\x7f":       `\u009b2J\u007f`,
		"\x9b2J\xff":         `\x9b2J\xff`,
		"abc\u202edef":       `abc\u202edef`,
		"\u2066x\u2069":      `\u2066x\u2069`,
		"one\r\ntwo":         "one\ntwo",
		"":                   "",
	} {
		if got := Visible(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

// A character that comes in parts is the same character, and one that never ends is said.
func TestPrintedInParts(t *testing.T) {
	const text = "a µ – 🙂 \u009b \xe2\x82"
	for size := 1; size < 5; size++ {
		var b strings.Builder
		p := &Printed{To: &b}
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if k, err := p.Write(rest[:n]); k != n || err != nil {
				t.Fatalf("%d of %d bytes: %v", k, n, err)
			}
			rest = rest[n:]
		}
		p.End()
		if want := `a µ – 🙂 \u009b \xe2\x82`; b.String() != want {
			t.Errorf("in parts of %d: %q, want %q", size, b.String(), want)
		}
	}
}

// JSON with control characters stays what it was; raw bytes are passed on.
func TestPrintedKeepsJSON(t *testing.T) {
	var b strings.Builder
	p := &Printed{To: &b}
	want := "\x1b\u009b\x7f\u202e"
	if err := json.NewEncoder(p).Encode(want); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil || got != want || strings.ContainsAny(b.String(), want) {
		t.Errorf("%q became %q on the way: %v", want, got, err)
	}
	b.Reset()
	if _, err := Raw(p).Write([]byte("\x1b[K")); err != nil || b.String() != "\x1b[K" {
		t.Errorf("raw bytes became %q: %v", b.String(), err)
	}
}
