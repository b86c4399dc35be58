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
	"github.com/isocost/isocost/benchmarks/tflitemodule"
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
	// TFLite is the same module for LiteRT, where there is one.
	TFLite *ModuleForm `json:"tflite,omitempty"`
}

// ModuleForm is a module in one format.
type ModuleForm struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	// ChannelsFirst reports that the maps of a .tflite file are [N, C, H, W].
	ChannelsFirst bool `json:"channels_first,omitempty"`
}

// Forms are the module in all formats, ONNX first.
func (f ModuleFile) Forms() []ModuleForm {
	forms := []ModuleForm{{File: f.File, SHA256: f.SHA256}}
	if f.TFLite != nil {
		forms = append(forms, *f.TFLite)
	}
	return forms
}

// Library holds modules by key. A nil Library holds none.
type Library struct {
	modules map[string]*onnxmodule.Module
	tflite  map[string]*tflitemodule.Module // those that have this form
	files   map[string]ModuleFile
}

// Add puts a module under its key, with its form for LiteRT or nil. It fails where the
// key's shapes or precision are not the module's.
func (l *Library) Add(f ModuleFile, m *onnxmodule.Module, t *tflitemodule.Module) error {
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
		l.modules, l.tflite, l.files = map[string]*onnxmodule.Module{}, map[string]*tflitemodule.Module{}, map[string]ModuleFile{}
	}
	key := f.Key.String()
	l.modules[key], l.files[key] = m, f
	if t != nil {
		l.tflite[key] = t
	}
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

// TFLite returns the module of a key for LiteRT, nil where there is none.
func (l *Library) TFLite(op lut.Op) *tflitemodule.Module {
	if l == nil {
		return nil
	}
	return l.tflite[op.String()]
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
func (l *Library) Named(rename func(f ModuleForm) (string, error)) (*Library, error) {
	if l == nil {
		return nil, nil
	}
	out := &Library{modules: l.modules, tflite: l.tflite, files: map[string]ModuleFile{}}
	for key, f := range l.files {
		forms := f.Forms()
		for i := range forms {
			var err error
			if forms[i].File, err = rename(forms[i]); err != nil {
				return nil, err
			}
		}
		f.File = forms[0].File
		if f.TFLite != nil {
			f.TFLite = &forms[1]
		}
		out.files[key] = f
	}
	return out, nil
}

// Beside returns the library with files named as a plan at the path has them: from its
// folder on where they lie in that or below, so that both can be moved together, else
// absolute. A plan without a path ("") has no folder.
func (l *Library) Beside(plan string) (*Library, error) {
	return l.Named(func(f ModuleForm) (string, error) {
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
		data, err := readForm(f.Forms()[0], dir)
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", f.Key.Attr("name"), err)
		}
		m, err := onnxmodule.Read(data)
		if err != nil {
			return nil, fmt.Errorf("module file %s: %w", f.File, err)
		}
		var t *tflitemodule.Module
		if f.TFLite != nil {
			if data, err = readForm(*f.TFLite, dir); err != nil {
				return nil, fmt.Errorf("module %s: %w", f.Key.Attr("name"), err)
			}
			order := tflitemodule.ChannelsLast
			if f.TFLite.ChannelsFirst {
				order = tflitemodule.ChannelsFirst
			}
			if t, err = tflitemodule.Read(data, m.In, m.Out, order); err != nil {
				return nil, fmt.Errorf("module file %s: %w", f.TFLite.File, err)
			}
		}
		if err := l.Add(f, m, t); err != nil {
			return nil, fmt.Errorf("module file %s: %w", f.File, err)
		}
	}
	return l, nil
}

func readForm(f ModuleForm, dir string) ([]byte, error) {
	path := f.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, hint.Wrap(err, "modules are looked for beside the plan")
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.SHA256 {
		return nil, hint.Wrap(fmt.Errorf("file %s has changed since the plan was made (%.12s… then, %x… now)", path, f.SHA256, sum[:6]), "make the plan again")
	}
	return data, nil
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
		for _, form := range f.Forms() {
			if form.File == "" || len(form.SHA256) != 64 {
				return fmt.Errorf("module %s needs its file and SHA-256", cmp.Or(f.Key.Attr("name"), "?"))
			}
		}
	}
	return nil
}
