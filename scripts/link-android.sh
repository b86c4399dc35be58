#!/bin/sh
# link-android.sh: scripts/build-agent.sh android-arm64, run to its end without an NDK. The agent is
# compiled for Android by Debian's clang and linked by lld against stub libraries that export the names
# of scripts/android-link/symbols.txt and no other, so that a function that Android 7 lacks fails here;
# the bundle is packed and checked: entry, pages, libraries, API level.
#
# The headers are another C library's (only bionic's own say how large its types are): what comes out
# proves that the build works and what the agent asks for. It is not for a phone, and is thrown away.
# An NDK makes the real one: see docs/devices.md.
set -eu
cd "$(dirname "$0")/.."

fail() { echo "link-android: error: $1" >&2; echo "link-android: hint: $2" >&2; exit 1; }
for tool in clang ld.lld; do
	command -v $tool >/dev/null || fail "no $tool" "apt-get install clang lld"
done
include=/usr/aarch64-linux-gnu/include
[ -e "$include/stdio.h" ] || fail "no C headers in $include" "apt-get install libc6-dev-arm64-cross"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$(pwd)
clang="clang --target=aarch64-linux-android24"

$clang -O1 -ffreestanding -c scripts/android-link/start.c -o "$work/start.o"
$clang -O1 -ffreestanding -c scripts/android-link/compiler-rt.c -o "$work/compiler-rt.o"
grep -v '^#' scripts/android-link/symbols.txt | cut -d' ' -f1 | sort -u | while read -r lib; do
	# Variables could be objects, but a linker only looks at names.
	awk -v lib="$lib" '$1 == lib && NF == 2 { print ".globl " $2 "\n.type " $2 ",%function\n" $2 ":\n nop" }' scripts/android-link/symbols.txt >"$work/stub.s"
	$clang -shared -nostdlib -fuse-ld=lld -Wl,-soname,"$lib" "$work/stub.s" -o "$work/$lib"
done

# The compiler that build-agent.sh is given, in the NDK's place. errno's function has another name there.
cat >"$work/clang" <<WRAPPER
#!/bin/sh
for a in "\$@"; do
	case \$a in -c | -E | -S) exec $clang -isystem $include -I"$root/scripts/android-vet" -D__errno_location=__errno "\$@" ;; esac
done
exec $clang -fuse-ld=lld -nostdlib -L$work -Wno-unused-command-line-argument -isystem $include -D__errno_location=__errno $work/start.o "\$@" $work/compiler-rt.o -lc -lm -ldl
WRAPPER
chmod +x "$work/clang"

CC_ANDROID=$work/clang DIST=$work/dist scripts/build-agent.sh android-arm64 ||
	fail "the build for Android failed, see above" \
		"an undefined symbol: see whether API 24 has it, as scripts/android-link/symbols.txt says"
go run ./cmd/agent bundle --verify "$work/dist/agent-android-arm64" >/dev/null
echo "link-android: bytes of its files:"
(cd "$work/dist/agent-android-arm64" && find . -type f -printf '%s %P\n')
echo "link-android: the agent links against Android 7's functions; its bundle is whole (and thrown away: see the script)"
