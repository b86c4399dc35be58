package search

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// Inputs are the files a search is made of.
type Inputs struct {
	Space string // space.yaml, or a bare table
	// Read is the space already read, of ReadSpace; nil to read Space.
	Read *SpaceFiles
	// Tables are compiled tables, or space:METRIC for a cost that the space has itself: of
	// a tabular one what its rows say, of networks what is counted in them. Each is one
	// band.
	Tables []string
	Anchor string // architecture key; "" for the space's default
	Start  string // where the search begins in the anchor's band; "" for the anchor
	// Measured says of each table whether its device is asked before a move; nil for
	// none.
	Measured []bool
	// Tau is the tolerance of a table's band by the table's name, where it is not the
	// settings'.
	Tau map[string]float64
}

// input is a file with the name it has in a run directory.
type input struct {
	name string
	data []byte
}

// Opened are inputs read and checked.
type Opened struct {
	Problem Problem
	Header  Header // Evaluator is for the caller to fill in
	files   []input
}

// OpenInputs reads space and tables and prices the anchor.
func OpenInputs(in Inputs, s Settings) (*Opened, error) {
	o := &Opened{}
	read, err := in.Read, error(nil)
	if read == nil {
		if read, err = ReadSpace(in.Space); err != nil {
			return nil, err
		}
	}
	sp, files := read.Space, read.files
	o.files = slices.Clone(files)
	o.Header = Header{Format: JournalFormat, Settings: s, Space: FileRef{sp.Name(), sp.Hash(), files[0].name}}
	if len(in.Tables) == 0 {
		return nil, errors.New("no cost table: an equal-cost search needs at least one")
	}
	if m, ok := sp.(*space.Measured); ok && slices.ContainsFunc(in.Tables, func(t string) bool { return strings.HasPrefix(t, "space:") }) {
		o.files = append(o.files, input{canonicalSpace, m.Canonical()}) // by which a verifier counts without reading YAML
	}
	used := map[string]bool{}
	for _, f := range files {
		used[f.name] = true
	}
	for i, name := range in.Tables {
		ref := FileRef{Name: name}
		var data []byte
		if !strings.HasPrefix(name, "space:") {
			if data, err = os.ReadFile(name); errors.Is(err, fs.ErrNotExist) {
				return nil, hint.Wrap(err, "compile one with costgen compile")
			} else if err != nil {
				return nil, err
			}
			ref.Name = TableName(name)
			ref.File = fmt.Sprintf("table%d.lut.json", i+1)
			ref.SHA256 = hexSum(data)
			o.files = append(o.files, input{ref.File, data})
		}
		if slices.ContainsFunc(o.Header.Tables, func(t TableRef) bool { return t.Name == ref.Name }) {
			return nil, hint.Wrap(fmt.Errorf("two tables are named %s", ref.Name), "give the files different names")
		}
		t := TableRef{FileRef: ref, Measured: i < len(in.Measured) && in.Measured[i]}
		if tau, ok := in.Tau[ref.Name]; ok {
			t.Tau = &tau
		}
		o.Header.Tables = append(o.Header.Tables, t)
	}
	for _, name := range sortedKeys(in.Tau) {
		if !slices.ContainsFunc(o.Header.Tables, func(t TableRef) bool { return t.Name == name }) {
			return nil, fmt.Errorf("a tolerance for table %s, which is not among the tables", name)
		}
	}
	if sp, err = deviceSpace(sp, s, len(in.Tables)); err != nil {
		return nil, err
	}
	anchor := sp.Default()
	if in.Anchor != "" {
		if anchor, err = space.ParseArch(in.Anchor); err != nil {
			return nil, err
		}
		if p, ok := sp.(*space.PerDevice); ok {
			anchor = p.Lift(anchor)
		}
		if err := sp.Validate(anchor); err != nil {
			return nil, fmt.Errorf("anchor %s: %w", in.Anchor, err)
		}
	}
	anchor = space.Canonical(sp, anchor)
	o.Header.Anchor = anchor.Key()
	o.Problem = Problem{Space: sp, Anchor: anchor}
	if in.Start != "" {
		if o.Problem.Start, err = startOf(sp, in.Start); err != nil {
			return nil, err
		}
		o.Header.Start = o.Problem.Start.Key()
	}
	get := func(ref FileRef) ([]byte, error) {
		i := slices.IndexFunc(o.files, func(f input) bool { return f.name == ref.File })
		return o.files[i].data, nil
	}
	o.Problem.Bands, err = openBands(sp, anchor, &o.Header, get, true)
	return o, err
}

// startOf reads where a search begins.
func startOf(sp space.Space, key string) (space.Arch, error) {
	a, err := space.ParseArch(key)
	if err != nil {
		return a, fmt.Errorf("start: %w", err)
	}
	if p, ok := sp.(*space.PerDevice); ok && sp.Validate(a) != nil {
		a = p.Lift(a)
	}
	if err := sp.Validate(a); err != nil {
		return a, fmt.Errorf("start %s: %w", key, err)
	}
	return space.Canonical(sp, a), nil
}

// deviceSpace is the space a search runs in: sp itself, or with a precision per
// device.
func deviceSpace(sp space.Space, s Settings, tables int) (space.Space, error) {
	if !s.PerDevice {
		return sp, nil
	}
	p, err := space.NewPerDevice(sp, tables)
	if err != nil {
		return nil, hint.Wrap(err, "name the tables of several devices, or leave precisions common")
	}
	return p, nil
}

// projected is the cost of what one device gets of a PerDevice architecture.
type projected struct {
	cost   Cost
	space  *space.PerDevice
	device int
}

func (p *projected) Cost(a space.Arch) (Bounds, error) {
	return p.cost.Cost(p.space.Project(a, p.device))
}

// Compiled is the device's table, nil where it is none.
func (p *projected) Compiled() *lut.Table {
	if c, ok := p.cost.(interface{ Compiled() *lut.Table }); ok {
		return c.Compiled()
	}
	return nil
}

// canonicalSpace is the file of a run's inputs with the space's canonical text, of which the
// header has the hash.
const canonicalSpace = "space.json"

// TableName is what a table is called that --lut names like this.
func TableName(lut string) string {
	if strings.HasPrefix(lut, "space:") {
		return lut
	}
	return strings.TrimSuffix(filepath.Base(lut), ".lut.json")
}

// openBands makes the band of every table. With fill the header's table fields
// are filled in; otherwise the tables must match them.
func openBands(sp space.Space, anchor space.Arch, h *Header, get func(FileRef) ([]byte, error), fill bool) ([]Band, error) {
	var bands []Band
	per, _ := sp.(*space.PerDevice)
	if per != nil {
		sp = per.Base()
	}
	for i := range h.Tables {
		ref := &h.Tables[i]
		now := *ref
		var cost Cost
		if metric, ok := strings.CutPrefix(ref.Name, "space:"); ok && ref.File == "" {
			now.SHA256, now.Metric, now.Unit = sp.Hash(), lut.Metric(metric), metric
			if tab, ok := sp.(*space.Tabular); ok {
				cost = &RowCost{tab, metric}
			} else if low, ok := sp.(space.Lowerer); ok {
				counted, err := NewCountCost(low, metric)
				if err != nil {
					return nil, hint.Wrap(fmt.Errorf("table %s: %w", ref.Name, err), "name a compiled table, space:%s or space:%s", CountFLOPs, CountParams)
				}
				cost, now.Unit = counted, countUnits[metric]
			} else {
				return nil, hint.Wrap(fmt.Errorf("table %s: the space %s has no costs of its own", ref.Name, sp.Name()), "name a compiled table")
			}
		} else {
			low, ok := sp.(space.Lowerer)
			if !ok {
				return nil, hint.Wrap(fmt.Errorf("table %s: the space %s has no networks to price", ref.Name, sp.Name()), "use the space's own costs: space:METRIC")
			}
			data, err := get(ref.FileRef)
			if err != nil {
				return nil, err
			}
			if got := hexSum(data); got != ref.SHA256 {
				return nil, fmt.Errorf("table %s has SHA-256 %s, not %s", ref.File, got, ref.SHA256)
			}
			t, err := lut.Decode(data)
			if err != nil {
				return nil, fmt.Errorf("table %s: %w", ref.Name, err)
			}
			f := t.File()
			now.Metric, now.Unit, now.Protocol = f.Metric, f.Unit, ""
			if ref.Measured {
				now.Protocol = f.Protocol.SHA256
			}
			if f.Audit != nil && f.Audit.Eta != nil {
				eta := *f.Audit.Eta
				now.Eta, now.Delta, now.Gamma = &eta, f.Audit.Delta, f.Audit.Gamma
			}
			cost = NewLUTCost(low, t)
			if step, ok := low.(space.Stepper); ok && f.Metric != lut.Memory && f.Model == nil { // whose parts a model prices together
				if cost, err = FastLUTCost(step, t); err != nil {
					return nil, err
				}
			}
		}
		if per != nil {
			cost = &projected{cost, per, i}
		}
		budget, err := cost.Cost(anchor)
		if err != nil {
			return nil, fmt.Errorf("anchor %s: table %s: %w", anchor.Key(), ref.Name, err)
		}
		now.Budget = budget
		if fill {
			*ref = now
		} else if a, b := mustEncode(now), mustEncode(*ref); a != b {
			return nil, fmt.Errorf("table %s: the header says %s, the table gives %s", ref.Name, b, a)
		}
		band, err := NewBand(ref.Name, cost, budget, h.TauOf(i))
		if err != nil {
			return nil, err
		}
		band.Metric, band.Unit, band.Interval = now.Metric, now.Unit, h.Settings.IntervalBand
		if h.Settings.EnforceTrueBand {
			if now.Eta == nil {
				return nil, hint.Wrap(fmt.Errorf("table %s has no audited error: its true band cannot be enforced", ref.Name), "compile it with --audit")
			}
			if band, err = EnforceTrueBand(band, *now.Eta+now.Gamma); err != nil {
				return nil, hint.Wrap(err, "a larger --tau, or a better table")
			}
		}
		bands = append(bands, band)
	}
	return bands, nil
}

// mustEncode is for values of our own types, which always encode.
func mustEncode(v any) string {
	b, err := strictjson.Line(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// SpaceFiles are a space and the files it consists of, read once for many anchors.
type SpaceFiles struct {
	Space space.Space
	files []input
}

// ReadSpace reads a space and its files.
func ReadSpace(path string) (*SpaceFiles, error) {
	sp, files, err := readSpace(path)
	return &SpaceFiles{sp, files}, err
}

// readSpace reads a space and the files it consists of, its own first.
func readSpace(path string) (space.Space, []input, error) {
	sp, err := space.Open(path)
	if err != nil {
		return nil, nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	name := filepath.Base(path)
	if _, bare := sp.(*space.Tabular); bare && strings.HasSuffix(path, ".jsonl") {
		return sp, []input{{name, data}}, nil
	}
	files := []input{{name, data}}
	if m, ok := sp.(*space.Modules); ok {
		for _, f := range m.Files() {
			data, err := os.ReadFile(filepath.Join(filepath.Dir(path), filepath.FromSlash(f)))
			if err != nil {
				return nil, nil, err
			}
			files = append(files, input{f, data})
		}
	}
	if _, ok := sp.(*space.Tabular); ok {
		var f struct {
			Table string `yaml:"table"`
		}
		if err := yaml.Unmarshal(data, &f); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		rows, err := os.ReadFile(filepath.Join(filepath.Dir(path), filepath.FromSlash(f.Table)))
		if err != nil {
			return nil, nil, err
		}
		files = append(files, input{f.Table, rows})
	}
	return sp, files, nil
}

// EvaluatorTable is the copy of an evaluator's table in a run directory.
func EvaluatorTable(dir string) string { return filepath.Join(dir, InputsDir, evaluatorFile) }

// evaluatorFile is the copy of an evaluator's table in a run directory.
const evaluatorFile = "evaluator.jsonl"

// Attach names the evaluator in the header. A table is copied, so that it can be asked
// again; of a pooled one the search gets the sizes of its pools.
func (o *Opened) Attach(e Evaluator) error {
	o.Header.Evaluator = e.Identity()
	f, ok := e.(interface{ Table() []byte })
	if !ok {
		return nil
	}
	o.files = append(o.files, input{evaluatorFile, f.Table()})
	if p, ok := e.(Pooled); ok && p.PoolSize(o.Problem.Anchor) > 0 {
		o.Header.Settings.Pool = true
		o.Problem.PoolSize = p.PoolSize
	}
	return nil
}

// finalFile is the copy of the table of final utilities.
const finalFile = "final.jsonl"

// AttachFinal names the evaluator of final utilities in the header. A calibrated
// one has no scale of its own to keep and is refused.
func (o *Opened) AttachFinal(e Evaluator) error {
	if _, ok := e.(Calibrated); ok {
		return fmt.Errorf("final utilities by %s: it is calibrated for each search, its utilities are not final ones", e.Identity().Spec)
	}
	o.Header.Final = &FinalRef{Identity: e.Identity()}
	f, ok := e.(interface{ Table() []byte })
	p, pooled := e.(Pooled)
	if ok && pooled && p.PoolSize(o.Problem.Anchor) > 0 {
		o.Header.Final.Pool, o.Problem.FinalPool = true, p.PoolSize
		o.files = append(o.files, input{finalFile, f.Table()})
	}
	return nil
}

// pools reads the pool sizes of an evaluator's table.
func pools(path, sum string) (func(space.Arch) int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if got := hexSum(data); got != sum {
		return nil, fmt.Errorf("%s has SHA-256 %s, the journal says %s", path, got, sum)
	}
	sizes := map[string]int{}
	err = space.ReadRows(path, data, func(_ int, r space.Row) error {
		sizes[r.Arch] = len(r.Utility)
		return nil
	})
	return func(a space.Arch) int { return max(sizes[a.Key()], 1) }, err
}

// Save copies the inputs into a run directory, so that it can be verified
// anywhere and when the originals have changed.
func (o *Opened) Save(dir string) error {
	for _, f := range o.files {
		path := filepath.Join(dir, InputsDir, filepath.FromSlash(f.name))
		if old, err := os.ReadFile(path); err == nil && hexSum(old) == hexSum(f.data) {
			continue
		}
		if err := atomicfile.Write(path, f.data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// OpenRun builds the problem of a run directory from the copies in it. Hashes,
// budgets and audit figures of the header must be those of the files.
func OpenRun(dir string, h Header) (Problem, error) {
	file := func(name string) (string, error) {
		if !filepath.IsLocal(filepath.FromSlash(name)) || name == "" {
			return "", fmt.Errorf("the journal names an input %q outside its folder", name)
		}
		return filepath.Join(dir, InputsDir, filepath.FromSlash(name)), nil
	}
	path, err := file(h.Space.File)
	if err != nil {
		return Problem{}, err
	}
	sp, err := space.Open(path)
	if err != nil {
		return Problem{}, err
	}
	if sp.Hash() != h.Space.SHA256 || sp.Name() != h.Space.Name {
		return Problem{}, fmt.Errorf("%s is space %s (%s), not %s (%s)", path, sp.Name(), sp.Hash(), h.Space.Name, h.Space.SHA256)
	}
	if sp, err = deviceSpace(sp, h.Settings, len(h.Tables)); err != nil {
		return Problem{}, err
	}
	anchor, err := space.ParseArch(h.Anchor)
	if err != nil {
		return Problem{}, err
	}
	if err := sp.Validate(anchor); err != nil {
		return Problem{}, fmt.Errorf("anchor %s: %w", h.Anchor, err)
	}
	get := func(ref FileRef) ([]byte, error) {
		p, err := file(ref.File)
		if err != nil {
			return nil, err
		}
		return os.ReadFile(p)
	}
	p := Problem{Space: sp, Anchor: anchor}
	if h.Start != "" {
		if p.Start, err = startOf(sp, h.Start); err != nil {
			return Problem{}, err
		}
	}
	if p.Bands, err = openBands(sp, anchor, &h, get, false); err != nil {
		return Problem{}, err
	}
	if h.Settings.Pool {
		if p.PoolSize, err = pools(filepath.Join(dir, InputsDir, evaluatorFile), h.Evaluator.SHA256); err != nil {
			return p, err
		}
	}
	if h.Known != nil {
		path, err := file(h.Known.File)
		if err != nil {
			return p, err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return p, err
		}
		if got := hexSum(data); got != h.Known.SHA256 {
			return p, fmt.Errorf("%s has SHA-256 %s, the journal says %s", path, got, h.Known.SHA256)
		}
		if p.Known, err = known(path, data, &h); err != nil {
			return p, err
		}
	}
	if h.Final != nil && h.Final.Pool {
		p.FinalPool, err = pools(filepath.Join(dir, InputsDir, finalFile), h.Final.SHA256)
	}
	return p, err
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
