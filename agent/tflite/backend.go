//go:build cgo

package tflite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tflitefb"
)

// native is an open session of either library.
type native interface {
	infos() (in, out []tensorInfo)
	write(input int, data []byte) error
	read(output int) ([]byte, error)
	run() error
	close()
}

var (
	_ native               = (*litertSession)(nil)
	_ native               = (*classicSession)(nil)
	_ agent.OutputReader   = (*session)(nil)
	_ agent.MemoryReporter = (*arenaSession)(nil)
	_ agent.MemoryReporter = (*heapSession)(nil)
	_ agent.Placer         = (*Backend)(nil)
	_ agent.Profiler       = (*Backend)(nil)

	_ agent.ExecutionProver = (*Backend)(nil)
	_ agent.ProviderChecker = (*Backend)(nil)
)

// CheckProvider looks for the provider and, with LiteRT, at its options; a delegate is
// made for a model only.
func (b *Backend) CheckProvider(opt agent.Options) error {
	l, err := b.load()
	if err != nil {
		return err
	}
	if opt.Provider == "" {
		opt.Provider = CPU
	}
	if l.kind == LiteRT {
		_, err := l.litertPlan(opt)
		return err
	}
	switch opt.Provider {
	case CPU, XNNPACK, Builtin, Delegate:
		return nil
	case GPU:
		_, err := b.gpuLibrary()
		return err
	}
	return l.noProvider(opt.Provider)
}

// session is an open model.
type session struct {
	native
	model       agent.Model
	graphLayout bool
	// thread runs every call of a delegate that wants one OS thread for life; nil
	// where calls run on the caller's.
	thread *thread
	heap   heapGrowth
}

// Open prepares a model. It runs it once, to start the threads that are counted.
func (b *Backend) Open(ctx context.Context, model agent.Model, opt agent.Options) (agent.Session, error) {
	file, err := b.prepare(ctx, model, &opt)
	if err != nil {
		return nil, err
	}
	s := &session{model: model, graphLayout: model.Graph != nil}
	if b.lib.kind == Classic && (opt.Provider == GPU || opt.Provider == Delegate) {
		s.thread = newThread()
	}
	err = s.on(func() error { return b.start(s, file, opt) })
	if err != nil {
		if s.thread != nil {
			s.thread.stop()
		}
		if what := lacking(file, model.Signature); what != "" {
			err = fmt.Errorf("%s: %w", what, err)
		}
		return nil, fmt.Errorf("open %s with %s on %s: %w", model.Name, b.lib.kind, opt.Provider, err)
	}
	if c, ok := s.native.(*classicSession); ok && c.ownOnly() {
		return &arenaSession{s, c}, nil
	}
	// A GPU's memory and that of a delegate of unknown make are not on the heap.
	if s.heap.known && opt.Provider != GPU && opt.Provider != Delegate {
		return &heapSession{s}, nil
	}
	return s, nil
}

// prepare loads the library and the model file and completes the options.
func (b *Backend) prepare(ctx context.Context, model agent.Model, opt *agent.Options) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := b.load(); err != nil {
		return nil, err
	}
	if opt.Provider == "" {
		opt.Provider = CPU
	}
	if opt.Threads < 1 {
		return nil, fmt.Errorf("open %s: %d threads", model.Name, opt.Threads)
	}
	file := model.Bytes
	if file == nil {
		if model.Path == "" {
			return nil, fmt.Errorf("open %s: %w: the model has neither bytes nor a path", model.Name, agent.ErrUnsupported)
		}
		var err error
		if file, err = os.ReadFile(model.Path); err != nil {
			return nil, fmt.Errorf("open %s: %w", model.Name, err)
		}
	}
	// The runtimes trust the file's offsets; a damaged one could take the process down.
	if _, err := tflitefb.DecodeSignature(file, model.Signature); err != nil {
		return nil, hint.Wrap(fmt.Errorf("open %s: %w: %w", model.Name, agent.ErrUnsupported, err),
			"give a .tflite file; .onnx models run on --backend ort")
	}
	if _, given := opt.ProviderOptions["fp16"]; !given && (opt.Provider == CPU || opt.Provider == XNNPACK) &&
		wantsHalf(model.Graph) && noHalfArithmetic() == "" {
		half := *opt
		half.ProviderOptions = maps.Clone(opt.ProviderOptions)
		if half.ProviderOptions == nil {
			half.ProviderOptions = map[string]string{}
		}
		half.ProviderOptions["fp16"] = "1"
		if b.takes(file, model, half) {
			*opt = half
		}
	}
	return file, nil
}

// takes reports whether a model opens and runs with these options, and in half precision
// where they ask for it. Forcing it is not a promise: the XNNPACK of TensorFlow Lite 2.9
// refuses it for some models, and an operator outside of XNNPACK keeps computing in fp32.
// Such models run as without the option, and Execution says in what they compute.
func (b *Backend) takes(file []byte, model agent.Model, opt agent.Options) bool {
	s := &session{model: model, graphLayout: model.Graph != nil}
	if b.start(s, file, opt) != nil {
		return false
	}
	s.native.close()
	return true
}

// start opens the native session, feeds it, runs it and checks what took effect.
// It runs on a thread locked for the purpose.
func (b *Backend) start(s *session, file []byte, opt agent.Options) (err error) {
	tag, tagErr := tagThread()
	if tag != nil {
		defer tag.restore()
	}
	s.heap.before = heapInUse()
	if s.native, err = b.openNative(file, s.model, opt, false); err != nil {
		return err
	}
	opened := heapInUse()
	defer func() {
		if err != nil {
			s.native.close()
		}
	}()
	in, out := s.infos()
	data, err := inputData(in, opt, s.graphLayout)
	if err != nil {
		return err
	}
	for i := range data {
		if err := s.native.write(i, data[i]); err != nil {
			return err
		}
	}
	if err := s.run(); err != nil {
		return unsupported(err)
	}
	s.heap.measure(opened, in, out)
	if tagErr == nil {
		if err := b.checkThreads(s, tag, opt); err != nil {
			return err
		}
	}
	if on, _ := boolOption(opt, "fp16"); on || opt.ProviderOptions["precision"] == "fp16" {
		return s.checkHalf()
	}
	return nil
}

func (b *Backend) openNative(file []byte, model agent.Model, opt agent.Options, profile bool) (native, error) {
	// A nil pointer in the interface would not be nil.
	if b.lib.kind == LiteRT {
		s, err := b.lib.openLiteRT(file, model, opt, profile)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := b.openClassic(file, model, opt)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkThreads counts the threads the session created. XNNPACK's pool starts one
// fewer than asked for, the caller being one of them, and at once. The libraries'
// own kernels start theirs when an operator is large enough to share; their pool
// may have as many as asked for, while the caller waits.
func (b *Backend) checkThreads(s *session, tag *threadTag, opt agent.Options) error {
	if opt.Provider == GPU || opt.Provider == Delegate {
		return nil
	}
	n, err := tag.created()
	if err != nil {
		return err
	}
	want := opt.Threads - 1
	switch {
	case n == want:
		return nil
	case opt.Provider == Builtin && n == opt.Threads && n > 1:
		return nil
	case opt.Provider == Builtin && n < want:
		return b.probeThreads(opt.Threads)
	}
	return errThreads(opt.Threads, n+1)
}

func errThreads(asked, got int) error {
	return hint.Wrap(fmt.Errorf("%d threads were asked for and the session runs on %d", asked, got),
		"the library ignored the option; use the one scripts/setup-native.sh installs")
}

// probeThreads shows with a model large enough to share that the library's own
// kernels do start the threads asked for: a model they did not share proves nothing.
func (b *Backend) probeThreads(threads int) error {
	if b.lib.probed[threads] {
		return nil
	}
	file, err := probeModel()
	if err != nil {
		return err
	}
	opt := agent.Options{Provider: Builtin, Threads: threads}
	t := newThread() // a fresh OS thread, so that its descendants are the probe's
	defer t.stop()
	err = t.do(func() error {
		tag, err := tagThread()
		if err != nil {
			return err
		}
		s, err := b.openNative(file, agent.Model{Name: "thread probe"}, opt, false)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.run(); err != nil {
			return err
		}
		n, err := tag.created()
		if err == nil && (n < threads-1 || n > threads) {
			err = errThreads(threads, n+1)
		}
		return err
	})
	if err == nil {
		b.lib.probed[threads] = true
	}
	return err
}

// probeModel is one 3×3 convolution of 32×32×16, 2.4 million multiply-adds.
func probeModel() ([]byte, error) {
	const side, c = 32, 16
	m := &tflitefb.Model{Description: "thread probe", Signature: "serving_default", Inputs: []int32{0}, Outputs: []int32{3},
		Tensors: []tflitefb.Tensor{
			{Name: "x", Shape: []int32{1, side, side, c}},
			{Name: "w", Shape: []int32{c, 3, 3, c}, Data: make([]byte, 4*c*9*c)},
			{Name: "b", Shape: []int32{c}, Data: make([]byte, 4*c)},
			{Name: "y", Shape: []int32{1, side, side, c}},
		},
		Operators: []tflitefb.Operator{{Code: tflitefb.Conv2D, Version: 1, Inputs: []int32{0, 1, 2}, Outputs: []int32{3},
			Options: tflitefb.Options{Type: tflitefb.Conv2DOptions, Values: map[string]float64{"stride_w": 1, "stride_h": 1}}}}}
	return tflitefb.Encode(m)
}

// checkHalf proves that the last run computed in half precision: every result is
// then a half-precision number.
func (s *session) checkHalf() error {
	_, out := s.infos()
	checked := false
	for i, info := range out {
		if info.dtype != "float32" {
			continue
		}
		data, err := s.native.read(i)
		if err != nil {
			return err
		}
		half, nonzero := isHalf(data)
		if !half {
			return hint.Wrap(fmt.Errorf("half precision had no effect: output %q is not in half precision", info.name),
				"this library or CPU does not force half precision; leave the option out")
		}
		checked = checked || nonzero
	}
	if !checked {
		return errors.New("half precision cannot be verified: every floating-point output is zero or there is none")
	}
	return nil
}

// on runs f on the session's thread.
func (s *session) on(f func() error) error {
	if s.thread != nil {
		return s.thread.do(f)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f()
}

// Run executes one inference; for a GPU it returns when the results are ready.
func (s *session) Run() error {
	if s.native == nil {
		return errClosed
	}
	if s.thread != nil {
		return s.thread.do(s.native.run)
	}
	return s.native.run()
}

// Outputs returns what the last Run computed.
func (s *session) Outputs() ([]agent.Tensor, error) {
	if s.native == nil {
		return nil, errClosed
	}
	_, out := s.infos()
	tensors := make([]agent.Tensor, len(out))
	err := s.on(func() error {
		for i, info := range out {
			data, err := s.native.read(i)
			if err != nil {
				return fmt.Errorf("read output %q: %w", info.name, err)
			}
			tensors[i] = agent.Tensor{Name: info.name, DType: info.dtype, Shape: info.shape, Data: data}
			if s.graphLayout {
				tensors[i] = toGraph(tensors[i], info.size)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return tensors, nil
}

// arenaSession is a session that can tell its memory itself: one of the classic
// library without a delegate. Delegates have memory of their own, and LiteRT shows
// none: see heapSession.
type arenaSession struct {
	*session
	c *classicSession
}

// MemoryStats are the tensors' arenas: InUse what is kept for the session's life,
// MaxInUse with the activations.
func (s *arenaSession) MemoryStats() (agent.MemoryStats, error) {
	if s.native == nil {
		return agent.MemoryStats{}, errClosed
	}
	persistent := int64(s.c.c.persistent)
	return agent.MemoryStats{InUse: persistent, MaxInUse: persistent + int64(s.c.c.arena), Source: agent.FromAllocator}, nil
}

// Close releases the session. It may be called twice.
func (s *session) Close() error {
	if s.native == nil {
		return nil
	}
	err := s.on(func() error { s.native.close(); return nil })
	s.native = nil
	if s.thread != nil {
		s.thread.stop()
	}
	return err
}

var errClosed = errors.New("the session is closed")

// unsupported marks a refusal by the runtime.
func unsupported(err error) error {
	if err == nil || errors.Is(err, agent.ErrUnsupported) {
		return err
	}
	return fmt.Errorf("%w: %w", agent.ErrUnsupported, err)
}

// boolOption reads a provider option that is 0 or 1.
func boolOption(opt agent.Options, name string) (bool, error) {
	switch v := opt.ProviderOptions[name]; strings.ToLower(v) {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	default:
		return false, hint.Wrap(fmt.Errorf("provider option %s=%s", name, v), "it is 0 or 1")
	}
}
