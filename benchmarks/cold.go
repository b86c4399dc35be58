package benchmarks

import "github.com/isocost/isocost/lut"

// coldBytes is the number of bytes that a cold frame reads besides the operator in every inference:
// above the second-level cache of a core of today's servers and phones (0.5 to
// 2 MiB), so that the operator's weights have left it when its turn comes again. For a core
// that is known to have a larger one it is twice that.
func (p *Planner) coldBytes() int { return max(4<<20, 2*int(p.Caches.Core)) }

// warmBytes is the size that the tensors of an operator without weights must reach to be
// measured cold: an eighth of the smallest second-level cache above, or of a known one that is smaller.
func (p *Planner) warmBytes() int {
	if core := int(p.Caches.Core); core > 0 {
		return min(64<<10, core/8)
	}
	return 64 << 10
}

// coldInputs is the number of inputs of the layer that reads them: few, so that it
// is a stream of weights and little else.
const coldInputs = 16

// coldWidest is the widest vector a cold frame reads: its 16 columns of weights then
// take half a megabyte and a few microseconds, and must cancel. Wider ones are the
// flat tensors of operators that only move data.
const coldWidest = 8192

// cold appends to every model of a difference a linear layer that reads coldBytes()
// of weights, and thereby cancels. A frame is a small model: run again and again,
// its operator finds its own weights in the nearest cache, as it never does in a
// network whose weights together exceed it. Measured on a server core with 1 MiB
// of second-level cache, the kernels of exported networks of 10 to 100 MB take 5 to
// 20 % longer in the network than in a warm frame, the more the larger their
// weights. Networks that fit into the cache (a space of small blocks) want warm
// frames.
func (p *Planner) cold(op lut.Op, sum Sum) (Sum, error) {
	for _, s := range sum {
		for _, op := range s.Chain {
			if kinds[op.Kind].frame.lazy {
				// It moves data and has no weights, and a runtime moves no more of it than what
				// the row read behind it needs.
				return sum, nil
			}
		}
	}
	stream := true
	if m, err := p.Modules.MemoryOf(op); err != nil {
		return nil, err
	} else if m.Weights == 0 {
		// Tensors that exceed the cache leave nothing of the operator in it. With more
		// added they would leave the last cache, too, as they do not in a network that
		// goes on with smaller tensors (a padded map of 5 MB: 240 µs instead of 130).
		// Small ones are warm in a network, too: its memory is used again and again. And the
		// layer's noise, a microsecond, is more than they cost.
		total, err := p.largest(sum)
		if err != nil || total > p.coldBytes() {
			return sum, err
		}
		stream = max(total, m.In+m.Out) >= p.warmBytes()
	}
	out := make(Sum, len(sum))
	for i, s := range sum {
		last := s.Chain[len(s.Chain)-1]
		_, shape, err := Shapes(last)
		if err != nil {
			return nil, err
		}
		chain := join(s.Chain)
		if len(shape) == 2 && shape[0] > 1 {
			// Of a sequence the first row: anything that read all of it would cost more the
			// wider it is, and a layer that changes the width would not cancel.
			chain = append(chain, firstRow(shape, framePrecision(last.Precision)))
			shape = Shape{shape[1]}
		}
		n := shape.vector()
		if n == 0 || n > coldWidest { // operators that move data: no weights to be cold
			return sum, nil
		}
		// In fp32 whatever the operator's precision: members of a difference may end
		// in different ones, and an int8 layer of so few inputs computes, not streams.
		chain = append(chain, fullyConnected(lut.FP32, 1, n, coldInputs))
		if stream {
			chain = append(chain, fullyConnected(lut.FP32, 1, coldInputs, p.coldBytes()/coldInputs/4))
		}
		out[i] = Summand{s.Coef, chain}
	}
	return out, nil
}

// Evicted is a chain followed by layers that read coldBytes() of weights, so that its own have left the
// nearest cache when its turn comes again, as a network's have. A chain whose weights do that
// alone is returned as it is, and so is one after which no such layer fits.
func (p *Planner) Evicted(c Chain) (Chain, error) {
	total := 0
	for _, op := range c {
		m, err := p.Modules.MemoryOf(op)
		if err != nil {
			return nil, err
		}
		total += m.Weights
	}
	_, shape, err := Shapes(c[len(c)-1])
	if err != nil || total >= p.coldBytes() || len(shape) == 0 {
		return c, err
	}
	out := join(c)
	switch n := shape.vector(); {
	case len(shape) == 2 && shape[0] > 1:
		out = append(out, pooled(shape))
		shape = Shape{shape[1]}
	case n == 0 || n > coldWidest:
		out = append(out, pooled(shape))
		shape = Shape{shape[0]}
	}
	n := shape.vector()
	if n == 0 || n > coldWidest {
		return c, nil
	}
	return append(out, fullyConnected(lut.FP32, 1, n, coldInputs), fullyConnected(lut.FP32, 1, coldInputs, p.coldBytes()/coldInputs/4)), nil
}

// Evicts reports a layer as Evicted appends them last: it is no part of what was to be measured.
func Evicts(op lut.Op) bool {
	cout, _ := op.Coord("cout")
	return 4*coldInputs*cout >= leastEvicted && op.String() == fullyConnected(lut.FP32, 1, coldInputs, cout).String()
}

// leastEvicted are the weights of the smallest such layer, in bytes.
const leastEvicted = 4 << 20

// largest returns the bytes of tensors that the largest model of a difference writes.
func (p *Planner) largest(sum Sum) (int, error) {
	most := 0
	for _, s := range sum {
		total := 0
		for _, op := range s.Chain {
			m, err := p.Modules.MemoryOf(op)
			if err != nil {
				return 0, err
			}
			total += m.Out
		}
		most = max(most, total)
	}
	return most, nil
}
