#!/usr/bin/env bash
# The main job on this machine, end to end: what is it, what to measure, measure,
# compile and audit, search at equal cost, check, draw. Run again, it goes on
# where it was and reuses what is still valid.
#
#   DEMO_DIR   where the results go (default demo/)
#   DEMO_SPACE the space to search (default examples/mobile-cnn/space.yaml)
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${DEMO_DIR:-demo}
space=${DEMO_SPACE:-examples/mobile-cnn/space.yaml}
mkdir -p "$dir"

step() { printf '\n== %s\n' "$*"; }

# fresh FILE INPUT…: FILE exists and is newer than every input.
fresh() {
	local out=$1
	shift
	[ -e "$out" ] || return 1
	local in
	for in in "$@"; do [ "$out" -nt "$in" ] || return 1; done
}

# allow_partial COMMAND…: exit code 3 (finished, but…) is said by the command
# itself and does not end the demo.
allow_partial() {
	local code=0
	"$@" || code=$?
	[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"
}

step "1/7 the device"
bin/agent device

step "2/7 what to measure: every operator the space can ask for, 16 networks to calibrate, 60 to audit"
if fresh "$dir/plan.jsonl" "$space" bin/agent; then
	echo "reusing $dir/plan.jsonl"
else
	bin/agent plan --space "$space" --calibrate 16 --audit 60 --seed 1 -o "$dir/plan.jsonl.new"
	# The same plan again keeps the records that were measured for it.
	if cmp -s "$dir/plan.jsonl.new" "$dir/plan.jsonl"; then
		rm "$dir/plan.jsonl.new"
		touch "$dir/plan.jsonl"
	else
		mv "$dir/plan.jsonl.new" "$dir/plan.jsonl"
		rm -f "$dir/rec.jsonl"
	fi
fi

step "3/7 measuring on ONNX Runtime, one thread, all cases interleaved"
allow_partial bin/agent bench --plan "$dir/plan.jsonl" --backend ort --provider cpu --threads 1 \
	--protocol examples/mobile-cnn/protocol.yaml --max-time 150s -o "$dir/rec.jsonl"

step "4/7 compiling and auditing the cost table"
if fresh "$dir/device.lut.json" "$dir/rec.jsonl" bin/costgen; then
	echo "reusing $dir/device.lut.json"
	bin/costgen inspect "$dir/device.lut.json"
else
	bin/costgen compile "$dir/rec.jsonl" -o "$dir/device.lut.json"
fi
bin/costgen report --lut "$dir/device.lut.json" --records "$dir/rec.jsonl" -o "$dir/table.html"

step "5/7 searching at equal cost"
# Another table is another search: the old run is kept aside, not continued.
if [ -e "$dir/run/journal.jsonl" ] && ! fresh "$dir/run/journal.jsonl" "$dir/device.lut.json"; then
	rm -rf "$dir/run.old"
	mv "$dir/run" "$dir/run.old"
	echo "the table is new; the earlier search is in $dir/run.old"
fi
allow_partial bin/isosearch run --space "$space" --lut "$dir/device.lut.json" --evaluator onnx \
	--tau 0.05 --epsilon "${DEMO_EPSILON:-2}" --delta 0.05 --budget "${DEMO_BUDGET:-8000}" --measure local --measure-arg=--max-time=4s --workers 2 \
	-o "$dir/run"

step "6/7 recomputing every number of the certificate"
bin/isosearch verify "$dir/run"

step "7/7 the report"
bin/isosearch report "$dir/run" -o "$dir/report.html"
printf '\ntable   %s\nreport  %s\n' "$dir/table.html" "$dir/report.html"
