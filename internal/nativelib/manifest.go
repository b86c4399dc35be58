package nativelib

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/isocost/isocost/internal/strictjson"
)

// ManifestFormat is the first field of the manifest.
const ManifestFormat = "isocost/runtimes/v1"

//go:embed runtimes.json
var manifestJSON []byte

// Manifest lists every native runtime isocost can use: how its library is called,
// and the pinned package it is taken out of. scripts/setup-native.sh reads the
// same file.
type Manifest struct {
	Format   string    `json:"format"`
	Runtimes []Runtime `json:"runtimes"`
}

// Runtime is one native library.
type Runtime struct {
	Name  string `json:"name"`  // its folder below .native/<platform>/
	Title string `json:"title"` // for people
	Env   string `json:"env"`   // the variable that names a library of the user's own
	// Library holds patterns (path.Match) of the library's file name, best first.
	Library []string `json:"library"`
	// Symbols are functions that the library must export: agent bundle looks for them.
	Symbols []string `json:"symbols"`
	Licence string   `json:"licence"` // SPDX
	// Default runtimes are installed when setup-native.sh is given no name.
	Default bool `json:"default,omitempty"`
	// Plugin is set when the library is a plugin execution provider for ONNX
	// Runtime: the provider's name.
	Plugin   string    `json:"plugin,omitempty"`
	Packages []Package `json:"packages"`
}

// Package says where a runtime comes from on one platform.
type Package struct {
	Platform string `json:"platform"` // GOOS-GOARCH
	Client   string `json:"client"`   // pip, npm or maven
	Package  string `json:"package"`
	Version  string `json:"version"`
	Holds    string `json:"holds,omitempty"` // the library's version, where the package counts its own
	Wheel    *Wheel `json:"wheel,omitempty"` // pip only
	SHA256   string `json:"sha256"`          // of the archive the client fetches
	Take     []Take `json:"take"`
}

// Wheel says which wheel pip is to fetch, independent of the host's Python.
type Wheel struct {
	Platform string `json:"platform"` // e.g. manylinux_2_28_x86_64
	Python   string `json:"python"`   // e.g. 312, or py3 for pure wheels
}

// Take is one file taken out of the archive.
type Take struct {
	// From is the member's name; "a.aar!/jni/x.so" is member jni/x.so of the archive
	// a.aar inside the archive (as java.net.JarURLConnection writes it).
	From   string `json:"from"`
	To     string `json:"to,omitempty"` // file name here; the last element of From when empty
	SHA256 string `json:"sha256,omitempty"`
}

// Name is the file's name in the runtime's folder.
func (t Take) Name() string {
	if t.To != "" {
		return t.To
	}
	return t.From[strings.LastIndexByte(t.From, '/')+1:]
}

// Known returns the manifest compiled into this program, which callers share: read only.
func Known() Manifest { return known() }

// known reads the manifest once: every session that opens asks for its library.
var known = sync.OnceValue(func() Manifest {
	m, err := parseManifest(manifestJSON)
	if err != nil {
		panic(err) // TestManifestIsChecked reads the same bytes
	}
	return m
})

// Runtime returns the runtime of that name, or false.
func (m Manifest) Runtime(name string) (Runtime, bool) {
	for _, r := range m.Runtimes {
		if r.Name == name {
			return r, true
		}
	}
	return Runtime{}, false
}

// Pinned returns the version of the library whose pinned file of this name has the
// given SHA-256, or "".
func (r Runtime) Pinned(file, sha256 string) string {
	for _, p := range r.Packages {
		for _, t := range p.Take {
			if t.SHA256 != "" && t.SHA256 == sha256 && t.Name() == filepath.Base(file) {
				if p.Holds != "" {
					return p.Holds
				}
				return p.Version
			}
		}
	}
	return ""
}

var hex64 = regexp.MustCompile(`^[0-9a-f]{64}$`)

func parseManifest(data []byte) (Manifest, error) {
	var m Manifest
	if err := strictjson.Decode(data, &m); err != nil {
		return Manifest{}, strictjson.In("runtimes.json", err)
	}
	if m.Format != ManifestFormat {
		return Manifest{}, fmt.Errorf("runtimes.json: format %q, want %q", m.Format, ManifestFormat)
	}
	seen := map[string]bool{}
	for _, r := range m.Runtimes {
		bad := func(format string, args ...any) (Manifest, error) {
			return Manifest{}, fmt.Errorf("runtimes.json: %s: %s", r.Name, fmt.Sprintf(format, args...))
		}
		if r.Name == "" || seen[r.Name] {
			return bad("the name is empty or a duplicate")
		}
		seen[r.Name] = true
		if r.Title == "" || r.Env == "" || r.Licence == "" || len(r.Library) == 0 || len(r.Symbols) == 0 {
			return bad("title, env, library, symbols and licence must be given")
		}
		library := map[string]bool{} // platforms whose packages hold it
		for _, p := range r.Packages {
			if p.Client != "pip" && p.Client != "npm" && p.Client != "maven" {
				return bad("unknown client %q", p.Client)
			}
			if p.Package == "" || p.Version == "" || !hex64.MatchString(p.SHA256) || len(p.Take) == 0 {
				return bad("%s: package, version, sha256 and take must be given", p.Platform)
			}
			if goos, goarch, ok := strings.Cut(p.Platform, "-"); !ok || goos == "" || goarch == "" {
				return bad("platform %q is not GOOS-GOARCH", p.Platform)
			}
			for _, t := range p.Take {
				if t.SHA256 != "" && !hex64.MatchString(t.SHA256) {
					return bad("%s: sha256 of %s is not 64 hexadecimal digits", p.Platform, t.From)
				}
				for _, pattern := range r.Library {
					ok, err := filepath.Match(pattern, t.Name())
					if err != nil {
						return bad("library pattern %q: %v", pattern, err)
					}
					library[p.Platform] = library[p.Platform] || ok && t.SHA256 != ""
				}
				if strings.Contains(t.Name(), ".so") && t.SHA256 == "" {
					return bad("%s: library %s has no hash", p.Platform, t.Name())
				}
			}
		}
		for _, p := range r.Packages {
			if !library[p.Platform] {
				return bad("%s: no file taken matches %v", p.Platform, r.Library)
			}
		}
	}
	return m, nil
}
