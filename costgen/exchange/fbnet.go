package exchange

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/lut"
)

// The JSON of mobile-vision's tables (mobile_cv/lut/lib: LutItem, the repr of
// OpProperty): a list of {"op": {"type", "info"}, "input_shapes": [[N,C,H,W]],
// "latency": ms}.
type fbnetItem struct {
	Op struct {
		Type string `json:"type"`
		Info struct {
			InChannels  int             `json:"in_channels"`
			OutChannels int             `json:"out_channels"`
			KernelSize  json.RawMessage `json:"kernel_size"`
			Stride      json.RawMessage `json:"stride"`
			Padding     json.RawMessage `json:"padding"`
			Dilation    json.RawMessage `json:"dilation"`
			Groups      int             `json:"groups"`
			InFeatures  int             `json:"in_features"`
			OutFeatures int             `json:"out_features"`
		} `json:"info"`
	} `json:"op"`
	InputShapes [][]int  `json:"input_shapes"`
	Latency     *float64 `json:"latency"`
	Std         float64  `json:"std"`
	Count       int      `json:"count"`
}

func readFBNet(data []byte, p lut.Precision) (published, error) {
	var out published
	var items []fbnetItem
	if err := json.Unmarshal(data, &items); err != nil {
		return out, fmt.Errorf("mobile-vision table: %w", strictjson.Plain(err))
	}
	for i, it := range items {
		where := fmt.Sprintf("item %d (%s)", i, it.Op.Type)
		if it.Latency == nil {
			return out, fmt.Errorf("mobile-vision table: %s has no latency", where)
		}
		op, err := it.key(p)
		if err == nil {
			_, err = lut.ParseOp(op.String())
		}
		if err != nil {
			out.unknown = append(out.unknown, where)
			continue
		}
		out.entries = append(out.entries, entry{op: op, us: *it.Latency * 1000, std: max(0, it.Std) * 1000, n: max(0, it.Count), where: where + " " + op.String()})
	}
	return out, nil
}

func (it *fbnetItem) key(p lut.Precision) (lut.Op, error) {
	f := it.Op.Info
	if len(it.InputShapes) == 0 {
		return lut.Op{}, fmt.Errorf("no input shape")
	}
	shape := it.InputShapes[0]
	switch it.Op.Type {
	case "Linear":
		m := 1
		for _, d := range shape[:max(0, len(shape)-1)] {
			m *= d
		}
		return lut.NewOp("linear", p, nil, map[string]int{"m": m, "cin": f.InFeatures, "cout": f.OutFeatures}), nil
	case "Conv2d":
		if len(shape) != 4 || shape[0] != 1 {
			return lut.Op{}, fmt.Errorf("input %v is not one image", shape)
		}
		k, err1 := pair(f.KernelSize, 1)
		s, err2 := pair(f.Stride, 1)
		d, err3 := pair(f.Dilation, 1)
		pad, err4 := pair(f.Padding, 0)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil || s[0] != s[1] || d[0] != d[1] {
			return lut.Op{}, fmt.Errorf("strides or dilations are not square")
		}
		attrs := map[string]string{"k": strconv.Itoa(k[0]), "s": strconv.Itoa(s[0])}
		if k[0] != k[1] {
			attrs["k"] = fmt.Sprintf("%dx%d", k[0], k[1])
		}
		if d[0] != 1 {
			attrs["d"] = strconv.Itoa(d[0])
		}
		switch {
		case pad[0] == d[0]*(k[0]-1)/2 && pad[1] == d[1]*(k[1]-1)/2: // same
		case pad == [2]int{}:
			attrs["p"] = "0"
		default:
			attrs["p"] = fmt.Sprintf("%d-%d-%d-%d", pad[0], pad[1], pad[0], pad[1])
		}
		at := map[string]int{"h": shape[2], "w": shape[3]}
		if f.Groups > 1 && f.Groups == f.InChannels && f.InChannels == f.OutChannels {
			at["c"] = f.InChannels
			return lut.NewOp("dwconv", p, attrs, at), nil
		}
		if f.Groups > 1 {
			attrs["g"] = strconv.Itoa(f.Groups)
		}
		at["cin"], at["cout"] = f.InChannels, f.OutChannels
		return lut.NewOp("conv", p, attrs, at), nil
	}
	return lut.Op{}, fmt.Errorf("type %q has no key", it.Op.Type)
}

// pair reads 3, [3] or [3, 5]; absent is (def, def).
func pair(raw json.RawMessage, def int) ([2]int, error) {
	if len(raw) == 0 {
		return [2]int{def, def}, nil
	}
	var one int
	if json.Unmarshal(raw, &one) == nil {
		return [2]int{one, one}, nil
	}
	var many []int
	if err := json.Unmarshal(raw, &many); err != nil || len(many) < 1 || len(many) > 2 {
		return [2]int{}, fmt.Errorf("%s is neither a number nor a pair", raw)
	}
	return [2]int{many[0], many[len(many)-1]}, nil
}
