package sim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// Backend runs models on a simulated device.
type Backend struct {
	dev   *Device
	world *world
	die   func(kind string)
	warn  func() // before a fault
}

var (
	_ agent.Backend = (*Backend)(nil)
	_ agent.World   = (*Backend)(nil)
	_ agent.Placer  = (*Backend)(nil)
	_ agent.Powered = (*Backend)(nil)

	_ agent.Foreteller = (*Backend)(nil)
)

// New makes a backend. die carries out a fault that a library cannot carry out
// on itself – crash, abort, exit0, exit1, hang, garbage – and does not return.
func New(dev *Device, die func(kind string)) *Backend {
	return &Backend{dev: dev, world: newWorld(dev), die: die}
}

// Info identifies the device file as if it were a library.
func (b *Backend) Info() (agent.Info, error) {
	text, err := yaml.Marshal(b.dev)
	if err != nil {
		return agent.Info{}, fmt.Errorf("hash the simulated device: %w", err)
	}
	sum := sha256.Sum256(text)
	return agent.Info{Backend: "sim", Version: "1", Path: b.dev.Name, SHA256: hex.EncodeToString(sum[:]),
		Providers: b.dev.Providers, Format: "chain"}, nil
}

// Clock is the device's own time.
func (b *Backend) Clock() agent.Clock { return b.world }

// BeforeFault has f called before a fault that dies.
func (b *Backend) BeforeFault(f func()) { b.warn = f }

// Switches counts preemptions so far.
func (b *Backend) Switches() int64 { return b.world.switches }

// ResidentBytes is the memory of the open sessions.
func (b *Backend) ResidentBytes() int64 { return b.world.resident }

// Joules is the energy the device has spent, idle included.
func (b *Backend) Joules() (spent float64, ok bool) { return b.world.joules, b.dev.Power != nil }

type session struct {
	b      *Backend
	us     float64
	watts  float64 // above idle, on average over a run
	runs   int
	faults []Fault
	seed   uint64 // of the outputs
	spread float64
	wrong  bool
	closed bool
}

// text is the text that faults match: keys, or the file's name.
func text(m agent.Model) string {
	if len(m.Chain) == 0 {
		return filepath.Base(m.Path)
	}
	var keys []string
	for _, op := range m.Chain {
		keys = append(keys, op.String())
	}
	return strings.Join(keys, " ")
}

func (b *Backend) faultsOf(m agent.Model) []Fault {
	t := text(m)
	var out []Fault
	for _, f := range b.dev.Faults {
		if f.re.MatchString(t) {
			out = append(out, f)
		}
	}
	return out
}

// Open prices the model. A model the device file cannot price is unsupported.
func (b *Backend) Open(ctx context.Context, m agent.Model, opt agent.Options) (agent.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !slices.Contains(b.dev.Providers, opt.Provider) {
		return nil, hint.Wrap(fmt.Errorf("%w: the simulated device has no provider %q", agent.ErrUnsupported, opt.Provider),
			"it has %s", strings.Join(b.dev.Providers, ", "))
	}
	b.world.run(b.dev.OpenUS, b.runW())
	faults := b.faultsOf(m)
	for _, f := range faults {
		if f.At == "open" && (f.Probability == 0 || b.world.rng.Float64() < f.Probability) {
			if err := b.strike(f); err != nil {
				return nil, err
			}
		}
	}
	us, err := b.price(m)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", agent.ErrUnsupported, err)
	}
	mem := b.dev.Memory
	if mem.LimitBytes > 0 && b.world.resident+mem.SessionBytes > mem.LimitBytes {
		return nil, fmt.Errorf("out of memory: %d bytes are taken of %d", b.world.resident, mem.LimitBytes)
	}
	b.world.resident += mem.SessionBytes
	watts := b.runW()
	if len(m.Chain) > 0 {
		mj, err := b.dev.ModelMJ(m.Chain)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", agent.ErrUnsupported, err)
		}
		watts = mj * 1e3 / us
	}
	s := &session{b: b, us: us, watts: watts, faults: faults, seed: outputSeed(m, opt)}
	for _, op := range m.Chain {
		if op.Precision != lut.FP32 {
			s.spread = 0.01
		}
	}
	s.wrong = opt.Provider != "cpu" || s.spread > 0
	return s, nil
}

// runW is the power of work that belongs to no operator.
func (b *Backend) runW() float64 {
	if b.dev.Power == nil {
		return 0
	}
	return b.dev.Power.RunW
}

func (b *Backend) price(m agent.Model) (float64, error) {
	if len(m.Chain) > 0 {
		return b.dev.ModelUS(m.Chain)
	}
	if b.dev.FileUS == nil {
		return 0, fmt.Errorf("the device file prices no model files (file_us)")
	}
	if ext := filepath.Ext(m.Path); len(m.Bytes) == 0 || ext != ".onnx" && ext != ".tflite" {
		return 0, fmt.Errorf("%q is not a model file", m.Path)
	}
	us, err := b.dev.FileUS.Eval(map[string]float64{"bytes": float64(len(m.Bytes))})
	return b.dev.OverheadUS + b.dev.BoundaryUS + us, err
}

// strike lets a fault happen; nil means that it does not end the call.
func (b *Backend) strike(f Fault) error {
	switch f.Kind {
	case "unsupported":
		return fmt.Errorf("%w: the simulated device rejects it", agent.ErrUnsupported)
	case "error":
		return fmt.Errorf("the simulated driver reports an error")
	case "fallback", "wrong":
		return nil
	}
	if b.warn != nil {
		b.warn()
	}
	b.die(f.Kind)
	return fmt.Errorf("the simulated %s was not carried out", f.Kind)
}

// Run lets one inference pass.
func (s *session) Run() error {
	if s.closed {
		return fmt.Errorf("run: the session is closed")
	}
	s.runs++
	for _, f := range s.faults {
		if f.At == "run" && (f.Probability > 0 && s.b.world.rng.Float64() < f.Probability || f.Probability == 0 && s.runs > f.AfterRuns) {
			if err := s.b.strike(f); err != nil {
				return err
			}
		}
	}
	us := s.us
	if s.runs == 1 {
		us *= s.b.dev.FirstRunFactor
	}
	s.b.world.run(us, s.watts)
	return nil
}

// Close gives the session's memory back.
func (s *session) Close() error {
	if !s.closed {
		s.closed = true
		s.b.world.resident -= s.b.dev.Memory.SessionBytes
	}
	return nil
}

// outputSeed depends on what the model computes and on its inputs, not on its
// precision or provider.
func outputSeed(m agent.Model, opt agent.Options) uint64 {
	h := fnv.New64a()
	for _, op := range m.Chain.In(lut.FP32) {
		fmt.Fprintln(h, op.String())
	}
	h.Write(m.Bytes)
	if len(opt.Inputs) == 0 {
		binary.Write(h, binary.LittleEndian, opt.Seed)
	}
	for _, name := range slices.Sorted(keys(opt.Inputs)) {
		fmt.Fprintln(h, name)
		h.Write(opt.Inputs[name].Data)
	}
	return h.Sum64()
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Outputs are numbers that depend on the model and its inputs, with the spread of
// the precision; a fault "wrong" makes them wrong off the reference.
func (s *session) Outputs() ([]agent.Tensor, error) {
	if s.runs == 0 {
		return nil, fmt.Errorf("outputs: the session has not run")
	}
	rng := rand.New(rand.NewPCG(s.seed, 1))
	off := rand.New(rand.NewPCG(s.seed, 2))
	wrong := 1.0
	for _, f := range s.faults {
		if f.Kind == "wrong" && s.wrong {
			wrong = -3
		}
	}
	t := agent.Tensor{Name: "output", DType: "float32", Shape: []int{1, 8}}
	for range 8 {
		v := rng.NormFloat64()*wrong + s.spread*off.NormFloat64()
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(float32(v)))
	}
	return []agent.Tensor{t}, nil
}

var _ agent.OutputReader = (*session)(nil)

// MemoryStats reports what the session takes: all of it is weights.
func (s *session) MemoryStats() (agent.MemoryStats, error) {
	n := s.b.dev.Memory.SessionBytes
	return agent.MemoryStats{InUse: n, MaxInUse: n}, nil
}

// Placement names the provider of each operator; a fault "fallback" leaves the
// model's first one on the cpu.
func (b *Backend) Placement(ctx context.Context, m agent.Model, opt agent.Options) (agent.Placement, error) {
	var p agent.Placement
	for i, op := range m.Chain {
		p.Nodes = append(p.Nodes, agent.PlacedNode{Name: fmt.Sprint("node", i), Op: op.Kind, Provider: opt.Provider})
	}
	for _, f := range b.faultsOf(m) {
		if f.Kind == "fallback" && len(p.Nodes) > 0 {
			p.Nodes[0].Provider = "cpu"
		}
	}
	return p, ctx.Err()
}
