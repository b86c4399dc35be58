#!/usr/bin/env bash
# study.sh NAME…: runs studies/NAME.yaml, goes on where it was killed, and writes
# its page in docs/results. The study's directory is studies/NAME.run, kept out of the
# repository: journal of every search, results.json, report.html.
#
#   DATA   public data (default ../shared/data); what is not there is said
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${DATA:-../shared/data}

nas_bench_macro() {
	mkdir -p studies/nas-bench-macro
	cp examples/nas-bench-macro/tabular.yaml studies/nas-bench-macro/
	python3 scripts/nas_bench_macro.py "$data/nas-bench-macro/nas-bench-macro_cifar10.json" >studies/nas-bench-macro/table.new
	mv studies/nas-bench-macro/table.new studies/nas-bench-macro/nas-bench-macro.jsonl
}

for name in "$@"; do
	config=studies/$name.yaml run=studies/$name.run
	case $name in nas-bench-macro*) [ -e studies/nas-bench-macro/nas-bench-macro.jsonl ] || nas_bench_macro ;; esac
	nice -n 19 bin/isosearch study --config "$config" -o "$run" >/dev/null
	bin/isosearch report "$run" -o "$run/report.html"
	{
		head -n 1 "$config"
		echo
		sed -n '3,/^format/{/^format/d;s/^# \{0,1\}//p}' "$config"
		echo "[studies/$name.yaml](../../studies/$name.yaml)"
		echo
		cat "$run/results.md"
	} | MEASURED_ON="${MEASURED_ON:-published trainings with simulated noise}" scripts/studies/results.sh "study-$name" "scripts/studies/study.sh $name"
done
