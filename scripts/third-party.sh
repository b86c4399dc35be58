#!/usr/bin/env bash
# Writes THIRD_PARTY.md: the Go modules that the programs link, on any platform they
# are built for, and the native runtimes they load, each with its licence.
# --check changes nothing and fails when the page is not what would be written.
set -euo pipefail
cd "$(dirname "$0")/.."

# licence FOLDER: the SPDX name of the licence text in it. An unknown one is an error: a
# person must read it before it is linked.
licence() {
	local text
	text=$(cat "$1"/LICENSE* "$1"/LICENCE* "$1"/COPYING* 2>/dev/null | tr -s '[:space:]' ' ')
	case "$text" in
	*'two different licenses: MIT and Apache'*) echo 'MIT and Apache-2.0' ;;
	*'Apache License'*'Version 2.0'*) echo Apache-2.0 ;;
	*'Redistribution and use in source and binary forms'*'Neither the name'*) echo BSD-3-Clause ;;
	*'Redistribution and use in source and binary forms'*) echo BSD-2-Clause ;;
	*'Permission is hereby granted, free of charge'*) echo MIT ;;
	*) echo "third-party: $1: a licence that this script does not know" >&2; return 1 ;;
	esac
}

modules() {
	local target tags
	for target in linux/amd64 linux/arm64 android/arm64 windows/amd64 darwin/arm64; do
		for tags in '' tensorflow; do
			CGO_ENABLED=1 GOOS=${target%/*} GOARCH=${target#*/} go list -e -deps -tags "$tags" \
				-f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/...
		done
	done | sort -u
}

page() {
	echo '# Third-party software'
	echo
	echo 'isocost is under the [Apache License 2.0](LICENSE). This page is written by `scripts/third-party.sh`.'
	echo
	echo '## Linked into the programs'
	echo
	echo '| Go module | version | licence |'
	echo '|---|---|---|'
	echo "| Go's runtime and standard library | $(sed -n 's/^go //p' go.mod) or newer | BSD-3-Clause |"
	modules | while read -r path version dir; do
		spdx=$(licence "$dir")
		echo "| $path | $version | $spdx |"
	done
	echo
	echo '## Loaded at run time'
	echo
	echo 'Native runtimes are installed from their packages (`scripts/setup-native.sh`) and travel in bundles with their own licence texts; none is part of this repository.'
	echo
	echo '| runtime | package | version | licence |'
	echo '|---|---|---|---|'
	scripts/setup-native.sh --list | awk -F'\t' '{print "| " $1 " | " $4 " (" $3 ") | " $5 " | " $6 " |"}' | sort -u
}

written=$(page)
if [ "${1:-}" = --check ]; then
	diff -u THIRD_PARTY.md - <<<"$written" || { echo 'third-party: THIRD_PARTY.md is not current: run scripts/third-party.sh'; exit 1; }
else
	printf '%s\n' "$written" >THIRD_PARTY.md
fi
