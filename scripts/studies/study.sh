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

# The same networks at the costs of examples/nas-bench-macro/measured.
measured() {
	mkdir -p studies/nas-bench-macro
	sed -e '/^#/d' -e 's/^name: .*/name: nas-bench-macro-measured/' -e 's/^table: .*/table: measured.jsonl/' \
		examples/nas-bench-macro/tabular.yaml >studies/nas-bench-macro/measured.yaml
	python3 scripts/studies/nas_bench_macro_measured.py rows "$data/nas-bench-macro/nas-bench-macro_cifar10.json" >studies/nas-bench-macro/table.new
	mv studies/nas-bench-macro/table.new studies/nas-bench-macro/measured.jsonl
}

# short leaves the curves and fronts to results.md, and the transfers of other methods than the first.
short() {
	awk -F ' *[|] *' '/^#/ { drop = /^### (Gain after|Regret after|Fronts)/; transfer = /^### Transfer/ }
		/^[|]/ && !first && $3 != "method" && $3 !~ /^-/ { first = $3 }
		!drop && !(transfer && /^[|] space/ && $4 != first)'
}

for name in "$@"; do
	config=studies/$name.yaml run=studies/$name.run
	on="published trainings with simulated noise"
	case $name in
	nas-bench-macro) [ -e studies/nas-bench-macro/nas-bench-macro.jsonl ] || nas_bench_macro ;;
	nas-bench-macro-*)
		[ -e studies/nas-bench-macro/measured.jsonl ] || measured
		on="$on, at the costs of tables measured on a $(sed -n 's/.*"cpu":"\([^"]*\)".*/\1/p' examples/nas-bench-macro/measured/ort-fp32-1.lut.json), shared virtual machine"
		;;
	esac
	nice -n 19 bin/isosearch study --config "$config" -o "$run" >/dev/null
	bin/isosearch report "$run" -o "$run/report.html"
	{
		head -n 1 "$config"
		echo
		sed -n '3,/^format/{/^format/d;s/^# \{0,1\}//p}' "$config"
		echo "[studies/$name.yaml](../../studies/$name.yaml)"
		echo
		case $name in
		nas-bench-macro-measured) short | python3 scripts/studies/nas_bench_macro_measured.py page ;;
		nas-bench-macro-*) short ;;
		*) cat ;;
		esac <"$run/results.md"
	} | MEASURED_ON="${MEASURED_ON:-$on}" scripts/studies/results.sh "study-$name" "scripts/studies/study.sh $name"
done
