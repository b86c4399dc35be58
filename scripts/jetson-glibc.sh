#!/usr/bin/env bash
# jetson-glibc.sh: the jetson bundle on the C library of JetPack 5 (glibc 2.31), under user-mode
# emulation, seeing the files of a Jetson AGX Orin: the agent starts, ONNX Runtime and the classic
# TensorFlow Lite library run a small plan in fp32 and int8, and LiteRT, which needs 2.34, is refused
# with the reason.
#
#   scripts/jetson-glibc.sh fetch   glibc 2.31 for ARM, out of Debian 11's packages, into .native/
#   scripts/jetson-glibc.sh         fetches it unless it is there, builds the bundle, runs it
#
# Needs root (binfmt_misc), qemu-user-static, apt-get and the ARM cross compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "jetson-glibc: error: $1" >&2; echo "jetson-glibc: hint: $2" >&2; exit 1; }
. scripts/emulate-arm64.sh

glibc=.native/linux-arm64/glibc-2.31
fetch() {
	[ ! -e "$glibc/lib/ld-linux-aarch64.so.1" ] || return 0
	command -v apt-get >/dev/null || fail "no apt-get" "the packages are Debian's: run this on Debian or Ubuntu"
	local apt=$work/apt deb keys=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -e $keys ] || fail "no keys of Debian's archive" "apt-get install debian-archive-keyring"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	# The archive is the one this machine is set up with; only the release is another.
	local archive
	archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 -v security) || fail "apt-get knows no archive" "see /etc/apt"
	echo "deb [signed-by=$keys] $archive bullseye main" >"$apt/sources.list"
	local options=(-qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$apt/lists"
		-o Dir::Cache="$apt/cache" -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root -o Acquire::Languages=none)
	apt-get "${options[@]}" update && (cd "$apt" && apt-get "${options[@]}" download libc6 libstdc++6 libgcc-s1) ||
		fail "Debian 11's packages for arm64 cannot be fetched" "the release may have moved to Debian's archive of old releases"
	for deb in "$apt"/*.deb; do dpkg-deb -x "$deb" "$apt/root"; done
	mkdir -p "$(dirname "$glibc")"
	mv "$apt/root/usr/lib/aarch64-linux-gnu/"* "$apt/root/lib/aarch64-linux-gnu/"
	mv -T "$apt/root" "$glibc"
}

work=$(mktemp -d)
cleanup() {
	emulator_off
	rm -rf "$work"
}
trap cleanup EXIT

fetch
[ "${1:-}" != fetch ] || exit 0
emulator
board "$work/board" agent/device/testdata/jetson-agx-orin-jp5.txtar "$PWD/$glibc/lib"
export QEMU_LD_PREFIX=$work/board
"$glibc/lib/aarch64-linux-gnu/libc.so.6" | sed -n 1p

scripts/build-agent.sh jetson
cp -r dist/agent-jetson "$work/bundle"
bin=$PWD/bin
[ -x "$bin/agent" ] || make -s build
cd "$work" # so that only the bundle's own libraries are found
unset "${!ISOCOST_@}"

bundle/agent device --probe 0 --json >device.json
bundle/agent runtimes verify --json >runtimes.json 2>/dev/null || [ $? = 3 ] # LiteRT fails, and must
python3 - <<'CHECK'
import json
d = json.load(open("device.json"))
assert d["identity"]["arch"] == "arm64" and "Jetson" in d["identity"]["model"], d["identity"]
r = {x["name"]: x for x in map(json.loads, open("runtimes.json"))}
for name in ("onnxruntime", "tflite"):
    assert not r[name].get("error"), r[name]
assert "GLIBC" in r["litert"]["error"] and "is older" in r["litert"]["hint"], r["litert"]
print(d["identity"]["model"] + ":", "ONNX Runtime", r["onnxruntime"]["version"], "and TensorFlow Lite", r["tflite"]["version"], "answer; LiteRT:", r["litert"]["error"])
CHECK

cat >space.yaml <<'SPACE'
format: isocost/space/v1
name: glibc
input: {channels: 3, height: 16, width: 16}
width: {scope: layer, divisor: 8, ratios: [0.5, 1]}
precisions: [fp32, int8]
choices:
  mb_k3_e4: {op: mbconv, k: 3, e: 4, act: relu6}
stem:
  - {op: conv, k: 3, s: 2, out: 8, act: relu6}
stages:
  - {name: s1, channels: 8, stride: 1, layers: 1}
head:
  - {op: gap}
  - {op: linear, out: 10}
default: {choice: mb_k3_e4, width: 1, precision: fp32}
SPACE
"$bin/agent" plan --space space.yaml --calibrate 1 --audit 1 --seed 1 -o plan.jsonl
printf 'format: isocost/protocol/v1\nestimator: min\nstop: {max_rounds: 6}\n' >protocol.yaml
for backend in ort tflite; do
	# Few rounds, and no haste: under emulation times mean nothing, and the records say so.
	bundle/agent bench --plan plan.jsonl --backend $backend --protocol protocol.yaml --max-time 10m -o $backend.jsonl || [ $? = 3 ]
	python3 - $backend.jsonl <<'CHECK'
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
run = lines[0]["runtime"]
records = [l["record"] for l in lines if "record" in l]
assert all("emulated-cpu" in r["validity"] for r in records if r.get("estimate_us") is not None), "emulation was not noticed"
timed = {p: sum(r.get("estimate_us") is not None and ("/" + p + "@" in json.dumps(r)) for r in records) for p in ("fp32", "int8")}
assert min(timed.values()) > 0, timed
bad = [r["validity"] for r in records if {"numeric-mismatch", "unsupported"} & set(r["validity"])]
assert not bad, bad
print(f"{run['backend']} {run['version']} on glibc 2.31: {timed['fp32']} records in fp32 and {timed['int8']} in int8 with a time, outputs right")
CHECK
done
echo "jetson-glibc: done"
