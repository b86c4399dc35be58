package space

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/lut"
)

// Format is the first field of every space file.
const Format = "isocost/space/v1"

// Bounds of a space file. They are far above any real space and keep a hostile
// file from asking for unbounded work.
const (
	maxLayers   = 200
	maxChoices  = 64
	maxWidths   = 64
	maxChannels = 1 << 14
	maxSide     = 1 << 12
)

// spec is a space file, resolved: every default filled in. Its JSON is the
// canonical text that is hashed.
type spec struct {
	Format     string          `json:"format"`
	Kind       string          `json:"kind"`
	Name       string          `json:"name"`
	Input      inputSpec       `json:"input"`
	Width      widthSpec       `json:"width"`
	Precisions []lut.Precision `json:"precisions"`
	Choices    []choiceSpec    `json:"choices"`
	Stem       []fixedSpec     `json:"stem"`
	Stages     []stageSpec     `json:"stages"`
	Head       []fixedSpec     `json:"head"`
	Default    defaultSpec     `json:"default"`
}

type inputSpec struct {
	Channels int `json:"channels"`
	Height   int `json:"height"`
	Width    int `json:"width"`
}

// Scopes of the width grid.
const (
	scopeLayer  = "layer"
	scopeGlobal = "global"
)

type widthSpec struct {
	Scope   string    `json:"scope"`
	Divisor int       `json:"divisor"`
	Ratios  []float64 `json:"ratios"` // ascending, one of them 1
}

type choiceSpec struct {
	Name string `json:"name"`
	Unit
}

// fixedSpec is a part every architecture has.
type fixedSpec struct {
	Unit
	Precision lut.Precision `json:"precision"`
	Scale     bool          `json:"scale"` // its output channels follow a global width
	line      int
}

type stageSpec struct {
	Name       string          `json:"name"`
	Entry      []fixedSpec     `json:"entry"` // fixed parts before the first layer
	Channels   int             `json:"channels"`
	Stride     int             `json:"stride"` // of the first layer
	Layers     int             `json:"layers"`
	Choices    []string        `json:"choices"`
	Precisions []lut.Precision `json:"precisions"`
	Ratios     []float64       `json:"ratios"`
	Default    string          `json:"default"` // choice of x₀
	line       int
}

type defaultSpec struct {
	Choice    string        `json:"choice"`
	Width     float64       `json:"width"`
	Precision lut.Precision `json:"precision"`
	line      int
}

// spec reads the document. Problems are collected in r; the result is only
// meaningful without any.
func (r *reader) spec(root *yaml.Node) *spec {
	s := &spec{Kind: KindMeasured, Width: widthSpec{scopeLayer, 8, []float64{1}}, Default: defaultSpec{Width: 1, line: 1}}
	var stages, stem, head *yaml.Node
	keep := func(p **yaml.Node) func(*yaml.Node) { return func(n *yaml.Node) { *p = n } }
	r.fields(root, "the space", map[string]func(*yaml.Node){
		"format": func(n *yaml.Node) {
			if s.Format = r.str(n, "format"); s.Format != Format {
				r.fail(n, "this program reads "+Format, "format is %q, not %q", clip(s.Format), Format)
			}
		},
		"kind":       func(n *yaml.Node) { r.oneOf(n, "kind", KindMeasured) },
		"name":       func(n *yaml.Node) { s.Name = r.name(n, "name") },
		"input":      func(n *yaml.Node) { s.Input = r.input(n) },
		"width":      func(n *yaml.Node) { s.Width = r.width(n, s.Width) },
		"precisions": func(n *yaml.Node) { s.Precisions = r.precisions(n) },
		"choices":    func(n *yaml.Node) { s.Choices = r.choices(n) },
		"stem":       keep(&stem),
		"stages":     keep(&stages),
		"head":       keep(&head),
		"default": func(n *yaml.Node) {
			s.Default.line = n.Line
			r.fields(n, "default", map[string]func(*yaml.Node){
				"choice":    func(n *yaml.Node) { s.Default.Choice = r.name(n, "choice") },
				"width":     func(n *yaml.Node) { s.Default.Width = r.real(n, "width", 0.01, 16) },
				"precision": func(n *yaml.Node) { s.Default.Precision = lut.Precision(r.oneOf(n, "precision", precisionNames()...)) },
			}, "choice")
		},
	}, "format", "name", "input", "choices", "stem", "stages", "head", "default")
	if len(r.problems) > 0 {
		return s // what follows needs the choices and precisions
	}
	if s.Default.Precision == "" && len(s.Precisions) > 0 {
		s.Default.Precision = s.Precisions[0]
	}
	s.Stem = r.fixed(stem, "stem", s)
	r.list(stages, "stages", 1, maxLayers, func(n *yaml.Node) { s.Stages = append(s.Stages, r.stage(n, s)) })
	s.Head = r.fixed(head, "head", s)
	return s
}

// input reads the shape of a network's input.
func (r *reader) input(n *yaml.Node) (in inputSpec) {
	r.fields(n, "input", map[string]func(*yaml.Node){
		"channels": func(n *yaml.Node) { in.Channels = r.num(n, "channels", 1, maxChannels) },
		"height":   func(n *yaml.Node) { in.Height = r.num(n, "height", 1, maxSide) },
		"width":    func(n *yaml.Node) { in.Width = r.num(n, "width", 1, maxSide) },
	}, "channels", "height", "width")
	return in
}

func precisionNames() []string {
	var names []string
	for _, p := range lut.Precisions {
		names = append(names, string(p))
	}
	return names
}

// precisions reads a list of precisions and puts them widest first.
func (r *reader) precisions(n *yaml.Node) []lut.Precision {
	var ps []lut.Precision
	r.list(n, "precisions", 0, len(lut.Precisions), func(n *yaml.Node) {
		p := lut.Precision(r.oneOf(n, "precision", precisionNames()...))
		if slices.Contains(ps, p) {
			r.fail(n, "", "precision %q is duplicate", p)
		}
		ps = append(ps, p)
	})
	slices.SortFunc(ps, func(a, b lut.Precision) int {
		return slices.Index(lut.Precisions, a) - slices.Index(lut.Precisions, b)
	})
	return ps
}

// width reads a width grid: a list of ratios, or min, max and step.
func (r *reader) width(n *yaml.Node, w widthSpec) widthSpec {
	var lo, hi, step float64
	var listed bool
	r.fields(n, "width", map[string]func(*yaml.Node){
		"scope":   func(n *yaml.Node) { w.Scope = r.oneOf(n, "scope", scopeLayer, scopeGlobal) },
		"divisor": func(n *yaml.Node) { w.Divisor = r.num(n, "divisor", 1, 256) },
		"ratios":  func(n *yaml.Node) { listed, w.Ratios = true, r.ratios(n) },
		"min":     func(n *yaml.Node) { lo = r.real(n, "min", 0.01, 16) },
		"max":     func(n *yaml.Node) { hi = r.real(n, "max", 0.01, 16) },
		"step":    func(n *yaml.Node) { step = r.real(n, "step", 0.001, 16) },
	})
	if bounds := lo > 0 || hi > 0 || step > 0; bounds {
		if listed || lo == 0 || hi == 0 || step == 0 || lo > hi {
			r.fail(n, "give ratios: [0.5, 1, 1.5], or min, max and step", "width wants either ratios or min ≤ max with a step")
			return w
		}
		w.Ratios = nil
		for i := 0; ; i++ {
			v := math.Round((lo+float64(i)*step)*1e6) / 1e6 // decimals as written, not their binary sums
			if v > hi+1e-9 {
				break
			}
			if len(w.Ratios) == maxWidths {
				r.fail(n, "take a larger step", "width grid has over %d points", maxWidths)
				break
			}
			w.Ratios = append(w.Ratios, v)
		}
		r.hasOne(n, w.Ratios)
	}
	return w
}

func (r *reader) ratios(n *yaml.Node) []float64 {
	var ratios []float64
	r.list(n, "ratios", 1, maxWidths, func(n *yaml.Node) {
		v := r.real(n, "ratio", 0.01, 16)
		if len(ratios) > 0 && v <= ratios[len(ratios)-1] {
			r.fail(n, "", "ratio %g is not above the one before it", v)
		}
		ratios = append(ratios, v)
	})
	if len(ratios) > 0 {
		r.hasOne(n, ratios)
	}
	return ratios
}

func (r *reader) hasOne(n *yaml.Node, ratios []float64) {
	if !slices.Contains(ratios, 1) {
		r.fail(n, "add the ratio 1", "no point of the width grid is 1")
	}
}

func (r *reader) choices(n *yaml.Node) []choiceSpec {
	var cs []choiceSpec
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 || len(n.Content) > 2*maxChoices {
		r.fail(n, "choices: {mb_k3_e3: {op: mbconv, k: 3, e: 3}, …}", "choices is not a mapping of 1 to %d names", maxChoices)
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := r.name(n.Content[i], "choice")
		if slices.ContainsFunc(cs, func(c choiceSpec) bool { return c.Name == name }) {
			r.fail(n.Content[i], "", "choice %q is duplicate", name)
		}
		u := r.unit(n.Content[i+1], "choice "+name, true, nil)
		cs = append(cs, choiceSpec{name, u})
	}
	return cs
}

// unit reads one operator or block. extra are further fields of the mapping.
func (r *reader) unit(n *yaml.Node, what string, choice bool, extra map[string]func(*yaml.Node)) Unit {
	var u Unit
	if n.Kind != yaml.MappingNode {
		r.fail(n, "{op: mbconv, k: 3, e: 3}", "%s is not a mapping of fields", what)
		return u
	}
	var names []string
	for _, name := range unitNames {
		if k := unitKinds[name]; choice && k.choice || !choice && k.fixed {
			names = append(names, name)
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "op" {
			u.Op = r.oneOf(n.Content[i+1], "op", names...)
			break
		}
	}
	if u.Op == "" {
		if len(r.problems) == 0 {
			r.fail(n, "one of "+strings.Join(names, ", "), "%s: field \"op\" is missing", what)
		}
		return u
	}
	kind := unitKinds[u.Op]
	u.S = 1
	all := map[string]func(*yaml.Node){
		"k":       func(n *yaml.Node) { u.K = r.num(n, "k", 1, 31) },
		"s":       func(n *yaml.Node) { u.S = r.num(n, "s", 1, 32) },
		"e":       func(n *yaml.Node) { u.E = r.real(n, "e", 0.05, 32) },
		"se":      func(n *yaml.Node) { u.SE = r.num(n, "se", 1, 64) },
		"act":     func(n *yaml.Node) { u.Act = strings.TrimPrefix(r.oneOf(n, "act", acts...), "none") },
		"heads":   func(n *yaml.Node) { u.Heads = r.num(n, "heads", 1, 256) },
		"win":     func(n *yaml.Node) { u.Win = r.num(n, "win", 1, 256) },
		"out":     func(n *yaml.Node) { u.Out = r.num(n, "out", 1, maxChannels) },
		"project": func(n *yaml.Node) { u.Project = r.oneOf(n, "project", "true", "false") == "true" },
	}
	known := map[string]func(*yaml.Node){"op": func(*yaml.Node) {}}
	for _, f := range kind.fields {
		if choice && (f == "s" || f == "out") {
			continue // the layer's
		}
		known[f] = all[f]
	}
	for f, fn := range extra {
		known[f] = fn
	}
	need := slices.Clone(kind.need)
	if !choice && u.Op == "conv" {
		need = append(need, "out")
	}
	r.fields(n, what, known, need...)
	if choice {
		u.S = 0
	}
	return u
}

// fixed reads a list of parts every architecture has.
func (r *reader) fixed(n *yaml.Node, what string, s *spec) []fixedSpec {
	var fs []fixedSpec
	r.list(n, what, 0, maxLayers, func(n *yaml.Node) {
		f := fixedSpec{Precision: lut.FP32, line: n.Line}
		if len(s.Precisions) > 0 {
			f.Precision = s.Precisions[0]
		}
		scale := true
		f.Unit = r.unit(n, "part of "+what, false, map[string]func(*yaml.Node){
			"precision": func(n *yaml.Node) { f.Precision = lut.Precision(r.oneOf(n, "precision", precisionNames()...)) },
			"scale":     func(n *yaml.Node) { scale = r.oneOf(n, "scale", "true", "false") == "true" },
		})
		f.Scale = scale && s.Width.Scope == scopeGlobal && f.Out > 0 && f.Op != "linear"
		fs = append(fs, f)
	})
	return fs
}

func (r *reader) stage(n *yaml.Node, s *spec) stageSpec {
	st := stageSpec{Stride: 1, Precisions: s.Precisions, Ratios: s.Width.Ratios, Default: s.Default.Choice, line: n.Line}
	for _, c := range s.Choices {
		st.Choices = append(st.Choices, c.Name)
	}
	what := fmt.Sprintf("stage %d", len(s.Stages))
	known := func(n *yaml.Node, name string) bool {
		if slices.ContainsFunc(s.Choices, func(c choiceSpec) bool { return c.Name == name }) {
			return true
		}
		if name != "" {
			r.fail(n, "define it under choices", "%s: there is not a choice %q", what, name)
		}
		return false
	}
	r.fields(n, what, map[string]func(*yaml.Node){
		"name":     func(n *yaml.Node) { st.Name = r.name(n, "name") },
		"entry":    func(n *yaml.Node) { st.Entry = r.fixed(n, what+"'s entry", s) },
		"channels": func(n *yaml.Node) { st.Channels = r.num(n, "channels", 1, maxChannels) },
		"stride":   func(n *yaml.Node) { st.Stride = r.num(n, "stride", 1, 8) },
		"layers":   func(n *yaml.Node) { st.Layers = r.num(n, "layers", 1, maxLayers) },
		"choices": func(n *yaml.Node) {
			st.Choices = nil
			r.list(n, "choices", 1, maxChoices, func(n *yaml.Node) {
				name := r.name(n, "choice")
				if slices.Contains(st.Choices, name) {
					r.fail(n, "", "choice %q is duplicate", name)
				}
				if known(n, name) {
					st.Choices = append(st.Choices, name)
				}
			})
		},
		"precisions": func(n *yaml.Node) {
			st.Precisions = r.precisions(n)
			if (len(st.Precisions) == 0) != (len(s.Precisions) == 0) {
				r.fail(n, "", "%s: either all stages have precisions or none has", what)
			}
		},
		"ratios": func(n *yaml.Node) {
			st.Ratios = r.ratios(n)
			if s.Width.Scope == scopeGlobal {
				r.fail(n, "leave it out or make the scope layer", "%s: a global width has one grid for all stages", what)
			}
		},
		"default": func(n *yaml.Node) {
			if st.Default = r.name(n, "default"); known(n, st.Default) {
				return
			}
		},
	}, "name", "channels", "layers")
	return st
}
