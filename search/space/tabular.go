package space

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// Tabular is a space whose architectures are rows of a table: layers × named
// choices, without widths or precisions. Any published benchmark can be searched
// so. It is not a Lowerer: there is not a network, only its utilities and costs.
type Tabular struct {
	spec  tabularSpec
	text  []byte
	hash  string
	rows  map[string]Row
	order []string // keys in the file's order
}

// tabularSpec is the canonical form, hashed as JSON.
type tabularSpec struct {
	Format  string                `json:"format"`
	Kind    string                `json:"kind"`
	Name    string                `json:"name"`
	Layers  [][]string            `json:"layers"` // choices of each
	SHA256  string                `json:"sha256"` // of the table file
	Costs   map[string]choiceCost `json:"costs,omitempty"`
	Default string                `json:"default"`
}

// choiceCost is a cost by choices: Base + Σ over the layers.
type choiceCost struct {
	Base   float64     `json:"base"`
	Layers [][]float64 `json:"layers"`
}

var _ Space = (*Tabular)(nil)

// ReadTabular parses a space file of kind tabular. open returns the bytes of the
// table it names, relative to the space file.
//
//	format: isocost/space/v1
//	kind: tabular
//	name: nas-bench-macro
//	layers: 8                    # or a list with the choices of every layer
//	choices: ["0", "1", "2"]
//	table: nas-bench-macro.jsonl
//	sha256: …                    # optional: of the table
//	costs:                       # optional: costs by choice, where the table has none
//	  latency_us: {base: 12, layers: [[0, 20, 41], …]}
//	default: 1|1|1|1|1|1|1|1
func ReadTabular(name string, data []byte, open func(string) ([]byte, error)) (*Tabular, error) {
	r := &reader{file: name}
	root := r.parse(data)
	if root == nil {
		return nil, r.err()
	}
	t := &Tabular{spec: tabularSpec{Format: Format, Kind: KindTabular}}
	var table, sum string
	var layers, costs, choicesAt, tableAt, defaultAt *yaml.Node
	var choices []string
	names := func(n *yaml.Node) []string {
		var out []string
		r.list(n, "choices", 1, maxChoices, func(n *yaml.Node) {
			c := r.name(n, "choice")
			if slices.Contains(out, c) {
				r.fail(n, "", "choice %q is duplicate", c)
			}
			out = append(out, c)
		})
		return out
	}
	r.fields(root, "the space", map[string]func(*yaml.Node){
		"format": func(n *yaml.Node) {
			if f := r.str(n, "format"); f != Format {
				r.fail(n, "this program reads "+Format, "format is %q, not %q", clip(f), Format)
			}
		},
		"kind":    func(n *yaml.Node) { r.oneOf(n, "kind", KindTabular) },
		"name":    func(n *yaml.Node) { t.spec.Name = r.name(n, "name") },
		"layers":  func(n *yaml.Node) { layers = n },
		"choices": func(n *yaml.Node) { choicesAt, choices = n, names(n) },
		"table":   func(n *yaml.Node) { tableAt, table = n, r.str(n, "table") },
		"sha256":  func(n *yaml.Node) { sum = r.str(n, "sha256") },
		"costs":   func(n *yaml.Node) { costs = n },
		"default": func(n *yaml.Node) { defaultAt, t.spec.Default = n, r.str(n, "default") },
	}, "format", "kind", "name", "layers", "table", "default")
	if len(r.problems) > 0 {
		return nil, r.err()
	}
	if layers.Kind == yaml.SequenceNode {
		if choicesAt != nil {
			r.fail(choicesAt, "leave it out", "layers already names the choices of every layer")
		}
		r.list(layers, "layers", 1, maxLayers, func(n *yaml.Node) { t.spec.Layers = append(t.spec.Layers, names(n)) })
	} else {
		if choicesAt == nil {
			r.fail(layers, "", "field \"choices\" is missing")
		}
		for range r.num(layers, "layers", 1, maxLayers) {
			t.spec.Layers = append(t.spec.Layers, choices)
		}
	}
	if costs != nil {
		t.spec.Costs = r.choiceCosts(costs, t.spec.Layers)
	}
	if len(r.problems) > 0 {
		return nil, r.err()
	}
	if !filepath.IsLocal(filepath.FromSlash(table)) {
		r.fail(tableAt, "put the table beside the space file", "table %q leads out of the space file's folder", clip(table))
		return nil, r.err()
	}
	rows, err := open(table)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Wrap(fmt.Errorf("%s:%d: table: %w", name, tableAt.Line, err), "put the table there, or convert a published one (scripts/nas_bench_macro.py)")
	} else if err != nil {
		return nil, fmt.Errorf("%s:%d: table: %w", name, tableAt.Line, err)
	}
	if err := t.load(table, rows); err != nil {
		return nil, err
	}
	if sum != "" && sum != t.spec.SHA256 {
		return nil, hint.Wrap(fmt.Errorf("%s:%d: table %s has SHA-256 %s, not %.64s", name, tableAt.Line, table, t.spec.SHA256, sum), "get the table again, or correct sha256")
	}
	if err := t.check(t.spec.Default); err != nil {
		r.fail(defaultAt, "", "default: %v", err)
		return nil, r.err()
	}
	return t, t.seal()
}

func (r *reader) choiceCosts(n *yaml.Node, layers [][]string) map[string]choiceCost {
	out := map[string]choiceCost{}
	if n.Kind != yaml.MappingNode || len(n.Content) > 2*maxChoices {
		r.fail(n, "costs: {latency_us: {base: 12, layers: [[…], …]}}", "costs is not a mapping of metrics")
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		metric := r.name(n.Content[i], "metric")
		if _, ok := out[metric]; ok {
			r.fail(n.Content[i], "", "metric %q is duplicate", metric)
		}
		var c choiceCost
		r.fields(n.Content[i+1], "cost "+metric, map[string]func(*yaml.Node){
			"base": func(n *yaml.Node) { c.Base = r.real(n, "base", 0, 1e15) },
			"layers": func(n *yaml.Node) {
				r.list(n, "layers", len(layers), len(layers), func(n *yaml.Node) {
					var row []float64
					k := len(layers[len(c.Layers)])
					r.list(n, "costs of a layer", k, k, func(n *yaml.Node) { row = append(row, r.real(n, "cost", 0, 1e15)) })
					c.Layers = append(c.Layers, row)
				})
			},
		}, "layers")
		out[metric] = c
	}
	return out
}

// InferTabular makes a space of a bare table: the choices of a layer are those
// its rows use, sorted; the default is the first row.
func InferTabular(name string, data []byte) (*Tabular, error) {
	t := &Tabular{spec: tabularSpec{Format: Format, Kind: KindTabular}}
	t.spec.Name = strings.TrimSuffix(filepath.Base(name), ".jsonl")
	err := ReadRows(name, data, func(_ int, r Row) error {
		fields := strings.Split(r.Arch, "|")
		if t.spec.Layers == nil {
			if len(fields) > maxLayers {
				return fmt.Errorf("over %d layers", maxLayers)
			}
			t.spec.Layers = make([][]string, len(fields))
			t.spec.Default = r.Arch
		}
		if len(fields) != len(t.spec.Layers) {
			return fmt.Errorf("architecture %.200q has %d layers, the first has %d", r.Arch, len(fields), len(t.spec.Layers))
		}
		for l, c := range fields {
			if !isChoice(c) {
				return fmt.Errorf("architecture %.200q: choice %.60q is not a name", r.Arch, c)
			}
			if !slices.Contains(t.spec.Layers[l], c) {
				if len(t.spec.Layers[l]) == maxChoices {
					return fmt.Errorf("layer %d has over %d choices", l, maxChoices)
				}
				t.spec.Layers[l] = append(t.spec.Layers[l], c)
			}
		}
		return nil
	})
	if err == nil && t.spec.Layers == nil {
		err = fmt.Errorf("%s: the table is empty", name)
	}
	if err != nil {
		return nil, err
	}
	for _, choices := range t.spec.Layers {
		slices.Sort(choices)
	}
	if err := t.load(name, data); err != nil {
		return nil, err
	}
	return t, t.seal()
}

// load reads the rows and checks that each is of the space.
func (t *Tabular) load(name string, data []byte) error {
	sum := sha256.Sum256(data)
	t.spec.SHA256 = hex.EncodeToString(sum[:])
	t.rows = map[string]Row{}
	return ReadRows(name, data, func(_ int, r Row) error {
		if err := t.check(r.Arch); err != nil {
			return err
		}
		t.rows[r.Arch] = r
		t.order = append(t.order, r.Arch)
		return nil
	})
}

func (t *Tabular) seal() error {
	text, err := json.Marshal(t.spec)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	t.text, t.hash = text, hex.EncodeToString(sum[:])
	return nil
}

// check says why key is not an architecture of the space.
func (t *Tabular) check(key string) error {
	a, err := ParseArch(key)
	if err != nil {
		return err
	}
	return t.Validate(a)
}

// Name is the space's own name.
func (t *Tabular) Name() string { return t.spec.Name }

// Hash is the SHA-256, in hex, of Canonical; it covers the table.
func (t *Tabular) Hash() string { return t.hash }

// Canonical is the canonical text.
func (t *Tabular) Canonical() []byte { return slices.Clone(t.text) }

// Layers is the number of layers.
func (t *Tabular) Layers() int { return len(t.spec.Layers) }

// Choices lists layer l's choices.
func (t *Tabular) Choices(l int) []string { return slices.Clone(t.spec.Layers[l]) }

// Widths is 1: a table has no width grid.
func (t *Tabular) Widths(int) int { return 1 }

// WidthRatio is 1.
func (t *Tabular) WidthRatio(int, int) float64 { return 1 }

// GlobalWidth is false.
func (t *Tabular) GlobalWidth() bool { return false }

// Precisions is empty: a table has none.
func (t *Tabular) Precisions(int) []lut.Precision { return nil }

// Default is the architecture the space file names.
func (t *Tabular) Default() Arch {
	a, _ := ParseArch(t.spec.Default) // checked when read
	return a
}

// Validate says why a is not of this space. An architecture can be of the space
// and still not in its table: see Row.
func (t *Tabular) Validate(a Arch) error {
	if len(a.Layers) != t.Layers() {
		return fmt.Errorf("architecture has %d layers, space %q has %d", len(a.Layers), t.Name(), t.Layers())
	}
	for l, x := range a.Layers {
		switch {
		case !slices.Contains(t.spec.Layers[l], x.Choice):
			return fmt.Errorf("layer %d: choice %.60q is none of %s", l, x.Choice, strings.Join(t.spec.Layers[l], ", "))
		case x.Width != 0 || x.Precision != "":
			return fmt.Errorf("layer %d: a tabular space has neither widths nor precisions", l)
		}
	}
	return nil
}

// Row returns the table's row of an architecture, false when it has none.
func (t *Tabular) Row(a Arch) (Row, bool) {
	r, ok := t.rows[a.Key()]
	return r, ok
}

// Rows lists the architectures of the table in its order.
func (t *Tabular) Rows() []string { return slices.Clone(t.order) }

// Metrics lists the costs the space knows: by choice, or in any row.
func (t *Tabular) Metrics() []string {
	names := map[string]bool{}
	for m := range t.spec.Costs {
		names[m] = true
	}
	for _, r := range t.rows {
		for m := range r.Cost {
			names[m] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// ErrNoCost is wrapped by Cost when neither the table nor the space file prices
// an architecture.
var ErrNoCost = errors.New("no cost")

// Cost is an architecture's cost in a metric: the row's own, else the sum by
// choices. It never guesses: without either it is ErrNoCost naming the row.
func (t *Tabular) Cost(a Arch, metric string) (float64, error) {
	if err := t.Validate(a); err != nil {
		return 0, err
	}
	if r, ok := t.rows[a.Key()]; ok {
		if v, ok := r.Cost[metric]; ok {
			return v, nil
		}
	}
	c, ok := t.spec.Costs[metric]
	if !ok {
		return 0, hint.Wrap(fmt.Errorf("architecture %s: %w in %s", a.Key(), ErrNoCost, metric),
			"metrics of this space: %s", strings.Join(t.Metrics(), ", "))
	}
	sum := c.Base
	for l, x := range a.Layers {
		sum += c.Layers[l][slices.Index(t.spec.Layers[l], x.Choice)]
	}
	return sum, nil
}
