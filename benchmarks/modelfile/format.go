package modelfile

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/isocost/isocost/internal/hint"
)

// Format names what a file holds.
type Format string

// The formats that Open knows.
const (
	ONNX    Format = "onnx"
	ORT     Format = "ort"     // ONNX Runtime's own: it runs, and nothing here reads it
	TFLite  Format = "tflite"  // LiteRT's as well
	Kernels Format = "kernels" // what agent lower wrote of a model
)

// Backends that run or priced a file, as agent calls them.
const (
	ONNXRuntime = "ort"
	LiteRT      = "tflite"
)

// Backend is the one whose format it is, "" for kernels, which name it themselves.
func (f Format) Backend() string {
	switch f {
	case TFLite:
		return LiteRT
	case Kernels:
		return ""
	}
	return ONNXRuntime
}

// headBytes are enough to tell a format by.
const headBytes = 512

// maxBytes bounds a file: protobuf ends at 2 GiB, and FlatBuffers with weights behind them
// are hardly larger.
const maxBytes = 4 << 30

const whichFile = "name a model file: .onnx, .tflite, or the .kernels.json that agent lower writes"

// Detect says what a file holds by its first bytes and its name. Errors: no such file, a
// folder, an empty file, and what is not a model although its name says so.
func Detect(path string) (Format, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", hint.Wrap(err, whichFile)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	switch {
	case info.IsDir():
		return "", folder(path)
	case info.Size() == 0:
		return "", hint.Wrap(fmt.Errorf("%s is empty", path), "export or fetch the model again")
	case info.Size() > maxBytes:
		return "", fmt.Errorf("%s: %d bytes are more than a model file can have", path, info.Size())
	}
	head, err := io.ReadAll(io.LimitReader(f, headBytes))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return detect(path, head)
}

// folder names the folders that exporters write in a model's place.
func folder(path string) error {
	err := fmt.Errorf("%s is a folder", path)
	if _, no := os.Stat(filepath.Join(path, "saved_model.pb")); no == nil {
		return hint.Wrap(fmt.Errorf("%w: a TensorFlow SavedModel", err), "convert it with tf.lite.TFLiteConverter or tf2onnx")
	}
	return hint.Wrap(err, whichFile)
}

// strangers are contents that are not a model, by how they begin.
var strangers = []struct{ begins, what, cure string }{
	{"version https://git-lfs.github.com/", "a Git LFS pointer, not the model it stands for", "git lfs pull fetches the model"},
	{"<!doctype html", "a web page, not a model", "the download gave a page in its place: fetch the file itself"},
	{"<html", "a web page, not a model", "the download gave a page in its place: fetch the file itself"},
	{"<?xml", "XML, not a model", "the download gave a message in its place, or it is another program's model: export it to ONNX"},
	{"\x1f\x8b", "compressed (gzip)", "uncompress it first"},
	{"bzh", "compressed (bzip2)", "uncompress it first"},
	{"\xfd7zxz", "compressed (xz)", "uncompress it first"},
	{"\x28\xb5\x2f\xfd", "compressed (zstd)", "uncompress it first"},
	{"pk\x03\x04", "a zip archive, such as PyTorch and Keras save", "export the network to ONNX (torch.onnx.export) or to .tflite"},
	{"\x89hdf\r\n", "HDF5, which Keras saves", "export the network to .tflite or ONNX"},
	{"\x80\x02", "a Python pickle, such as PyTorch saves", "export the network with torch.onnx.export"},
	{"\x80\x04", "a Python pickle", "export the network to ONNX"},
}

// detect tells a format by the first bytes of a file that is not empty; the extension
// decides where they leave it open.
func detect(path string, head []byte) (Format, error) {
	if len(head) >= 8 {
		switch string(head[4:8]) {
		case "TFL3":
			return TFLite, nil
		case "ORTM":
			return ORT, nil
		}
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	for _, s := range strangers {
		if beginsWith(text, s.begins) {
			return "", hint.Wrap(fmt.Errorf("%s is %s", path, s.what), "%s", s.cure)
		}
	}
	switch {
	case bytes.HasPrefix(text, []byte("{")): // protobuf begins with a field's tag, which for ONNX is none of these
		return Kernels, nil
	case strings.EqualFold(filepath.Ext(path), ".tflite"):
		return TFLite, nil
	}
	return ONNX, nil
}

// beginsWith compares with a prefix in lower case. Bytes that are not text stay as they
// are, which bytes.ToLower does not promise.
func beginsWith(data []byte, prefix string) bool {
	if len(data) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := data[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// baseName is a file's name without its folder and its format's extension.
func baseName(path string, f Format) string {
	base := filepath.Base(path)
	if ext := filepath.Ext(base); strings.EqualFold(ext, "."+string(f)) {
		return base[:len(base)-len(ext)]
	}
	return base
}
