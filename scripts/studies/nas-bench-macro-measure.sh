#!/usr/bin/env bash
# nas-bench-macro-measure.sh: measures NAS-Bench-Macro's network family on this machine and
# writes the tables of examples/nas-bench-macro/measured, by which studies/nas-bench-macro-*.yaml
# search. Stop other programs first: four latency campaigns. Run again, it goes on; for another
# machine take another DIR.
#
# What the searches found is measured beside its anchors afterwards:
#
#   scripts/studies/study.sh nas-bench-macro-measured
#   scripts/studies/nas_bench_macro_measured.py finals studies/nas-bench-macro-measured.run > finals.json
#
#   DIR     where plans and records are kept (default demo/nas-bench-macro)
#   TIME    device time of a campaign (default 78s)
#   TABLES  where tables go (default examples/nas-bench-macro/measured)
#   NETWORKS  that calibrate, and that judge (default "16 60"); NETWORKS="2 3" TIME=30s is a quick look
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=${DIR:-demo/nas-bench-macro}
tables=${TABLES:-examples/nas-bench-macro/measured}
read -r calibrate audit <<<"${NETWORKS:-16 60}"
mkdir -p "$dir" "$tables"

# partial COMMAND…: exit code 3 (finished, but…) is said by the command itself.
partial() {
	local code=0
	"$@" || code=$?
	[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"
}

# plan NAME SPACE
plan() {
	[ -e "$dir/$1.plan.jsonl" ] ||
		bin/agent plan --space "examples/nas-bench-macro/$2" --calibrate "$calibrate" --audit "$audit" --isolated --seed 1 -o "$dir/$1.plan.jsonl"
}
plan fp32 space.yaml
plan int8 space-int8.yaml

# latency TABLE PLAN BACKEND THREADS. A shared machine drifts and shakes: records that say so are
# used, and the audit says what the table is worth.
latency() {
	partial bin/agent bench --plan "$dir/$2.plan.jsonl" --backend "$3" --provider cpu --threads "$4" \
		--protocol examples/mobile-cnn/protocol.yaml --max-time "${TIME:-78s}" -o "$dir/$1.jsonl"
	bin/costgen compile "$dir/$1.jsonl" --accept noisy,drift -o "$tables/$1.lut.json"
}
latency ort-fp32-1 fp32 ort 1
latency litert-fp32-1 fp32 tflite 1
latency ort-int8-1 int8 ort 1
latency ort-fp32-2 fp32 ort 2
python3 scripts/studies/nas_bench_macro_measured.py isolated "$dir" >"$tables/isolated.json"

# Bytes are no timings, and the simulated device has its own clock.
partial bin/agent bench --plan "$dir/fp32.plan.jsonl" --threads 1 --estimator min --numeric-check=false --metric latency,memory \
	--max-time "${TIME:-40s}" -o "$dir/memory.jsonl"
bin/costgen compile "$dir/memory.jsonl" --metric memory -o "$tables/memory.lut.json"
partial bin/agent bench --plan "$dir/fp32.plan.jsonl" --backend sim --sim-device examples/sim-device.yaml --threads 1 --metric latency,energy \
	-o "$dir/sim.jsonl"
for metric in latency energy; do
	bin/costgen compile "$dir/sim.jsonl" --metric "$metric" -o "$tables/sim-$metric.lut.json"
done
