package cli

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Visible is a text with the characters escaped that a terminal would obey instead of
// showing them: controls but the end of a line and the tabulator, those that turn the direction
// of text, and bytes that are not UTF-8. The escape \u001b is also that of JSON, so that
// JSON stays what it was.
func Visible(text string) string { return string(escaped([]byte(text))) }

// escaped returns b itself where nothing in it need be escaped.
func escaped(b []byte) []byte {
	clean := 0
	for clean < len(b) && (b[clean] >= ' ' && b[clean] < 0x7f || b[clean] == '\n' || b[clean] == '\t') {
		clean++
	}
	if clean == len(b) {
		return b
	}
	out := append(make([]byte, 0, len(b)+16), b[:clean]...)
	for b = b[clean:]; len(b) > 0; {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\x%02x`, b[0])
		case r == '\r' && len(b) > 1 && b[1] == '\n': // the end of a line, as some write it
		case r == '\n', r == '\t', !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r):
			out = append(out, b[:n]...)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out
}

// wholeCharacters splits off the beginning of a character at the end of b.
func wholeCharacters(b []byte) (whole, rest []byte) {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return b[:i], append([]byte(nil), b[i:]...)
			}
			break
		}
	}
	return b, nil
}
