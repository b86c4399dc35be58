#!/usr/bin/env bash
# Holds the default search against its goals → docs/results/search-goals.md. Landscapes of
# published trainings (../shared/data), and one of made-up utilities at the costs of the
# simulated device of examples/, measured and compiled here.
#
#   ISOCOST_GOALS_ANCHORS   anchors per landscape (default 40; half of them on NAS-Bench-201, a tenth on made-up utilities)
#   ISOCOST_GOALS_PIECES    a folder (default .search-goals): a study that was stopped goes on from it, landscape by
#                           landscape; what other code left there is computed anew
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bin/agent plan --space examples/mobile-cnn/space.yaml --calibrate 8 --audit 20 --seed 1 -o "$dir/plan.jsonl"
bin/agent bench --plan "$dir/plan.jsonl" --backend sim --sim-device examples/sim-device.yaml -o "$dir/rec.jsonl" || [ $? = 3 ]
bin/costgen compile "$dir/rec.jsonl" -o "$dir/sim.lut.json" >/dev/null
export ISOCOST_GOALS_PIECES=${ISOCOST_GOALS_PIECES:-$PWD/.search-goals}
mkdir -p "$ISOCOST_GOALS_PIECES"
ISOCOST_KNOBS_LUT=$dir/sim.lut.json ISOCOST_GOALS=$dir/goals.md go test ./search -run TestSearchMeetsItsGoals -count=1 -timeout 120m
MEASURED_ON="published trainings and made-up utilities, with simulated noise" scripts/studies/results.sh search-goals 'make search-study' <"$dir/goals.md"
