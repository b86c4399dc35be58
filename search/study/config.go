package study

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictyaml"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/baseline"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/explore"
)

// ConfigFormat is the first field of every study.yaml.
const ConfigFormat = "isocost/study-config/v1"

// Methods of a study besides the baselines.
const (
	Isocost   = "isocost"      // the certifying search
	All       = "isocost-all"  // the same over every width and precision inside the band
	Published = "as-published" // the plain algorithm as published
)

// Explored is the certifying search that explores the band first, by gp:30;
// isocost-explored:PLAN by another plan.
const Explored = "isocost-explored"

// exploredBy is the plan of a method that explores first and then certifies; ok is false
// for every other method.
func exploredBy(method string) (plan *explore.Plan, ok bool) {
	if method == Explored {
		return &explore.Plan{Method: explore.GP, Evaluations: 30, Rules: explore.Rules}, true
	}
	text, ok := strings.CutPrefix(method, Explored+":")
	if !ok {
		return nil, false
	}
	plan, err := explore.Parse(text)
	return plan, err == nil && plan != nil
}

// MethodNames lists every method a study runs where it names none; besides there are
// Explored, those of the band and those of Selector.
func MethodNames() []string { return append([]string{Isocost, All, Published}, baseline.Names()...) }

// Selector is the method of the certifying search with another selector than the
// default one: isocost:NAME.
func Selector(name search.Selector) string { return Isocost + ":" + string(name) }

// SelectorOf is the selector of a certifying method at full width: the default one's
// name for Isocost, NAME for isocost:NAME; ok is false for every other method.
func SelectorOf(method string) (name search.Selector, ok bool) {
	if method == Isocost {
		return search.DefaultSettings().Selector, true
	}
	text, ok := strings.CutPrefix(method, Isocost+":")
	return search.Selector(text), ok
}

// selectorMethods lists the methods of the other selectors.
func selectorMethods() (out []string) {
	for _, s := range search.Selectors() {
		if s != search.DefaultSettings().Selector {
			out = append(out, Selector(s))
		}
	}
	return out
}

// AddSelectors has the study run the certifying search with each of these selectors,
// the default one among them or not; methods it has already stay as they are.
func (c *Config) AddSelectors(names []string) error {
	for _, name := range names {
		n := search.Selector(name)
		m := Selector(n)
		if n == search.DefaultSettings().Selector {
			m = Isocost
		} else if !slices.Contains(selectorMethods(), m) {
			return fmt.Errorf("unknown selector %q: there are %s", n, search.SelectorNames())
		}
		if !slices.Contains(c.Methods, m) {
			c.Methods = append(c.Methods, m)
		}
	}
	return nil
}

// Bounds of a study file.
const (
	maxConfigBytes = 1 << 20
	maxList        = 10000
)

// Config holds what a study runs. Paths are as OpenInputs and the evaluator take
// them; ReadConfig has made those relative to the study file.
type Config struct {
	Space  string
	Tables []string // each is searched by itself; a final is transferred to the others
	// Guards lists by table what its searches keep besides, a band each; nil for nothing.
	Guards    [][]string
	Evaluator string
	Methods   []string
	Seeds     []uint64
	Anchors   []string // keys; empty for the space's own
	// RandomAnchors adds so many architectures drawn by AnchorSeed.
	RandomAnchors int
	AnchorSeed    uint64
	Budget        int // evaluations of one search
	Samples       int // of a candidate, in the baselines
	Fresh         int // fresh-seed samples of anchor, final and control
	Tau, Epsilon  float64
	Delta         float64
	Sigma         *float64
	// Params and FLOPs are metrics of a tabular space; networks are counted.
	Params, FLOPs string
	// Measure names the tables' devices: one for all, or one per table (none for none).
	Measure []string
	// Fidelities are those of isocost:multi-fidelity; unused without it.
	Fidelities []evidence.Fidelity
	// Final is an evaluator of final utilities, for the fidelity line; "" without.
	Final string
	// Curve lists the evaluations at which searches say how far they are; nil for a
	// doubling list where expected utilities are on file, and for none elsewhere.
	Curve []int
}

// at is a value with its line.
type at[T any] struct {
	V    T
	Line int
}

// UnmarshalYAML notes the line.
func (a *at[T]) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return fmt.Errorf("line %d: anchors and aliases are not part of this format", n.Line)
	}
	a.Line = n.Line
	return n.Decode(&a.V)
}

// tables is what one search keeps: a table, or a list of its table and further ones.
type tables []string

// UnmarshalYAML reads a name or a list of names.
func (t *tables) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode((*[]string)(t))
	}
	*t = make(tables, 1)
	return n.Decode(&(*t)[0])
}

// configFile is study.yaml.
type configFile struct {
	Format        at[string]   `yaml:"format"`
	Space         at[string]   `yaml:"space"`
	Tables        []at[tables] `yaml:"tables"`
	Evaluator     at[string]   `yaml:"evaluator"`
	Methods       []at[string] `yaml:"methods"`
	Seeds         []at[uint64] `yaml:"seeds"`
	Anchors       []at[string] `yaml:"anchors"`
	RandomAnchors at[int]      `yaml:"random_anchors"`
	AnchorSeed    at[uint64]   `yaml:"anchor_seed"`
	Budget        at[int]      `yaml:"budget"`
	Samples       *at[int]     `yaml:"samples"`
	Fresh         *at[int]     `yaml:"fresh"`
	Tau           *at[float64] `yaml:"tau"`
	Epsilon       at[float64]  `yaml:"epsilon"`
	Delta         *at[float64] `yaml:"delta"`
	Sigma         *at[float64] `yaml:"sigma"`
	Params        at[string]   `yaml:"parameters"`
	FLOPs         at[string]   `yaml:"flops"`
	Final         at[string]   `yaml:"final"`
	Fidelities    at[string]   `yaml:"fidelities"`
	Measure       []at[string] `yaml:"measure"`
	Curve         []at[int]    `yaml:"curve"`
}

// ReadConfig reads a study file; name is the file's, for errors (file:line, all of
// them) and as the place relative paths start from.
func ReadConfig(name string, data []byte) (*Config, error) {
	var found problems
	c := found.config(found.decode(data))
	if len(found) > 0 {
		return nil, found.in(name)
	}
	c.place(filepath.Dir(name))
	return c, nil
}

// problems hold what is wrong with a study file.
type problems []problem

type problem struct {
	line int
	text string
}

func (p *problems) add(line int, format string, args ...any) {
	*p = append(*p, problem{max(line, 1), fmt.Sprintf(format, args...)})
}

// in is all of them as one error about the file of that name.
func (p problems) in(name string) error {
	slices.SortStableFunc(p, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var lines []string
	for _, x := range p {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", name, x.line, x.text))
	}
	return hint.Wrap(errors.New(strings.Join(lines, "\n")), "examples/study/study.yaml has every field")
}

// decode reads the one YAML document; nil when it is none of a study.
func (p *problems) decode(data []byte) *configFile {
	if len(data) > maxConfigBytes {
		p.add(1, "larger than %d bytes: not a study file", maxConfigBytes)
		return nil
	}
	var f configFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		for _, q := range strictyaml.Problems(err) {
			p.add(q.Line, "%s", q.Text)
		}
		return nil
	}
	var more yaml.Node
	if err := dec.Decode(&more); err != io.EOF {
		p.add(more.Line, "a second YAML document")
		return nil
	}
	return &f
}

// config makes the study of a file; of nil, none.
func (p *problems) config(f *configFile) *Config {
	if f == nil {
		return nil
	}
	if f.Format.V != ConfigFormat {
		p.add(f.Format.Line, "format is %.80q, not %q", f.Format.V, ConfigFormat)
	}
	s := search.DefaultSettings()
	c := &Config{Space: f.Space.V, Evaluator: f.Evaluator.V, Params: f.Params.V, FLOPs: f.FLOPs.V, Final: f.Final.V,
		RandomAnchors: f.RandomAnchors.V, AnchorSeed: f.AnchorSeed.V, Budget: f.Budget.V,
		Samples: 4, Fresh: 32, Tau: s.Tau, Delta: s.Delta, Epsilon: f.Epsilon.V}
	p.need(f.Space.Line, "space")
	p.need(f.Evaluator.Line, "evaluator")
	p.need(f.Budget.Line, "budget")
	p.need(f.Epsilon.Line, "epsilon")
	p.numbers(f, c)
	p.tables(f.Tables, c)
	c.Methods = p.list(f.Methods, "methods", slices.Concat(MethodNames(), []string{Explored}, baseline.BandNames(), selectorMethods()))
	c.Anchors = p.list(f.Anchors, "anchors", nil)
	p.devices(f, c)
	for _, n := range f.Curve {
		if v := p.whole(n, "curve", 1, 1<<30); len(c.Curve) > 0 && v <= c.Curve[len(c.Curve)-1] {
			p.add(n.Line, "curve: %d does not rise", v)
		}
		c.Curve = append(c.Curve, n.V)
	}
	if len(c.Methods) == 0 {
		c.Methods = MethodNames()
	}
	if f.Fidelities.Line > 0 {
		var err error
		if c.Fidelities, err = evidence.ParseFidelities(f.Fidelities.V); err == nil {
			err = s.CheckFidelities(search.MultiFidelity, c.Fidelities)
		}
		if err != nil {
			p.add(f.Fidelities.Line, "%v", err)
		}
	}
	for _, x := range f.Seeds {
		if slices.Contains(c.Seeds, x.V) {
			p.add(x.Line, "seeds: %d is duplicate", x.V)
		}
		c.Seeds = append(c.Seeds, x.V)
	}
	if len(c.Seeds) == 0 {
		c.Seeds = []uint64{1}
	}
	return c
}

// numbers are the fields that have a range.
func (p *problems) numbers(f *configFile, c *Config) {
	p.whole(f.Budget, "budget", 1, 1<<30)
	p.whole(f.RandomAnchors, "random_anchors", 0, maxList)
	if f.Samples != nil {
		c.Samples = p.whole(*f.Samples, "samples", 1, 1<<20)
	}
	if f.Fresh != nil {
		c.Fresh = p.whole(*f.Fresh, "fresh", 2, 1<<20)
	}
	p.within(f.Epsilon, "epsilon", 0, math.MaxFloat64)
	if f.Tau != nil {
		c.Tau = p.within(*f.Tau, "tau", 0, 1)
	}
	if f.Delta != nil {
		c.Delta = p.within(*f.Delta, "delta", 0, 1)
	}
	if f.Sigma != nil {
		if !(f.Sigma.V >= 0) || math.IsInf(f.Sigma.V, 0) {
			p.add(f.Sigma.Line, "sigma %g is not a number from 0", f.Sigma.V)
		}
		c.Sigma = &f.Sigma.V
	}
}

// tables are what the searches keep.
func (p *problems) tables(got []at[tables], c *Config) {
	if len(got) == 0 {
		p.add(1, "field %q is missing", "tables")
	}
	var joined []at[string]
	for _, x := range got {
		if len(x.V) == 0 || slices.Contains(x.V, "") {
			p.add(x.Line, "tables: an empty entry")
			continue
		}
		c.Tables, c.Guards = append(c.Tables, x.V[0]), append(c.Guards, slices.Clone(x.V[1:]))
		joined = append(joined, at[string]{strings.Join(x.V, ", "), x.Line})
	}
	p.list(joined, "tables", nil)
}

// devices are the tables'.
func (p *problems) devices(f *configFile, c *Config) {
	for _, m := range f.Measure {
		if m.V == "" {
			p.add(m.Line, "measure: an empty entry")
		}
		c.Measure = append(c.Measure, m.V)
	}
	if n := len(c.Measure); n > 1 && n != len(c.Tables) {
		p.add(f.Measure[0].Line, "measure names %d devices for %d tables: name one, or one per table (none for no device)", n, len(c.Tables))
	}
}

// need says that a field is missing when it has no line.
func (p *problems) need(line int, what string) {
	if line == 0 {
		p.add(1, "field %q is missing", what)
	}
}

// whole is a number from lo to hi, both included.
func (p *problems) whole(v at[int], what string, lo, hi int) int {
	if v.Line > 0 && (v.V < lo || v.V > hi) {
		p.add(v.Line, "%s %d is outside %d to %d", what, v.V, lo, hi)
	}
	return v.V
}

// within is a number between lo and hi, neither included.
func (p *problems) within(v at[float64], what string, lo, hi float64) float64 {
	if v.Line > 0 && !(v.V > lo && v.V < hi) {
		p.add(v.Line, "%s %g is not between %g and %g", what, v.V, lo, hi)
	}
	return v.V
}

// parametrised says that a method has a known name and parameters of its own.
func parametrised(method string) bool {
	_, explores := exploredBy(method)
	_, penalised := baseline.FixedPenalty(method)
	return explores || penalised
}

// list are distinct names, all of which are known unless known is nil.
func (p *problems) list(got []at[string], what string, known []string) (out []string) {
	for _, x := range got {
		switch {
		case x.V == "":
			p.add(x.Line, "%s: an empty entry", what)
		case slices.Contains(out, x.V):
			p.add(x.Line, "%s: %.60q is duplicate", what, x.V)
		case known != nil && !slices.Contains(known, x.V) && !parametrised(x.V):
			p.add(x.Line, "%s: %.60q is none of %s", what, x.V, strings.Join(known, ", "))
		}
		out = append(out, x.V)
	}
	if len(out) > maxList {
		p.add(got[0].Line, "%s has over %d entries", what, maxList)
	}
	return out
}

// place makes the names of files relative to dir, the study file's, wherever it is run
// from.
func (c *Config) place(dir string) {
	place := func(p string) string {
		if filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, filepath.FromSlash(p))
	}
	c.Space = place(c.Space)
	for _, tables := range append([][]string{c.Tables}, c.Guards...) {
		for i, t := range tables {
			if !strings.HasPrefix(t, "space:") {
				tables[i] = place(t)
			}
		}
	}
	for _, e := range []*string{&c.Evaluator, &c.Final} {
		if rest, ok := strings.CutPrefix(*e, "table:"); ok {
			*e = "table:" + place(rest)
		}
	}
}

// OpenConfig reads a study file from disk.
func OpenConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, hint.Wrap(err, "start from examples/study/study.yaml")
	} else if err != nil {
		return nil, err
	}
	return ReadConfig(path, data)
}
