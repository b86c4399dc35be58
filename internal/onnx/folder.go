package onnx

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/isocost/isocost/internal/hint"
)

// Folder holds the files beside a model, where it may keep its tensors. A symbolic link
// is followed as long as it leads to a file below the folder of the path the model is named
// by, or below that of the file which that path really is – caches of model hubs link both
// a model and its data into a folder of blobs. A link that leads anywhere else is an error,
// since a model that somebody else made would name what is read.
func Folder(model string) fs.FS { return folder(model) }

type folder string

// Open opens a file by its name in the folder.
func (f folder) Open(name string) (fs.File, error) {
	path, err := f.Path(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.Open(path)
}

// Path returns a folder's file with links resolved.
func (f folder) Path(name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", fs.ErrInvalid
	}
	dir := filepath.Dir(string(f))
	real, err := filepath.EvalSymlinks(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return "", err
	}
	var below []string
	if d, err := filepath.EvalSymlinks(dir); err == nil {
		below = append(below, d)
	}
	if m, err := filepath.EvalSymlinks(string(f)); err == nil {
		below = append(below, filepath.Dir(m))
	}
	for _, d := range below {
		if rel, err := filepath.Rel(d, real); err == nil && filepath.IsLocal(rel) && rel != "." {
			return real, nil
		}
	}
	return "", hint.Wrap(fmt.Errorf("it is a link to %s, outside the model's folder", real),
		"copy the file beside the model if it is the one that is meant (%s)", strings.Join(below, " or "))
}

// CheckFolder is the error of a model that keeps tensors where it may not; location is as the
// model states it.
func CheckFolder(model, location string) error {
	_, err := folder(model).Path(location)
	return err
}
