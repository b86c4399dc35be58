package report

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/lut"
)

// modelledTable has cells of two kinds of which a model was learned, and the kernels of a census:
// measured, between, beyond, and of a kind that nothing is known of.
func modelledTable(t *testing.T) (*lut.Table, Learned) {
	t.Helper()
	f := lut.File{Format: lut.Format, Metric: lut.Latency, Unit: "us", Policy: lut.PolicyRaw, Device: lut.Device{ID: "d", Model: "board"}}
	var obs []devicemodel.Observation
	family := func(op lut.Op, axes []string, points [][]int) {
		fam := lut.Family{Op: op, Axes: axes}
		for _, at := range points {
			us := 3.0
			for _, v := range at {
				us += float64(v) / 7
			}
			fam.Knots = append(fam.Knots, lut.Knot{At: at, Raw: us, Corrected: us, Lo: us * .98, Hi: us * 1.02, N: 20, Reason: lut.Measured, Records: []string{"c"}})
			obs = append(obs, devicemodel.One(fam.Member(at), us, 0.01*us))
		}
		f.Families = append(f.Families, fam)
	}
	for _, k := range []int{1, 3} {
		var points [][]int
		for cin := 8; cin <= 32; cin *= 2 {
			for cout := 8; cout <= 64; cout += 8 {
				points = append(points, []int{cin, cout, 14, 14})
			}
		}
		family(lut.NewOp("conv", lut.FP32, map[string]string{"k": strconv.Itoa(k), "s": "1"}, nil), []string{"cin", "cout", "h", "w"}, points)
	}
	family(lut.NewOp("gap", lut.FP32, nil, nil), []string{"c", "h", "w"}, [][]int{{8, 7, 7}, {16, 7, 7}, {32, 7, 7}})
	m, err := devicemodel.Fit(obs)
	if err != nil {
		t.Fatal(err)
	}
	f.Model = m.Data()
	tab, err := lut.New(f)
	if err != nil {
		t.Fatal(err)
	}
	about := Learned{Stages: []Stage{{Seconds: 60, Kernels: 10, Error: math.NaN()}, {Seconds: 120, Kernels: 30, Chains: 4, Error: 0.2, Priced: 0.9}, {Seconds: 300, Kernels: 51, Chains: 9, Error: 0.07, Priced: 1}}}
	for i, key := range []string{"conv[k=1,s=1]/fp32@cin=8,cout=8,h=14,w=14", "conv[k=3,s=1]/fp32@cin=16,cout=20,h=14,w=14", "conv[k=3,s=1]/fp32@cin=640,cout=640,h=56,w=56",
		"matmul/fp32@b=2,k=4,m=8,n=8", "gap/fp32@c=24,h=7,w=7"} {
		op, err := lut.ParseOp(key)
		if err != nil {
			t.Fatal(err)
		}
		about.Census = append(about.Census, Kernel{op, 0.1 * float64(i+1)})
	}
	return tab, about
}

func TestReportOfAModel(t *testing.T) {
	tab, about := modelledTable(t)
	var b bytes.Buffer
	if err := Table(&b, tab, nil, about); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{"The model of the device", "51 kernels and 0 sums", "Learning curve", "30 kernels, 4 chains; 90 % of the census priced",
		"Error by kind of kernel", "conv, 48 cells", "How well each kernel of the census is known", "missing 27 %", "measured 7 %", "The largest uncertainty times share of time",
		"Slices of the model", "conv[k=3,s=1]/fp32 at cin="} {
		if !strings.Contains(page, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	for _, never := range []string{"NaN", "Inf"} {
		if strings.Contains(page, never) {
			t.Errorf("the report says %s", never)
		}
	}
	if testing.Short() {
		return // the page in Chromium: make test
	}
	inChromium(t, "model", b.Bytes())
}

// Nobody knows how a table was built that came alone: then there is no curve, but the model shows.
func TestReportOfAModelAlone(t *testing.T) {
	tab, _ := modelledTable(t)
	var b bytes.Buffer
	if err := Table(&b, tab, nil, Learned{}); err != nil {
		t.Fatal(err)
	}
	if page := b.String(); strings.Contains(page, "Learning curve") || strings.Contains(page, "census") || !strings.Contains(page, "Slices of the model") {
		t.Error("a table alone shows what is not known of it, or not what is")
	}
}
