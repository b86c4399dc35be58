#!/usr/bin/env bash
# accuracy-models.sh: how well costgen predicts exported networks that nobody here
# designed, from the costs of their kernels, in fp32 and int8; writes the section
# "accuracy-models" of docs/results.md. Stop other programs first.
#
# For each precision one campaign on one thread holds the kernels of ten networks to
# be judged and of six others that calibrate, and all sixteen networks themselves.
#
#   MODELS_DIR     exported models (default demo/models; those missing are exported by
#                  scripts/export_models.py, which wants torch, torchvision, timm, onnx,
#                  onnxscript and onnxruntime)
#   PYTHON         the interpreter that has these (default python3)
#   ACCURACY_DIR   where the campaigns are kept (default demo/accuracy-models); they start anew
#   ACCURACY_TIME  device time of each campaign, opening its models included (default 240s)
#   AUDIT, CALIBRATE, PRECISIONS   other networks or fewer, for a quick look
#   RESULTS        0 prints the section and leaves docs/results.md alone (default 1)
set -euo pipefail
cd "$(dirname "$0")/.."
models=${MODELS_DIR:-demo/models}
python=${PYTHON:-python3}
dir=${ACCURACY_DIR:-demo/accuracy-models}
time=${ACCURACY_TIME:-240s}
read -ra audit <<<"${AUDIT:-mobilenet_v1 mobilenet_v2 mobilenet_v3_large mnasnet1_0 efficientnet_lite0 resnet18 resnet50 squeezenet1_1 deit_tiny mobilevit_xs}"
# Others, of other families or other widths, light to heavy, chosen before any was
# measured for how few kernels they add to the campaign.
read -ra calibrate <<<"${CALIBRATE:-mobilenetv4_conv_small hardcorenas_a fbnetc_100 squeezenet1_0 mixer_s32 resnext50_32x4d}"
read -ra precisions <<<"${PRECISIONS:-fp32 int8}"

form() { # of a precision: how export_models.py names its files, and what it calls them
	case $1 in
	fp32) echo script ;;
	int8) echo script.qdq ;;
	*) echo "accuracy-models.sh: precision $1 is neither fp32 nor int8" >&2 && return 1 ;;
	esac
}
missing=()
for p in "${precisions[@]}"; do
	f=$(form "$p")
	for n in "${audit[@]}" "${calibrate[@]}"; do
		[ -e "$models/$n.$f.onnx" ] || missing+=("$n")
	done
done
if [ ${#missing[@]} -gt 0 ]; then
	"$python" scripts/export_models.py -o "$models" --forms script,qdq "${missing[@]}"
fi

rm -rf "$dir"
mkdir -p "$dir"
# Against the default protocol: many short visits, since for min it is the number of
# moments looked at that counts, and a short warm-up and no proof of placement for
# over a thousand models, whose opening otherwise takes half of the campaign.
cat >"$dir/protocol.yaml" <<END
format: isocost/protocol/v1
threads: 1
estimator: min
model_warmup: {runs: 3, max_seconds: 0.03}
sample: {min_seconds: 0.0005, per_visit: 2, discard: 1}
stop: {min_rounds: 12, min_samples: 24}
check: {placement: false}
END
for p in "${precisions[@]}"; do
	f=$(form "$p")
	plan=()
	files=()
	for n in "${audit[@]}"; do
		plan+=(--model "$models/$n.$f.onnx")
		files+=("$models/$n.$f.onnx")
	done
	for n in "${calibrate[@]}"; do plan+=(--calibrate-model "$models/$n.$f.onnx"); done
	bin/agent plan "${plan[@]}" --set audit --dim N=1 -o "$dir/$p.plan.jsonl"
	code=0
	bin/agent bench --plan "$dir/$p.plan.jsonl" --backend ort --provider cpu --protocol "$dir/protocol.yaml" \
		--max-time "$time" -o "$dir/$p.rec.jsonl" || code=$?
	[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"
	bin/costgen compile "$dir/$p.rec.jsonl" -o "$dir/$p.lut.json" --json >"$dir/$p.compile.json" 2>"$dir/$p.compile.txt"
	# 3: kernels are missing; their networks have no total and the table says so.
	bin/costgen predict --json --lut "$dir/$p.lut.json" --dim N=1 "${files[@]}" >"$dir/$p.predict.json" || [ $? = 3 ]
done
section=$("$python" scripts/accuracy_models.py --time "$time" "$dir" "${precisions[@]}")
echo "$section"
if [ "${RESULTS:-1}" = 1 ]; then scripts/results.sh accuracy-models <<<"$section"; fi
