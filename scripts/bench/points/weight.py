"""What the programs weigh: cold starts, the bundle for a device, memory during a campaign."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import threading
import time

from figures import amount, bytes_text, ratio
from sides import in_turn

TITLE = "Weight"
TEXT = """A cold start is `--version` as a process, beside a Python process that imports onnxruntime. The bundle is what
`scripts/build-agent.sh` packs for a device; where there is no NDK, Android's is the one that `make link-android` links and throws away. A campaign of MobileNetV2's kernels runs on this machine's ONNX Runtime; the parent keeps the journal and
decides, its child holds the models and the runtime. --memory keeps what is reckoned for the models that are open at once to what a board has to
spare; the child's peak is not below it: what opening, checking and closing models leaves behind is in it, too. The last campaign runs in
a control group of 1 GB without swap, which the kernel keeps it to. What a campaign costs in energy was not measured: this machine has no
sensor. It keeps one core busy for as long as it lasts; on a board that takes 4 W more for that, 15 s are 60 J."""

BOARD = 1_000_000_000  # bytes of a small board
PROGRAMS = ("agent", "costgen", "isosearch")


def measure(bench):
    starts = in_turn(bench.rounds(9), python=lambda: bench.program(bench.python, bench.here / "theirs" / "start.py"),
                     **{p: (lambda p=p: bench.program(bench.bin / p, "--version")) for p in PROGRAMS})
    figures = []
    for p in PROGRAMS:
        figures.append(amount(f"cold start of {p}, by the clock", [a["wall_s"] for a in starts[p]], "s", 30e-3,
                              detail=f"{bytes_text(starts[p][0]['bytes'])} of memory"))
        figures.append(ratio(f"cold start of {p}", [a["s"] for a in starts[p]], [a["s"] for a in starts["python"]], "Python importing onnxruntime"))
    return figures + bundles(bench) + campaign(bench)


def bundles(bench):
    figures = []
    for platform in ("linux-amd64", "linux-arm64", "jetson", "android-arm64"):  # where there is a compiler for it
        name = f"bundle for {platform}"
        try:
            bench.run("scripts/build-agent.sh", platform)
            folder = bench.here.parent.parent / "dist" / f"agent-{platform}"
            files = [(f.stat().st_size, f.name) for f in folder.rglob("*") if f.is_file() and not f.is_symlink()]
        except RuntimeError as e:
            if not platform.startswith("android"):
                print(f"no bundle for {platform}: {e}", flush=True)
                continue
            name += ", linked without an NDK"
            files = linked(bench.run("scripts/link-android.sh"))
        largest = ", ".join(f"{n} {bytes_text(s)}" for s, n in sorted(files)[:-5:-1])
        figures.append(amount(name, [sum(s for s, _ in files)], "B", detail=largest))
    return figures


def linked(talk):
    """The files of the bundle that scripts/link-android.sh made, by what it says of them."""
    return [(int(size), pathlib.PurePath(name).name) for size, name in re.findall(r"^(\d+) (\S+)$", talk, re.MULTILINE)]


def campaign(bench):
    import networks

    net = networks.mobilenet_v2(bench.scratch / "mobilenet_v2.onnx")
    plan = bench.scratch / "plan.jsonl"
    bench.run(bench.bin / "agent", "plan", "--model", net, "-o", plan)
    figures = []
    for name, extra in (("", ()), (", --memory 64 MB", ("--memory", "64000000"))):
        records = bench.scratch / f"rec{len(figures)}.jsonl"
        command = [bench.bin / "agent", "bench", "--plan", plan, "--backend", "ort", "--max-time", "15s", "-o", records, *extra]
        parent, child, processor = watched(command)
        lines = records.read_text().splitlines()
        opened = sum('"open":{' in l[:10] for l in lines)
        groups = [json.loads(l)["group"] for l in lines if l.startswith('{"group":')]
        most = max(len(g["models"]) for g in groups)
        figures.append(amount(f"memory of the agent's parent during a campaign{name}", [parent], "B", 40e6, detail=f"{bytes_text(records.stat().st_size)} of records"))
        figures.append(amount(f"memory of its child{name}", [child], "B",
                              detail=f"{opened} models in {len(groups)} groups, at most {most} open at once; {processor:.3g} s of processor for 15 s of device"))
    with board(BOARD) as group:
        if group:
            records = bench.scratch / "board.jsonl"
            watched([bench.bin / "agent", "bench", "--plan", plan, "--backend", "ort", "--max-time", "15s", "-o", records], group)
            peak = int(next(p for p in (group / "memory.peak", group / "memory.max_usage_in_bytes") if p.exists()).read_text())
            figures.append(amount("memory of a campaign in a group of 1 GB, the pages of files included", [peak], "B", BOARD,
                                  detail=f"{records.read_text().count(chr(10))} lines of records"))
    return figures


@contextlib.contextmanager
def board(size):
    """A control group (cgroup) with so much memory and no swap, of either version; None where this process may not make one."""
    version1 = pathlib.Path("/sys/fs/cgroup/memory")
    group = (version1 if version1.exists() else version1.parent) / "isocost-bench"
    try:
        group.mkdir()
    except OSError as e:
        print(f"no memory group: {e}", flush=True)
        yield None
        return
    try:
        for limit in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max", "memory.swap.max"):
            if (group / limit).exists():
                (group / limit).write_text("0" if "swap" in limit else str(size))
        yield group
    finally:
        group.rmdir()


def watched(command, group=None):
    """Runs a campaign, in a group if there is one, and returns the peaks of parent and child in bytes, and the processor seconds of both."""
    enter = group and (lambda: (group / "cgroup.procs").write_text(str(os.getpid())))
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=enter)
    peaks, spent = {}, {}

    def look():
        while process.poll() is None:
            for pid in [process.pid, *children(process.pid)]:
                try:
                    status = open(f"/proc/{pid}/status").read()
                    fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
                except OSError:
                    continue
                m = re.search(r"VmHWM:\s+(\d+)", status)
                if m:
                    peaks[pid] = max(peaks.get(pid, 0), 1024 * int(m[1]))
                spent[pid] = (int(fields[11]) + int(fields[12])) / 100
            time.sleep(0.02)

    thread = threading.Thread(target=look)
    thread.start()
    code = process.wait()
    thread.join()
    if code not in (0, 3):
        raise RuntimeError(f"{command}: exit {code}")
    return peaks[process.pid], max(v for p, v in peaks.items() if p != process.pid), sum(spent.values())


def children(pid):
    """The child processes; each thread has its own."""
    out = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            out += [int(c) for c in task.read_text().split()]
        except OSError:  # a thread that has ended
            continue
    return out
