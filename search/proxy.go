package search

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/search/space"
)

// finalNeighbours says how many of the final's neighbours are audited at most: with
// the anchor and the incumbents enough for a few hundred pairs, and few enough for
// an evaluator that trains each.
const finalNeighbours = 16

// FinalRef is the evaluator of final utilities. A search compares by a proxy; what
// the proxy is worth is measured on an audited set after the search.
type FinalRef struct {
	Identity
	Pool bool `json:"pool,omitempty"` // its samples are finite: all are taken, else one
}

// CertFidelity compares proxy and final utility on architectures in the band: the
// anchor, the accepted incumbents and sampled neighbours of the final, evenly from
// their list.
type CertFidelity struct {
	Evaluator Identity `json:"evaluator"`
	Archs     int      `json:"archs"` // those the final evaluator could judge
	Spearman  *float64 `json:"spearman,omitempty"`
	// Pairs are those whose final utilities differ; Wrong those of them that the proxy
	// orders otherwise: the in-band sign error is Wrong/Pairs.
	Pairs   int         `json:"pairs"`
	Wrong   int         `json:"wrong"`
	Audited []CertProxy `json:"audited"`
}

// CertProxy is one audited architecture: the mean of the search's own samples and
// of the final ones.
type CertProxy struct {
	Arch   string  `json:"arch"`
	Proxy  float64 `json:"proxy"`
	ProxyN int     `json:"proxy_n"`
	Final  float64 `json:"final"`
	FinalN int     `json:"final_n"`
}

// ProxyRank is the rank correlation (Spearman) of proxy and final utilities; nil
// where there is none: of fewer than three, or of equal values.
func ProxyRank(proxy, final []float64) *float64 {
	if len(final) < 3 {
		return nil
	}
	return finite(stats.Spearman(proxy, final))
}

// ProxyPairs counts the pairs of one band whose final utilities differ, and those
// of them that the proxy orders otherwise.
func ProxyPairs(proxy, final []float64) (pairs, wrong int) {
	for i := range final {
		for j := range i {
			if final[i] == final[j] {
				continue
			}
			pairs++
			if (proxy[i] > proxy[j]) != (final[i] > final[j]) {
				wrong++
			}
		}
	}
	return pairs, wrong
}

// proxyMean holds what the search sampled of one architecture at full fidelity.
type proxyMean struct {
	sum float64
	n   int
}

// audited lists the architectures whose final utility is asked for.
func audited(res *Result, t *tape) []string {
	var keys []string
	add := func(key string) {
		if t.proxy(key).n > 0 && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	add(res.Anchor.Key)
	for _, v := range res.Path {
		if !v.Refused {
			add(v.Key)
		}
	}
	add(res.Final.Key)
	var near []string
	for _, n := range res.Neighbours {
		if t.proxy(n.Key).n > 0 && n.Dead == "" && !slices.Contains(keys, n.Key) {
			near = append(near, n.Key)
		}
	}
	n := min(len(near), finalNeighbours)
	for i := range n {
		add(near[i*len(near)/n])
	}
	return keys
}

// audit has final utilities evaluated when a search has ended. Interrupted, there
// is not a comparison.
func audit(ctx context.Context, p Problem, h Header, res *Result, t *tape, ask Ask) (*CertFidelity, error) {
	if h.Final == nil {
		return nil, nil
	}
	var reqs []Request
	keys := audited(res, t)
	for _, key := range keys {
		a, err := space.ParseArch(key)
		if err != nil {
			return nil, err
		}
		n := 1
		if p.FinalPool != nil {
			n = max(p.FinalPool(a), 1)
		}
		for i := range n {
			reqs = append(reqs, Request{Arch: a, Key: key, Stream: StreamFinal, Index: i, Seed: SampleSeed(h.Settings.Seed, StreamFinal, key, i), Fidelity: 1})
		}
	}
	out, err := ask(ctx, reqs)
	if errors.Is(err, ErrStop) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	sums := map[string]proxyMean{}
	for i, o := range out {
		if m := sums[reqs[i].Key]; o.Failed == "" {
			sums[reqs[i].Key] = proxyMean{m.sum + o.Utility, m.n + 1}
		}
	}
	f := &CertFidelity{Evaluator: h.Final.Identity, Audited: []CertProxy{}}
	var proxy, final []float64
	for _, key := range keys {
		m, was := sums[key], t.proxy(key)
		if m.n == 0 {
			continue
		}
		x := CertProxy{Arch: key, Proxy: was.sum / float64(was.n), ProxyN: was.n, Final: m.sum / float64(m.n), FinalN: m.n}
		f.Audited = append(f.Audited, x)
		proxy, final = append(proxy, x.Proxy), append(final, x.Final)
	}
	f.Archs, f.Spearman = len(final), ProxyRank(proxy, final)
	f.Pairs, f.Wrong = ProxyPairs(proxy, final)
	return f, nil
}

// rests says what a claim about the proxy is worth.
func (f *CertFidelity) rests(h Header) string {
	claim := fmt.Sprintf("the claim is about the proxy, %s, not about %s", h.Evaluator.Spec, h.Final.Spec)
	if f == nil || f.Archs == 0 {
		return claim + "; what the proxy is worth is not known: no final utilities were had"
	}
	text := fmt.Sprintf("%s: of %d pairs in the band whose final utilities differ the proxy orders %d wrongly (%d architectures", claim, f.Pairs, f.Wrong, f.Archs)
	if f.Spearman != nil {
		text += fmt.Sprintf(", Spearman %.3g", *f.Spearman)
	}
	return text + ")"
}
