#!/usr/bin/env bash
# accuracy.sh: how well a table of the example space predicts whole networks that
# it never saw, from one campaign on this machine; writes docs/results/accuracy.md.
# Stop other programs first.
#
#   ACCURACY_DIR  where the campaign is kept (default demo/accuracy); it starts anew each time
#   ACCURACY_TIME device time of the campaign (default 170s)
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=${ACCURACY_DIR:-demo/accuracy}
rm -rf "$dir"
mkdir -p "$dir"
bin/agent plan --space examples/mobile-cnn/space.yaml --calibrate 16 --audit 60 --seed 2 -o "$dir/plan.jsonl"
code=0
bin/agent bench --plan "$dir/plan.jsonl" --backend ort --provider cpu --protocol examples/mobile-cnn/protocol.yaml \
	--max-time "${ACCURACY_TIME:-170s}" -o "$dir/rec.jsonl" || code=$?
[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"
{
	echo "# Accuracy of a space's table"
	echo
	echo "examples/mobile-cnn: ten mutable layers, fp32 and int8, 60 random unseen networks, one campaign of ${ACCURACY_TIME:-170s} device time."
	echo
	echo '```text'
	bin/costgen compile "$dir/rec.jsonl" -o "$dir/device.lut.json" 2>/dev/null
	echo '```'
} | tee /dev/stderr | scripts/studies/results.sh accuracy "make accuracy"
bin/costgen report --lut "$dir/device.lut.json" --records "$dir/rec.jsonl" -o "$dir/table.html"
