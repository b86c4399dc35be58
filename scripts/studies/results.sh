#!/usr/bin/env bash
# results.sh PAGE 'COMMAND' < text: writes docs/results/PAGE.md from standard input, and the index.
# results.sh index: writes the index alone, docs/results/README.md, from the pages.
# results.sh machine: prints what this machine is.
#
# The text begins with "# Title". Below the title the page says which command repeats it and
# what it was measured on: this machine and today, or what MEASURED_ON says.
set -euo pipefail
cd "$(dirname "$0")/../.."

# machine: the processor, how many of its cores this machine has, the instruction sets that
# decide how fast a network runs, the kernel, and whether a hypervisor is under it.
machine() {
	local model sets
	model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
	sets=$(grep -E -m 1 '^(flags|Features)' /proc/cpuinfo 2>/dev/null |
		grep -o -w -E 'avx2|avx512_vnni|avx_vnni|avx512_bf16|amx_int8|asimddp|i8mm|bf16' | paste -sd ' ' | sed 's/ /, /g' || true)
	echo "${model:-$(uname -m)} (${sets:-no wide instructions known}), $(getconf _NPROCESSORS_ONLN) cores, $(uname -s -r -m), $(hypervisor)"
}

# hypervisor: what a virtual machine says of the one that runs it. The flag is only on x86; the
# firmware's tables are not in every machine, and what they name beside the flag is the hypervisor.
hypervisor() {
	local dmi=/sys/class/dmi/id name=""
	name=$(cat $dmi/sys_vendor $dmi/product_name 2>/dev/null | paste -sd ' ' || true)
	if grep -E -m 1 '^flags' /proc/cpuinfo 2>/dev/null | grep -q -w hypervisor; then
		echo "virtual machine (${name:-hypervisor not named})"
	elif grep -q -E '^flags' /proc/cpuinfo 2>/dev/null; then
		echo "no hypervisor"
	else
		echo "hypervisor not known${name:+ ($name)}"
	fi
}

index() {
	local file title command
	echo "# Results"
	echo
	echo "One page per study: what was measured, the command that repeats it, and the machine it ran on. A \`make\` target or a script of"
	echo "\`scripts/studies/\` rewrites its page; the others are kept by hand, from what their command prints. \`scripts/studies/results.sh index\`"
	echo "writes this list."
	echo
	echo "| study | command |"
	echo "|---|---|"
	for file in docs/results/*.md; do
		[ "$file" = docs/results/README.md ] && continue
		title=$(sed -n '1s/^# //p' "$file")
		command=$(sed -n 's/^- Command: //p' "$file" | head -n 1)
		echo "| [$title]($(basename "$file")) | $command |"
	done
}

# replace FILE: the file becomes standard input, all of it or not at all.
replace() {
	local new
	new=$(mktemp "$1.XXXXXX")
	cat >"$new"
	chmod 644 "$new"
	mv "$new" "$1"
}

page=${1:?usage: results.sh PAGE COMMAND < text, or results.sh index, or results.sh machine}
if [ "$page" = machine ]; then
	machine
	exit
fi
if [ "$page" != index ]; then
	command=${2:?usage: results.sh PAGE COMMAND < text}
	text=$(cat)
	case $text in
	'# '*) ;;
	*)
		echo "results.sh: the text for $page does not begin with \"# Title\"" >&2
		exit 1
		;;
	esac
	{
		head -n 1 <<<"$text"
		echo
		echo "- Command: \`$command\`"
		echo "- Measured on: ${MEASURED_ON:-$(machine), $(date -u +%Y-%m-%d)}"
		tail -n +2 <<<"$text"
	} | replace "docs/results/$page.md"
fi
index | replace docs/results/README.md
