package anchors

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/space"
)

// most says how many anchors one command draws: a slip of the keyboard should not
// start a million searches.
const most = 1000

// Random says how a number of anchors is named that are drawn, as in random:8.
const Random = "random:"

// Check says whether the words of a list of anchors can be read.
func Check(words []string) error {
	for _, w := range words {
		if _, _, err := word(w); err != nil {
			return err
		}
	}
	return nil
}

// word reads one word: a number of anchors to draw, or one architecture.
func word(w string) (draw int, a space.Arch, err error) {
	text, ok := strings.CutPrefix(w, Random)
	if !ok {
		a, err = space.ParseArch(w)
		return 0, a, hint.Wrap(err, "an anchor is an architecture's key, or random:N for N that are drawn")
	}
	draw, err = strconv.Atoi(text)
	if err != nil || draw < 1 || draw > most {
		return 0, a, fmt.Errorf("anchors %q: %.20q is not a whole number from 1 to %d", w, text, most)
	}
	return draw, a, nil
}

// List resolves words: keys of architectures of s, and random:N for N that are
// drawn with the seed, as a study draws them. What is drawn and was there already
// is left out; a key that is named twice is an error. The order is the words'.
func List(s space.Space, words []string, seed uint64) ([]string, error) {
	var keys []string
	seen := map[string]bool{}
	for _, w := range words {
		n, a, err := word(w)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			if err := s.Validate(a); err != nil {
				return nil, fmt.Errorf("anchor %s: %w", w, err)
			}
			key := space.Canonical(s, a).Key()
			if seen[key] {
				return nil, fmt.Errorf("anchor %s is named twice", key)
			}
			seen[key], keys = true, append(keys, key)
			continue
		}
		for _, a := range space.Sample(s, n, seed) {
			if key := space.Canonical(s, a).Key(); !seen[key] {
				seen[key], keys = true, append(keys, key)
			}
		}
	}
	return keys, nil
}
