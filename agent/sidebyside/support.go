package sidebyside

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/internal/half"
	"github.com/isocost/isocost/lut"
)

// examples has a small key of every kind of the catalogue, with P for the
// precision: what Support tries. The last of several is meant.
var examples = []string{
	"conv[act=relu6,k=3,s=1]/P@cin=16,cout=16,h=16,w=16",
	"dwconv[act=relu6,k=3,s=1]/P@c=16,h=16,w=16",
	"deconv[k=2,s=2]/P@cin=16,cout=16,h=8,w=8",
	"linear/P@cin=32,cout=24,m=4",
	"matmul/P@b=2,k=16,m=8,n=8",
	"attention[heads=2]/P@dim=32,seq=16",
	"layernorm/P@dim=32,seq=16",
	"rmsnorm/P@dim=32,seq=16",
	"softmax/P@m=4,n=16",
	"relu/P@c=16,h=16,w=16",
	"relu6/P@c=16,h=16,w=16",
	"hswish/P@c=16,h=16,w=16",
	"silu/P@c=16,h=16,w=16",
	"gelu/P@c=16,h=16,w=16",
	"sigmoid/P@c=16,h=16,w=16",
	"hsigmoid/P@c=16,h=16,w=16",
	"add/P@c=16,h=16,w=16",
	"mul/P@c=16,h=16,w=16",
	"sub[b=s]/P@c=16,h=16,w=16",
	"div[b=s]/P@c=16,h=16,w=16",
	"erf/P@c=16,h=16,w=16",
	"tanh/P@c=16,h=16,w=16",
	"exp/P@c=16,h=16,w=16",
	"slice/P@c=16,h=16,w=16",
	"gather/P@c=16,h=16,w=16",
	"pad/P@c=16,h=16,w=16",
	"batchnorm/P@c=16,h=16,w=16",
	"instancenorm/P@c=16,h=16,w=16",
	"leakyrelu/P@c=16,h=16,w=16",
	"prelu/P@c=16,h=16,w=16",
	"clip/P@c=16,h=16,w=16",
	"expand/P@c=16,h=16,w=16",
	"reduce[op=sum]/P@m=16,n=24",
	"min[b=s]/P@c=16,h=16,w=16",
	"max/P@c=16,h=16,w=16",
	"neg/P@c=16,h=16,w=16",
	"abs/P@c=16,h=16,w=16",
	"elu/P@c=16,h=16,w=16",
	"softplus/P@c=16,h=16,w=16",
	"mish/P@c=16,h=16,w=16",
	"gelutanh/P@c=16,h=16,w=16",
	"sin/P@c=16,h=16,w=16",
	"cos/P@c=16,h=16,w=16",
	"round/P@c=16,h=16,w=16",
	"pow[e=2]/P@c=16,h=16,w=16",
	// Of positive numbers.
	"sigmoid/P@c=16,h=16,w=16 sqrt/P@c=16,h=16,w=16",
	"sigmoid/P@c=16,h=16,w=16 log/P@c=16,h=16,w=16",
	"sigmoid/P@c=16,h=16,w=16 reciprocal/P@c=16,h=16,w=16",
	"concat[n=2]/P@c=32,h=16,w=16",
	"split[n=2]/P@c=32,h=16,w=16",
	"avgpool[k=2,s=2]/P@c=16,h=16,w=16",
	"maxpool[k=3,s=2]/P@c=16,h=16,w=16",
	"gap/P@c=16,h=16,w=16",
	"resize[f=2,mode=nearest]/P@c=16,h=8,w=8",
	"depthtospace[f=2]/P@c=16,h=8,w=8",
	"spacetodepth[f=2]/P@c=16,h=8,w=8",
	"transpose[perm=0-2-1-3]/P@d0=1,d1=4,d2=8,d3=16",
	"reshape[to=seq]/P@c=16,h=16,w=16",
	"quantize/P@c=16,h=16,w=16",
	"dequantize/P@c=16,h=16,w=16",
	"switch[from=fp32,to=P]/P@c=16,h=16,w=16",
	"switch[from=int8,to=P]/P@c=16,h=16,w=16",
	"mbconv[act=relu6,k=3,res=1,s=1]/P@cin=16,cout=16,h=16,mid=32,w=16",
	"fusedmbconv[act=relu6,k=3,res=1,s=1]/P@cin=16,cout=16,h=16,mid=32,w=16",
	"resbasic[act=relu,s=1]/P@cin=16,cout=16,h=16,mid=16,w=16",
	"resbottleneck[act=relu,s=1]/P@cin=32,cout=32,h=16,mid=8,w=16",
	"convnext[k=7]/P@c=16,h=16,mid=64,w=16",
	"encoder[act=gelu,heads=2]/P@dim=32,mid=64,seq=16",
	"patchembed[k=4,s=4]/P@cin=3,dim=32,h=16,w=16",
	"patchmerge/P@cin=16,cout=32,h=8,w=8",
	"se[act=hsigmoid,r=4]/P@c=32,h=16,w=16",
}

// SupportCases are the kinds of the catalogue in the precisions given, those of
// them that it can build.
func SupportCases(precisions []lut.Precision) ([]Case, error) {
	var cases []Case
	for _, text := range examples {
		for _, p := range precisions {
			key := strings.NewReplacer("/P@", "/"+string(p)+"@", "=P]", "="+string(p)+"]").Replace(text)
			c := Case{Precision: p}
			have := true // a kind and a precision of it that the catalogue has
			for _, one := range strings.Fields(key) {
				op, err := lut.ParseOp(one)
				if err != nil {
					return nil, err
				}
				have = have && benchmarks.Check(op) == nil
				c.Name, c.Chain = op.Kind, append(c.Chain, op)
			}
			if have {
				cases = append(cases, c)
			}
		}
	}
	return cases, nil
}

// Support opens every case on every lane, runs it once and compares it with the
// reference interpreter (RelRMS); nothing is timed. It fails only on cancellation
// or a case that cannot be built.
func Support(ctx context.Context, cases []Case, lanes []Lane, s Settings) ([]Result, error) {
	var results []Result
	for i, c := range cases {
		g, err := benchmarks.Build(c.Chain, benchmarks.BuildOptions{Batch: 1, Seed: s.Seed})
		if err != nil {
			return nil, err
		}
		inputs, tensors := draw(g, s.Seed)
		ref, err := reference.Run(g, inputs)
		if err != nil {
			return nil, fmt.Errorf("reference of %s: %w", c.Name, err)
		}
		var want []agent.Tensor
		for _, v := range g.Outputs {
			want = append(want, agent.Tensor{Name: v.Name, DType: "float32", Shape: v.Shape, Data: float32Bytes(ref[v.Name])})
		}
		for _, l := range lanes {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			s.tell(float64(i)/float64(len(cases)), c.Name+" in "+string(c.Precision)+" on "+l.Name)
			r := Result{Case: c.Name, Precision: c.Precision, Lane: l.Name}
			s.support(ctx, c, l, tensors, want, &r)
			results = append(results, r)
		}
	}
	return results, nil
}

func (s Settings) support(ctx context.Context, c Case, l Lane, inputs func(dtype string) map[string]agent.Tensor, want []agent.Tensor, r *Result) {
	fail := func(err error) { r.Outcome, r.Detail = outcome(err), err.Error() }
	info, err := l.Backend.Info()
	if err != nil {
		fail(err)
		return
	}
	// A TensorFlow Lite file of a half-precision model has float32 inputs.
	half := "float16"
	if strings.HasPrefix(string(info.Format), "tflite") {
		half = "float32"
	}
	l.Options.Inputs = inputs(half)
	session, out, err := s.prepare(ctx, c, l, r)
	if err != nil {
		fail(err)
		return
	}
	defer session.Close()
	n, err := agent.CompareTensors(out, want)
	if err != nil {
		r.Outcome, r.Detail = Mismatch, err.Error()
		return
	}
	r.RelRMS, r.Outcome = &n.RelRMS, OK
	if limit := s.Tolerance[string(c.Precision)]; !(n.RelRMS <= limit) {
		r.Outcome, r.Detail = Mismatch, fmt.Sprintf("relative RMS error %.3g against the reference, tolerance %.3g", n.RelRMS, limit)
	}
}

// draw makes standard normal inputs: as numbers, and as tensors of the graph with
// its half-precision inputs in the type given.
func draw(g *graph.Graph, seed uint64) (map[string][]float32, func(half string) map[string]agent.Tensor) {
	numbers := map[string][]float32{}
	for i, v := range g.Inputs {
		data := make([]byte, 4*v.Len())
		agent.Synthesise(data, "float32", seed, i)
		x := make([]float32, v.Len())
		for j := range x {
			x[j] = round(v.DType, math.Float32frombits(binary.LittleEndian.Uint32(data[4*j:])))
		}
		numbers[v.Name] = x
	}
	return numbers, func(half string) map[string]agent.Tensor {
		tensors := map[string]agent.Tensor{}
		for _, v := range g.Inputs {
			tensors[v.Name] = tensor(v, numbers[v.Name], half)
		}
		return tensors
	}
}

func round(t graph.DType, x float32) float32 {
	switch t {
	case graph.Float16:
		return half.ToFloat32(half.FromFloat32(x))
	case graph.BFloat16:
		return math.Float32frombits(uint32(half.BFromFloat32(x)) << 16)
	}
	return x
}

func tensor(v *graph.Value, x []float32, as string) agent.Tensor {
	t := agent.Tensor{Name: v.Name, DType: "float32", Shape: v.Shape, Data: float32Bytes(x)}
	switch {
	case v.DType == graph.Float16 && as == "float16":
		t.DType, t.Data = "float16", nil
		for _, f := range x {
			t.Data = binary.LittleEndian.AppendUint16(t.Data, half.FromFloat32(f))
		}
	case v.DType == graph.BFloat16:
		t.DType, t.Data = "bfloat16", nil
		for _, f := range x {
			t.Data = binary.LittleEndian.AppendUint16(t.Data, half.BFromFloat32(f))
		}
	}
	return t
}

func float32Bytes(v []float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
