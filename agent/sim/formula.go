package sim

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Formula is an arithmetic expression over an operator's coordinates and numeric
// attributes: numbers, names, + - * / ^, parentheses, and the functions ceil,
// floor, sqrt, min, max. Example: 2 + 1.1e-5*h*w*cin*ceil(cout/8)*8.
type Formula struct {
	text string
	root node
}

type node func(vars map[string]float64) (float64, error)

// ParseFormula compiles an expression.
func ParseFormula(text string) (Formula, error) {
	p := &parser{text: text}
	n, err := p.sum()
	if err == nil && p.space() < len(text) {
		err = fmt.Errorf("unexpected %q", text[p.at:])
	}
	if err != nil {
		return Formula{}, fmt.Errorf("formula %q: %w", text, err)
	}
	return Formula{text, n}, nil
}

// Eval computes the value; a name that vars lacks is an error.
func (f Formula) Eval(vars map[string]float64) (float64, error) {
	v, err := f.root(vars)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = fmt.Errorf("the value is %v", v)
	}
	if err != nil {
		return 0, fmt.Errorf("formula %q: %w", f.text, err)
	}
	return v, nil
}

// UnmarshalText makes a Formula a string (or a plain number) in YAML.
func (f *Formula) UnmarshalText(text []byte) error {
	parsed, err := ParseFormula(string(text))
	if err == nil {
		*f = parsed
	}
	return err
}

// MarshalText writes the expression back.
func (f Formula) MarshalText() ([]byte, error) { return []byte(f.text), nil }

type parser struct {
	text  string
	at    int
	depth int
}

func (p *parser) space() int {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
	return p.at
}

func (p *parser) take(chars string) byte {
	if p.space() < len(p.text) && strings.IndexByte(chars, p.text[p.at]) >= 0 {
		p.at++
		return p.text[p.at-1]
	}
	return 0
}

func binaryNode(op byte, a, b node) node {
	return func(vars map[string]float64) (float64, error) {
		x, err := a(vars)
		if err != nil {
			return 0, err
		}
		y, err := b(vars)
		if err != nil {
			return 0, err
		}
		switch op {
		case '+':
			return x + y, nil
		case '-':
			return x - y, nil
		case '*':
			return x * y, nil
		case '/':
			return x / y, nil
		}
		return math.Pow(x, y), nil
	}
}

func (p *parser) sum() (node, error) {
	if p.depth++; p.depth > 100 {
		return nil, fmt.Errorf("nested too deep")
	}
	defer func() { p.depth-- }()
	n, err := p.product()
	for err == nil {
		op := p.take("+-")
		if op == 0 {
			break
		}
		var m node
		if m, err = p.product(); err == nil {
			n = binaryNode(op, n, m)
		}
	}
	return n, err
}

func (p *parser) product() (node, error) {
	n, err := p.power()
	for err == nil {
		op := p.take("*/")
		if op == 0 {
			break
		}
		var m node
		if m, err = p.power(); err == nil {
			n = binaryNode(op, n, m)
		}
	}
	return n, err
}

func (p *parser) power() (node, error) {
	n, err := p.atom()
	if err == nil && p.take("^") != 0 {
		var m node
		if m, err = p.power(); err == nil {
			n = binaryNode('^', n, m)
		}
	}
	return n, err
}

var functions = map[string]func([]float64) (float64, error){
	"ceil":  one(math.Ceil),
	"floor": one(math.Floor),
	"sqrt":  one(math.Sqrt),
	"min":   two(math.Min),
	"max":   two(math.Max),
}

func one(f func(float64) float64) func([]float64) (float64, error) {
	return func(x []float64) (float64, error) {
		if len(x) != 1 {
			return 0, fmt.Errorf("one argument is needed")
		}
		return f(x[0]), nil
	}
}

func two(f func(a, b float64) float64) func([]float64) (float64, error) {
	return func(x []float64) (float64, error) {
		if len(x) != 2 {
			return 0, fmt.Errorf("two arguments are needed")
		}
		return f(x[0], x[1]), nil
	}
}

func (p *parser) atom() (node, error) {
	if p.depth++; p.depth > 100 {
		return nil, fmt.Errorf("nested too deep")
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("(") != 0:
		n, err := p.sum()
		if err == nil && p.take(")") == 0 {
			err = fmt.Errorf("a ( is not closed")
		}
		return n, err
	case p.take("-") != 0:
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		zero := func(map[string]float64) (float64, error) { return 0, nil }
		return binaryNode('-', zero, n), nil
	}
	start := p.space()
	for p.at < len(p.text) && isWord(p.text, p.at, start) {
		p.at++
	}
	word := p.text[start:p.at]
	if word == "" {
		if start < len(p.text) {
			return nil, fmt.Errorf("unexpected %q", p.text[start:])
		}
		return nil, fmt.Errorf("it ends too early")
	}
	if c := word[0]; c >= '0' && c <= '9' || c == '.' {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", word)
		}
		return func(map[string]float64) (float64, error) { return v, nil }, nil
	}
	if p.take("(") == 0 {
		return func(vars map[string]float64) (float64, error) {
			v, ok := vars[word]
			if !ok {
				return 0, fmt.Errorf("the operator has no %q", word)
			}
			return v, nil
		}, nil
	}
	f, ok := functions[word]
	if !ok {
		return nil, fmt.Errorf("unknown function %q", word)
	}
	var args []node
	for {
		n, err := p.sum()
		if err != nil {
			return nil, err
		}
		args = append(args, n)
		if p.take(",") == 0 {
			break
		}
	}
	if p.take(")") == 0 {
		return nil, fmt.Errorf("a ( is not closed")
	}
	if _, err := f(make([]float64, len(args))); err != nil {
		return nil, fmt.Errorf("%s: %w", word, err)
	}
	return func(vars map[string]float64) (float64, error) {
		x := make([]float64, len(args))
		for i, a := range args {
			v, err := a(vars)
			if err != nil {
				return 0, err
			}
			x[i] = v
		}
		return f(x)
	}, nil
}

// isWord reports whether the byte at i belongs to the word that began at start:
// names, and numbers with an exponent's sign.
func isWord(s string, i, start int) bool {
	c := s[i]
	switch {
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '.':
		return true
	case c == '-' || c == '+':
		first := s[start]
		return i > start && (s[i-1] == 'e') && (first >= '0' && first <= '9' || first == '.')
	}
	return false
}
