#!/usr/bin/env bash
# runtimes.sh: docs/results/runtimes-side-by-side.md, which puts the runtimes' times beside one another.
# Takes half a minute; other programs should be stopped. With bin/agent-tensorflow there (make
# test-tensorflow builds it) TensorFlow has a column.
set -euo pipefail
cd "$(dirname "$0")/../.."
agent=bin/agent
lanes=(--lane ort:cpu --lane litert:cpu --lane tflite:cpu)
if [ -x bin/agent-tensorflow ]; then
	agent=bin/agent-tensorflow
	lanes+=(--lane tensorflow:cpu)
fi
times=$("$agent" compare --rounds 25 --markdown "${lanes[@]}")
cat <<END | scripts/studies/results.sh runtimes-side-by-side "make runtimes"
# Runtimes side by side

\`agent compare\`: the same graphs, weights and inputs in one interleaved run of 25 rounds, one thread. A time stands only where the results
agree with the first column's. litert is LiteRT 2.3.0, tflite the classic C library (2.9.0); both run XNNPACK.

$times

Feeding is not timed.
END
