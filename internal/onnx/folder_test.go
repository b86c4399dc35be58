package onnx

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFolder: data beside the model, below it, and by links that stay in the model's folder or
// in that of the file the model's own path leads to; nothing by a link that leaves both.
func TestFolder(t *testing.T) {
	root := t.TempDir()
	put := func(name string) string {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
		return p
	}
	link := func(to, name string) string {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	secret := put("secret")
	net := put("m/net.onnx")
	put("m/net.onnx.data")
	put("m/deep/more.data")
	link("deep/more.data", "m/inside.data")
	link(secret, "m/out.data")
	link(root, "m/up")
	put("blobs/abc")
	put("blobs/def")
	hub := link("../blobs/abc", "snapshot/net.onnx")
	link("../blobs/def", "snapshot/net.onnx.data")
	link("../secret", "snapshot/out.data")
	whole := link("m", "alias")
	for _, c := range []struct {
		model, name, want string // want "" is refused
	}{
		{net, "net.onnx.data", "m/net.onnx.data"}, {net, "deep/more.data", "m/deep/more.data"}, {net, "inside.data", "m/deep/more.data"},
		{net, "out.data", ""}, {net, "up/secret", ""}, {net, "../secret", ""}, {net, "absent", ""}, {net, ".", ""},
		{hub, "net.onnx.data", "blobs/def"}, {hub, "out.data", ""},
		{filepath.Join(whole, "net.onnx"), "net.onnx.data", "m/net.onnx.data"}, {filepath.Join(whole, "net.onnx"), "out.data", ""},
	} {
		got, err := fs.ReadFile(Folder(c.model), c.name)
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s of %s: %q, %v; want %q", c.name, c.model, got, err, c.want)
		}
		if strings.Contains(c.name, "out") && (err == nil || !strings.Contains(err.Error(), "outside the model's folder")) {
			t.Errorf("%s of %s: %v", c.name, c.model, err)
		}
		if err := CheckFolder(c.model, c.name); (err == nil) != (c.want != "") {
			t.Errorf("CheckFolder(%s, %s): %v", c.model, c.name, err)
		}
	}
}
