#!/usr/bin/env bash
# trainings.sh training-lengths|digits-hybrid: a study whose networks are trained, of studies/PAGE.yaml →
# docs/results/PAGE.md. Run again, it goes on where it was: table, searches, every training. Stop other
# programs while it measures: the table (70 s) and the finals (20 s). The page may be written of what is
# trained by then: PAGE=1 trains nothing more.
#
#   WORKERS  trainings at a time (default 2)
set -euo pipefail
cd "$(dirname "$0")/../.."
name=${1:?usage: trainings.sh training-lengths|digits-hybrid}
case $name in
training-lengths) space=digits program=training_lengths.py ;;
digits-hybrid) space=digits-hybrid program=digits_hybrid.py ;;
*)
	echo "trainings.sh: no study $name" >&2
	exit 2
	;;
esac
python=$(scripts/setup-python.sh torch)
PATH=$(dirname "$python"):$PATH # the study's evaluator is python3's
dir=studies/$name.run
mkdir -p "$dir"

if [ ! -e "$dir/device.lut.json" ]; then
	bin/agent plan --space "examples/$space/space.yaml" --calibrate 16 --audit 80 --seed 1 -o "$dir/plan.jsonl"
	# 3 says that some cases failed, as the agent prints: int8 that is too far from fp32, and what a shared machine shook.
	bin/agent bench --plan "$dir/plan.jsonl" --backend ort --provider cpu --threads 1 \
		--protocol examples/mobile-cnn/protocol.yaml --max-time 70s -o "$dir/rec.jsonl" || [ $? = 3 ]
	bin/costgen compile "$dir/rec.jsonl" --accept noisy,drift -o "$dir/device.lut.json"
fi
# Finals lie beside their anchors in every round: the machine's moods slow both, and the page says how far
# a cost is known.
sed -e 's/^drift:.*/drift: {correct: false, allow: 1, limit: 10}/' -e 's/^stop: {/&noisy_above: 1, /' examples/mobile-cnn/protocol.yaml >"$dir/measure.yaml"
echo 'thermal: {slowdown: 1}' >>"$dir/measure.yaml"
bin/isosearch study --config "studies/$name.yaml" --workers "${WORKERS:-2}" --measure-arg=--max-time=20s \
	--measure-arg="--protocol=$dir/measure.yaml" -o "$dir/study" >/dev/null
if [ "${PAGE:-0}" != 1 ]; then python3 "scripts/studies/$program" train "$dir"; fi
{
	python3 "scripts/studies/$program" page "$dir"
	echo
	echo "### The table of costs"
	echo
	echo '```text'
	bin/costgen inspect "$dir/device.lut.json" | grep -E '^audit on|^  (plain sum|calibrated|noise floor|eta|rank in band|feasibility.*±5 %)'
	echo '```'
} >"$dir/page.md"
scripts/studies/results.sh "$name" "make $name" <"$dir/page.md"
