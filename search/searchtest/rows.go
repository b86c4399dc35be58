package searchtest

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/isocost/isocost/search/space"
)

// Rows are 3⁵ made-up networks of five layers with choices a, b and c: nearly equal
// costs in us, three utilities each, whose noise is that of one fixed seed.
func Rows() []space.Row {
	rng := rand.New(rand.NewPCG(1, 2))
	var rows []space.Row
	for i := range 243 {
		var arch []string
		u, us := 0.0, 100.0
		for l, n := 0, i; l < 5; l, n = l+1, n/3 {
			arch = append(arch, string("abc"[n%3]))
			u += float64((n%3*(l+3)*7)%5) / 2
			us += float64(n%3) * 1.5
		}
		rows = append(rows, space.Row{Arch: strings.Join(arch, "|"), Utility: []float64{u, u + rng.Float64(), u - rng.Float64()},
			Cost: map[string]float64{"us": us}})
	}
	return rows
}

// WriteRows writes a table of networks.
func WriteRows(t testing.TB, path string, rows []space.Row) {
	t.Helper()
	var b bytes.Buffer
	for _, r := range rows {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
