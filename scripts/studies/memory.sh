#!/usr/bin/env bash
# memory.sh: how well peak memory is predicted, to the byte of what ONNX Runtime asks
# for; writes docs/results/memory.md. Bytes are no timings: the machine
# need not be quiet.
#
# One plan of examples/mobile-cnn (cells, networks to calibrate, networks to audit) is
# measured by agent bench --metric latency,memory and compiled to a memory table, which
# costgen audits on networks that it never saw. With exported models the same table
# predicts those: from the model as it is (costgen predict net.onnx) and from its kernels
# as the runtime here runs them (agent lower, then predict), against agent bench.
#
#   NAMES       names in MODELS_DIR without .onnx (default: those of testdata/peaks.txt)
#   MODELS_DIR  exported models (scripts/export_models.py makes them); without it the
#               page's second part is left out
#   MEMORY_DIR  where the records are kept (default demo/memory); they start anew
#   PYTHON      the interpreter, 3.8 or newer (default python3)
#   RESULTS     0 prints the page and leaves docs/results/ alone (default 1)
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=${MEMORY_DIR:-demo/memory}
rm -rf "$dir"
mkdir -p "$dir"
bench() { bin/agent bench "$@" --threads 1 --estimator min --numeric-check=false --metric latency,memory; }
# Latencies of a few rounds: nobody reads them here.
few() { "$@" >"$dir/log" 2>&1 || [ $? -le 3 ] || { cat "$dir/log" >&2 && exit 1; }; }

bin/agent plan --space examples/mobile-cnn/space.yaml --calibrate 24 --audit 60 -o "$dir/plan.jsonl" >&2
few bench --plan "$dir/plan.jsonl" --max-time 2s -o "$dir/space.jsonl"
bin/costgen compile "$dir/space.jsonl" --metric memory -o "$dir/memory.lut.json" >"$dir/compile.txt" 2>/dev/null

if [ -n "${MODELS_DIR:-}" ]; then
	mkdir "$dir/lowered"
	for name in ${NAMES:-$(sed -n 's/\.onnx .*//p' benchmarks/onnxreader/testdata/peaks.txt)}; do
		m=$MODELS_DIR/$name.onnx
		few bench "$m" --dim N=1 --max-time 10ms -o "$dir/$name.rec.jsonl"
		few bin/agent lower "$m" --dim N=1 -o "$dir/lowered/$name.json"
		bin/costgen predict --lut "$dir/memory.lut.json" --json --dim N=1 "$m" >"$dir/$name.file.json" 2>/dev/null || [ $? -le 3 ]
		bin/costgen predict --lut "$dir/memory.lut.json" --json "$dir/lowered/$name.json" >"$dir/$name.kernels.json" 2>/dev/null || [ $? -le 3 ]
		rm "$dir/lowered/$name.json"
	done
fi
"${PYTHON:-python3}" scripts/studies/memory.py "$dir" >"$dir/page.md"
if [ "${RESULTS:-1}" = 0 ]; then cat "$dir/page.md"; else scripts/studies/results.sh memory "make memory" <"$dir/page.md"; fi
