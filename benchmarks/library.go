package benchmarks

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// ErrNoModule is wrapped by errors about a key of a module whose file is not at hand: a
// table can price it, but nothing can be built of it or counted in it.
var ErrNoModule = errors.New("the module's file is not at hand")

func noModule(op lut.Op) error {
	return hint.Wrap(fmt.Errorf("%s: %w", op, ErrNoModule), "name the space that it is of")
}

// ModuleFile says in which file a module is.
type ModuleFile struct {
	Key    lut.Op `json:"key"`
	File   string `json:"file"` // relative to the plan, or absolute
	SHA256 string `json:"sha256"`
}

// Library holds modules by key. A nil Library holds none.
type Library struct {
	modules map[string]*onnxmodule.Module
	files   map[string]ModuleFile
}

// Add puts a module under its key. It fails where the key's shapes or precision are not
// the module's.
func (l *Library) Add(f ModuleFile, m *onnxmodule.Module) error {
	in, out, err := Shapes(f.Key)
	if err != nil {
		return err
	}
	switch {
	case !in.equal(m.In) || !out.equal(m.Out):
		return fmt.Errorf("module %s: its file turns %v into %v", f.Key, m.In, m.Out)
	case m.Elem != ModuleElement(f.Key.Precision):
		return fmt.Errorf("module %s: the tensors of its file are of type %v", f.Key, m.Elem)
	case m.Shortcut != hasResidual(args{f.Key}):
		return fmt.Errorf("module %s: whether it ends in an addition of its input is not what its file says", f.Key)
	}
	if l.modules == nil {
		l.modules, l.files = map[string]*onnxmodule.Module{}, map[string]ModuleFile{}
	}
	key := f.Key.String()
	l.modules[key], l.files[key] = m, f
	return nil
}

// Module returns the module of a key. The error wraps ErrNoModule.
func (l *Library) Module(op lut.Op) (*onnxmodule.Module, error) {
	if l != nil {
		if m := l.modules[op.String()]; m != nil {
			return m, nil
		}
	}
	return nil, noModule(op)
}

// Of are the files of the modules in a chain, each once, in its order. The error wraps
// ErrNoModule.
func (l *Library) Of(c Chain) ([]ModuleFile, error) {
	var files []ModuleFile
	seen := map[string]bool{}
	for _, op := range c {
		key := op.String()
		if !kinds[op.Kind].files || seen[key] {
			continue
		}
		seen[key] = true
		if l == nil || l.modules[key] == nil {
			return nil, noModule(op)
		}
		files = append(files, l.files[key])
	}
	return files, nil
}

// Named returns a library of the same modules whose files have the names that rename
// gives them.
func (l *Library) Named(rename func(f ModuleFile) (string, error)) (*Library, error) {
	if l == nil {
		return nil, nil
	}
	out := &Library{modules: l.modules, files: map[string]ModuleFile{}}
	for key, f := range l.files {
		var err error
		if f.File, err = rename(f); err != nil {
			return nil, err
		}
		out.files[key] = f
	}
	return out, nil
}

// Beside returns the library with files named as a plan at the path has them: from its
// folder on where they lie in that or below, so that both can be moved together, else
// absolute. A plan without a path ("") has no folder.
func (l *Library) Beside(plan string) (*Library, error) {
	return l.Named(func(f ModuleFile) (string, error) {
		abs, err := filepath.Abs(f.File)
		if err != nil || plan == "" {
			return abs, err
		}
		dir, err := filepath.Abs(filepath.Dir(plan))
		if err != nil {
			return "", err
		}
		if rel, err := filepath.Rel(dir, abs); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel), nil
		}
		return abs, nil
	})
}

// OpenLibrary reads modules from their files, which are relative to dir, and checks
// their hashes.
func OpenLibrary(files []ModuleFile, dir string) (*Library, error) {
	l := &Library{}
	for _, f := range files {
		path := f.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, hint.Wrap(fmt.Errorf("module %s: %w", f.Key.Attr("name"), err), "modules are looked for beside the plan")
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.SHA256 {
			return nil, hint.Wrap(fmt.Errorf("module file %s has changed since the plan was made (%.12s… then, %x… now)", path, f.SHA256, sum[:6]), "make the plan again")
		}
		m, err := onnxmodule.Read(data)
		if err != nil {
			return nil, fmt.Errorf("module file %s: %w", path, err)
		}
		if err := l.Add(f, m); err != nil {
			return nil, fmt.Errorf("module file %s: %w", path, err)
		}
	}
	return l, nil
}

// ModuleID is the identity of a module by the SHA-256 of its files: forms holds a line of
// them per width, in an order of their own.
func ModuleID(forms [][]string) string {
	h := sha256.New()
	for _, width := range forms {
		for _, sum := range width {
			fmt.Fprintf(h, "%s ", sum)
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil))[:moduleIDLength]
}

// checkModules says whether a model names the files of its modules, and no others.
func (m *Model) checkModules() error {
	var want []string
	for _, op := range m.Chain {
		if key := op.String(); kinds[op.Kind].files && !slices.Contains(want, key) {
			want = append(want, key)
		}
	}
	if len(want) != len(m.Modules) {
		return fmt.Errorf("its chain has %d modules, %d are named", len(want), len(m.Modules))
	}
	for i, f := range m.Modules {
		if f.Key.String() != want[i] {
			return fmt.Errorf("module %d should be %s", i, want[i])
		}
		if f.File == "" || len(f.SHA256) != 64 {
			return fmt.Errorf("module %s needs its file and SHA-256", cmp.Or(f.Key.Attr("name"), "?"))
		}
	}
	return nil
}
