#!/bin/sh
# Installs native runtimes into .native/<goos>-<goarch>/<runtime>/ of the repository, out of the
# packages pinned in internal/nativelib/runtimes.json.
#   scripts/setup-native.sh                              the default runtime for this machine
#   scripts/setup-native.sh --list                       what there is
#   scripts/setup-native.sh --platform linux-arm64 onnxruntime
set -eu
if ! command -v python3 >/dev/null 2>&1; then
	echo "setup-native: error: python3 is not installed" >&2
	echo "setup-native: hint: install it (Debian: apt-get install python3 python3-pip), or name a library of your own in ISOCOST_ONNXRUNTIME" >&2
	exit 1
fi
exec python3 "$(dirname "$0")/setup_native.py" "$@"
