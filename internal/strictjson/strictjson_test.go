package strictjson

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

type thing struct {
	A  int              `json:"a"`
	B  []thing          `json:"b,omitempty"`
	At map[string]thing `json:"at,omitempty"`
	S  string           `json:"s,omitempty"`
	P  *part            `json:"p,omitempty"`
	R  json.RawMessage  `json:"r,omitempty"`
	inner
}

type part struct {
	Q []map[string]part `json:"q,omitempty"`
	N int               // by its own name
}

type inner struct {
	I int `json:"i,omitempty"`
}

func TestStrictDecoderRefuses(t *testing.T) {
	for _, c := range []struct {
		text, want string // "" is accepted
		line       int
		torn       bool
	}{
		{`{"a":1,"b":[{"a":2},{"a":3}],"at":{"x":{"a":1},"y":{"a":1}},"s":"a"}`, "", 0, false},
		{" {\"a\":1}\n\n", "", 0, false},
		{`{"s":"a","a":1}`, "", 0, false}, // a value equal to a name
		{"{\"a\":1,\n\"c\":2}", `unknown field "c"`, 2, false},
		{"{\"a\":1,\n\n\"a\":2}", `field "a" is named twice`, 3, false},
		{`{"a":1,"b":[{"a":1,"a":1}]}`, `field "a" is named twice`, 1, false},
		{`{"at":{"x":{},"x":{}}}`, `field "x" is named twice`, 1, false},
		{`{"p":{"q":[{"X":{"N":1},"x":{}}]},"r":{"A":1,"a":[{}]},"i":3}`, "", 0, false}, // a map's and a raw value's names are anyone's
		{"{\n\"A\":1}", `unknown field "A" (mind`, 2, false},
		{`{"a":1,"A":1}`, `unknown field "A"`, 1, false},
		{`{"p":{"n":1}}`, `unknown field "n"`, 1, false},
		{`{"p":{"q":[{"x":{"Q":[]}}]}}`, `unknown field "Q"`, 1, false},
		{`{"b":[{"I":1}]}`, `unknown field "I"`, 1, false},
		{"{\"a\":\n\"x\"}", "a: text where a whole number belongs", 2, false},
		{`{"a":NaN}`, "invalid character 'N'", 1, false},
		{`{"a":1e999}`, "a: a number 1e999 where a whole number belongs", 1, false},
		{"{\"a\":1}\n{\"a\":2}", `follows the value`, 2, false},
		{`{"a":1}]`, `follows the value`, 1, false},
		{"{\"a\":1,\n\"b\":[", "cut off", 2, true},
		{"", "empty", 1, true},
	} {
		var v thing
		err := Decode([]byte(c.text), &v)
		if c.want == "" {
			if err != nil {
				t.Errorf("%q: %v", c.text, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.What, c.want) || e.Line != c.line || e.Torn != c.torn || (e.Hint() != "") != c.torn {
			t.Errorf("%q: %+v, want %q on line %d, torn %v", c.text, err, c.want, c.line, c.torn)
		}
		if in := In("f.json", err); !strings.HasPrefix(in.Error(), "f.json:") || !errors.As(in, &e) {
			t.Errorf("In: %v", in)
		}
	}
}

func TestCanonicalNamesTheFirstDifference(t *testing.T) {
	if err := Canonical([]byte("{\n}\n"), []byte("{\n}\n")); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{"{ }\n": "f:1: not canonical at column 2", "{\n }\n": "f:2: not canonical at column 1", "": "f:1: not canonical at column 1",
		"{\n}": "f:2: not canonical at column 2"} {
		if err := Canonical([]byte(text), []byte("{\n}\n")); err == nil || In("f", err).Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// What Decode accepts, encoding/json accepts with the same value; what it refuses
// names a line of the text.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[{"a":2}],"at":{"x":{"a":1}},"s":"a"}`, `{"a":1,"a":2}`, `{"a":`, "{}\n{}", `[]`, `{"a":{"a":[{}]}}`, `{"p":{"q":[{"x":{"N":2}}]},"r":{},"i":1}`, "\"\\u0061\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, w thing
		err := Decode(text, &v)
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || e.Line < 1 || e.Line > 1+strings.Count(string(text), "\n") || e.What == "" {
				t.Fatalf("%q: %+v", text, err)
			}
			return
		}
		if err := json.Unmarshal(text, &w); err != nil {
			t.Fatalf("%q: accepted, but %v", text, err)
		}
		a, _ := json.Marshal(v)
		b, _ := json.Marshal(w)
		if string(a) != string(b) {
			t.Fatalf("%q: %s against %s", text, a, b)
		}
	})
}

func TestCanonicalText(t *testing.T) {
	v := struct {
		B []int             `json:"b"`
		A string            `json:"a"`
		M map[string]string `json:"m"`
	}{[]int{1, 2}, "<&>", map[string]string{"z": "1", "y": "2"}}
	line, err := Line(v)
	if want := `{"b":[1,2],"a":"<&>","m":{"y":"2","z":"1"}}`; err != nil || string(line) != want {
		t.Errorf("the line is %s, %v, want %s", line, err, want)
	}
	text, err := Text(v.B, " ")
	if want := "[\n 1,\n 2\n]\n"; err != nil || string(text) != want {
		t.Errorf("the text is %q, %v, want %q", text, err, want)
	}
	if _, err := Line(math.NaN()); err == nil {
		t.Error("NaN has a text")
	}
}
