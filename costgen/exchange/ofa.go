package exchange

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/internal/strictyaml"
	"github.com/isocost/isocost/lut"
)

// The YAML of once-for-all and ProxylessNAS (ofa/nas/efficiency_predictor,
// LatencyEstimator): a key "type-input:HxWxC-output:HxWxC[-expand:E-kernel:K-stride:S-idskip:R-se:Q-hs:A]"
// holds {mean: ms, count: n}. expand is the ratio mid/cin; values above
// maxExpand are mid-channels, as some forks write.
const maxExpand = 12

// ofaConvs are the layer types that are plain convolutions: kernel and stride.
var ofaConvs = map[string][2]int{
	"Conv": {3, 2}, "first_conv": {3, 2}, "Conv_1": {1, 1}, "final_expand_layer": {1, 1}, "feature_mix_layer": {1, 1},
}

func readOFA(data []byte, p lut.Precision) (published, error) {
	var out published
	type row struct {
		Mean   *float64
		Std    float64
		Var    float64 // of milliseconds, as the published tables have it
		Count  float64
		Others map[string]any `yaml:",inline"`
	}
	var raw map[string]row
	if err := yaml.Unmarshal(data, &raw); err != nil {
		p := strictyaml.Problems(err)[0]
		return out, fmt.Errorf("once-for-all table: line %d: %s", p.Line, p.Text)
	}
	others := map[string]int{}
	for name, v := range raw {
		for field := range v.Others {
			others[field]++
		}
		if v.Std == 0 && v.Var > 0 {
			v.Std = math.Sqrt(v.Var)
		}
		if v.Mean == nil {
			return out, fmt.Errorf("once-for-all table: %s has no mean", name)
		}
		op, err := ofaOp(name, p)
		if err != nil {
			out.unknown = append(out.unknown, name)
			continue
		}
		out.entries = append(out.entries, entry{op: op, us: decimal(*v.Mean * 1000), std: math.Max(0, v.Std) * 1000, n: max(0, int(v.Count)), where: name})
	}
	for _, field := range slices.Sorted(maps.Keys(others)) {
		out.warnings = append(out.warnings, lut.Warning{Code: "unknown-field", Detail: fmt.Sprintf("%q of %d entries is not known and was not read", field, others[field])})
	}
	return out, nil
}

func ofaOp(name string, p lut.Precision) (lut.Op, error) {
	kind, rest, _ := strings.Cut(name, "-")
	f := map[string]string{}
	for part := range strings.SplitSeq(rest, "-") {
		k, v, ok := strings.Cut(part, ":")
		if !ok {
			return lut.Op{}, fmt.Errorf("%s: %q is not name:value", name, part)
		}
		f[k] = v
	}
	shape := func(s string) (h, w, c int, err error) {
		_, err = fmt.Sscanf(s, "%dx%dx%d", &h, &w, &c)
		if err != nil {
			err = fmt.Errorf("%s: shape %q", name, s)
		}
		return h, w, c, err
	}
	h, w, cin, err := shape(f["input"])
	if err != nil {
		return lut.Op{}, err
	}
	_, _, cout, err := shape(f["output"])
	if err != nil {
		// The classifier's output is its number of classes alone.
		if cout, err = strconv.Atoi(f["output"]); err != nil {
			return lut.Op{}, fmt.Errorf("%s: output %q", name, f["output"])
		}
	}
	num := func(k string) int { n, _ := strconv.Atoi(f[k]); return n }
	var op lut.Op
	switch {
	case ofaConvs[kind] != [2]int{}:
		ks := ofaConvs[kind]
		op = lut.NewOp("conv", p, map[string]string{"k": strconv.Itoa(ks[0]), "s": strconv.Itoa(ks[1])}, map[string]int{"h": h, "w": w, "cin": cin, "cout": cout})
	case kind == "classifier":
		op = lut.NewOp("linear", p, nil, map[string]int{"m": 1, "cin": cin, "cout": cout})
	case kind == "expanded_conv" || kind == "MBConv":
		mid := num("expand")
		if mid <= maxExpand {
			mid *= cin
		}
		attrs := map[string]string{"k": f["kernel"], "s": f["stride"], "act": "relu6"}
		if num("hs") == 1 {
			attrs["act"] = "hswish"
		}
		if num("se") == 1 {
			attrs["se"] = "4"
		}
		if num("idskip") == 1 {
			attrs["res"] = "1"
		}
		op = lut.NewOp("mbconv", p, attrs, map[string]int{"h": h, "w": w, "cin": cin, "mid": mid, "cout": cout})
	default:
		return lut.Op{}, fmt.Errorf("%s: unknown layer type", name)
	}
	_, err = lut.ParseOp(op.String())
	return op, err
}

// writeOFA writes the convolutions and inverted residuals of a table. What the
// format cannot name is returned.
func writeOFA(t *lut.Table) (data []byte, skipped []string) {
	var lines []string
	unit := 1.0 / 1000 // us → ms
	each(t, func(op lut.Op, c lut.Cost, k lut.Knot) {
		at := func(a string) int { v, _ := op.Coord(a); return v }
		s, _ := strconv.Atoi(op.Attr("s"))
		var name string
		switch {
		case op.Kind == "conv" && op.Attr("k") == "3" && s == 2 && onlyAttrs(op, "k", "s"):
			name = "Conv"
		case op.Kind == "conv" && op.Attr("k") == "1" && s == 1 && onlyAttrs(op, "k", "s"):
			name = "Conv_1"
		case op.Kind == "mbconv" && at("cin") > 0 && at("mid")%at("cin") == 0 && at("mid")/at("cin") <= maxExpand && onlyAttrs(op, "k", "s", "act", "se", "res") &&
			(op.Attr("act") == "relu6" || op.Attr("act") == "hswish") && (op.Attr("se") == "" || op.Attr("se") == "4"):
			name = "expanded_conv"
		default:
			skipped = append(skipped, op.String())
			return
		}
		oh, ow := (at("h")+s-1)/max(1, s), (at("w")+s-1)/max(1, s)
		name += fmt.Sprintf("-input:%dx%dx%d-output:%dx%dx%d", at("h"), at("w"), at("cin"), oh, ow, at("cout"))
		if op.Kind == "mbconv" {
			flag := func(b bool) int {
				if b {
					return 1
				}
				return 0
			}
			name += fmt.Sprintf("-expand:%d-kernel:%s-stride:%d-idskip:%d-se:%d-hs:%d", at("mid")/at("cin"), op.Attr("k"), s,
				flag(op.Attr("res") == "1"), flag(op.Attr("se") != ""), flag(op.Attr("act") == "hswish"))
		}
		lines = append(lines, fmt.Sprintf("%s: {count: %d, mean: %s}\n", name, k.N, number(decimal(c.Value*unit))))
	})
	slices.Sort(lines)
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l)
	}
	return b.Bytes(), skipped
}

// onlyAttrs reports whether the op has no attributes but these, and is fp32: the
// format has no field for any other.
func onlyAttrs(op lut.Op, names ...string) bool {
	if op.Precision != lut.FP32 {
		return false
	}
	return !slices.ContainsFunc(op.Attrs, func(a lut.Attr) bool { return !slices.Contains(names, a.Name) })
}
