package study

import (
	"fmt"
	"strings"
	"testing"
)

func TestAGuardIsKept(t *testing.T) {
	c := example(t)
	c.Tables, c.Guards = []string{"space:cpu_us", "space:cpu_us"}, [][]string{nil, {"space:dsp_us"}}
	c.Methods, c.Seeds, c.RandomAnchors, c.Budget = []string{"band-random"}, []uint64{1}, 6, 200
	res, _ := runIn(t, t.TempDir(), c)
	alone, guarded := "space:cpu_us", "space:cpu_us+space:dsp_us"
	if len(res.Tables) != 2 || res.Tables[0].Name != alone || res.Tables[1].Name != guarded {
		t.Fatalf("tables %+v", res.Tables)
	}
	left, sum := 0, map[string]float64{}
	for _, u := range res.Units {
		tr := u.Transfer[0]
		gain, _ := u.Gain()
		sum[u.Table] += gain
		if u.Table == guarded && (!u.Inside || !tr.Was) {
			t.Errorf("with its guard a search left %v %+v", u.Inside, tr)
		}
		if u.Table == alone && !tr.Was {
			left++
			if tr.AsIs*tr.AsIs <= c.Tau*c.Tau {
				t.Errorf("left the guard by %g", tr.AsIs)
			}
		}
	}
	if left == 0 {
		t.Fatal("no search without the guard leaves it: the test says nothing")
	}
	g := res.guarded()[0]
	if n := len(res.Anchors); g.units != n || g.outside != left || len(g.lost.values) != n || g.guard != "space:dsp_us" {
		t.Errorf("%d of %d left the guard: %+v", left, len(res.Anchors), g)
	}
	// What keeps two tables is inside each of them: all its gain is kept.
	want := fmt.Sprintf("%.0f %%", 100*sum[guarded]/sum[alone])
	if got := res.retained(TransferRow{From: guarded, To: alone, Method: "band-random"}); got != want {
		t.Errorf("%s of the gain is kept, want %s", got, want)
	}
	if md := res.Markdown(); !strings.Contains(md, "### Guards") || len(res.guarded()) != 1 {
		t.Errorf("%+v\n%s", res.guarded(), md)
	}
}
