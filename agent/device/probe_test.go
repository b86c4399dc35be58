package device

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// simulated runs the probe on a virtual machine whose speed is a function of time.
func simulated(t *testing.T, length time.Duration, slowdown func(at time.Duration) float64, preempt func() bool) Noise {
	t.Helper()
	var now time.Duration
	var switches int64
	n, err := probe(context.Background(), length, func() time.Duration { return now },
		func(n int) float64 {
			dt := float64(n) * slowdown(now) // 1 ns a step
			if preempt() {
				switches++
				dt += 4e6
			}
			now += time.Duration(dt)
			return 0
		}, func() int64 { return switches })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestProbeSeesTheKindOfNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	never := func() bool { return false }
	quiet := func(time.Duration) float64 { return 1 + rng.NormFloat64()*0.002 }
	board := Identity{Topology: Topology{CPUs: make([]CPU, 4)}}

	n := simulated(t, 3*time.Second, quiet, never)
	if n.SpreadPct > 0.5 || n.BlockPct > 0.5 || n.Preempted != 0 {
		t.Errorf("a quiet machine: %+v", n)
	}
	if v := Judge(board, State{}, &n); v.Grade != Good || len(v.Reasons) > 0 {
		t.Errorf("a quiet machine is judged %+v", v)
	}

	n = simulated(t, 3*time.Second, func(at time.Duration) float64 { return quiet(at) * (1 + 0.05*at.Seconds()/3) }, never)
	if n.TrendPct < 2 || n.TrendPct > 5 {
		t.Errorf("a machine that slows by 5 %%: trend %.1f %%", n.TrendPct)
	}
	if v := Judge(board, State{}, &n); v.Grade == Good {
		t.Errorf("a drifting machine is judged %+v", v)
	}

	n = simulated(t, 3*time.Second, quiet, func() bool { return rng.Float64() < 0.1 })
	if n.Preempted < 0.05 || n.SpreadPct > 1 {
		t.Errorf("a busy machine: %+v", n)
	}
	if v := Judge(board, State{}, &n); v.Grade != Poor || !strings.Contains(strings.Join(v.Reasons, "\n"), "other programs") {
		t.Errorf("a busy machine is judged %+v", v)
	}

	// A neighbour on the host takes a fifth of the speed for half a second.
	n = simulated(t, 3*time.Second, func(at time.Duration) float64 {
		if at > time.Second && at < 1500*time.Millisecond {
			return quiet(at) * 1.25
		}
		return quiet(at)
	}, never)
	if n.BlockPct < 15 {
		t.Errorf("half a second at 4/5 speed: %+v", n)
	}
	if v := Judge(Identity{Virtual: "virtual machine"}, State{}, &n); v.Grade != Poor || !strings.Contains(strings.Join(v.Advice, "\n"), "quantile") {
		t.Errorf("judged %+v", v)
	}
}

func TestJudgeBoards(t *testing.T) {
	for name, want := range map[string]string{"raspberry-pi-5": Good, "raspberry-pi-4": Poor, "pixel-6": Poor, "x86-server": Good, "jetson-nano-jp4": Poor} {
		d := openBoard(t, name)
		if v := Judge(d.Identity(), d.Snapshot(), &Noise{Samples: 1000}); v.Grade != want {
			t.Errorf("%s is judged %+v, want %s", name, v, want)
		}
	}
	server := openBoard(t, "x86-server")
	if v := Judge(server.Identity(), server.Snapshot(), nil); v.Grade != Unknown {
		t.Errorf("unprobed, the server is judged %+v", v)
	}
	if v := Judge(Identity{Emulated: "qemu-aarch64"}, State{}, nil); v.Grade != Poor {
		t.Errorf("an emulated machine is judged %+v", v)
	}
}

func TestProbeForReal(t *testing.T) {
	d, err := Open("/")
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.Probe(context.Background(), 800*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if n.MedianUS < 50 || n.MedianUS > 5000 || n.Samples < 100 {
		t.Errorf("%+v", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Probe(ctx, time.Hour); err == nil {
		t.Error("a cancelled probe returned a result")
	}
}
