#!/bin/sh
# capture-sysfs.sh OUT: copies the files that isocost's agent reads from /proc and
# /sys of this board into the new folder OUT, so that "agent device --sysroot OUT"
# (and a test fixture) sees the board as it is. Files that exist and do not
# answer are listed in OUT/ERRORS with their error, and reproduced from there.
#
# Plain sh and toybox/busybox tools only, so that it runs on a phone:
#   adb push scripts/capture-sysfs.sh /data/local/tmp/
#   adb shell sh /data/local/tmp/capture-sysfs.sh /data/local/tmp/tree
#   adb pull /data/local/tmp/tree
#
# Serial numbers, UUIDs and host names are left out. Exit codes: 0 done, 1 failed, 2 wrong use.
# CAPTURE_ROOT names another root than / (for the script's own test).
set -u
LC_ALL=C; export LC_ALL

if [ $# -ne 1 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
	sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0" >&2
	[ $# -eq 1 ] && exit 0 || exit 2
fi
out=$1
root=${CAPTURE_ROOT:-}
if [ -e "$out" ]; then
	echo "capture-sysfs: error: $out exists" >&2
	echo "capture-sysfs: hint: name a folder that does not" >&2
	exit 2
fi
mkdir -p "$out" || exit 1
tmp=$out/.reading

# a driver that hangs must not hang the capture
limit=
command -v timeout >/dev/null 2>&1 && limit="timeout 3"

grab() { # grab FILE: one file, without the leading /
	f=$1
	[ -e "$root/$f" ] || return 0
	[ -d "$root/$f" ] && return 0
	if msg=$($limit cat "$root/$f" 2>&1 >"$tmp"); then
		mkdir -p "$out/${f%/*}" && mv "$tmp" "$out/$f" || exit 1
		return 0
	fi
	rm -f "$tmp"
	case $msg in
	*"ermission denied"*) e=EACCES ;;
	*"not permitted"*) e=EPERM ;;
	*"temporarily unavailable"* | *"ry again"*) e=EAGAIN ;;
	*"No such device or address"*) e=ENXIO ;;
	*"No such device"*) e=ENODEV ;;
	*"No data available"*) e=ENODATA ;;
	*"nvalid argument"*) e=EINVAL ;;
	*"Remote I/O error"*) e=EREMOTEIO ;;
	*"busy"*) e=EBUSY ;;
	*"not supported"*) e=EOPNOTSUPP ;;
	*"No such file"*) return 0 ;;
	"") e=ETIMEDOUT ;; # timeout killed cat
	*) e=EIO ;;
	esac
	echo "$e $f" >>"$out/ERRORS"
}

# Patterns of agent/device, without the leading /; set -f is off, the shell expands them.
patterns='
proc/meminfo proc/loadavg proc/stat proc/version proc/sys/kernel/osrelease proc/sys/kernel/arch
proc/device-tree/model sys/firmware/devicetree/base/model etc/os-release
run/systemd/container run/.containerenv .dockerenv
system/build.prop vendor/build.prop odm/etc/build.prop product/etc/build.prop
sys/devices/soc0/family sys/devices/soc0/machine sys/hypervisor/type
sys/devices/virtual/dmi/id/sys_vendor sys/devices/virtual/dmi/id/product_name
sys/devices/cpu_atom/cpus sys/devices/cpu_core/cpus
sys/devices/system/cpu/present sys/devices/system/cpu/online
sys/devices/system/cpu/cpu[0-9]*/cpu_capacity
sys/devices/system/cpu/cpu[0-9]*/regs/identification/midr_el1
sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*/level
sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*/type
sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*/size
sys/devices/system/cpu/cpu[0-9]*/topology/core_cpus_list
sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list
sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count
sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq
sys/devices/system/cpu/cpufreq/policy[0-9]*/*
sys/devices/system/cpu/cpufreq/boost sys/devices/system/cpu/intel_pstate/no_turbo
sys/class/thermal/thermal_zone[0-9]*/type sys/class/thermal/thermal_zone[0-9]*/temp
sys/class/thermal/thermal_zone[0-9]*/mode
sys/class/thermal/cooling_device[0-9]*/type sys/class/thermal/cooling_device[0-9]*/*_state
sys/class/hwmon/hwmon[0-9]*/name sys/class/hwmon/hwmon[0-9]*/temp1_input
sys/class/hwmon/hwmon[0-9]*/oc[0-9]*_event_cnt
sys/class/power_supply/*/type sys/class/power_supply/*/scope sys/class/power_supply/*/online
sys/class/power_supply/*/capacity sys/class/power_supply/*/status sys/class/power_supply/*/temp
sys/class/power_supply/*/current_now sys/class/power_supply/*/voltage_now sys/class/power_supply/*/power_now
sys/class/powercap/intel-rapl:*/name sys/class/powercap/intel-rapl:*/energy_uj
sys/class/powercap/intel-rapl:*/max_energy_range_uj
sys/class/devfreq/*/cur_freq sys/class/devfreq/*/min_freq sys/class/devfreq/*/max_freq
sys/class/devfreq/*/governor sys/class/devfreq/*/available_frequencies
sys/class/kgsl/kgsl-3d0/gpu_model sys/class/misc/mali0/device/gpuinfo
sys/devices/platform/*gpu/devfreq/*/cur_freq sys/devices/platform/*.ga10b/devfreq/*/cur_freq
sys/devices/platform/*.gv11b/devfreq/*/cur_freq sys/devices/platform/*.gp10b/devfreq/*/cur_freq
sys/devices/platform/soc*/soc*:firmware/get_throttled sys/class/hwmon/hwmon[0-9]*/in0_lcrit_alarm
sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*/in[1-7]_* sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*/curr[1-4]_input
sys/bus/i2c/drivers/ina3221x/*/iio:device*/rail_name_* sys/bus/i2c/drivers/ina3221x/*/iio:device*/in_*_input
sys/bus/i2c/drivers/ina238/*/hwmon/hwmon*/power1_input sys/bus/i2c/drivers/ina238/*/hwmon/hwmon*/in1_*
sys/bus/i2c/drivers/ina238/*/hwmon/hwmon*/device/of_node/label
sys/bus/iio/devices/iio:device*/energy_value
'
here=$(pwd)
case $out in /*) ;; *) out=$here/$out; tmp=$out/.reading ;; esac
cd "$root/" || exit 1
for f in $patterns; do
	grab "$f"
done

# cpuinfo without the serial number
if [ -r proc/cpuinfo ]; then
	mkdir -p "$out/proc"
	grep -v '^Serial' proc/cpuinfo >"$out/proc/cpuinfo"
fi
# the GPU's name without its UUID
for f in proc/driver/nvidia/gpus/*/information; do
	[ -r "$f" ] || continue
	mkdir -p "$out/${f%/*}"
	grep '^Model' "$f" >"$out/$f"
done
# the mark of a container manager, without the rest of its environment
if tr '\0' '\n' <proc/1/environ 2>/dev/null | grep '^container=' >"$tmp"; then
	mkdir -p "$out/proc/1"
	mv "$tmp" "$out/proc/1/environ"
fi
rm -f "$tmp"
if [ -z "$root" ] && command -v getprop >/dev/null 2>&1; then
	getprop | grep -E '^\[ro\.(product\.(model|manufacturer)|build\.version\.release|soc\.(model|manufacturer))\]' >"$out/getprop.txt"
fi
# files of 0600 boards read like any other here
chmod -R u+rw "$out"
echo "captured $(find "$out" -type f | wc -l | tr -d ' ') files into $out" >&2
