#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# build.sh - builds axon.ko into a folder, leaving the tree as it was.
#
# usage: build.sh OUT [VARIABLE=VALUE | TARGET]...
#   Further words go to the kernel's make: CONFIG_DRM_ACCEL_AXON_KUNIT_TEST=y. With AXON_SPARSE in the
#   environment sparse looks at every file.
# KDIR names the kernel's build folder; else the newest installed Debian 6.12 is taken.
# The sources are linked into OUT/src, where Kbuild may write; the result is OUT/axon.ko.
set -eu

[ $# -ge 1 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }
out=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
top=${here%/*}
if [ -z "${KDIR:-}" ]; then
	for d in /lib/modules/6.12.*/build; do
		[ ! -d "$d" ] || KDIR=$d
	done
	[ -n "${KDIR:-}" ] || { echo "build.sh: no kernel headers 6.12 here; set KDIR" >&2; exit 1; }
fi

mkdir -p "$out"
out=$(cd "$out" && pwd)
for d in driver driver/tests uapi; do
	mkdir -p "$out/src/$d"
	# links whose file is gone would be built for ever
	find "$out/src/$d" -maxdepth 1 -type l ! -exec test -e {} \; -delete
done
ln -sf "$top/Kbuild" "$out/src/Kbuild"
ln -sf "$here/Makefile" "$here/Kconfig" "$here"/*.[ch] "$out/src/driver/"
ln -sf "$here"/tests/*.c "$out/src/driver/tests/"
ln -sf "$top"/uapi/*.h "$out/src/uapi/"
[ -z "${AXON_SPARSE:-}" ] || set -- C=2 CF=-D__CHECK_ENDIAN__ "$@"
make -s -C "$KDIR" M="$out/src" W=1 KCFLAGS=-Werror "$@"
cp "$out/src/driver/axon.ko" "$out/axon.ko"
