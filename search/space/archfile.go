package space

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/isocost/isocost/internal/hint"
)

// ArchFormat is the first field of every arch.json.
const ArchFormat = "isocost/arch/v1"

// maxArchBytes bounds an arch.json: a few hundred bytes a layer.
const maxArchBytes = 1 << 20

// archFile is arch.json: one architecture with the space it belongs to.
type archFile struct {
	Format string    `json:"format"`
	Space  archSpace `json:"space"`
	Key    string    `json:"key"`
	Layers []Layer   `json:"layers"`
}

type archSpace struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// EncodeArch returns the canonical arch.json of an architecture of s. It fails
// when a is not of s.
func EncodeArch(s Space, a Arch) ([]byte, error) {
	if err := s.Validate(a); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(archFile{ArchFormat, archSpace{s.Name(), s.Hash()}, a.Key(), a.Layers})
	return b.Bytes(), err
}

// DecodeArch reads an arch.json that belongs to s; name is the file's, for
// errors. Unknown fields, another format or space, a key that is not the
// layers', and trailing data are errors.
func DecodeArch(s Space, name string, data []byte) (Arch, error) {
	fail := func(off int64, h, format string, args ...any) (Arch, error) {
		line := 1 + bytes.Count(data[:min(max(off, 0), int64(len(data)))], []byte("\n"))
		err := fmt.Errorf("%s:%d: %w", name, line, fmt.Errorf(format, args...))
		if h != "" {
			err = hint.Wrap(err, "%s", h)
		}
		return Arch{}, err
	}
	if len(data) > maxArchBytes {
		return fail(0, "", "larger than %d bytes: not an architecture", maxArchBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var f archFile
	if err := dec.Decode(&f); err != nil {
		off := dec.InputOffset()
		var syn *json.SyntaxError
		var typ *json.UnmarshalTypeError
		if errors.As(err, &syn) {
			off = syn.Offset
		} else if errors.As(err, &typ) {
			off = typ.Offset
		}
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return fail(int64(len(data)), "the file is cut off: write it again", "not a whole JSON object")
		}
		return fail(off, "", "%w", err)
	}
	end := dec.InputOffset()
	if _, err := dec.Token(); err != io.EOF {
		return fail(end, "one architecture a file", "data after the architecture")
	}
	switch {
	case f.Format != ArchFormat:
		return fail(0, "", "format is %.80q, not %q", f.Format, ArchFormat)
	case f.Space.SHA256 != s.Hash():
		return fail(0, "use the space file it was written with", "architecture of space %.80q (%.12s…), not of %q (%.12s…)",
			f.Space.Name, f.Space.SHA256, s.Name(), s.Hash())
	}
	a := Arch{Layers: f.Layers}
	if err := s.Validate(a); err != nil {
		return fail(0, "", "%w", err)
	}
	if f.Key != a.Key() {
		return fail(0, "", "key %.200q is not that of the layers, %q", f.Key, a.Key())
	}
	return a, nil
}
