package search

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/isocost/isocost/internal/filelock"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/lut"
)

// JournalFormat is the first field of every journal. Those of earlier versions are read
// and continued as they began. Claims of journalV1 do not say how large the
// neighbourhood is, and one about hardly any neighbour counts as reached. In journalV2
// the prior of a bound may depend on what the first of its samples cost; its
// certificates list no failures of neighbours and no outliers, and its measurements
// do not name the records they are from.
const (
	JournalFormat = "isocost/journal/v3"
	journalV1     = "isocost/journal/v1"
	journalV2     = "isocost/journal/v2"
)

// journalFormats lists the formats that are read, the oldest first.
var journalFormats = []string{journalV1, journalV2, JournalFormat}

// version is a journal's, from 1; the newest where the header does not say.
func (h *Header) version() int {
	if i := slices.Index(journalFormats, h.Format); i >= 0 {
		return i + 1
	}
	return len(journalFormats)
}

// Header is the first line of a journal: everything that determines the search
// but the evaluator's answers.
type Header struct {
	Format    string     `json:"format"`
	Settings  Settings   `json:"settings"`
	Space     FileRef    `json:"space"`
	Tables    []TableRef `json:"tables"`
	Evaluator Identity   `json:"evaluator"`
	Final     *FinalRef  `json:"final,omitempty"`
	Anchor    string     `json:"anchor"` // architecture key
	// Start is the key of the architecture of the anchor's band where the search begins;
	// absent for the anchor.
	Start string `json:"start,omitempty"`
	// Known is the journal of an earlier search whose evaluations the exploration starts
	// from.
	Known *FileRef `json:"known,omitempty"`
}

// FileRef names an input by the hash of its content. File is its copy in the run
// directory, "" when there is none.
type FileRef struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	File   string `json:"file,omitempty"`
}

// TableRef is one band: a table with the anchor's budget in it.
type TableRef struct {
	FileRef
	Metric lut.Metric `json:"metric"` // as Band.Metric
	Unit   string     `json:"unit"`
	Budget Bounds     `json:"budget"`
	Tau    *float64   `json:"tau,omitempty"`   // of this table's band; absent: the settings'
	Eta    *float64   `json:"eta,omitempty"`   // the table's audited relative error, if it has an audit
	Delta  float64    `json:"eta_delta"`       // η bounds the (1−δ_g) quantile; 0 without an audit
	Gamma  float64    `json:"gamma,omitempty"` // margin the audit adds to η
	// Measured has every candidate measured on the table's device before it becomes
	// the incumbent, and refused when its measured cost is outside the band.
	Measured bool `json:"measured,omitempty"`
	// Protocol is the hash of what the table was measured under; of measured tables.
	Protocol string `json:"protocol,omitempty"`
}

// TauOf is the tolerance of a table's band.
func (h *Header) TauOf(table int) float64 {
	if t := h.Tables[table].Tau; t != nil {
		return *t
	}
	return h.Settings.Tau
}

// EntryKind says what a line of a journal is about.
type EntryKind string

// Kinds of journal entries.
const (
	EntryCalibrate EntryKind = "calibrate" // the evaluator's scale, fixed before the search
	EntryStart     EntryKind = "start"     // where the certifying search begins
	EntryEval      EntryKind = "eval"
	EntryFail      EntryKind = "fail"
	EntryMove      EntryKind = "move"
	EntryRetire    EntryKind = "retire"
	EntryLayer     EntryKind = "layer"
	EntrySigma     EntryKind = "sigma"
	EntryApart     EntryKind = "apart" // from now on each network has its own noise
	EntryMeasure   EntryKind = "measure"
	EntryRefuse    EntryKind = "refuse" // the device measured a candidate outside the band
	EntryNote      EntryKind = "note"   // resumed, retries: not part of the result
	EntryEnd       EntryKind = "end"
)

// Entry is one line of a journal after the header. Fields that do not belong to
// the kind are absent.
type Entry struct {
	Kind     EntryKind          `json:"kind"`
	Arch     string             `json:"arch,omitempty"` // key
	Stream   string             `json:"stream,omitempty"`
	Index    *int               `json:"index,omitempty"`
	Seed     *uint64            `json:"seed,omitempty"`
	Fidelity *float64           `json:"fidelity,omitempty"`
	Utility  *float64           `json:"utility,omitempty"`
	Parts    map[string]float64 `json:"parts,omitempty"`
	Seconds  *float64           `json:"seconds,omitempty"`
	Layer    *int               `json:"layer,omitempty"`
	From     string             `json:"from,omitempty"`
	To       string             `json:"to,omitempty"`
	D        *float64           `json:"d,omitempty"`
	Upper    *float64           `json:"upper,omitempty"`
	Lower    *float64           `json:"lower,omitempty"`
	Samples  *int               `json:"samples,omitempty"`
	Open     *int               `json:"open,omitempty"`
	EpsHat   *float64           `json:"epsilon_hat,omitempty"`
	Table    int                `json:"table,omitempty"` // of a measurement, from 0
	Measured *Measurement       `json:"measured,omitempty"`
	State    json.RawMessage    `json:"state,omitempty"` // of a calibrated evaluator
	Note     string             `json:"note,omitempty"`
}

// Measurement is the cost of one architecture as the device gave it.
type Measurement struct {
	Metric   lut.Metric `json:"metric"`
	Unit     string     `json:"unit"`
	Value    float64    `json:"value"`
	Lo       float64    `json:"lo"`
	Hi       float64    `json:"hi"`
	N        int        `json:"n"`
	Validity []string   `json:"validity"`
	Device   string     `json:"device"`
	Protocol string     `json:"protocol,omitempty"` // hash of what it was measured under
	// Reference is the anchor's value in the same interleaved campaign; 0 when it has
	// no valid one. Ratios to it are free of drift between campaigns.
	Reference float64 `json:"reference,omitempty"`
	// Records is the SHA-256 of the file of records that it was read from, in measure/;
	// absent in versions 1 and 2.
	Records string `json:"records,omitempty"`
}

// Valid says that there is a cost and nothing against it: one that is noisy, drifted
// or preempted carries no claim.
func (m *Measurement) Valid() bool {
	return m.Value > 0 && len(m.Validity) == 1 && m.Validity[0] == "ok"
}

// Deviation is the measured cost over the anchor's less 1; nil when either is not
// valid.
func (m *Measurement) Deviation() *float64 {
	if !(m.Valid() && m.Reference > 0) {
		return nil
	}
	return ptr(m.Value/m.Reference - 1)
}

// finite returns a pointer to v, nil when v is not a finite number: JSON has none.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func ptr[T any](v T) *T { return &v }

// sumLen is the length of the chained check sum in hex digits: 128 bits.
const sumLen = 32

// sealed appends the chained check sum to a JSON object: SHA-256 of the previous
// line's sum and this line's content. Changing, dropping, duplicating or reordering
// any line breaks every later sum.
func sealed(prev string, object []byte) (line []byte, sum string) {
	sum = chained(prev, object)
	line = make([]byte, 0, len(object)+len(sumField)+sumLen+2)
	line = append(line, object[:len(object)-1]...)
	line = append(line, sumField...)
	line = append(line, sum...)
	return append(line, `"}`...), sum
}

// sumField precedes a line's sum.
const sumField = `,"sum":"`

func chained(prev string, object []byte) string {
	var buffer [1024]byte
	text := append(append(append(buffer[:0], prev...), '\n'), object...)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:sumLen/2])
}

// unseal checks a line's sum and returns the object without it, in the memory of to.
func unseal(to []byte, prev string, line []byte) (object []byte, sum string, err error) {
	const tail = len(sumField) + sumLen + len(`"}`)
	if len(line) < tail+2 || !bytes.HasPrefix(line[len(line)-tail:], []byte(sumField)) {
		return nil, "", errors.New("no check sum at the end of the line")
	}
	object = append(append(to[:0], line[:len(line)-tail]...), '}')
	sum = chained(prev, object)
	if string(line[len(line)-tail+len(sumField):]) != sum+`"}` {
		return nil, "", errors.New("check sum does not fit: the line, or one before it, was changed, dropped or duplicated")
	}
	return object, sum, nil
}

// Journal is a decoded journal.
type Journal struct {
	Header  Header
	Entries []Entry
	Torn    bool // a last line without newline was ignored
	sum     string
	size    int64 // bytes of whole lines
}

// ReadJournal reads a journal; see DecodeJournal.
func ReadJournal(path string) (*Journal, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return DecodeJournal(path, data)
}

// readHeader reads a journal's first line alone.
func readHeader(path string) (*Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil && err != io.EOF {
		return nil, err
	}
	j, err := DecodeJournal(path, line)
	if err != nil {
		return nil, err
	}
	return &j.Header, nil
}

// DecodeJournal decodes a journal strictly: another format, an unknown field, a
// number that is not one, a line that is not canonical or whose check sum does not
// continue the chain is an error with name:line. A torn last line is left out
// and reported by Torn.
func DecodeJournal(name string, data []byte) (*Journal, error) {
	j := &Journal{Entries: make([]Entry, 0, bytes.Count(data, []byte{'\n'}))}
	rest, n, names := data, 0, map[string]string{}
	var object []byte
	for len(rest) > 0 {
		n++
		line, after, ok := bytes.Cut(rest, []byte{'\n'})
		if !ok {
			j.Torn = true
			break
		}
		rest = after
		fail := func(err error) (*Journal, error) {
			return nil, hint.Wrap(fmt.Errorf("%s:%d: %w", name, n, err), "take the journal from a backup, or start again with another -o")
		}
		var sum string
		var err error
		if object, sum, err = unseal(object, j.sum, line); err != nil {
			return fail(err)
		}
		if n == 1 {
			if err := strict(object, &j.Header); err != nil {
				return fail(err)
			}
			if !slices.Contains(journalFormats, j.Header.Format) {
				return fail(fmt.Errorf("format is %.80q, not %q", j.Header.Format, JournalFormat))
			}
		} else {
			var e Entry
			if !e.parseEval(object, names) {
				if err := strict(object, &e); err != nil {
					return fail(err)
				}
			}
			if err := e.check(); err != nil {
				return fail(err)
			}
			j.Entries = append(j.Entries, e)
		}
		j.sum = sum
		j.size += int64(len(line)) + 1
	}
	if n == 0 || n == 1 && j.Torn {
		return nil, fmt.Errorf("%s: %w", name, errNoHeader)
	}
	return j, nil
}

var errNoHeader = errors.New("the journal has no header")

// check says what a kind lacks.
func (e *Entry) check() error {
	need := func(ok bool, what string) error {
		if !ok {
			return fmt.Errorf("%s entry without %s", e.Kind, what)
		}
		return nil
	}
	switch e.Kind {
	case EntryEval:
		return need(e.Arch != "" && e.Stream != "" && e.Index != nil && e.Seed != nil && e.Utility != nil, "arch, stream, index, seed and utility")
	case EntryFail:
		return need(e.Arch != "" && e.Stream != "" && e.Index != nil && e.Seed != nil && e.Note != "", "arch, stream, index, seed and reason")
	case EntryStart:
		return need(e.From != "" && e.To != "" && e.Samples != nil && e.Note != "", "from, to, samples and note")
	case EntryApart:
		return need(e.From != "" && e.To != "" && e.Samples != nil && e.Note != "", "from, to, samples and note")
	case EntryMove, EntryRetire:
		return need(e.From != "" && e.To != "" && e.Samples != nil, "from, to and samples")
	case EntryRefuse:
		return need(e.From != "" && e.To != "" && e.Samples != nil && e.Note != "", "from, to, samples and reason")
	case EntryLayer:
		return need(e.Layer != nil && e.From != "" && e.Samples != nil, "layer, from and samples")
	case EntrySigma:
		return need(e.D != nil && e.Upper != nil, "d and upper")
	case EntryCalibrate:
		return need(len(e.State) > 0, "state")
	case EntryMeasure:
		return need(e.Arch != "" && e.Measured != nil && e.Table >= 0, "arch, measured and a table")
	case EntryNote, EntryEnd:
		return need(e.Note != "", "note")
	}
	return fmt.Errorf("unknown kind of entry %.50q", e.Kind)
}

// strict decodes one JSON object that has exactly the known fields and is
// written as Go writes it.
func strict(object []byte, into any) error {
	if err := strictjson.Known(object, into); err != nil {
		return err
	}
	back, err := strictjson.Line(into)
	if err != nil {
		return err
	}
	return strictjson.Canonical(object, back)
}

// journalWriter appends sealed lines. A line is written at once, so that it
// survives the process; it is synced to the disk right after, beside the search,
// so that at most what the last milliseconds evaluated is lost with the power –
// and then evaluated again with the same result.
type journalWriter struct {
	mu    sync.Mutex
	f     *os.File
	lock  io.Closer
	sum   string
	err   error
	dirty chan struct{}
	done  chan struct{}
}

// openJournal opens or creates the journal of a run directory. An existing one is
// returned decoded, its torn last line cut off. Until it is closed no other search
// can open it.
func openJournal(path string, h Header) (*journalWriter, *Journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, nil, err
	}
	lock, err := filelock.Lock(path)
	if err != nil {
		return nil, nil, hint.Wrap(err, "another search is writing there; wait for it, or give another -o")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		lock.Close()
		return nil, nil, err
	}
	fail := func(err error) (*journalWriter, *Journal, error) {
		f.Close()
		lock.Close()
		return nil, nil, err
	}
	data, err := whole(f)
	if err != nil {
		return fail(err)
	}
	w := &journalWriter{f: f, lock: lock, dirty: make(chan struct{}, 1), done: make(chan struct{})}
	j, err := DecodeJournal(path, data)
	switch {
	case errors.Is(err, errNoHeader): // new, or killed before the first line was whole
		if err := f.Truncate(0); err != nil {
			return fail(err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return fail(err)
		}
		go w.syncer()
		if err := w.append(h); err != nil {
			w.close()
			return nil, nil, err
		}
		return w, nil, nil
	case err != nil:
		return fail(err)
	}
	if err := sameRun(path, j.Header, h); err != nil {
		return fail(err)
	}
	if err := f.Truncate(j.size); err != nil {
		return fail(err)
	}
	if _, err := f.Seek(j.size, io.SeekStart); err != nil {
		return fail(err)
	}
	w.sum = j.sum
	go w.syncer()
	return w, j, nil
}

// whole reads a file from its beginning, into a buffer of its size.
func whole(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(f, data)
	if err == io.ErrUnexpectedEOF || err == io.EOF { // it is shorter by now
		err = nil
	}
	return data[:n], err
}

// sameRun says in what a journal's header differs from what is asked for now.
func sameRun(path string, was, is Header) error {
	a, err := strictjson.Line(was)
	if err != nil {
		return err
	}
	b, err := strictjson.Line(is)
	if err != nil {
		return err
	}
	if bytes.Equal(a, b) {
		return nil
	}
	var x, y map[string]any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		return err
	}
	what := difference("", x, y)
	return hint.Wrap(fmt.Errorf("%s was started with other settings: %s", path, what), "give another -o, or the flags it was started with")
}

// difference names the first field in which two JSON values differ.
func difference(at string, a, b any) string {
	x, ok1 := a.(map[string]any)
	y, ok2 := b.(map[string]any)
	if ok1 && ok2 {
		names := map[string]bool{}
		for k := range x {
			names[k] = true
		}
		for k := range y {
			names[k] = true
		}
		for _, k := range sortedKeys(names) {
			if d := difference(at+"."+k, x[k], y[k]); d != "" {
				return d
			}
		}
		return ""
	}
	v, ok1 := a.([]any)
	w, ok2 := b.([]any)
	if ok1 && ok2 && len(v) == len(w) {
		for i := range v {
			if d := difference(fmt.Sprintf("%s.%d", at, i), v[i], w[i]); d != "" {
				return d
			}
		}
		return ""
	}
	p, _ := json.Marshal(a)
	q, _ := json.Marshal(b)
	if bytes.Equal(p, q) {
		return ""
	}
	return fmt.Sprintf("%s was %.60s and is now %.60s", at[1:], p, q)
}

func (w *journalWriter) append(v any) error {
	var object []byte
	var err error
	if e, ok := v.(Entry); ok {
		object, err = lineOf(make([]byte, 0, 256), &e)
	} else {
		object, err = strictjson.Line(v)
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	line, sum := sealed(w.sum, object)
	if _, err := w.f.Write(append(line, '\n')); err != nil {
		w.err = fmt.Errorf("append to %s: %w", w.f.Name(), err)
		return w.err
	}
	w.sum = sum
	select {
	case w.dirty <- struct{}{}:
	default:
	}
	return nil
}

func (w *journalWriter) syncer() {
	defer close(w.done)
	for range w.dirty {
		if err := w.f.Sync(); err != nil {
			w.mu.Lock()
			w.err = fmt.Errorf("sync %s: %w", w.f.Name(), err)
			w.mu.Unlock()
		}
	}
}

// close syncs what is written and closes the file.
func (w *journalWriter) close() error {
	close(w.dirty)
	<-w.done
	err := w.f.Sync()
	return errors.Join(w.err, err, w.f.Close(), w.lock.Close())
}
