package costgen

import (
	"path"
	"strings"
	"sync"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/benchmarks/deviceplan"
)

// FamilyOfNetwork returns the family that a network's name tells: that of a plan's chain, which is before the
// slash; else that of the network of the built-in census whose name begins most alike – mobilenet_v3_small_100
// goes with mobilenetv3, resnext101 with resnet –; else the letters it begins with. A network
// without such a name is a family of its own.
func FamilyOfNetwork(name string) string {
	if family := deviceplan.FamilyOf(name); family != "" {
		return family
	}
	plain := plainName(name)
	letters := lettersOf(strings.ToLower(path.Base(name)))
	if letters == "" {
		return name
	}
	// At least its letters must be those of the census's network, and one family alone may have
	// the longest beginning: "mobilenet_75" might be of four.
	family, longest := "", 0
	for _, n := range publicNetworks() {
		switch same := samePrefix(plain, n.plain); {
		case same < len(letters) || same < longest:
		case same > longest:
			family, longest = n.family, same
		case n.family != family:
			family = ""
		}
	}
	if family != "" {
		return family
	}
	return letters
}

// publicNetwork is a network of the built-in census.
type publicNetwork struct{ plain, family string }

var publicNetworks = sync.OnceValue(func() []publicNetwork {
	c, err := census.Default()
	if err != nil {
		return nil
	}
	var out []publicNetwork
	for i := range c.Networks {
		out = append(out, publicNetwork{plainName(c.Networks[i].Name), c.Networks[i].Family})
	}
	return out
})

// plainName is the name of a network without folder, extension and punctuation.
func plainName(name string) string {
	name, _, _ = strings.Cut(path.Base(name), ".")
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

func lettersOf(name string) string {
	end := strings.IndexFunc(name, func(r rune) bool { return !(r >= 'a' && r <= 'z') })
	if end < 0 {
		return name
	}
	return name[:end]
}

func samePrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
