package isotonic

import (
	"context"
	"math"
)

// flow is Dinic's maximum flow on real capacities; a capacity up to eps counts as
// used up.
type flow struct {
	first, next, to []int
	cap             []twofold
	level, it       []int
}

// unlimited is the capacity of an edge that no flow uses up.
var unlimited = single(math.Inf(1))

func newFlow(n int) *flow {
	g := &flow{first: make([]int, n), level: make([]int, n), it: make([]int, n)}
	for i := range g.first {
		g.first[i] = -1
	}
	return g
}

func (g *flow) edge(a, b int, capacity twofold) {
	g.to = append(g.to, b, a)
	g.cap = append(g.cap, capacity, twofold{})
	g.next = append(g.next, g.first[a], g.first[b])
	g.first[a], g.first[b] = len(g.to)-2, len(g.to)-1
}

// max is less than the maximum when ctx ends first.
func (g *flow) max(ctx context.Context, source, sink int, eps float64) twofold {
	var total twofold
	for ctx.Err() == nil && g.layer(source, sink, eps) {
		copy(g.it, g.first)
		for ctx.Err() == nil {
			f := g.push(source, sink, unlimited, eps)
			if !f.exceeds(eps) {
				break
			}
			total = total.plus(f)
		}
	}
	return total
}

func (g *flow) layer(source, sink int, eps float64) bool {
	for i := range g.level {
		g.level[i] = -1
	}
	g.level[source] = 0
	queue := []int{source}
	for len(queue) > 0 {
		a := queue[0]
		queue = queue[1:]
		for e := g.first[a]; e >= 0; e = g.next[e] {
			if b := g.to[e]; g.cap[e].exceeds(eps) && g.level[b] < 0 {
				g.level[b] = g.level[a] + 1
				queue = append(queue, b)
			}
		}
	}
	return g.level[sink] >= 0
}

func (g *flow) push(a, sink int, limit twofold, eps float64) twofold {
	if a == sink {
		return limit
	}
	for ; g.it[a] >= 0; g.it[a] = g.next[g.it[a]] {
		e := g.it[a]
		b := g.to[e]
		if !g.cap[e].exceeds(eps) || g.level[b] != g.level[a]+1 {
			continue
		}
		room := limit
		if g.cap[e].less(room) {
			room = g.cap[e]
		}
		if f := g.push(b, sink, room, eps); f.exceeds(eps) {
			if g.cap[e] != unlimited {
				g.cap[e] = g.cap[e].minus(f)
			}
			if g.cap[e^1] != unlimited {
				g.cap[e^1] = g.cap[e^1].plus(f)
			}
			return f
		}
	}
	return twofold{}
}

func (g *flow) reachable(source int, eps float64) []bool {
	seen := make([]bool, len(g.first))
	seen[source] = true
	stack := []int{source}
	for len(stack) > 0 {
		a := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for e := g.first[a]; e >= 0; e = g.next[e] {
			if b := g.to[e]; g.cap[e].exceeds(eps) && !seen[b] {
				seen[b] = true
				stack = append(stack, b)
			}
		}
	}
	return seen
}
