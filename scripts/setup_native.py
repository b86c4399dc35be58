"""Installs pinned native runtimes into .native/; see setup-native.sh. Standard library only."""
import argparse
import hashlib
import importlib.util
import io
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "internal" / "nativelib" / "runtimes.json"


class Failed(Exception):
    """An error with what to do about it."""

    def __init__(self, what, hint):
        super().__init__(what)
        self.hint = hint


def host_platform():
    machine = platform.machine().lower()
    arch = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine, machine)
    return f"{platform.system().lower()}-{arch}"


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for chunk in iter(lambda: f.read(1 << 20), b""):
            h.update(chunk)
    return h.hexdigest()


def run(argv, what, hint, **kw):
    """Runs a package client quietly; its last lines become the error."""
    try:
        p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    except FileNotFoundError:
        raise Failed(f"{argv[0]} is not installed", hint)
    if p.returncode != 0:
        tail = "\n  ".join(p.stdout.strip().splitlines()[-6:])
        raise Failed(f"{what}: {' '.join(argv[:4])}… ended with {p.returncode}:\n  {tail}", hint)
    return p.stdout


def fetch_pip(pkg, into):
    if importlib.util.find_spec("pip") is None:
        raise Failed("this python3 has no pip", "install it (Debian: apt-get install python3-pip) and run this again")
    wheel = pkg["wheel"]
    req = into / "requirements.txt"
    req.write_text(f"{pkg['package']}=={pkg['version']} --hash=sha256:{pkg['sha256']}\n")
    run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps",
         "--only-binary=:all:", "--implementation", "cp", "--python-version", wheel["python"], "--abi", "cp" + wheel["python"],
         "--platform", wheel["platform"], "--dest", str(into), "--requirement", str(req)],
        f"fetch {pkg['package']}=={pkg['version']}",
        "check the network and pip's configuration; the version and hash are pinned in internal/nativelib/runtimes.json")
    return next(into.glob("*.whl"))


def fetch_npm(pkg, into):
    run(["npm", "pack", "--silent", "--pack-destination", str(into), f"{pkg['package']}@{pkg['version']}"],
        f"fetch {pkg['package']}@{pkg['version']}", "install npm (Debian: apt-get install npm) and check the network")
    return next(into.glob("*.tgz"))


def fetch_maven(pkg, into):
    run(["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={pkg['package']}:{pkg['version']}:aar", f"-DoutputDirectory={into}"],
        f"fetch {pkg['package']}:{pkg['version']}", "install Maven (Debian: apt-get install maven) and check the network", cwd=into)
    return next(into.glob("*.aar"))


FETCH = {"pip": fetch_pip, "npm": fetch_npm, "maven": fetch_maven}


class Archive:
    """A zip or a gzipped tar, read by member name."""

    def __init__(self, data):
        self.zip = zipfile.ZipFile(data) if zipfile.is_zipfile(data) else None
        if self.zip is None:
            if hasattr(data, "seek"):
                data.seek(0)
                self.tar = tarfile.open(fileobj=data)
            else:
                self.tar = tarfile.open(data)

    def open(self, name):
        try:
            f = self.zip.open(name) if self.zip else self.tar.extractfile(name)
        except KeyError:
            f = None
        if f is None:
            raise Failed(f"the package holds no {name}", "the pinned package changed; report it")
        return f


def take_name(take):
    return take.get("to") or take["from"].rsplit("/", 1)[-1]


def installed(pkg, folder):
    return all((folder / take_name(t)).is_file() and
               (not t.get("sha256") or sha256(folder / take_name(t)) == t["sha256"]) for t in pkg["take"])


def install(runtime, pkg, folder):
    print(f"setup-native: {runtime['name']}: fetching {pkg['package']} {pkg['version']} for {pkg['platform']} with {pkg['client']}",
          file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="isocost-setup-") as tmp:
        archive = FETCH[pkg["client"]](pkg, pathlib.Path(tmp))
        got = sha256(archive)
        if got != pkg["sha256"]:
            raise Failed(f"{archive.name} has SHA-256 {got}, pinned is {pkg['sha256']}",
                         "do not use it; the registry serves another file under the same version")
        data = Archive(archive)
        nested = {}  # archives inside the archive, by name
        folder.mkdir(parents=True, exist_ok=True)
        for take in pkg["take"]:
            target = folder / take_name(take)
            part = folder / ("." + target.name + ".part")
            outer, sep, member = take["from"].partition("!/")
            if sep and outer not in nested:
                nested[outer] = Archive(io.BytesIO(data.open(outer).read()))
            with (nested[outer].open(member) if sep else data.open(outer)) as src, open(part, "wb") as dst:
                shutil.copyfileobj(src, dst, 1 << 20)
            if take.get("sha256") and sha256(part) != take["sha256"]:
                part.unlink()
                raise Failed(f"{take['from']} of {pkg['package']} has another SHA-256 than the pinned {take['sha256']}",
                             "internal/nativelib/runtimes.json is wrong; report it")
            os.chmod(part, 0o755 if ".so" in target.name else 0o644)
            os.replace(part, target)


def main():
    ap = argparse.ArgumentParser(prog="setup-native", description="Installs pinned native runtimes into .native/.")
    ap.add_argument("runtime", nargs="*", help="names of the manifest (default: the default runtimes)")
    ap.add_argument("--platform", default=host_platform(), help="GOOS-GOARCH (default: this machine, %(default)s)")
    ap.add_argument("--root", type=pathlib.Path, default=ROOT / ".native", help="where to install (default: .native)")
    ap.add_argument("--list", action="store_true", help="list the runtimes and their packages")
    args = ap.parse_args()
    manifest = json.loads(MANIFEST.read_text())
    runtimes = {r["name"]: r for r in manifest["runtimes"]}
    if args.list:
        for r in runtimes.values():
            for p in r["packages"]:
                print(f"{r['name']}\t{p['platform']}\t{p['client']}\t{p['package']}\t{p['version']}\t{r['licence']}")
        return
    for name in args.runtime or [r["name"] for r in runtimes.values() if r.get("default")]:
        if name not in runtimes:
            raise Failed(f"no runtime is called {name!r}", "the names are: " + " ".join(runtimes))
        r = runtimes[name]
        own = os.environ.get(r["env"])
        if own and args.platform == host_platform():
            print(f"setup-native: {name}: {r['env']}={own} is used instead", file=sys.stderr)
            continue
        pkgs = [p for p in r["packages"] if p["platform"] == args.platform]
        if not pkgs:
            raise Failed(f"no package of {name} is pinned for {args.platform}",
                         f"name a library of your own in {r['env']}")
        folder = args.root / args.platform / name
        for pkg in pkgs:
            if not installed(pkg, folder):
                install(r, pkg, folder)
            print(f"setup-native: {name} {pkg['version']} ({args.platform}): {folder}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except Failed as e:
        print(f"setup-native: error: {e}\nsetup-native: hint: {e.hint}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
