package reference

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
)

// unary are the functions of one number.
var unary = map[string]func(float64) float64{
	graph.Relu:     func(x float64) float64 { return max(0, x) },
	graph.Relu6:    func(x float64) float64 { return min(6, max(0, x)) },
	graph.Sigmoid:  func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
	graph.SiLU:     func(x float64) float64 { return x / (1 + math.Exp(-x)) },
	graph.HSigmoid: func(x float64) float64 { return min(6, max(0, x+3)) / 6 },
	graph.HSwish:   func(x float64) float64 { return x * min(6, max(0, x+3)) / 6 },
	graph.Erf:      math.Erf,
	graph.Tanh:     math.Tanh,
	graph.Exp:      math.Exp,
	graph.Sqrt:     math.Sqrt,
	graph.Log:      math.Log,
	graph.Neg:      func(x float64) float64 { return -x },
	graph.Abs:      math.Abs,
	graph.Elu: func(x float64) float64 {
		if x < 0 {
			return math.Expm1(x)
		}
		return x
	},
	graph.Softplus:   softplus,
	graph.Reciprocal: func(x float64) float64 { return 1 / x },
	graph.Sin:        math.Sin,
	graph.Cos:        math.Cos,
	graph.Mish:       func(x float64) float64 { return x * math.Tanh(softplus(x)) },
	graph.Round:      math.RoundToEven,
	graph.GeluTanh: func(x float64) float64 {
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	},
	graph.Clip: func(x float64) float64 { return min(1, max(-1, x)) },
	graph.LeakyRelu: func(x float64) float64 {
		if x < 0 {
			return 0.01 * x
		}
		return x
	},
	graph.Gelu: func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) },
}

func softplus(x float64) float64 { return math.Log1p(math.Exp(x)) }

// binary are the functions of two numbers, whose tensors are broadcast.
var binary = map[string]func(u, v float64) float64{
	graph.Add: func(u, v float64) float64 { return u + v },
	graph.Sub: func(u, v float64) float64 { return u - v },
	graph.Mul: func(u, v float64) float64 { return u * v },
	graph.Div: func(u, v float64) float64 { return u / v },
	graph.Min: func(u, v float64) float64 { return min(u, v) },
	graph.Max: func(u, v float64) float64 { return max(u, v) },
}

// prelu has a slope for what is negative, a constant tensor that is broadcast.
func (e *env) prelu(n *graph.Node, out []float32) {
	slope, y := n.In[1], n.Out[0]
	for i, v := range e.vals[n.In[0]] {
		out[i] = v
		if v < 0 {
			out[i] *= e.vals[slope][broadcast(i, y.Shape, slope.Shape)]
		}
	}
}

func (e *env) pow(n *graph.Node, out []float32) {
	for i, v := range e.vals[n.In[0]] {
		out[i] = float32(math.Pow(float64(v), float64(n.Attrs.Floats["exponent"])))
	}
}
