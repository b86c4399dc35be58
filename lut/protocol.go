package lut

import (
	"strconv"
	"strings"
)

// Protocol is the measuring protocol: its canonical text and the hash of that, so
// that whoever holds the table can measure what compares with it. Tables that were
// imported or made before the text was kept have the hash alone.
type Protocol struct {
	SHA256 string `json:"sha256"`
	YAML   string `json:"yaml,omitempty"`
}

// Batch is the number of items per inference; every cost of the table is of that many.
// known is false where there is no text to say it; what others publish is of batch 1.
func (p Protocol) Batch() (n int, known bool) {
	for line := range strings.Lines(p.YAML) {
		if text, ok := strings.CutPrefix(line, "batch:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(text))
			return max(n, 1), err == nil // 0 leaves the batch to the plan, whose chains are of 1
		}
	}
	return 1, false
}
