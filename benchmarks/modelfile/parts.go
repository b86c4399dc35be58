package modelfile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
)

// Parts lists the files that a model file cannot do without, by their paths relative to
// its folder: the files of an ONNX model's external data (torch writes large weights
// there, and all of them since 2.9). It is empty for a model that is whole by itself.
// Errors: a model that cannot be read, a part that is missing or outside of the folder.
func Parts(path string) ([]string, error) {
	format, err := Detect(path)
	if err != nil || format != ONNX {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := onnx.Decode(data)
	if err != nil {
		return nil, keepHint(path, hint.Wrap(err, "is it an ONNX model, whole and uncompressed?"))
	}
	parts := m.ExternalFiles()
	for i, p := range parts {
		local := filepath.FromSlash(p)
		if !filepath.IsLocal(local) {
			return nil, fmt.Errorf("%s keeps tensors in %q, outside of its folder", path, p)
		}
		if err := onnx.CheckFolder(path, filepath.ToSlash(filepath.Clean(local))); err != nil {
			how := hint.Of(err)
			if how == "" {
				how = "the two belong together: copy " + p + " beside the model"
			}
			return nil, hint.Wrap(fmt.Errorf("%s keeps tensors in another file, %s: %w", path, p, err), "%s", how)
		}
		parts[i] = local
	}
	return parts, nil
}

// SHA256 returns the hash of a model: of its file, or, where it has Parts, of the hashes
// of all its files with their names.
func SHA256(ctx context.Context, path string) (string, error) {
	sum, err := filehash.SHA256(ctx, path)
	if err != nil {
		return "", err
	}
	parts, err := Parts(path)
	if err != nil || len(parts) == 0 {
		return sum, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", sum)
	for _, p := range parts {
		sum, err := filehash.SHA256(ctx, filepath.Join(filepath.Dir(path), p))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s  %s\n", sum, filepath.ToSlash(p))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
