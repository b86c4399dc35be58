#!/usr/bin/env bash
# screenshots.sh: pictures of the demo's two reports and of a study for the README, by
# headless Chromium, into docs/img. Run make demo first, and make the study's table as
# examples/nas-bench-macro/tabular.yaml says.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${DEMO_DIR:-demo}
browser=${CHROME_BIN:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$browser" ] || {
	echo "screenshots.sh: no Chromium here; install it or name it in CHROME_BIN" >&2
	exit 1
}
mkdir -p docs/img
shot() { # FILE NAME WIDTH HEIGHT
	"$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --disable-background-networking \
		--user-data-dir="$(mktemp -d)" --window-size="$3,$4" --screenshot="docs/img/$2.png" "file://$(realpath "$1")" 2>/dev/null
	echo "docs/img/$2.png"
}
shot "$dir/table.html" table-desktop 1280 1700
shot "$dir/table.html" table-phone 500 1700
shot "$dir/report.html" search-desktop 1280 1700
shot "$dir/report.html" search-phone 500 1700

study=$(mktemp -d)
bin/isosearch study --config examples/nas-bench-macro/study.yaml -o "$study" >/dev/null
bin/isosearch report "$study" -o "$study/study.html"
shot "$study/study.html" study-desktop 1280 1060
shot "$study/study.html" study-phone 500 1700
