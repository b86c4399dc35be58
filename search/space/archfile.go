package space

import (
	"fmt"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// ArchFormat is the first field of every arch.json.
const ArchFormat = "isocost/arch/v1"

// maxArchBytes bounds an arch.json: a few hundred bytes per layer.
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
	return strictjson.Text(archFile{ArchFormat, archSpace{s.Name(), s.Hash()}, a.Key(), a.Layers}, "  ")
}

// DecodeArch reads an arch.json that belongs to s; name is the file's, for
// errors. Unknown and duplicate fields, another format or space, a key that is not the
// layers', and trailing data are errors.
func DecodeArch(s Space, name string, data []byte) (Arch, error) {
	const remake = "isosearch run writes such files: best.json of its folder"
	bad := func(format string, args ...any) (Arch, error) {
		return Arch{}, hint.Wrap(fmt.Errorf("%s:1: %w", name, fmt.Errorf(format, args...)), remake)
	}
	if len(data) > maxArchBytes {
		return bad("larger than %d bytes: not an architecture", maxArchBytes)
	}
	var f archFile
	if err := strictjson.Decode(data, &f); err != nil {
		return Arch{}, hint.Wrap(strictjson.In(name, err), remake)
	}
	switch {
	case f.Format != ArchFormat:
		return bad("format is %.80q, not %q", f.Format, ArchFormat)
	case f.Space.SHA256 != s.Hash():
		_, err := bad("architecture of space %.80q (%.12s…), not of %q (%.12s…)", f.Space.Name, f.Space.SHA256, s.Name(), s.Hash())
		return Arch{}, hint.Wrap(err, "use the space file it was written with")
	}
	a := Arch{Layers: f.Layers}
	if err := s.Validate(a); err != nil {
		return bad("%w", err)
	}
	if f.Key != a.Key() {
		return bad("key %.200q is not that of the layers, %q", f.Key, a.Key())
	}
	return a, nil
}
