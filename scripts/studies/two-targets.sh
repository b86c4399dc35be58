#!/usr/bin/env bash
# two-targets.sh: two targets of this machine, a table of each, one search that must
# keep both costs, and what a result of one becomes on the other; writes
# docs/results/two-targets.md. Stop other programs first. Run again, it
# goes on: campaigns and searches that are done are kept.
#
#   TWO_TARGETS       backend:threads of each (default "ort:1 tflite:1"; tflite is LiteRT)
#   TWO_TARGETS_ALSO  a further target, compared only (default "ort:2", empty for none): with as many threads as a
#                     machine has cores a campaign is disturbed, so noisy and preempted records count there
#   TWO_TARGETS_DIR   where campaigns and runs are kept (default demo/two-targets)
#   TWO_TARGETS_TIME  device time of a campaign (default 35s)
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=${TWO_TARGETS_DIR:-demo/two-targets}
time=${TWO_TARGETS_TIME:-35s}
space=examples/tiny-two/space.yaml
protocol=examples/mobile-cnn/protocol.yaml
read -ra targets <<<"${TWO_TARGETS:-ort:1 tflite:1}"
mkdir -p "$dir"

# partial COMMAND…: exit code 3 (finished, but…) is said by the command itself.
partial() {
	local code=0
	"$@" || code=$?
	[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"
}

if [ ! -e "$dir/plan.jsonl" ]; then
	bin/agent plan --space "$space" --calibrate 16 --audit 60 --seed 1 -o "$dir/plan.jsonl"
fi
# table BACKEND:THREADS [costgen's ARGUMENT…]: measures and compiles unless the table is there.
table() {
	local target=$1 name=${1/:/-}
	shift
	[ -e "$dir/$name.lut.json" ] && return
	partial bin/agent bench --plan "$dir/plan.jsonl" --backend "${target%:*}" --provider cpu --threads "${target#*:}" \
		--protocol "$protocol" --max-time "$time" -o "$dir/$name.jsonl"
	bin/costgen compile "$dir/$name.jsonl" "$@" -o "$dir/$name.lut.json"
}
names=()
for target in "${targets[@]}"; do
	table "$target"
	names+=("${target/:/-}")
done
all=$(printf ",$dir/%s.lut.json" "${names[@]}")
all=${all#,}
also=${TWO_TARGETS_ALSO-ort:2}
compared=$all
if [ -n "$also" ]; then
	table "$also" --accept noisy,preempted
	compared+=",$dir/${also/:/-}.lut.json"
fi

# search RUN TABLES: does nothing where the run is finished.
search() {
	[ -e "$dir/$1/certificate.json" ] && return
	partial bin/isosearch run --space "$space" --lut "$2" --evaluator onnx --epsilon 2 --budget 6000 --workers 2 -o "$dir/$1" >"$dir/$1.txt"
}
finals=()
for name in "${names[@]}"; do
	search "run-$name" "$dir/$name.lut.json"
	finals+=("found on $name=$dir/run-$name")
done
search run-all "$all"
finals+=("found for all=$dir/run-all")
for run in "${names[@]/#/run-}" run-all; do bin/isosearch verify "$dir/$run" >>"$dir/verified.txt"; done

price=$(bin/isosearch price --space "$space" --lut "$all" --recompensate --markdown \
	--measure local --measure-arg --max-time=8s -o "$dir/measure" "${finals[@]}")
pairs=$(bin/isosearch price --space "$space" --lut "$compared" --sample 1000 --markdown | sed -n '/^| over/,$p')
{
	echo "# Two targets: one search, and a transfer"
	echo
	echo "examples/tiny-two (fp32 and int8, four mutable layers), one plan of $(grep -c '"case"' "$dir/plan.jsonl") cases on each target, $time of device time."
	echo "A target's name is its runtime and threads; tflite is LiteRT with XNNPACK. All are the same cores."
	echo
	echo "The tables, judged by 60 unseen networks:"
	echo
	echo '```text'
	for name in "${names[@]}" ${also:+"${also/:/-}"}; do
		bin/costgen inspect "$dir/$name.lut.json" >"$dir/$name.txt"
		echo "$name"
		grep -E '^(cells|audit on)|^ +(bias|plain sum|calibrated) |^  (eta|noise floor)' "$dir/$name.txt"
	done
	echo '```'
	echo
	echo "The searches (\`isosearch run --evaluator onnx --epsilon 2 --tau 0.05 --delta 0.05\`), on each table and on all. Utilities are not comparable across runs."
	echo
	echo '```text'
	for run in "${names[@]/#/run-}" run-all; do
		echo "$run"
		sed -n -e '/^final/,/^  utility/{/utility/!s/^/  /p}' -e '/^gain/s/^/  /p' -e '/^neighbours/s/^/  /p' \
			-e 's/^samples  \(.*\); lower bound.*/  samples  \1/p' -e 's/^claim  *not reached.*/  claim        not reached/p' -e 's/^claim  *with.*/  claim        reached/p' \
			"$dir/$run.txt"
	done
	echo '```'
	echo
	echo "Their costs against x0, predicted and measured (one campaign per target); where a result leaves another target's band of ±5 %, also after width and precision are"
	echo "moved. Last: of random architectures at x0's cost on one target, how many are so on the other, and how these rank there."
	echo
	echo "$price"
	echo
	echo "$pairs"
	if [ -n "$also" ]; then
		echo
		echo "${also/:/-} is a table of noisy and preempted records too ($(grep -c '"record".*"validity":\["ok"\]' "$dir/${also/:/-}.jsonl") of its records are ok), as no core is left for the"
		echo "system: noise lowers its agreement with the others. No search uses it."
	fi
} >"$dir/page.md"
scripts/studies/results.sh two-targets "make two-targets" <"$dir/page.md"
cat "$dir/page.md"
