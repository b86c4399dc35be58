#!/bin/sh
# Installs a software Vulkan driver (SwiftShader, as Debian's Chromium carries it) and the Vulkan loader, so
# that GPU providers can be exercised where no GPU is. Numbers measured on it say nothing about any GPU.
#   . .native/swiftshader.env    makes it this shell's Vulkan driver
set -eu
cd "$(dirname "$0")/.."
driver=/usr/lib/chromium/libvk_swiftshader.so
fail() {
	echo "setup-software-vulkan: error: $1" >&2
	echo "setup-software-vulkan: hint: $2" >&2
	exit 1
}
if [ ! -f "$driver" ] || ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then
	command -v apt-get >/dev/null || fail "SwiftShader is not at $driver and this is no Debian" \
		"install a Vulkan driver of your own and name its ICD file in VK_DRIVER_FILES"
	[ "$(id -u)" = 0 ] || fail "libvulkan1 and chromium-common are not installed" "run apt-get install libvulkan1 chromium-common as root"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libvulkan1 chromium-common >/dev/null
fi
[ -f "$driver" ] || fail "chromium-common holds no $driver" "the package changed; name another driver's ICD file in VK_DRIVER_FILES"
mkdir -p .native
# Debian's ICD file names the driver relative to itself, which the loader takes as relative to the working directory.
icd="$(pwd)/.native/swiftshader-icd.json"
printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.1.0"}}\n' "$driver" >"$icd"
cat >.native/swiftshader.env <<EOF
export VK_DRIVER_FILES='$icd' VK_ICD_FILENAMES='$icd' ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER=1
EOF
echo "setup-software-vulkan: $icd" >&2
