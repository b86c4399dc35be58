#!/usr/bin/env bash
# A whole search that trains its networks: scikit-learn's digits, PyTorch on the
# CPU, costs of this machine. docs/pytorch-search.md explains the steps and shows
# what they print. Run again, it goes on where it was.
#
#   PYTHON            a Python with torch and scikit-learn (default python3)
#   TORCH_SEARCH_DIR  where the results go (default demo/torch-search)
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
dir=${TORCH_SEARCH_DIR:-demo/torch-search}
space=examples/digits/space.yaml
if ! "$python" -c 'import torch, sklearn' 2>/dev/null; then
	echo "$python has no torch or no scikit-learn: pip install torch scikit-learn, or name another with PYTHON=" >&2
	exit 1
fi
mkdir -p "$dir"
step() { printf '\n== %s\n' "$*"; }
# partial COMMAND…: exit code 3 (finished, but…) is said by the command itself.
partial() {
	local code=0
	"$@" || code=$?
	[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"
}

step "1/4 a cost table of the space on this machine"
if [ ! -e "$dir/device.lut.json" ]; then
	[ -e "$dir/plan.jsonl" ] || bin/agent plan --space "$space" --calibrate 16 --audit 60 --seed 1 -o "$dir/plan.jsonl"
	partial bin/agent bench --plan "$dir/plan.jsonl" --backend ort --provider cpu --threads 1 \
		--protocol examples/mobile-cnn/protocol.yaml --max-time 70s -o "$dir/rec.jsonl"
	bin/costgen compile "$dir/rec.jsonl" -o "$dir/device.lut.json"
fi

step "2/4 the search: every utility is a network trained from its seed"
partial bin/isosearch run --space "$space" --lut "$dir/device.lut.json" --workers 2 \
	--evaluator "exec:$python scripts/evaluators/torch_mbconv.py --epochs 4" \
	--epsilon 0.015 --budget 700 --measure local --measure-arg=--max-time=8s -o "$dir/run"

step "3/4 every number again, from the journal alone"
bin/isosearch verify "$dir/run"

step "4/4 the report"
bin/isosearch report "$dir/run" -o "$dir/report.html"
echo "report  $dir/report.html"
