package evaluator

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/isocost/isocost/internal/forward"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// ONNXOptions say how the training-free evaluator runs.
type ONNXOptions struct {
	Space   space.Lowerer
	Agent   string   // the program
	Args    []string // further arguments of "agent forward"
	Workers int
	Timeout time.Duration
	Retries int
	Stderr  io.Writer
	Note    func(string)
	Batch   int // inputs a score is taken over; 0: 16
	Side    int // side of the input images; 0: the space's own, at most 16
}

// ONNX is the built-in, training-free utility: the network with fresh random
// weights sees a batch of Gaussian images (both from the request's seed) and is
// scored by how differently it responds to them, NASWOT and ACor. Forward passes
// run in ONNX Runtime, in "agent forward" processes.
//
// The two scores have different units, and the published way to join them, the
// mean of ranks within a candidate set, is not a utility: the value of an
// architecture would change with its company. So the utility is an affine map of
// the two, increasing in each and fixed before the search on the anchor and its
// neighbours: each score is standardised and weighed by its reliability, the share
// of its variance that lies between architectures and not between seeds (a score
// that is all noise would only drown the other), and the sum is scaled so that
// the architectures' true utilities there have standard deviation 1. ε is thus in
// units of the spread of the anchor's neighbourhood. Unlike a rank against a
// fixed set the map does not saturate at the set's best, where a search spends its
// time. See docs/decisions/0502-training-free-utility.md.
type ONNX struct {
	o        ONNXOptions
	pool     *pool
	dir      string // of the models
	identity search.Identity

	mu    sync.Mutex
	next  int
	scale scale
}

// scale is the affine map from the two scores to the utility:
// Σ weight·(score − mean).
type scale struct {
	Format string    `json:"format"`
	Archs  int       `json:"archs"`
	Runs   int       `json:"runs"` // of each, at most
	NASWOT partScale `json:"naswot"`
	ACor   partScale `json:"acor"`
}

// partScale is one score's part of the scale and what it was made of.
type partScale struct {
	Mean    float64 `json:"mean"`
	Within  float64 `json:"within"`  // standard deviation between seeds
	Between float64 `json:"between"` // standard deviation between architectures' means
	Weight  float64 `json:"weight"`  // > 0
}

const scaleFormat = "isocost/onnx-scale/v1"

// version changes when equal requests get other answers.
const version = 2

// Calibration of the scale: at most so many architectures, so many seeds each.
const (
	scaleArchs = 24
	scaleRuns  = 3
)

// leastReliability keeps a score's weight positive, so that the utility is
// increasing in both, as the published rank mean is.
const leastReliability = 0.05

// OpenONNX starts one agent to learn which runtime it has. spec is what follows
// "onnx": "" or options such as batch=32,side=48.
func OpenONNX(ctx context.Context, spec string, o ONNXOptions) (*ONNX, error) {
	if o.Space == nil {
		return nil, hint.Wrap(errors.New("evaluator onnx: the space has no networks"), "use table:FILE for a tabular space")
	}
	if o.Batch == 0 {
		o.Batch = 16
	}
	for opt := range strings.SplitSeq(spec, ",") {
		if opt == "" {
			continue
		}
		name, value, _ := strings.Cut(opt, "=")
		n, err := strconv.Atoi(value)
		switch {
		case err == nil && name == "batch" && n >= 2 && n <= 256:
			o.Batch = n
		case err == nil && name == "side" && n >= 4 && n <= 4096:
			o.Side = n
		default:
			return nil, hint.Wrap(fmt.Errorf("evaluator onnx: option %q", opt), "the options are batch=2…256 and side=4…4096")
		}
	}
	chain, err := o.Space.Lower(o.Space.Default())
	if err != nil {
		return nil, err
	}
	if own := inputSide(chain); o.Side == 0 {
		o.Side = min(own, 16)
	}
	if _, err := resize(chain, o.Side); o.Side > 0 && err != nil {
		return nil, hint.Wrap(fmt.Errorf("evaluator onnx: the default network does not fit at side %d: %w", o.Side, err), "give another size: onnx:side=%d", inputSide(chain))
	}
	dir, err := os.MkdirTemp("", "isosearch-onnx-")
	if err != nil {
		return nil, err
	}
	e := &ONNX{o: o, dir: dir}
	var hello forward.Hello
	e.pool = newPool(o.Workers, func() *exec.Cmd {
		return program(o.Agent, append([]string{"forward"}, o.Args...)...)
	})
	e.pool.timeout, e.pool.stderr = o.Timeout, o.Stderr
	e.pool.greet = func(line []byte) error {
		h, err := forward.DecodeHello(line)
		if err != nil {
			return fmt.Errorf("%s forward: %w", o.Agent, err)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if hello.SHA256 != "" && h != hello {
			return fmt.Errorf("%s forward: the runtime was %s %s and is now %s %s", o.Agent, hello.Backend, hello.Version, h.Backend, h.Version)
		}
		hello = h
		return nil
	}
	if _, err := e.score(ctx, o.Space.Default(), 0); err != nil {
		e.Close()
		return nil, hint.Wrap(fmt.Errorf("evaluator onnx: the default network cannot be scored: %w", err), "see %s runtimes; scripts/setup-native.sh installs ONNX Runtime", o.Agent)
	}
	id := fmt.Sprintf("isocost/onnx/%d batch=%d side=%d %s %s %s", version, o.Batch, o.Side, hello.Backend, hello.Version, hello.SHA256)
	sum := sha256.Sum256([]byte(id))
	e.identity = search.Identity{Spec: fmt.Sprintf("onnx:batch=%d,side=%d (%s %s)", o.Batch, o.Side, hello.Backend, hello.Version), SHA256: hex.EncodeToString(sum[:])}
	return e, nil
}

// FindAgent finds the agent program: as named, beside this program, in the path.
func FindAgent(named string) (string, error) {
	if named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", hint.Wrap(fmt.Errorf("agent: %w", err), "build it: go build -o bin/agent ./cmd/agent")
		}
		return path, nil
	}
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), "agent"+filepath.Ext(self))
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	path, err := exec.LookPath("agent")
	if err != nil {
		return "", hint.Wrap(errors.New("no program agent beside this one or in the path"), "build it (go build -o bin/agent ./cmd/agent) or name it with --agent")
	}
	return path, nil
}

// Identity implements search.Evaluator.
func (e *ONNX) Identity() search.Identity { return e.identity }

// Evaluate implements search.Evaluator.
func (e *ONNX) Evaluate(ctx context.Context, r search.Request) (search.Answer, error) {
	e.mu.Lock()
	s := e.scale
	e.mu.Unlock()
	if s.Format == "" {
		return search.Answer{}, errors.New("evaluator onnx: its scale has not been fixed")
	}
	p, err := e.tries(ctx, r.Arch, r.Seed)
	if err != nil {
		return search.Answer{}, err
	}
	return search.Answer{Utility: s.utility(p), Parts: map[string]float64{"naswot": p[0], "acor": p[1]}}, nil
}

// tries scores with retries; what still fails is a *search.Failure.
func (e *ONNX) tries(ctx context.Context, a space.Arch, seed uint64) (p [2]float64, err error) {
	for attempt := 0; attempt <= e.o.Retries; attempt++ {
		if p, err = e.score(ctx, a, seed); err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		if e.o.Note != nil {
			e.o.Note(fmt.Sprintf("attempt %d of %s: %v", attempt+1, a.Key(), err))
		}
		if errors.As(err, new(*refusal)) {
			break // the runtime says no; it will again
		}
	}
	return p, &search.Failure{Reason: err.Error()}
}

// score is NASWOT and ACor of one network with weights and inputs from seed.
func (e *ONNX) score(ctx context.Context, a space.Arch, seed uint64) (p [2]float64, err error) {
	chain, err := e.o.Space.Lower(a)
	if err != nil {
		return p, err
	}
	if e.o.Side > 0 {
		if chain, err = resize(chain, e.o.Side); err != nil {
			return p, err
		}
	}
	t, err := newTrainingFree(chain, e.o.Batch, seed)
	if err != nil {
		return p, err
	}
	e.mu.Lock()
	e.next++
	id := strconv.Itoa(e.next)
	e.mu.Unlock()
	path := filepath.Join(e.dir, id+".onnx")
	defer os.Remove(path)
	if err := os.WriteFile(path, t.model, 0o600); err != nil {
		return p, err
	}
	line, err := json.Marshal(forward.Request{ID: id, Model: path, Seed: seed})
	if err != nil {
		return p, err
	}
	err = e.pool.exchange(ctx, line, func(reply []byte) error {
		r, err := forward.DecodeReply(reply)
		switch {
		case err != nil:
			return err
		case r.ID != id:
			return fmt.Errorf("the reply has id %.40q, the request %q", r.ID, id)
		case r.Error != "":
			return &refusal{errors.New(r.Error)}
		}
		p, err = scores(r.Outputs, t)
		return err
	})
	return p, err
}

// scores computes the two log determinants from a reply.
func scores(outputs []forward.Tensor, t *trainingFree) (p [2]float64, err error) {
	for _, o := range outputs {
		if o.DType != "float32" || len(o.Data) != 4*t.batch*t.batch {
			return p, fmt.Errorf("output %s is %s with %d bytes, not %d×%d float32", o.Name, o.DType, len(o.Data), t.batch, t.batch)
		}
		v := make([]float32, len(o.Data)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(o.Data[4*i:]))
		}
		switch o.Name {
		case codesOutput:
			p[0], err = naswot(v, t.batch, t.units)
		case responsesOutput:
			p[1], err = acor(v, t.batch)
		default:
			err = fmt.Errorf("unexpected output %s", o.Name)
		}
		if err != nil {
			return p, &refusal{err}
		}
	}
	if len(outputs) != 2 {
		return p, fmt.Errorf("%d outputs, not 2", len(outputs))
	}
	return p, nil
}

// Calibrate implements search.Calibrated.
func (e *ONNX) Calibrate(ctx context.Context, archs []space.Arch, seed uint64) (json.RawMessage, error) {
	if len(archs) > scaleArchs { // spread over the neighbourhood, the anchor first
		some := make([]space.Arch, scaleArchs)
		for i := range some {
			some[i] = archs[i*len(archs)/scaleArchs]
		}
		archs = some
	}
	n := len(archs) * scaleRuns
	all := make([][2]float64, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	sem := make(chan struct{}, max(e.o.Workers, 1))
	for i := range n {
		sem <- struct{}{}
		wg.Go(func() {
			defer func() { <-sem }()
			a := archs[i%len(archs)]
			all[i], errs[i] = e.tries(ctx, a, search.SampleSeed(seed, "scale", a.Key(), i/len(archs)))
		})
	}
	wg.Wait()
	runs := make([][][2]float64, len(archs))
	for i, err := range errs {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			runs[i%len(archs)] = append(runs[i%len(archs)], all[i])
		}
	}
	s, err := newScale(runs)
	if err != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	return json.Marshal(s)
}

// utility maps the two scores.
func (s *scale) utility(p [2]float64) float64 {
	return s.NASWOT.Weight*(p[0]-s.NASWOT.Mean) + s.ACor.Weight*(p[1]-s.ACor.Mean)
}

// newScale fits the map to the runs of several architectures.
func newScale(runs [][][2]float64) (*scale, error) {
	s := &scale{Format: scaleFormat}
	for _, r := range runs {
		if len(r) > 0 {
			s.Archs++
			s.Runs = max(s.Runs, len(r))
		}
	}
	for k, p := range []*partScale{&s.NASWOT, &s.ACor} {
		p.Mean, p.Within, p.Between = spread(runs, func(x [2]float64) float64 { return x[k] })
		total := p.Within*p.Within + p.Between*p.Between
		if !(total > 0) {
			return nil, fmt.Errorf("the scores of %d networks do not differ at all", s.Archs)
		}
		p.Weight = max(p.Between*p.Between/total, leastReliability) / math.Sqrt(total)
	}
	_, within, between := spread(runs, s.utility)
	unit := between
	if !(unit > 0.1*within) {
		unit = within // hardly any difference to see: the noise is the unit
	}
	if !(unit > 0) {
		return nil, errors.New("the utility is the same for all networks")
	}
	s.NASWOT.Weight /= unit
	s.ACor.Weight /= unit
	return s, nil
}

// spread is the one-way analysis of variance of a score: grand mean, standard
// deviation within architectures, and between their true means (0 when what is
// seen is explained by the former).
func spread(runs [][][2]float64, score func([2]float64) float64) (grand, within, between float64) {
	var means []float64
	ss, nu, inverse := 0.0, 0, 0.0
	for _, r := range runs {
		if len(r) == 0 {
			continue
		}
		m := 0.0
		for _, x := range r {
			m += score(x) / float64(len(r))
		}
		for _, x := range r {
			ss += (score(x) - m) * (score(x) - m)
		}
		nu += len(r) - 1
		inverse += 1 / float64(len(r))
		means = append(means, m)
		grand += m
	}
	if len(means) == 0 || nu == 0 {
		return 0, 0, 0
	}
	grand /= float64(len(means))
	within = math.Sqrt(ss / float64(nu))
	if len(means) < 2 {
		return grand, within, 0
	}
	b := 0.0
	for _, m := range means {
		b += (m - grand) * (m - grand)
	}
	b = b/float64(len(means)-1) - within*within*inverse/float64(len(means))
	return grand, within, math.Sqrt(max(b, 0))
}

// Restore implements search.Calibrated.
func (e *ONNX) Restore(state json.RawMessage) error {
	var s scale
	if err := strictjson.Decode(state, &s); err != nil {
		return fmt.Errorf("scale %.200s: %w", state, err)
	}
	if s.Format != scaleFormat || !(s.NASWOT.Weight > 0) || !(s.ACor.Weight > 0) {
		return fmt.Errorf("scale %.200s is not of format %s", state, scaleFormat)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.scale = s
	return nil
}

// Close ends the agents and removes the models.
func (e *ONNX) Close() error { return errors.Join(e.pool.Close(), os.RemoveAll(e.dir)) }

var (
	_ search.Evaluator  = (*ONNX)(nil)
	_ search.Calibrated = (*ONNX)(nil)
)
