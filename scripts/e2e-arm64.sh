#!/usr/bin/env bash
# e2e-arm64.sh: the whole way to another device, on one x86 machine: the linux-arm64 bundle with the
# real ARM libraries runs under user-mode emulation, reached through a real sshd on loopback:
#   device → bench of a tiny plan, on ONNX Runtime and on LiteRT → records → costgen compile → isosearch run.
# Times under emulation mean nothing, and the records must say so (emulated-cpu).
#
# Needs root (binfmt_misc), qemu-user-static, openssh-server and the ARM cross compiler; the error
# names what is missing. What it starts and registers it takes away again.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "e2e-arm64: error: $1" >&2; echo "e2e-arm64: hint: $2" >&2; exit 1; }
. scripts/emulate-arm64.sh
sshd=$(command -v sshd || echo /usr/sbin/sshd)
[ -x "$sshd" ] || fail "no sshd" "apt-get install openssh-server"
lib=/usr/aarch64-linux-gnu/lib
[ -e "$lib/ld-linux-aarch64.so.1" ] || fail "no ARM C library in $lib" "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"

work=$(mktemp -d)
cleanup() {
	[ -z "${sshd_pid:-}" ] || kill "$sshd_pid" 2>/dev/null || true
	emulator_off
	rm -rf "$work"
}
trap cleanup EXIT

emulator
board=$work/board
board "$board" agent/device/testdata/raspberry-pi-5.txtar "$lib"

mkdir -p /run/sshd "$work/ssh"
ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/user"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/ssh/config" <<CONFIG
ListenAddress 127.0.0.1:$port
HostKey $work/ssh/host
AuthorizedKeysFile $work/ssh/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv QEMU_LD_PREFIX=$board QEMU_CPU=$QEMU_CPU TMPDIR=$work/tmp
CONFIG
mkdir -m 1777 "$work/tmp"
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$work/ssh/host.pub")" >"$work/ssh/known_hosts"
"$sshd" -D -e -f "$work/ssh/config" 2>"$work/ssh/log" &
sshd_pid=$!
for _ in $(seq 100); do
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	sleep 0.1
done

step() { printf '\n== %s\n' "$*"; }
step "bundle"
[ -n "${E2E_REUSE:-}" ] && [ -e dist/agent-linux-arm64/manifest.json ] || scripts/build-agent.sh linux-arm64
bin=${BIN:-bin}
[ -n "${BIN:-}" ] || make -s build
"$bin/agent" bundle --verify dist/agent-linux-arm64 | tail -1

on=(--target "ssh:$(id -un)@127.0.0.1:$port" --bundle dist/agent-linux-arm64 --target-dir "$work/device"
	--ssh-known-hosts "$work/ssh/known_hosts" --ssh-key "$work/ssh/user")

step "agent device, there"
"$bin/agent" device --probe 0 --json "${on[@]}" >"$work/device.json"
python3 - "$work/device.json" <<'CHECK'
import json, sys
d = json.load(open(sys.argv[1]))
assert d["identity"]["arch"] == "arm64" and d["identity"]["cpu"] == "4×Cortex-A76", d["identity"]
assert d["identity"]["emulated"], "the emulator was not noticed"
assert d["verdict"]["grade"] == "poor", d["verdict"]
found = {r["name"]: r.get("version") for r in d["runtimes"]}
assert found.get("ort") and found.get("tflite"), d["runtimes"]
print("Raspberry Pi 5, emulated; ONNX Runtime", found["ort"], "and LiteRT", found["tflite"], "answer")
CHECK

step "plan, bench there, records here"
cat >"$work/space.yaml" <<'SPACE'
format: isocost/space/v1
name: e2e
input: {channels: 3, height: 16, width: 16}
width: {scope: layer, divisor: 8, ratios: [0.5, 1, 1.5]}
precisions: [fp32]
choices:
  mb_k3_e4: {op: mbconv, k: 3, e: 4, act: relu6}
  mb_k3_e6: {op: mbconv, k: 3, e: 6, act: relu6}
stem:
  - {op: conv, k: 3, s: 2, out: 8, act: relu6}
stages:
  - {name: s1, channels: 8, stride: 1, layers: 2}
head:
  - {op: gap}
  - {op: linear, out: 10}
default: {choice: mb_k3_e4, width: 1, precision: fp32}
SPACE
# Few rounds, and no haste: the numbers are not the point, and a busy machine takes its time.
printf 'format: isocost/protocol/v1\nestimator: min\nstop: {max_rounds: 6}\n' >"$work/protocol.yaml"
"$bin/agent" plan --space "$work/space.yaml" --calibrate 6 --audit 4 --seed 1 -o "$work/plan.jsonl"
bench() { # bench BACKEND NAME OUT: the plan on that runtime, there; its records here
	local code=0
	"$bin/agent" bench --plan "$work/plan.jsonl" --backend "$1" --protocol "$work/protocol.yaml" --max-time "${E2E_TIME:-10m}" -o "$3" "${on[@]}" || code=$?
	[ $code = 0 ] || [ $code = 3 ] || exit $code
	python3 - "$3" "$1" "$2" "$code" <<'CHECK'
import json, sys
path, backend, name, code = sys.argv[1:]
lines = [json.loads(l) for l in open(path)]
head = lines[0]
assert head["device"]["arch"] == "arm64", head["device"]
assert head["runtime"]["backend"] == backend, head["runtime"]
def walk(x):
    if isinstance(x, dict):
        if "validity" in x: yield x["validity"]
        for v in x.values(): yield from walk(v)
    elif isinstance(x, list):
        for v in x: yield from walk(v)
v = [c for l in lines for c in walk(l)]
assert len(v) > 10, f"only {len(v)} records"
assert all("emulated-cpu" in c for c in v), [c for c in v if "emulated-cpu" not in c][:3]
# A record without a number says nothing about the runtime: most must have one.
timed = [l for l in lines if l.get("record", {}).get("estimate_us") is not None]
assert len(timed) > len(v) / 2, f"only {len(timed)} of {len(v)} records hold a time"
print(f"{name} {head['runtime'].get('version')}: {len(v)} records, all emulated-cpu, {len(timed)} with a time; bench ended with code {code}")
CHECK
}
bench ort "ONNX Runtime" "$work/rec.jsonl"
bench tflite LiteRT "$work/rec-tflite.jsonl"

step "bfloat16 under float32's name is found out"
# On a processor that multiplies in bfloat16 (not the board's) a session option makes ONNX Runtime do so with float32
# models: their kernels look the same, and the outputs must give it away (docs/decisions/0305-*.md).
code=0
QEMU_CPU=max QEMU_LD_PREFIX=$board dist/agent-linux-arm64/agent compare --support --precision fp32 --json --lane ort:cpu \
	--lane ort:cpu,mlas.enable_gemm_fastmath_arm64_bfloat16=1 >"$work/fastmath.jsonl" 2>/dev/null || code=$?
[ $code = 0 ] || [ $code = 3 ] || exit $code
python3 - "$work/fastmath.jsonl" <<'CHECK'
import json, sys
r = {(d["case"], "fastmath" in d["lane"]): d for d in map(json.loads, open(sys.argv[1]))}
plain, fast = r["attention", False], r["attention", True]
assert (plain["outcome"], plain["execution"]) == ("ok", "native"), plain
assert fast["execution"] == "emulated" and "bfloat16" in fast["why"], fast
print("attention:", fast["why"])
CHECK

step "costgen compile, isosearch run, here"
# Only because it is asked to does costgen take times of an emulator.
if "$bin/costgen" compile "$work/rec.jsonl" -o "$work/refused.lut.json" 2>/dev/null; then
	fail "costgen compiled emulated times unasked" "validity emulated-cpu must be left out"
fi
accept=emulated-cpu,drift,noisy,preempted
"$bin/costgen" compile "$work/rec.jsonl" --accept $accept -o "$work/device.lut.json"
"$bin/costgen" compile "$work/rec-tflite.jsonl" --accept $accept -o "$work/tflite.lut.json" >/dev/null
code=0
"$bin/isosearch" run --space "$work/space.yaml" --lut "$work/device.lut.json" --evaluator onnx --tau 0.3 --epsilon 0.5 --delta 0.1 --budget 60 -o "$work/run" || code=$?
[ $code = 0 ] || [ $code = 3 ] || exit $code
printf '\ne2e-arm64: done (isosearch ended with code %s)\n' $code
