#!/usr/bin/env bash
# accuracy-models.sh: how well costgen predicts exported networks that nobody here
# designed, from the costs of their kernels, in fp32 and int8; writes
# docs/results/accuracy-models.md, or accuracy-tflite.md. Stop other programs first.
#
# For each precision one campaign on one thread holds the kernels of all networks and
# the networks themselves. Each network is judged by a table whose calibration was
# fitted on the others (costgen compile --judge), predicted by costgen predict.
#
#   RUNTIME        ort (default): ONNX models on ONNX Runtime; litert: .tflite models on LiteRT
#   MODELS_DIR     exported models (default demo/models; those missing are exported by
#                  scripts/export_models.py, which wants torch, torchvision, timm, onnx,
#                  onnxscript and onnxruntime, or export_tflite.py, which wants tensorflow)
#   PYTHON         the interpreter that has these (default python3)
#   ACCURACY_DIR   where the campaigns are kept (default demo/accuracy-models); they start anew
#   ACCURACY_TIME  device time of each campaign, opening its models included (default 290s)
#   ACCURACY_MEMORY  bytes that the models may take together (default seven eighths of what is
#                  free); too little – below 17 GB for all – parts the campaign into groups, and no
#                  network meets all its kernels
#   ACCURACY_ACCEPT  validity codes that count as well, such as drift,noisy: on a host whose speed moves, where
#                  records are brought to one level of the drift reference; the page says so (default: none)
#   REUSE          1 judges the campaigns that are there, without measuring
#   AUDIT, OTHERS, PRECISIONS   other networks or fewer, for a quick look
#   RESULTS        0 prints the page and leaves docs/results/ alone (default 1)
set -euo pipefail
cd "$(dirname "$0")/../.."
models=${MODELS_DIR:-demo/models}
python=${PYTHON:-python3}
runtime=${RUNTIME:-ort}
time=${ACCURACY_TIME:-290s}
memory=${ACCURACY_MEMORY:-$(awk '/MemAvailable/ {printf "%d", $2 * 896}' /proc/meminfo 2>/dev/null || echo 0)}
case $runtime in
ort)
	page=accuracy-models
	backend=(--backend ort --provider cpu) dims=(--dim N=1)
	audit="mobilenet_v1 mobilenet_v2 mobilenet_v3_large mnasnet1_0 efficientnet_lite0 resnet18 resnet50 squeezenet1_1 deit_tiny mobilevit_xs"
	# Of other families or other widths, light to heavy. The first six were chosen before any
	# was measured, the others before any of them was predicted.
	others="mobilenetv4_conv_small hardcorenas_a fbnetc_100 squeezenet1_0 mixer_s32 resnext50_32x4d mobilenet_v3_small mnasnet0_5 efficientnet_b0 regnet_y_400mf repvgg_a0 mobileone_s0 googlenet levit_128s"
	name() { case $2 in fp32) echo "$1.script" ;; int8) echo "$1.script.qdq" ;; *) return 1 ;; esac; }
	extension=onnx
	export_missing() { "$python" scripts/export_models.py -o "$models" --forms script,qdq "$@"; }
	;;
litert)
	page=accuracy-tflite
	backend=(--backend tflite --provider cpu) dims=()
	# Those whose kernels and models fit 19 GB and are opened in a minute; export_tflite.py has more.
	audit="mobilenet_v1 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large efficientnet_b0 resnet50 densenet121"
	others="mobilenet_v1_050 mobilenet_v2_050 mobilenet_v2_140 mobilenet_v3_large_075 mobilenet_v3_large_minimal"
	name() { case $2 in fp32) echo "$1" ;; int8) echo "$1.int8" ;; *) return 1 ;; esac; }
	extension=tflite
	export_missing() { "$python" scripts/export_tflite.py "$models" --only "$(IFS=,; echo "$*")"; }
	;;
*)
	echo "accuracy-models.sh: RUNTIME is ort or litert, not $runtime" >&2
	exit 2
	;;
esac
dir=${ACCURACY_DIR:-demo/$page}
accept=()
if [ -n "${ACCURACY_ACCEPT:-}" ]; then accept=(--level --accept "$ACCURACY_ACCEPT"); fi
read -ra audit <<<"${AUDIT:-$audit}"
read -ra others <<<"${OTHERS-$others}"
read -ra precisions <<<"${PRECISIONS:-fp32 int8}"

all=("${audit[@]}" "${others[@]}")
missing=()
for p in "${precisions[@]}"; do
	for n in "${all[@]}"; do
		file=$(name "$n" "$p") || {
			echo "accuracy-models.sh: precision $p is neither fp32 nor int8" >&2
			exit 2
		}
		[ -e "$models/$file.$extension" ] || missing+=("$n")
	done
done
if [ ${#missing[@]} -gt 0 ]; then export_missing "${missing[@]}"; fi

if [ "${REUSE:-0}" != 1 ]; then
	rm -rf "$dir"
	mkdir -p "$dir"
	# Against the default protocol: short visits and many rounds, the same for every
	# model – one that stopped early would know only a part of the machine's moods –, a
	# low quantile, since on a shared host interference only adds, and a short warm-up and
	# no proof of placement for over a thousand models, whose opening otherwise takes half
	# of the campaign. Frames of random weights may lose more in int8 than a network is
	# allowed to: 0.28 of the root mean square was seen, and their time is right.
	cat >"$dir/protocol.yaml" <<END
format: isocost/protocol/v1
threads: 1
estimator: quantile
quantile: 0.25
model_warmup: {runs: 3, max_seconds: 0.03}
sample: {min_seconds: 0.0003, per_visit: 2, discard: 1}
stop: {interval: 0.00001, min_rounds: 12, max_rounds: 100000, min_samples: 24, max_seconds: 3600}
check: {placement: false, tolerance: {int8: 0.5}}
END
fi
for p in "${precisions[@]}"; do
	plan=()
	for n in "${all[@]}"; do plan+=(--model "$models/$(name "$n" "$p").$extension"); done
	if [ "${REUSE:-0}" != 1 ]; then
		code=0
		bin/agent plan "${plan[@]}" --set calibrate "${dims[@]}" -o "$dir/$p.plan.jsonl" || code=$?
		[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"
		code=0
		bin/agent bench --plan "$dir/$p.plan.jsonl" "${backend[@]}" --protocol "$dir/protocol.yaml" \
			--memory "$memory" --max-time "$time" -o "$dir/$p.rec.jsonl" || code=$?
		[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"
	fi
	: >"$dir/$p.predict.jsonl"
	for n in "${all[@]}"; do
		f=$(name "$n" "$p")
		bin/costgen compile "$dir/$p.rec.jsonl" --traffic "${accept[@]}" --judge "$f" -o "$dir/$p.lut.json" --json >"$dir/$p.compile.json" 2>"$dir/$p.compile.txt" || {
			cat "$dir/$p.compile.txt" >&2
			exit 1
		}
		# 3: kernels are missing; the network has no total and the table says so.
		bin/costgen predict --json --lut "$dir/$p.lut.json" "${dims[@]}" "$models/$f.$extension" >>"$dir/$p.predict.jsonl" || [ $? = 3 ]
	done
	bin/costgen compile "$dir/$p.rec.jsonl" --traffic "${accept[@]}" -o "$dir/$p.lut.json" >"$dir/$p.compile.txt"
done
text=$("$python" scripts/studies/accuracy_models.py --runtime "$runtime" --time "$time" --first "${#audit[@]}" --accept "${ACCURACY_ACCEPT:-}" "$dir" "${precisions[@]}")
echo "$text"
if [ "${RESULTS:-1}" = 1 ]; then scripts/studies/results.sh "$page" "make $page" <<<"$text"; fi
