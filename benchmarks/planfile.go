package benchmarks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
)

// planHeader is the first line of a plan file.
type planHeader struct {
	Format string `json:"format"`
	Seed   uint64 `json:"seed"`
	Source string `json:"source"`
	Batch  int    `json:"batch,omitempty"`
	Models int    `json:"models"`
	Cases  int    `json:"cases"`
	SHA256 string `json:"sha256"` // of the lines after this one
}

// planLine is every other line: a model or a case.
type planLine struct {
	Model *Model `json:"model,omitempty"`
	Case  *Case  `json:"case,omitempty"`
}

// id is the content hash that Model.ID must be: "m" and 16 hexadecimal digits.
func (m Model) id() string { m.ID = ""; return contentID('m', m) }

// id is the content hash that Case.ID must be: "c" and 16 hexadecimal digits.
func (c Case) id() string { c.ID = ""; return contentID('c', c) }

func contentID(kind byte, v any) string {
	sum := sha256.Sum256(canonicalLine(v))
	return string(kind) + hex.EncodeToString(sum[:8])
}

// canonicalLine is strictjson.Line of what always has a text.
func canonicalLine(v any) []byte {
	text, err := strictjson.Line(v)
	if err != nil {
		panic(fmt.Sprintf("benchmarks: encode %T: %v", v, err)) // only NaN could, and plans refuse it
	}
	return text
}

// Encode writes the plan in its canonical form: a header line, one line per
// model, one line per case.
func (p *Plan) Encode() []byte {
	var body bytes.Buffer
	for i := range p.Models {
		body.Write(canonicalLine(planLine{Model: &p.Models[i]}))
		body.WriteByte('\n')
	}
	for i := range p.Cases {
		body.Write(canonicalLine(planLine{Case: &p.Cases[i]}))
		body.WriteByte('\n')
	}
	sum := sha256.Sum256(body.Bytes())
	head := canonicalLine(planHeader{PlanFormat, p.Seed, p.Source, p.Batch, len(p.Models), len(p.Cases), hex.EncodeToString(sum[:])})
	return append(append(head, '\n'), body.Bytes()...)
}

// SHA256 identifies the plan: the hash, in hexadecimal, of its canonical file.
func (p *Plan) SHA256() string {
	sum := sha256.Sum256(p.Encode())
	return hex.EncodeToString(sum[:])
}

// OpenPlan reads a plan file.
func OpenPlan(path string) (*Plan, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Wrap(err, "make one with agent plan --space space.yaml -o %s", path)
	} else if err != nil {
		return nil, err
	}
	return ReadPlan(path, data)
}

// ReadPlan decodes a plan; name is the file's, for errors, which carry file:line.
// Everything Encode would not have written is refused: unknown fields, another
// order or spacing, a wrong hash or ID, a term without its model, an operator the
// catalogue cannot build, a torn or missing line.
func ReadPlan(name string, data []byte) (*Plan, error) {
	line := 1
	bad := func(format string, args ...any) (*Plan, error) {
		return nil, hint.Wrap(fmt.Errorf("%s:%d: %w", name, line, fmt.Errorf(format, args...)),
			"plans are not edited by hand: make it again with agent plan")
	}
	if len(data) == 0 || data[len(data)-1] != '\n' {
		line = bytes.Count(data, []byte("\n")) + 1
		return bad("the plan ends in the middle of a line")
	}
	text, rest, _ := bytes.Cut(data, []byte("\n"))
	var head planHeader
	if err := strictLine(text, &head); err != nil {
		if !bytes.Contains(text, []byte(PlanFormat)) {
			return bad("not a plan: the first line has no format %q", PlanFormat)
		}
		return bad("%w", err)
	}
	if head.Format != PlanFormat {
		return bad("format is %q, want %q", head.Format, PlanFormat)
	}
	if sum := sha256.Sum256(rest); hex.EncodeToString(sum[:]) != head.SHA256 {
		if n := bytes.Count(rest, []byte("\n")); n != head.Models+head.Cases {
			return bad("the header promises %d models and %d cases, but %d lines follow", head.Models, head.Cases, n)
		}
		return bad("the lines below do not have the hash the header names")
	}
	if head.Batch < 0 || head.Batch > maxBatch {
		return bad("batch %d is not from 0 to %d", head.Batch, maxBatch)
	}
	p := &Plan{Seed: head.Seed, Source: head.Source, Batch: head.Batch}
	models, cases, used := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for len(rest) > 0 {
		line++
		text, rest, _ = bytes.Cut(rest, []byte("\n"))
		var l planLine
		if err := strictLine(text, &l); err != nil {
			return bad("%w", err)
		}
		switch {
		case l.Model != nil && l.Case == nil && len(p.Cases) == 0:
			if err := l.Model.validate(); err != nil {
				return bad("model %s: %w", l.Model.ID, err)
			}
			if models[l.Model.ID] {
				return bad("model %s is listed twice", l.Model.ID)
			}
			models[l.Model.ID] = true
			p.Models = append(p.Models, *l.Model)
		case l.Case != nil && l.Model == nil:
			if err := l.Case.validate(models, used); err != nil {
				return bad("case %s: %w", l.Case.ID, err)
			}
			if cases[l.Case.ID] {
				return bad("case %s is listed twice", l.Case.ID)
			}
			cases[l.Case.ID] = true
			p.Cases = append(p.Cases, *l.Case)
		default:
			return bad("the line is neither a model before the cases nor a case")
		}
	}
	if len(p.Models) != head.Models || len(p.Cases) != head.Cases {
		return bad("the header promises %d models and %d cases, the file has %d and %d", head.Models, head.Cases, len(p.Models), len(p.Cases))
	}
	for _, m := range p.Models {
		if !used[m.ID] {
			return bad("model %s belongs to no case", m.ID)
		}
	}
	return p, nil
}

// strictLine decodes a line that canonicalLine wrote, and nothing else.
func strictLine(text []byte, to any) error {
	if err := strictjson.Known(text, to); err != nil {
		return err
	}
	return strictjson.Canonical(text, canonicalLine(to))
}

func (m *Model) validate() error {
	switch {
	case (len(m.Chain) > 0) == (m.File != ""):
		return errors.New("a model has either a chain or a file")
	case m.File != "" && len(m.SHA256) != 64:
		return errors.New("a model file needs its SHA-256")
	case m.File == "" && (m.SHA256 != "" || len(m.Dims) > 0 || m.Signature != ""):
		return errors.New("sha256, dims and signature belong to a model file")
	}
	for name, v := range m.Dims {
		if v < 0 {
			return fmt.Errorf("dimension %s is %d, want at least 0", name, v)
		}
	}
	if err := m.Chain.check(); err != nil {
		return err
	}
	if err := m.checkModules(); err != nil {
		return err
	}
	if id := m.id(); m.ID != id {
		return fmt.Errorf("its ID should be %s", id)
	}
	return nil
}

// check says whether a chain can be built, without building it.
func (c Chain) check() error {
	var have Shape
	for i, op := range c {
		if err := Check(op); err != nil {
			return fmt.Errorf("operator %d: %w", i, err)
		}
		in := kinds[op.Kind].in(args{op})
		if i > 0 && !have.Fits(in) {
			return fmt.Errorf("operator %d: %s wants %v, but gets %v", i, op, in, have)
		}
		have = kinds[op.Kind].out(args{op})
	}
	return nil
}

func (c *Case) validate(models, used map[string]bool) error {
	switch c.Role {
	case role.Cell:
		if c.Key == nil {
			return errors.New("a cell needs a key")
		}
	case role.Network, role.Reference, role.Overhead:
		if c.Key != nil {
			return fmt.Errorf("role %s has no key", c.Role)
		}
	default:
		return fmt.Errorf("unknown role %q", c.Role)
	}
	if c.Set != "" && (c.Role != role.Network || c.Set != role.Calibrate && c.Set != role.Audit) {
		return fmt.Errorf("unknown set %q of role %s", c.Set, c.Role)
	}
	if len(c.Terms) == 0 {
		return errors.New("no terms: there is nothing to measure")
	}
	if len(c.SecondContext) > 0 && c.Role != role.Cell {
		return fmt.Errorf("role %s is measured in one context", c.Role)
	}
	for _, t := range slices.Concat(c.Terms, c.SecondContext) {
		if t.Coef == 0 || math.IsNaN(t.Coef) || math.IsInf(t.Coef, 0) {
			return fmt.Errorf("coefficient %v of model %s", t.Coef, t.Model)
		}
		if !models[t.Model] {
			return fmt.Errorf("term names model %q, which is not listed before it", t.Model)
		}
		used[t.Model] = true
	}
	if c.Isolated != "" {
		if !models[c.Isolated] {
			return fmt.Errorf("isolated names model %q, which is not listed before it", c.Isolated)
		}
		used[c.Isolated] = true
	}
	if id := c.id(); c.ID != id {
		return fmt.Errorf("its ID should be %s", id)
	}
	return nil
}

// String is the chain's keys separated by spaces.
func (c Chain) String() string {
	var b strings.Builder
	for i, op := range c {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(op.String())
	}
	return b.String()
}
