// Package bundle packs what a device needs into one folder: the agent, native
// libraries, licences, and a manifest with versions and hashes.
//
//	agent                  the program
//	lib/<runtime>/…        where the agent looks first
//	licences/…             of what is linked into the agent
//	manifest.json
package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// Format is the first field of a manifest.
const Format = "isocost/bundle/v1"

// ManifestName is the manifest's file in a bundle; AgentName the program's.
const (
	ManifestName = "manifest.json"
	AgentName    = "agent"
)

// Manifest lists what a bundle holds.
type Manifest struct {
	Format string `json:"format"`
	Target string `json:"target"` // linux-arm64, jetson…
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Agent  string `json:"agent"` // version
	Files  []File `json:"files"` // by path
}

// File is one file of a bundle.
type File struct {
	Path    string `json:"path"`
	SHA256  string `json:"sha256"`
	Bytes   int64  `json:"bytes"`
	Runtime string `json:"runtime,omitempty"` // of libraries
	Version string `json:"version,omitempty"` // of the library, as runtimes.json pins it
	Licence string `json:"licence,omitempty"` // SPDX
	// GLIBC is the newest symbol version of the C library that it asks for; ""
	// where it asks for none.
	GLIBC string `json:"glibc,omitempty"`
	// PageAlign is the alignment of the loadable segments in bytes: Android devices
	// with 16 KiB pages refuse less than 16384.
	PageAlign uint64 `json:"page_align,omitempty"`
	// AndroidAPI is the API level it was built for; 0 where it is not for Android.
	AndroidAPI int `json:"android_api,omitempty"`
}

// Options say what to pack.
type Options struct {
	Target   string
	OS       string
	Arch     string
	Version  string
	Agent    string   // the program
	Native   string   // folder with <os>-<arch>/<runtime>/
	Runtimes []string // of nativelib's manifest
	Licences string   // folder of licence texts; "" for none
	// MaxGLIBC is the oldest C library that the agent and the runtimes in OldGLIBC
	// must run on; "" does not ask.
	MaxGLIBC string
	OldGLIBC []string
}

// Pack fills the folder out, which must not exist or be a bundle, and returns its
// manifest. Nothing is left half-written: the bundle is made beside and renamed.
func Pack(out string, o Options) (Manifest, error) {
	m := Manifest{Format: Format, Target: o.Target, OS: o.OS, Arch: o.Arch, Agent: o.Version}
	if err := replaceable(out); err != nil {
		return m, err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return m, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(out), "."+filepath.Base(out)+"-*")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(tmp)
	add := func(local, name string, f File) error {
		f.Path = name
		if err := copyFile(local, filepath.Join(tmp, filepath.FromSlash(name)), &f); err != nil {
			return err
		}
		if err := o.check(local, &f); err != nil {
			return err
		}
		m.Files = append(m.Files, f)
		return nil
	}
	if err := add(o.Agent, AgentName, File{Version: o.Version}); err != nil {
		return m, err
	}
	files, err := o.runtimeFiles()
	if err != nil {
		return m, err
	}
	for _, f := range files {
		if err := add(f.local, f.Path, f.File); err != nil {
			return m, err
		}
	}
	if o.Licences != "" {
		entries, err := os.ReadDir(o.Licences)
		if err != nil {
			return m, err
		}
		for _, e := range entries {
			if e.Type().IsRegular() {
				if err := add(filepath.Join(o.Licences, e.Name()), path.Join("licences", e.Name()), File{}); err != nil {
					return m, err
				}
			}
		}
	}
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	text, err := m.Encode()
	if err != nil {
		return m, err
	}
	if err := atomicfile.Write(filepath.Join(tmp, ManifestName), text, 0o644); err != nil {
		return m, err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return m, err
	}
	if err := os.RemoveAll(out); err != nil {
		return m, err
	}
	return m, os.Rename(tmp, out)
}

// replaceable refuses to remove a folder that is not a bundle.
func replaceable(out string) error {
	entries, err := os.ReadDir(out)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := Read(out); err != nil {
		return hint.Wrap(fmt.Errorf("%s holds something that is not a bundle", out), "give another -o, or remove it")
	}
	return nil
}

// Encode returns the canonical text.
func (m Manifest) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", " ")
	return append(text, '\n'), err
}

var hex64 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Decode reads a manifest strictly.
func Decode(data []byte) (Manifest, error) {
	var m Manifest
	if err := strictjson.Decode(data, &m); err != nil {
		return m, err
	}
	if m.Format != Format {
		return m, fmt.Errorf("format %q, want %q", m.Format, Format)
	}
	last := ""
	for _, f := range m.Files {
		switch {
		case !fs.ValidPath(f.Path) || f.Path == "." || f.Path == ManifestName:
			return m, fmt.Errorf("%q cannot be a file of a bundle", f.Path)
		case f.Path <= last:
			return m, fmt.Errorf("%q is out of order", f.Path)
		case !hex64.MatchString(f.SHA256) || f.Bytes < 0:
			return m, fmt.Errorf("%s: no SHA-256 or a negative size", f.Path)
		}
		last = f.Path
	}
	return m, nil
}

// Read reads the manifest of the bundle in dir.
func Read(dir string) (Manifest, error) {
	name := filepath.Join(dir, ManifestName)
	data, err := os.ReadFile(name)
	if err != nil {
		return Manifest{}, err
	}
	m, err := Decode(data)
	if err != nil {
		return m, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// Verify compares every file of the bundle in dir with its manifest, and finds
// files that are not in it. All problems are listed.
func Verify(dir string) (Manifest, error) {
	m, err := Read(dir)
	if err != nil {
		return m, err
	}
	var errs []error
	known := map[string]bool{ManifestName: true}
	for _, f := range m.Files {
		known[f.Path] = true
		sum, err := filehash.SHA256(context.Background(), filepath.Join(dir, filepath.FromSlash(f.Path)))
		if err == nil && sum != f.SHA256 {
			err = fmt.Errorf("%s is not what the manifest says: SHA-256 %s, want %s", f.Path, sum, f.SHA256)
		}
		errs = append(errs, err)
	}
	errs = append(errs, filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err == nil && !known[filepath.ToSlash(rel)] && !strings.HasPrefix(filepath.Base(rel), ".") {
			errs = append(errs, fmt.Errorf("%s is not in the manifest", rel))
		}
		return err
	}))
	return m, errors.Join(errs...)
}

func copyFile(from, to string, f *File) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if st.Mode()&0o100 != 0 || f.Path == AgentName {
		mode = 0o755
	}
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	h := sha256.New()
	f.Bytes, err = io.Copy(io.MultiWriter(dst, h), src)
	f.SHA256 = hex.EncodeToString(h.Sum(nil))
	return errors.Join(err, dst.Close())
}
