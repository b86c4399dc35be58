#!/usr/bin/env bash
# accuracy-unseen.sh: how well a table made in minutes prices networks of which no kernel
# and no relative was measured; writes docs/results/accuracy-unseen.md. Stop other programs first.
#
# costgen build makes a table of this machine. The networks that judge it are measured
# before and after, interleaved, beside the drift reference; none of their kernels is planned,
# and nothing of their families is in the census that the plan covers. The tables that the build
# would have made in less time are compiled from its first campaigns: the learning curve.
#
#   MODELS_DIR      exported models (default demo/models; those missing are exported by
#                   scripts/export_models.py)
#   PYTHON          an interpreter with torch, torchvision, timm, onnx, onnxscript and onnxruntime (default: the
#                   one that scripts/setup-python.sh torch sets up, where a model is missing)
#   UNSEEN_DIR      where everything is kept (default demo/accuracy-unseen); it goes on where it was
#   MINUTES         device time of each table (default 10)
#   TRUTH_TIME      device time of each measurement of the networks (default 40s)
#   NETWORKS        NAME=FAMILY… of the networks that judge (default: 24, 10 and 12)
#   PRECISIONS      default "fp32 int8"
#   STEPS           some of "export measure prior baseline page" (default: all); prior makes the table of a second device,
#                   the same on two threads, in PRIOR_MINUTES (default 3), starting from that on one; baseline
#                   measures the standard grids, and random shapes, for BASELINE_MINUTES each (default MINUTES)
#   RESULTS         0 prints the page and leaves docs/results/ alone (default 1)
set -euo pipefail
cd "$(dirname "$0")/../.."
models=${MODELS_DIR:-demo/models}
dir=${UNSEEN_DIR:-demo/accuracy-unseen}
minutes=${MINUTES:-10}
truth=${TRUTH_TIME:-40s}
steps=" ${STEPS:-export measure prior baseline page} "
# The networks of make accuracy-models, ten of further families, and twelve of families that nobody looked at; families as
# the census has them.
fresh="fasternet_t0=fasternet gernet_s=gernet mambaout_femto=mambaout iformer_t=iformer lowformer_b0=lowformer cpubone_nano=cpubone efficientvim_m1=efficientvim rdnet_tiny=rdnet nextvit_small=nextvit gcvit_xxtiny=gcvit botnet26t=botnet convformer_s18=convformer"
networks="mobilenet_v1=mobilenetv1 mobilenet_v2=mobilenetv2 mobilenet_v3_large=mobilenetv3 mnasnet1_0=mnasnet efficientnet_lite0=efficientnet resnet18=resnet resnet50=resnet squeezenet1_1=squeezenet deit_tiny=vit mobilevit_xs=mobilevit
mobilenetv4_conv_small=mobilenetv4 hardcorenas_a=hardcorenas fbnetc_100=fbnet squeezenet1_0=squeezenet mixer_s32=mixer resnext50_32x4d=resnet mobilenet_v3_small=mobilenetv3 mnasnet0_5=mnasnet efficientnet_b0=efficientnet regnet_y_400mf=regnet repvgg_a0=repvgg mobileone_s0=mobileone googlenet=inception levit_128s=levit
shufflenet_v2_x1_0=shufflenet densenet121=densenet ghostnet_100=ghostnet convnext_atto=convnext poolformer_s12=poolformer rexnet_100=rexnet efficientvit_b0=efficientvit starnet_s1=starnet lcnet_050=lcnet edgenext_xx_small=edgenext $fresh"
read -ra networks <<<"$(tr '\n' ' ' <<<"${NETWORKS:-$networks}")"
read -ra precisions <<<"${PRECISIONS:-fp32 int8}"

form() { case $1 in fp32) echo script ;; int8) echo script.qdq ;; *) echo "accuracy-unseen.sh: precision $1 is neither fp32 nor int8" >&2; return 2 ;; esac; }
allow_partial() {
	local code=0
	"$@" || code=$?
	[ "$code" = 0 ] || [ "$code" = 3 ] || return "$code"
}
mkdir -p "$dir"

# files PRECISION: the models that judge, those that were exported.
files() {
	for n in "${networks[@]}"; do
		local f="$models/${n%%=*}.$(form "$1").onnx"
		if [ -e "$f" ]; then echo "$f"; fi
	done
}

if [[ $steps == *" export "* ]]; then
	missing=()
	for p in "${precisions[@]}"; do
		for n in "${networks[@]}"; do
			if [ ! -e "$models/${n%%=*}.$(form "$p").onnx" ] && [[ " ${missing[*]-} " != *" ${n%%=*} "* ]]; then missing+=("${n%%=*}"); fi
		done
	done
	if [ ${#missing[@]} -gt 0 ]; then allow_partial "${PYTHON:-$(scripts/setup-python.sh torch)}" scripts/export_models.py -o "$models" --forms script,qdq "${missing[@]}"; fi
	for p in "${precisions[@]}"; do
		rm -f "$dir/$p.unseen.gz"
		for n in "${networks[@]}"; do
			f="$models/${n%%=*}.$(form "$p").onnx"
			if [ ! -e "$f" ]; then continue; fi
			with=()
			if [ -e "$dir/$p.unseen.gz" ]; then with=(--with "$dir/$p.unseen.gz"); fi
			bin/costgen census "$f" --family "${n#*=}" --precision "$p" --dim N=1 "${with[@]}" -o "$dir/$p.unseen.gz" 2>/dev/null
		done
	done
fi

# The protocol of the networks: as costgen build's.
cat >"$dir/protocol.yaml" <<END
format: isocost/protocol/v1
threads: 1
estimator: quantile
quantile: 0.25
model_warmup: {runs: 3, max_seconds: 0.03}
sample: {min_seconds: 0.0003, per_visit: 2, discard: 1}
stop: {interval: 0.00001, min_rounds: 12, max_rounds: 100000, min_samples: 24, max_seconds: 3600}
check: {placement: false, numeric: false}
drift: {correct: false, allow: 1, limit: 10}
END

measure() { # PRECISION NAME.WHEN THREADS
	local list
	mapfile -t list < <(files "$1")
	allow_partial bin/agent bench "${list[@]}" --dim N=1 --protocol "$dir/protocol.yaml" --threads "$3" --max-time "$truth" -o "$dir/$2.rec.jsonl" >/dev/null
}

if [[ $steps == *" measure "* ]]; then
	for p in "${precisions[@]}"; do
		measure "$p" "$p.before" 1
		bin/costgen build --minutes "$minutes" --precision "$p" --unseen "$dir/$p.unseen.gz" -o "$dir/$p.lut.json"
		measure "$p" "$p.after" 1
	done
fi

first=${precisions[0]}
if [[ $steps == *" prior "* ]]; then
	measure "$first" "$first.threads2.before" 2
	bin/costgen build --minutes "${PRIOR_MINUTES:-3}" --threads 2 --precision "$first" --unseen "$dir/$first.unseen.gz" \
		--prior "$dir/$first.lut.json" -o "$dir/$first.threads2.lut.json"
	measure "$first" "$first.threads2.after" 2
fi

# What the choice of kernels is worth: grids, and random shapes, measured as long, in four campaigns.
baselines="grids random"
baseline() { # PRECISION SHAPES
	local d="$dir/$1.$2.run" k=0 s
	mkdir -p "$d"
	local seconds
	read -ra seconds <<<"$(awk -v m="${BASELINE_MINUTES:-$minutes}" 'BEGIN { print 6 * m, 6 * m, 18 * m, 30 * m }')"
	# On this host kernels take a half of what is estimated; random shapes, with weights of up to 64 MB to open, twice as much.
	local faster=2
	[ "$2" = grids ] || faster=0.5
	go run ./scripts/studies/shapes --faster "$faster" --of "$2" --precision "$1" --unseen "$dir/$1.unseen.gz" -o "$d" "${seconds[@]}"
	for s in "${seconds[@]}"; do
		k=$((k + 1))
		[ -e "$d/$k.plan.jsonl" ] || continue
		allow_partial bin/agent bench --plan "$d/$k.plan.jsonl" --protocol "$dir/protocol.yaml" --threads 1 --max-time "${s}s" -o "$d/$k.rec.jsonl" >/dev/null
	done
}

if [[ $steps == *" baseline "* ]]; then
	for shapes in $baselines; do baseline "$first" "$shapes"; done
fi

if [[ $steps == *" page "* ]]; then
	predict() { # PRECISION TABLE OUT
		local list
		mapfile -t list < <(files "$1")
		allow_partial bin/costgen predict --json --lut "$2" --dim N=1 "${list[@]}" >"$3" 2>/dev/null
	}
	curve() { # PRECISION NAME SUFFIX FLAG… of compile
		local stage=() rec
		for rec in "$dir/$2.run/"*.rec.jsonl; do
			stage+=("$rec")
			local k=${#stage[@]}
			if bin/costgen compile "${stage[@]}" --level --accept drift,noisy,preempted --model --traffic "${@:4}" -o "$dir/$2$3.$k.lut.json" >/dev/null 2>&1; then
				predict "$1" "$dir/$2$3.$k.lut.json" "$dir/$2$3.$k.predict.jsonl"
			fi
		done
	}
	for p in "${precisions[@]}"; do
		[ -e "$dir/$p.lut.json" ] || continue
		predict "$p" "$dir/$p.lut.json" "$dir/$p.predict.jsonl"
		curve "$p" "$p" ""
	done
	if [ -e "$dir/$first.threads2.lut.json" ]; then
		predict "$first" "$dir/$first.threads2.lut.json" "$dir/$first.threads2.predict.jsonl"
		curve "$first" "$first.threads2" "" --prior "$dir/$first.lut.json"
		curve "$first" "$first.threads2" .alone
	fi
	for shapes in $baselines; do
		if [ -e "$dir/$first.$shapes.run" ]; then curve "$first" "$first.$shapes" ""; fi
	done
	text=$("${PYTHON:-python3}" scripts/studies/accuracy_unseen.py --minutes "$minutes" --fresh "$(sed 's/=[^ ]*//g' <<<"$fresh")" "$dir" "${precisions[@]}")
	echo "$text"
	if [ "${RESULTS:-1}" = 1 ]; then scripts/studies/results.sh accuracy-unseen 'make accuracy-unseen' <<<"$text"; fi
fi
