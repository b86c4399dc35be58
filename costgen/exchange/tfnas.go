package exchange

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"

	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/lut"
)

// tfnasName is a block of AberHu/TF-NAS (models/model_search.py, its latency
// table): type_size_cin_se_cout_kK_sS_activation, its values by mid-channels, ms.
var tfnasName = regexp.MustCompile(`^MBInvertedResBlock_(\d+)_(\d+)_(\d+)_(\d+)_k(\d+)_s(\d+)_(relu|swish)$`)

func readTFNAS(data []byte, p lut.Precision) (published, error) {
	var out published
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return out, fmt.Errorf("TF-NAS table: %w", strictjson.Plain(err))
	}
	for name, v := range raw {
		if name == "base" {
			if err := json.Unmarshal(v, &out.base); err != nil {
				return out, fmt.Errorf("TF-NAS table: base: %w", strictjson.Plain(err))
			}
			out.base *= 1000
			continue
		}
		m := tfnasName.FindStringSubmatch(name)
		if m == nil {
			out.unknown = append(out.unknown, name)
			continue
		}
		var n [6]int
		for i := range n {
			n[i], _ = strconv.Atoi(m[i+1]) // digits by the pattern; too many are refused as a coordinate below
		}
		size, cin, se, cout, k, s := n[0], n[1], n[2], n[3], n[4], n[5]
		attrs := map[string]string{"k": strconv.Itoa(k), "s": strconv.Itoa(s), "act": map[string]string{"relu": "relu", "swish": "silu"}[m[7]]}
		if se > 0 {
			attrs["se"] = "c" + strconv.Itoa(se) // channels of the squeeze, not a ratio
		}
		if s == 1 && cin == cout {
			attrs["res"] = "1"
		}
		var cells map[string]float64
		if err := json.Unmarshal(v, &cells); err != nil {
			return out, fmt.Errorf("TF-NAS table: %s: %w", name, strictjson.Plain(err))
		}
		for mid, ms := range cells {
			c, err := strconv.Atoi(mid)
			if err != nil {
				return out, fmt.Errorf("TF-NAS table: %s: mid-channels %q are not a number", name, mid)
			}
			op := lut.NewOp("mbconv", p, attrs, map[string]int{"h": size, "w": size, "cin": cin, "mid": c, "cout": cout})
			if _, err := lut.ParseOp(op.String()); err != nil {
				return out, fmt.Errorf("TF-NAS table: %s mid=%s: %w", name, mid, err)
			}
			out.entries = append(out.entries, entry{op: op, us: ms * 1000, where: fmt.Sprintf("%s mid=%d", name, c)})
		}
	}
	return out, nil
}
