package space

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// KindModules is the kind of a space whose layers are modules in ONNX files.
const KindModules = "modules"

// maxModuleWidth bounds the values of a module's width knob.
const maxModuleWidth = 1 << 16

// skipChoice is the choice that a layer with skip: true has besides its own.
const skipChoice = "skip"

// modulesSpec is a space file of kind modules, resolved. Its JSON is the canonical
// text that is hashed: files stand in it by their content, not by their names.
type modulesSpec struct {
	Format string        `json:"format"`
	Kind   string        `json:"kind"`
	Name   string        `json:"name"`
	Input  inputSpec     `json:"input"`
	Stem   []moduleFixed `json:"stem"`
	Layers []moduleLayer `json:"layers"`
	Head   []moduleFixed `json:"head"`

	files []moduleFile // as the file lists them
}

// moduleFile is an entry of files.
type moduleFile struct {
	path, sha256 string
	line         int
}

// moduleFixed is a module that every architecture has.
type moduleFixed struct {
	Name      string           `json:"name"`
	Out       benchmarks.Shape `json:"out"`
	Precision lut.Precision    `json:"precision"`
	Form      moduleForm       `json:"form"`
	line      int
}

// moduleForm is one module in the formats the file has it in.
type moduleForm struct {
	ONNX   string `json:"onnx"`             // SHA-256
	TFLite string `json:"tflite,omitempty"` // SHA-256
	path   string // of the ONNX file
	lite   string // the path of the .tflite file
	line   int
}

// content is the form's by all its files.
func (f moduleForm) content() string {
	if f.TFLite == "" {
		return f.ONNX
	}
	return f.ONNX + "+" + f.TFLite
}

type moduleLayer struct {
	Name       string           `json:"name"`
	Entry      []moduleFixed    `json:"entry,omitempty"`
	Out        benchmarks.Shape `json:"out"`
	Widths     []int            `json:"widths"`
	Precisions []lut.Precision  `json:"precisions"`
	Skip       bool             `json:"skip"`
	Choices    []moduleChoice   `json:"choices"` // in the file's order
	Default    Layer            `json:"default"` // width as an index
	line       int
}

// moduleChoice is a module in all its forms: Forms[width][precision], in the order of
// the layer's widths and precisions, of which it has one each where the layer has none.
type moduleChoice struct {
	Name  string         `json:"name"`
	Forms [][]moduleForm `json:"forms"`
	line  int
}

// modules reads a document of kind modules. Problems are collected in r; the result is
// only meaningful without any.
func (r *reader) modules(root *yaml.Node) *modulesSpec {
	s := &modulesSpec{Kind: KindModules}
	var files, stem, layers, head, precisions *yaml.Node
	keep := func(p **yaml.Node) func(*yaml.Node) { return func(n *yaml.Node) { *p = n } }
	r.fields(root, "the space", map[string]func(*yaml.Node){
		"format": func(n *yaml.Node) {
			if s.Format = r.str(n, "format"); s.Format != Format {
				r.fail(n, "this program reads "+Format, "format is %q, not %q", clip(s.Format), Format)
			}
		},
		"kind":       func(n *yaml.Node) { r.oneOf(n, "kind", KindModules) },
		"name":       func(n *yaml.Node) { s.Name = r.name(n, "name") },
		"input":      func(n *yaml.Node) { s.Input = r.input(n) },
		"files":      keep(&files),
		"precisions": keep(&precisions),
		"stem":       keep(&stem),
		"layers":     keep(&layers),
		"head":       keep(&head),
	}, "format", "kind", "name", "input", "files", "stem", "layers", "head")
	if len(r.problems) > 0 {
		return s
	}
	s.files = r.moduleFiles(files)
	if len(r.problems) > 0 {
		return s // forms would be named as unknown
	}
	m := &moduleReader{reader: r, spec: s, used: map[string]bool{}}
	if precisions != nil {
		m.precisions = r.precisions(precisions)
	}
	s.Stem = m.fixedModules(stem, "stem")
	r.list(layers, "layers", 1, maxLayers, func(n *yaml.Node) { s.Layers = append(s.Layers, m.layer(n)) })
	s.Head = m.fixedModules(head, "head")
	if len(r.problems) > 0 {
		return s
	}
	names := map[string]bool{}
	for _, l := range s.Layers {
		at := &yaml.Node{Line: l.line}
		if names[l.Name] {
			r.fail(at, "", "layer name %q is duplicate", l.Name)
		}
		names[l.Name] = true
		if (len(l.Precisions) == 0) != (len(s.Layers[0].Precisions) == 0) {
			r.fail(at, "name precisions: [fp32] where there is one", "layer %q: either all layers have precisions or none has", l.Name)
		}
	}
	for _, f := range s.files {
		if !m.used[f.path] {
			r.fail(&yaml.Node{Line: f.line}, "delete it here and in the folder", "file %q belongs to no module", clip(f.path))
		}
	}
	return s
}

// moduleFiles reads the table of files.
func (r *reader) moduleFiles(n *yaml.Node) []moduleFile {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "files: {modules/block.onnx: its SHA-256, …}", "files is not a mapping of paths to hashes")
		return nil
	}
	var files []moduleFile
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		f := moduleFile{path: r.str(k, "path"), sha256: r.str(v, "hash"), line: k.Line}
		switch {
		case f.path == "" || f.sha256 == "":
		case strings.ContainsAny(f.path, "\\:\x00") || path.Clean(f.path) != f.path || path.IsAbs(f.path) || f.path == ".." || strings.HasPrefix(f.path, "../"):
			r.fail(k, "files lie in the folder of the space: modules/block.onnx", "path %q is not one below this folder", clip(f.path))
		case !isSHA256(f.sha256):
			r.fail(v, "the output of sha256sum", "hash %q of %q is not 64 hexadecimal digits", clip(f.sha256), clip(f.path))
		case slices.ContainsFunc(files, func(g moduleFile) bool { return g.path == f.path }):
			r.fail(k, "", "file %q is duplicate", clip(f.path))
		}
		files = append(files, f)
	}
	return files
}

func isSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// moduleReader reads parts of a space of modules, whose files are known.
type moduleReader struct {
	*reader
	spec       *modulesSpec
	precisions []lut.Precision // of layers that name none
	used       map[string]bool // files
}

func (m *moduleReader) fixedModules(n *yaml.Node, what string) []moduleFixed {
	fs := []moduleFixed{}
	m.list(n, what, 0, maxLayers, func(n *yaml.Node) {
		f := moduleFixed{Precision: lut.FP32, line: n.Line}
		m.fields(n, "module of "+what, map[string]func(*yaml.Node){
			"name":      func(n *yaml.Node) { f.Name = m.name(n, "name") },
			"out":       func(n *yaml.Node) { f.Out = m.shape(n, "out") },
			"precision": func(n *yaml.Node) { f.Precision = lut.Precision(m.oneOf(n, "precision", precisionNames()...)) },
			"form":      func(n *yaml.Node) { f.Form = m.form(n, "form") },
		}, "name", "out", "form")
		fs = append(fs, f)
	})
	return fs
}

// shape reads a shape without the batch: [c, h, w], [tokens, dim] or [c].
func (m *moduleReader) shape(n *yaml.Node, what string) benchmarks.Shape {
	var s benchmarks.Shape
	m.list(n, what, 1, 3, func(n *yaml.Node) { s = append(s, m.num(n, what, 1, maxChannels)) })
	return s
}

// form reads a path, or a path per format.
func (m *moduleReader) form(n *yaml.Node, what string) moduleForm {
	f := moduleForm{line: n.Line}
	if n.Kind == yaml.ScalarNode {
		f.ONNX, f.path = m.file(n, what, ".onnx")
		return f
	}
	m.fields(n, what, map[string]func(*yaml.Node){
		"onnx":   func(n *yaml.Node) { f.ONNX, f.path = m.file(n, "onnx", ".onnx") },
		"tflite": func(n *yaml.Node) { f.TFLite, f.lite = m.file(n, "tflite", ".tflite") },
	}, "onnx")
	return f
}

// file reads a path of files and returns its hash.
func (m *moduleReader) file(n *yaml.Node, what, suffix string) (sha256, name string) {
	name = m.str(n, what)
	i := slices.IndexFunc(m.spec.files, func(f moduleFile) bool { return f.path == name })
	switch {
	case name == "":
		return "", ""
	case i < 0:
		m.fail(n, "list it under files with its SHA-256", "%s: files has no %q", what, clip(name))
		return "", ""
	case !strings.HasSuffix(name, suffix):
		m.fail(n, "", "%s: %q does not end in %s", what, clip(name), suffix)
	}
	m.used[name] = true
	return m.spec.files[i].sha256, name
}

func (m *moduleReader) layer(n *yaml.Node) moduleLayer {
	l := moduleLayer{Name: fmt.Sprint(len(m.spec.Layers)), Precisions: m.precisions, line: n.Line}
	var choices, def *yaml.Node
	m.fields(n, "layer "+l.Name, map[string]func(*yaml.Node){
		"name":       func(n *yaml.Node) { l.Name = m.name(n, "name") },
		"out":        func(n *yaml.Node) { l.Out = m.shape(n, "out") },
		"entry":      func(n *yaml.Node) { l.Entry = m.fixedModules(n, "entry") },
		"precisions": func(n *yaml.Node) { l.Precisions = m.reader.precisions(n) },
		"skip":       func(n *yaml.Node) { l.Skip = m.oneOf(n, "skip", "true", "false") == "true" },
		"choices":    func(n *yaml.Node) { choices = n },
		"default":    func(n *yaml.Node) { def = n },
		"widths": func(n *yaml.Node) {
			m.list(n, "widths", 1, maxWidths, func(n *yaml.Node) {
				w := m.num(n, "width", 1, maxModuleWidth)
				if k := len(l.Widths); k > 0 && w <= l.Widths[k-1] {
					m.fail(n, "", "width %d is not above the one before it", w)
				}
				l.Widths = append(l.Widths, w)
			})
		},
	}, "name", "out", "choices")
	if choices == nil || len(m.problems) > 0 {
		return l
	}
	l.Choices = m.choices(choices, &l)
	if len(m.problems) == 0 {
		l.Default = m.defaultOf(def, &l)
	}
	return l
}

// choices reads the modules of a layer whose widths and precisions are known.
func (m *moduleReader) choices(n *yaml.Node, l *moduleLayer) []moduleChoice {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 || len(n.Content) > 2*maxChoices {
		m.fail(n, "choices: {mine: {fp32: modules/mine.onnx}, …}", "layer %q: choices is not a mapping of 1 to %d names", l.Name, maxChoices)
		return nil
	}
	var cs []moduleChoice
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		c := moduleChoice{Name: m.name(k, "choice"), line: k.Line}
		what := fmt.Sprintf("layer %q, choice %q", l.Name, c.Name)
		switch {
		case slices.ContainsFunc(cs, func(d moduleChoice) bool { return d.Name == c.Name }):
			m.fail(k, "", "%s is duplicate", what)
		case c.Name == skipChoice && l.Skip:
			m.fail(k, "give it another name", "%s: the layer has skip: true, which is a choice of this name", what)
		}
		if v.Kind != yaml.MappingNode || len(v.Content) == 0 {
			m.fail(v, "16: {fp32: modules/mine-16.onnx}", "%s is not a mapping of widths or precisions", what)
			continue
		}
		if _, err := strconv.Atoi(v.Content[0].Value); err != nil || len(l.Widths) == 0 {
			forms := m.forms(v, what, l)
			for range max(len(l.Widths), 1) {
				c.Forms = append(c.Forms, forms)
			}
		} else {
			known := map[string]func(*yaml.Node){}
			c.Forms = make([][]moduleForm, len(l.Widths))
			var need []string
			for j, w := range l.Widths {
				need = append(need, strconv.Itoa(w))
				known[need[j]] = func(n *yaml.Node) { c.Forms[j] = m.forms(n, what+", width "+need[j], l) }
			}
			m.fields(v, what, known, need...)
		}
		cs = append(cs, c)
	}
	return cs
}

// forms reads a form per precision of the layer, in its order.
func (m *moduleReader) forms(n *yaml.Node, what string, l *moduleLayer) []moduleForm {
	precisions := l.Precisions
	if len(precisions) == 0 {
		precisions = []lut.Precision{lut.FP32}
	}
	forms := make([]moduleForm, len(precisions))
	known := map[string]func(*yaml.Node){}
	var need []string
	for i, p := range precisions {
		need = append(need, string(p))
		known[string(p)] = func(n *yaml.Node) { forms[i] = m.form(n, what+", "+string(p)) }
	}
	m.fields(n, what, known, need...)
	return forms
}

// defaultOf reads a layer's setting in x₀; n may be nil.
func (m *moduleReader) defaultOf(n *yaml.Node, l *moduleLayer) Layer {
	x := Layer{Choice: l.Choices[0].Name, Width: 0}
	if len(l.Precisions) > 0 {
		x.Precision = l.Precisions[0]
	}
	what := fmt.Sprintf("layer %q: default", l.Name)
	said := len(l.Widths) < 2
	if n != nil {
		m.fields(n, what, map[string]func(*yaml.Node){
			"choice": func(n *yaml.Node) {
				x.Choice = m.name(n, "choice")
				if x.Choice != "" && !slices.Contains(l.names(), x.Choice) {
					m.fail(n, "", "%s choice %q is none of %s", what, x.Choice, strings.Join(l.names(), ", "))
				}
			},
			"width": func(n *yaml.Node) {
				said = true
				w := m.num(n, "width", 1, maxModuleWidth)
				if x.Width = slices.Index(l.Widths, w); x.Width < 0 {
					m.fail(n, "", "%s width %d is none of %v", what, w, l.Widths)
				}
			},
			"precision": func(n *yaml.Node) {
				x.Precision = lut.Precision(m.oneOf(n, "precision", precisionNames()...))
				if x.Precision != "" && !slices.Contains(l.Precisions, x.Precision) {
					m.fail(n, "", "%s precision %q is none of %v", what, x.Precision, l.Precisions)
				}
			},
		})
	}
	if !said {
		m.fail(&yaml.Node{Line: l.line}, "default: {width: …}", "layer %q: default says no width of %v", l.Name, l.Widths)
	}
	return x
}

// names are the layer's choices in order; skip is the last.
func (l *moduleLayer) names() []string {
	var names []string
	for _, c := range l.Choices {
		names = append(names, c.Name)
	}
	if l.Skip {
		names = append(names, skipChoice)
	}
	return names
}
