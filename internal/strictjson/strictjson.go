// Package strictjson reads JSON that must be exactly what was meant: one value, no
// field that is unknown or named twice, nothing after it. Errors say on which line.
// (JSON has no NaN and no infinity; encoding/json takes the last of two equal fields
// and ignores what follows the value.)
//
// It does not know canonical forms: who has one encodes again and compares.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Error is why text is not the value it should be.
type Error struct {
	Line int  // 1-based, of the text
	Torn bool // the text ends before the value does
	What string
}

func (e *Error) Error() string { return e.What }

// Hint says what to do about a torn text; "" otherwise.
func (e *Error) Hint() string {
	if e.Torn {
		return "the file was cut off: copy or write it again"
	}
	return ""
}

// In is the error with the file's name and the line before it, for texts that are
// whole files. Errors of other kinds get the name alone.
func In(name string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return fmt.Errorf("%s:%d: %w", name, e.Line, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Decode reads one value into v, a pointer. Every error is an *Error.
func Decode(text []byte, v any) error {
	if err := Known(text, v); err != nil {
		return err
	}
	return doubled(text)
}

// Known is Decode without looking for fields named twice: for callers that compare
// with the canonical bytes anyhow, at half the price.
func Known(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		at := d.InputOffset()
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			at = syntax.Offset
		case errors.As(err, &kind):
			at = kind.Offset
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			what := "the text is empty"
			if len(bytes.TrimSpace(text)) > 0 {
				what = "the text is cut off"
			}
			return &Error{lineAt(text, int64(len(text))), true, what}
		}
		return &Error{lineAt(text, at), false, strings.TrimPrefix(err.Error(), "json: ")}
	}
	if rest := bytes.TrimSpace(text[d.InputOffset():]); len(rest) > 0 {
		return &Error{lineAt(text, int64(bytes.LastIndex(text, rest))), false, fmt.Sprintf("%.40q follows the value", rest)}
	}
	return nil
}

func lineAt(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(max(offset, 0), int64(len(text)))], []byte("\n"))
}

// doubled refuses an object that names a field twice. The text is valid.
func doubled(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var open []map[string]bool // nil for arrays
	name := false              // the next string in this object is a name
	for {
		token, err := d.Token()
		if err != nil {
			return nil
		}
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				open, name = append(open, map[string]bool{}), true
				continue
			case '[':
				open, name = append(open, nil), false
				continue
			}
			open = open[:len(open)-1]
		case string:
			if name {
				if open[len(open)-1][t] {
					return &Error{lineAt(text, d.InputOffset()), false, fmt.Sprintf("field %.60q is doubled", t)}
				}
				open[len(open)-1][t], name = true, false
				continue
			}
		}
		name = len(open) > 0 && open[len(open)-1] != nil
	}
}
