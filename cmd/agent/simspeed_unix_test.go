//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// cpuSeconds is the processor time of this process and of its children that ended.
func cpuSeconds(b *testing.B) float64 {
	total := 0.0
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		total += float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	return total
}

// BenchmarkSimulatedCampaign is agent bench on the simulated device of examples/, both
// processes, the record file and its end included: 40 minutes of the plan of
// examples/mobile-cnn, with a target that no case reaches, so that every model is visited
// in every round.
func BenchmarkSimulatedCampaign(b *testing.B) {
	dir := b.TempDir()
	plan, protocol := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "protocol.yaml")
	if code, _, talk := runAgent(b, "plan", "--space", "../../examples/mobile-cnn/space.yaml", "--calibrate", "24", "--audit", "80", "-o", plan); code != 0 {
		b.Fatal(talk)
	}
	endless := "format: isocost/protocol/v1\nstop: {interval: 0.0001, max_rounds: 100000, max_seconds: 3600}\n"
	if err := os.WriteFile(protocol, []byte(endless), 0o666); err != nil {
		b.Fatal(err)
	}
	cpu, virtual := cpuSeconds(b), 0.0
	for b.Loop() {
		rec := filepath.Join(dir, "rec.jsonl")
		code, out, talk := runAgent(b, "bench", "--plan", plan, "--backend", "sim", "--sim-device", "../../examples/sim-device.yaml",
			"--protocol", protocol, "--max-time", "40m", "-o", rec, "--json")
		var report benchReport
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
			b.Fatalf("exit %d, %v: %s", code, err, talk)
		}
		virtual += report.End.DeviceS
		os.Remove(rec)
	}
	cpu = cpuSeconds(b) - cpu
	b.ReportMetric(virtual/cpu, "virtual-s/cpu-s")
	b.ReportMetric(2400*cpu/virtual, "cpu-s/40min")
}
