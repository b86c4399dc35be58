// Package strictjson reads JSON that must be exactly what was meant: one value, no
// field that is unknown, named twice or in other letters (A for a), nothing after it.
// Errors say on which line. (JSON has no NaN and no infinity; encoding/json takes the
// last of two equal fields, does not tell A from a and ignores what follows.)
//
// A format with a canonical form is written by Line or Text, and read by Known, encoded
// again and compared by Canonical; any other is read by Decode. What others write, whose
// fields nobody here decides, is read by encoding/json; a law in internal/archtest names
// these places.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
)

// Error says why text is not the value it should be.
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
	return names(text, reflect.TypeOf(v))
}

// Line is the canonical text of one line: fields in the order of the struct, map keys
// sorted, no spaces, < > & as they are, no newline. It fails for what JSON has no text
// for, such as NaN.
func Line(v any) ([]byte, error) {
	text, err := encode(v, "")
	return bytes.TrimSuffix(text, []byte{'\n'}), err
}

// Text is the canonical text of a file that people read: as Line, but every level is
// indented by indent, and a newline ends it.
func Text(v any, indent string) ([]byte, error) { return encode(v, indent) }

func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, Plain(err)
	}
	return b.Bytes(), nil
}

// Canonical compares a text with the canonical encoding of what was read from it.
func Canonical(text, encoded []byte) error {
	line, column := Difference(text, encoded)
	if line == 0 {
		return nil
	}
	return &Error{line, false, fmt.Sprintf("not canonical at column %d", column)}
}

// Difference says where two texts begin to differ, from 1; 0, 0 when they are equal.
func Difference(a, b []byte) (line, column int) {
	if bytes.Equal(a, b) {
		return 0, 0
	}
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return lineAt(a, int64(n)), n - bytes.LastIndexByte(a[:n], '\n')
}

// Known is Decode without looking at how often and in which letters fields are named:
// for callers of Canonical, at half the price.
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
		return &Error{lineAt(text, at), false, Plain(err).Error()}
	}
	if rest := bytes.TrimSpace(text[d.InputOffset():]); len(rest) > 0 {
		return &Error{lineAt(text, int64(bytes.LastIndex(text, rest))), false, fmt.Sprintf("%.40q follows the value", rest)}
	}
	return nil
}

// Plain says an error of encoding/json in words of the file: which field holds what,
// and what belongs there.
func Plain(err error) error {
	var k *json.UnmarshalTypeError
	if !errors.As(err, &k) {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	field := ""
	if k.Field != "" {
		field = k.Field + ": "
	}
	value, number := k.Value, ""
	if n, ok := strings.CutPrefix(value, "number "); ok {
		value, number = "number", " "+n
	}
	names := map[string]string{"number": "a number", "string": "text", "bool": "true or false", "array": "a list", "object": "an object"}
	found := names[value]
	if found == "" {
		found = value
	}
	return fmt.Errorf("%s%s%s where %s belongs", field, found, number, wanted(k.Type))
}

// wanted names what JSON a type is read from.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	if t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 {
		return "a whole number"
	}
	return t.String()
}

func lineAt(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(max(offset, 0), int64(len(text)))], []byte("\n"))
}

// names refuses an object that names a field twice or, where it is read into a
// struct, in other letters. The text is valid and fits type t.
func names(text []byte, t reflect.Type) error {
	d := json.NewDecoder(bytes.NewReader(text))
	type level struct {
		seen   map[string]bool         // nil in an array
		fields map[string]reflect.Type // of a struct, else nil
		within reflect.Type            // of an element or a map's value, nil when not known
	}
	var open []level
	name := false // the next string is a name
	for {
		token, err := d.Token()
		if err != nil {
			return nil
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '}' || token == ']' {
				open = open[:len(open)-1]
				if len(open) > 0 {
					t = open[len(open)-1].within
				}
				break
			}
			l := level{}
			l.fields, l.within = inside(t)
			if name = token == '{'; name {
				l.seen = map[string]bool{}
			}
			open, t = append(open, l), l.within
			continue
		case string:
			if !name {
				break
			}
			l := open[len(open)-1]
			if l.seen[token] {
				return &Error{lineAt(text, d.InputOffset()), false, fmt.Sprintf("field %.60q is named twice", token)}
			}
			l.seen[token], name, t = true, false, l.within
			if l.fields != nil {
				var known bool
				if t, known = l.fields[token]; !known {
					return &Error{lineAt(text, d.InputOffset()), false, fmt.Sprintf("unknown field %.60q (mind capital letters)", token)}
				}
			}
			continue
		}
		name = len(open) > 0 && open[len(open)-1].seen != nil
	}
}

// inside describes what an object or array read into t holds: a struct's fields by name, or
// the type of elements and a map's values. Of types that read themselves nothing is
// known.
func inside(t reflect.Type) (fields map[string]reflect.Type, within reflect.Type) {
	for t != nil {
		if reflect.PointerTo(t).Implements(unmarshaler) {
			return nil, nil
		}
		switch t.Kind() {
		case reflect.Pointer:
			t = t.Elem()
			continue
		case reflect.Slice, reflect.Array, reflect.Map:
			return nil, t.Elem()
		case reflect.Struct:
			return fieldsOf(t), nil
		}
		break
	}
	return nil, nil
}

var (
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
	fieldCache  sync.Map // reflect.Type → map[string]reflect.Type
)

// fieldsOf are a struct's fields by their names in JSON.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if have, ok := fieldCache.Load(t); ok {
		return have.(map[string]reflect.Type)
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields[name] = f.Type
	}
	fieldCache.Store(t, fields)
	return fields
}
