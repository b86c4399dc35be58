#!/usr/bin/env bash
# Sets up a virtual environment with pinned packages, by version and hash, and prints
# the path of its Python. It is kept outside the checkout, one per machine: PyTorch
# takes 6 GB.
#
#   setup-python.sh test     numpy, pandas, pytest: what make test needs
#   setup-python.sh bench    what make bench is held beside: onnx, optuna, scikit-learn and so on
#   setup-python.sh torch    also torch, onnx, ray and so on: make python, make test-python
#
#   PYTHON            the Python to make it of (default python3, at least 3.11)
#   XDG_CACHE_HOME    where it goes: $XDG_CACHE_HOME/isocost (default ~/.cache/isocost)
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-}
pins=python/requirements/$kind.txt
if [ ! -f "$pins" ] || [ "$kind" = "" ]; then
	echo "usage: scripts/setup-python.sh test|bench|torch" >&2
	exit 2
fi
python=${PYTHON:-python3}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/isocost
venv=$cache/$kind-venv
if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	echo "setup-python: $python is no Python of 3.11 or later with venv" >&2
	echo "setup-python: install one (Debian: apt-get install python3-venv), or name another with PYTHON=" >&2
	exit 1
fi
mkdir -p "$cache"
exec 9>"$cache/$kind-venv.lock"
flock 9 # two checkouts may want it at once
want=$("$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$pins")
if [ "$(cat "$venv/requirements.sha256" 2>/dev/null)" != "$want" ]; then
	echo "setup-python: installing $(grep -c '==' "$pins") pinned packages into $venv" >&2
	[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
	# --no-deps: the list is whole. Wheels alone: a source package would run code to be built. Of
	# what make bench is held beside, SMAC3 and parts of it are published as source alone.
	wheels=--only-binary=:all:
	[ "$kind" != bench ] || wheels=--prefer-binary
	if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$wheels" --require-hashes --requirement "$pins" >&2; then
		echo "setup-python: the packages could not be installed: check the network, pip's configuration and the disk (6 GB for torch)" >&2
		exit 1
	fi
	echo "$want" >"$venv/requirements.sha256"
fi
echo "$venv/bin/python"
