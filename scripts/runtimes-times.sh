#!/bin/sh
# Times the same models on every CPU runtime, interleaved in one run, and writes them side by side into docs/results.md.
#   make runtimes-times     (about a minute; leave the machine alone meanwhile)
set -eu
cd "$(dirname "$0")/.."
table=$(mktemp)
trap 'rm -f "$table"' EXIT
TF_CPP_MIN_LOG_LEVEL=3 bin/agent-tensorflow compare --markdown --precision fp32 --threads 1 \
	--lane ort:cpu --lane litert:cpu --lane tflite:cpu --lane tensorflow:cpu >"$table"
{
	echo "## The same models on every CPU runtime"
	echo
	echo "\`make runtimes-times\`: one thread, rounds interleaved, outputs compared with the first lane's. $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)."
	echo
	cat "$table"
} | scripts/results.sh runtimes-times
echo "runtimes-times: docs/results.md" >&2
