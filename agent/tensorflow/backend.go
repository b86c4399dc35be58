//go:build tensorflow

package tensorflow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/half"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// Providers and the devices they pin operations to.
var devices = map[string]string{"cpu": "/device:CPU:0", "gpu": "/device:GPU:0", "cuda": "/device:GPU:0"}

// Backend is TensorFlow, linked at build time.
type Backend struct{}

// New returns the backend.
func New() *Backend { return &Backend{} }

var (
	_ agent.Backend         = (*Backend)(nil)
	_ agent.Placer          = (*Backend)(nil)
	_ agent.ExecutionProver = (*Backend)(nil)
	_ agent.OutputReader    = (*session)(nil)
)

// TensorFlow makes its pool of intra-op threads once per process, with the number
// the first session asks for.
var pool struct {
	sync.Mutex
	threads int
}

// library is the file the process has loaded, found among its own mappings.
var library = sync.OnceValues(func() (agent.Info, error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return agent.Info{}, fmt.Errorf("find TensorFlow's library: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) < 6 || !strings.HasPrefix(filepath.Base(fields[5]), "libtensorflow_cc.so") {
			continue
		}
		sum, err := filehash.SHA256(context.Background(), fields[5])
		if err != nil {
			return agent.Info{}, err
		}
		return agent.Info{Backend: Name, Version: tf.Version(), Path: fields[5], SHA256: sum, Providers: []string{"cpu"}, Format: "graph", Features: features()}, nil
	}
	return agent.Info{}, hint.Wrap(errors.New("find TensorFlow's library: the process has no libtensorflow_cc.so mapped"),
		"build with the flags scripts/setup-tensorflow.sh prints")
})

// Info says which library is linked, and its devices.
func (b *Backend) Info() (agent.Info, error) {
	info, err := library()
	if err != nil {
		return agent.Info{}, err
	}
	gpu, err := hasGPU()
	if err != nil {
		return agent.Info{}, err
	}
	if gpu {
		info.Providers = []string{"cpu", "gpu"}
	}
	return info, nil
}

// hasGPU asks the runtime once.
var hasGPU = sync.OnceValues(func() (bool, error) {
	s, err := tf.NewSession(tf.NewGraph(), &tf.SessionOptions{Config: config(max(1, pool.threads))})
	if err != nil {
		return false, fmt.Errorf("list TensorFlow's devices: %w", err)
	}
	defer s.Close()
	list, err := s.ListDevices()
	if err != nil {
		return false, fmt.Errorf("list TensorFlow's devices: %w", err)
	}
	return slices.ContainsFunc(list, func(d tf.Device) bool { return d.Type == "GPU" }), nil
})

// config is a ConfigProto (tensorflow/core/protobuf/config.proto), field by field:
// intra_op_parallelism_threads = 2, inter_op_parallelism_threads = 5,
// gpu_options = 6 {allow_growth = 4}, allow_soft_placement = 7.
func config(threads int) []byte {
	b := []byte{2 << 3}
	for ; threads >= 0x80; threads >>= 7 {
		b = append(b, byte(threads)|0x80)
	}
	return append(b, byte(threads), 5<<3, 1, 6<<3|2, 2, 4<<3, 1, 7<<3, 0)
}

// Open builds the graph and runs it once: TensorFlow chooses kernels at the first
// run, and refuses there what it has none for.
func (b *Backend) Open(ctx context.Context, model agent.Model, opt agent.Options) (agent.Session, error) {
	s, err := open(ctx, model, opt)
	if err != nil {
		return nil, fmt.Errorf("open %s with tensorflow: %w", model.Name, err)
	}
	return s, nil
}

var _ agent.ProviderChecker = (*Backend)(nil)

// CheckProvider looks for the provider's device.
func (b *Backend) CheckProvider(opt agent.Options) error {
	if opt.Provider == "" {
		opt.Provider = "cpu"
	}
	_, err := deviceOf(opt)
	return err
}

// deviceOf is TensorFlow's name of a provider's device.
func deviceOf(opt agent.Options) (string, error) {
	device, ok := devices[opt.Provider]
	if !ok {
		return "", hint.Wrap(fmt.Errorf("provider %s: TensorFlow has only cpu and gpu", opt.Provider), "take --provider cpu or gpu")
	}
	for k := range opt.ProviderOptions {
		return "", hint.Wrap(fmt.Errorf("provider %s has no option %q", opt.Provider, k), "leave it out")
	}
	if opt.Provider != "cpu" {
		gpu, err := hasGPU()
		if err != nil {
			return "", err
		}
		if !gpu {
			return "", hint.Wrap(fmt.Errorf("provider %s: TensorFlow %s sees no GPU", opt.Provider, tf.Version()),
				"it needs the package tensorflow (not tensorflow-cpu), CUDA's libraries and the NVIDIA driver")
		}
	}
	return device, nil
}

func open(ctx context.Context, model agent.Model, opt agent.Options) (_ *session, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if model.Graph == nil {
		return nil, fmt.Errorf("TensorFlow runs the catalogue's graphs, not model files: %w", agent.ErrUnsupported)
	}
	if opt.Provider == "" {
		opt.Provider = "cpu"
	}
	if opt.Threads < 1 {
		return nil, fmt.Errorf("threads must be at least 1, not %d", opt.Threads)
	}
	pool.Lock()
	if pool.threads == 0 {
		pool.threads = opt.Threads
	}
	threads := pool.threads
	pool.Unlock()
	if threads != opt.Threads {
		return nil, hint.Wrap(fmt.Errorf("%d threads: this process already runs TensorFlow on %d, which it fixes once", opt.Threads, threads),
			"measure another number of threads in a process of its own")
	}
	device, err := deviceOf(opt)
	if err != nil {
		return nil, err
	}
	w := newWriter(device)
	if err := w.write(model.Graph); err != nil {
		return nil, err
	}
	s := &session{graph: model.Graph, feeds: map[tf.Output]*tf.Tensor{}}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	for name := range opt.Inputs {
		if !slices.ContainsFunc(model.Graph.Inputs, func(v *graph.Value) bool { return v.Name == name }) {
			return nil, fmt.Errorf("the model has no input %q", name)
		}
	}
	for i, v := range model.Graph.Inputs {
		data, err := inputData(v, opt, i)
		if err != nil {
			return nil, err
		}
		t, err := floatTensor(toDevice(data, v.Shape), deviceShape(v.Shape))
		if err != nil {
			return nil, err
		}
		if err := w.input(v, t, opt.Provider != "cpu" && !opt.Transfers); err != nil {
			return nil, err
		}
		if op, fed := w.fed[v]; fed {
			s.feeds[op] = t
		}
	}
	if err := w.nodes(model.Graph); err != nil {
		return nil, err
	}
	for _, v := range model.Graph.Outputs {
		out, err := w.output(v)
		if err != nil {
			return nil, err
		}
		s.fetches = append(s.fetches, out)
		if opt.Provider != "cpu" && opt.Transfers {
			out = w.toHost(out)
		}
		s.targets = append(s.targets, out.Op)
	}
	if w.err != nil {
		return nil, w.err
	}
	if s.tf, err = tf.NewSession(w.g, &tf.SessionOptions{Config: config(threads)}); err != nil {
		return nil, err
	}
	if len(w.init) > 0 {
		if _, err := s.tf.Run(w.initFeeds, nil, w.init); err != nil {
			return nil, refusal(err)
		}
	}
	if err := s.Run(); err != nil {
		return nil, refusal(err)
	}
	return s, nil
}

// session is an open graph. Run fetches nothing: outputs that nobody collects
// would pile up while the harness keeps the collector off.
type session struct {
	tf      *tf.Session
	graph   *graph.Graph
	feeds   map[tf.Output]*tf.Tensor
	fetches []tf.Output
	targets []*tf.Operation
}

// Run executes the graph.
func (s *session) Run() error {
	if s.tf == nil {
		return errors.New("run of a closed session")
	}
	_, err := s.tf.Run(s.feeds, nil, s.targets)
	return err
}

// Outputs runs once more, with the same inputs, and brings the results.
func (s *session) Outputs() ([]agent.Tensor, error) {
	if s.tf == nil {
		return nil, errors.New("outputs of a closed session")
	}
	got, err := s.tf.Run(s.feeds, s.fetches, nil)
	if err != nil {
		return nil, err
	}
	var list []agent.Tensor
	for i, v := range s.graph.Outputs {
		data, err := floats(got[i])
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", v.Name, err)
		}
		data = fromDevice(data, v.Shape)
		list = append(list, agent.Tensor{Name: v.Name, DType: dtypes[v.DType], Shape: slices.Clone(v.Shape), Data: encode(data, v.DType)})
	}
	return list, nil
}

// Close frees the session.
func (s *session) Close() error {
	if s.tf == nil {
		return nil
	}
	err := s.tf.Close()
	s.tf = nil
	return err
}

// Placement lists the operations of the graph that really runs, optimised and
// partitioned, with the device each is on. With soft placement off TensorFlow refuses
// what it would have to run on another device than asked.
func (b *Backend) Placement(ctx context.Context, model agent.Model, opt agent.Options) (agent.Placement, error) {
	ops, err := look(ctx, model, opt)
	if err != nil {
		return agent.Placement{}, fmt.Errorf("placement of %s: %w", model.Name, err)
	}
	var p agent.Placement
	for _, o := range ops {
		provider := "cpu"
		if strings.Contains(o.device, "GPU") {
			provider = "gpu"
			if opt.Provider == "cuda" {
				provider = opt.Provider
			}
		}
		if !o.idle() {
			p.Nodes = append(p.Nodes, agent.PlacedNode{Name: o.name, Op: o.op, Provider: provider})
		}
	}
	return p, nil
}

// look opens a second session and reads its optimised graph.
func look(ctx context.Context, model agent.Model, opt agent.Options) ([]operation, error) {
	s, err := open(ctx, model, opt)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.optimised()
}

// Execution judges a precision by the optimised graph; see judge.
func (b *Backend) Execution(ctx context.Context, model agent.Model, opt agent.Options, precision lut.Precision) (agent.Execution, error) {
	ops, err := look(ctx, model, opt)
	if err != nil {
		return agent.Execution{}, fmt.Errorf("precision of %s: %w", model.Name, err)
	}
	return judge(ops, precision, opt.Provider == "cpu" || opt.Provider == "", arithmeticHere()), nil
}

// dtypes are the float types of a graph's inputs and outputs, as numpy's names.
var dtypes = map[graph.DType]string{graph.Float32: "float32", graph.Float16: "float16", graph.BFloat16: "bfloat16"}

// inputData is an input's elements as float32, in the graph's order.
func inputData(v *graph.Value, opt agent.Options, index int) ([]float32, error) {
	name, ok := dtypes[v.DType]
	if !ok {
		return nil, fmt.Errorf("input %s is not a float tensor: %w", v.Name, agent.ErrUnsupported)
	}
	size := 4
	if v.DType != graph.Float32 {
		size = 2
	}
	t, given := opt.Inputs[v.Name]
	if !given {
		t = agent.Tensor{Name: v.Name, DType: name, Shape: v.Shape, Data: make([]byte, v.Len()*size)}
		agent.Synthesise(t.Data, name, opt.Seed, index)
	}
	if t.DType != name || !slices.Equal(t.Shape, v.Shape) || len(t.Data) != v.Len()*size {
		return nil, fmt.Errorf("input %q wants %s %v, given is %s %v (%d bytes)", v.Name, name, v.Shape, t.DType, t.Shape, len(t.Data))
	}
	wide, err := t.Floats()
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(wide))
	for i, x := range wide {
		out[i] = float32(x)
	}
	return out, nil
}

// encode writes float32 elements as a graph's float type.
func encode(data []float32, t graph.DType) []byte {
	var b []byte
	for _, f := range data {
		switch t {
		case graph.Float16:
			h := half.FromFloat32(f)
			b = append(b, byte(h), byte(h>>8))
		case graph.BFloat16:
			h := half.BFromFloat32(f)
			b = append(b, byte(h), byte(h>>8))
		default:
			u := math.Float32bits(f)
			b = append(b, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
		}
	}
	return b
}
