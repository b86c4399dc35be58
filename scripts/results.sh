#!/usr/bin/env bash
# results.sh SECTION: replaces that section of docs/results.md with standard input.
# A section stands between <!-- begin SECTION --> and <!-- end SECTION -->; a new one
# is appended.
set -euo pipefail
cd "$(dirname "$0")/.."
section=${1:?usage: results.sh SECTION < text}
file=docs/results.md
text=$(cat)
[ -n "$text" ] || {
	echo "results.sh: no text for section $section" >&2
	exit 1
}
new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT
grep -q "^<!-- begin $section -->$" "$file" || printf '\n<!-- begin %s -->\n<!-- end %s -->\n' "$section" "$section" >>"$file"
SECTION=$section TEXT=$text awk '
	$0 == "<!-- begin " ENVIRON["SECTION"] " -->" { print; print ENVIRON["TEXT"]; skip = 1 }
	$0 == "<!-- end " ENVIRON["SECTION"] " -->" { skip = 0 }
	!skip { if ($0 != "<!-- begin " ENVIRON["SECTION"] " -->") print }
' "$file" >"$new"
chmod 644 "$new"
mv "$new" "$file"
trap - EXIT
