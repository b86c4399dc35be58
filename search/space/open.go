package space

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/internal/hint"
)

// Open reads a space from disk: a space file of any kind, or (a name ending
// in .jsonl) a bare table, whose layers and choices are then those of its rows.
func Open(path string) (Space, error) {
	data, err := spaceFile(path)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, ".jsonl") {
		return InferTabular(path, data)
	}
	if kindOf(data) == KindTabular {
		return ReadTabular(path, data, func(name string) ([]byte, error) {
			return os.ReadFile(filepath.Join(filepath.Dir(path), filepath.FromSlash(name)))
		})
	}
	if kindOf(data) == KindModules {
		return OpenModules(path)
	}
	return ReadMeasured(path, data)
}

// spaceFile reads a space's file.
func spaceFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Wrap(err, "name a space file, such as examples/mobile-cnn/space.yaml")
	}
	return data, err
}

// kindOf peeks at the field "kind"; "" when there is none or the file is not YAML.
func kindOf(data []byte) string {
	if len(data) > maxSpaceBytes {
		return ""
	}
	var doc yaml.Node
	if yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc) != nil || len(doc.Content) != 1 {
		return ""
	}
	root := doc.Content[0]
	for i := 0; root.Kind == yaml.MappingNode && i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "kind" {
			return root.Content[i+1].Value
		}
	}
	return ""
}
