# emulate-arm64.sh: sourced by the scripts that run ARM programs on another machine.
#
#   emulator            sees to it that the kernel starts ARM programs with qemu (needs root)
#   board DIR TXTAR LIB makes the root that emulated programs see instead of this machine's files: the
#                       board of a fixture of agent/device/testdata, with the C library in the folder LIB
#   emulator_off        takes back what emulator registered
#
# The script that sources this has a function fail MESSAGE HINT.

binfmt=/proc/sys/fs/binfmt_misc
binfmt_name=isocost-aarch64

emulator() {
	local qemu
	qemu=$(command -v qemu-aarch64-static) || fail "no qemu-aarch64-static" "apt-get install qemu-user-static"
	[ "$(id -u)" = 0 ] || fail "not root" "registering the emulator with the kernel needs root"
	[ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt" ||
		fail "no binfmt_misc" "a privileged container or a virtual machine can mount it"
	if ! ls "$binfmt" | grep -qv '^register$\|^status$' || ! grep -lq aarch64 "$binfmt"/* 2>/dev/null; then
		printf '%s' ":$binfmt_name:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$qemu:F" >"$binfmt/register"
	fi
	# The processor that programs find. With qemu's "max" LiteRT computes nonsense (docs/decisions/0702-*.md).
	export QEMU_CPU=cortex-a76
}

emulator_off() {
	[ ! -e "$binfmt/$binfmt_name" ] || echo -1 >"$binfmt/$binfmt_name"
}

# Without the board's cpuinfo the ARM ONNX Runtime crashes while it detects the processor.
board() {
	mkdir -p "$1"
	ln -s "$3" "$1/lib"
	awk -v root="$1" '
		/^-- .* --$/ {
			out = ""
			if ($2 ~ /^(proc\/cpuinfo|proc\/device-tree|sys\/|etc\/)/) {
				out = root "/" substr($0, 4, length($0) - 6)
				dir = out; sub(/\/[^\/]*$/, "", dir)
				system("mkdir -p \"" dir "\"")
			}
			next
		}
		out { print > out }' "$2"
}
