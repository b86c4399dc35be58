package network

import (
	"fmt"
	"strconv"
	"strings"
)

// Tracer is told what a stage of a reader made of a model. The value prints itself and
// may be changed by the next stage.
type Tracer func(stage string, value fmt.Stringer)

// String lists kernels with the nodes they are made of, then what is free and what has no
// key, each with the reason.
func (n *Network) String() string {
	var b strings.Builder
	for _, k := range n.Kernels {
		fmt.Fprintf(&b, "%s", k.Op)
		if len(k.Nodes) > 0 {
			fmt.Fprintf(&b, "  ← %s", Shown(strings.Join(k.Nodes, " + ")))
		}
		b.WriteByte('\n')
	}
	for _, u := range n.Unpriced {
		fmt.Fprintf(&b, "unpriced %s: %s\n", Shown(u.Op+" "+u.Name), u.Reason)
	}
	for _, f := range n.Free {
		fmt.Fprintf(&b, "free %s: %s\n", Shown(f.Op+" "+f.Name), f.Why)
	}
	return b.String()
}

// Shown is a text of the file as it may be printed: as a Go string where it holds what a
// terminal might obey.
func Shown(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}
