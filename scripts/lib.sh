# SPDX-License-Identifier: MIT
#
# lib.sh - what the scripts of this folder share: messages, and the cache of things that take
# long to make (headers of QEMU, guest kernel, initramfs).  It is sourced, never run, and must
# never write inside the project tree: the cache lives outside, keyed by what goes into it.

me=${0##*/}
# depmod and modprobe stand where a plain user's PATH does not look
PATH=$PATH:/usr/sbin:/sbin

say()
{
	printf '%s: %s\n' "$me" "$*" >&2
}

die()
{
	say "error: $*"
	exit 1
}

need()	# COMMAND...: stops with the way out when one is not there
{
	for _c; do
		command -v "$_c" >/dev/null 2>&1 ||
			die "'$_c' is missing; run scripts/setup first"
	done
}

cache_root()
{
	if [ -n "${AXON_CACHE:-}" ]; then
		printf '%s\n' "$AXON_CACHE"
	elif [ -n "${XDG_CACHE_HOME:-}" ]; then
		printf '%s\n' "$XDG_CACHE_HOME/axon"
	else
		printf '%s\n' "${HOME:?HOME is not set; set AXON_CACHE}/.cache/axon"
	fi
}

# cache_entry KIND INPUT...: the path of the entry that these inputs make.  An input that names a
# file counts by its content.
cache_entry()
{
	_kind=$1
	shift
	_key=$(for _i; do
		if [ -f "$_i" ]; then
			sha256sum <"$_i"
		else
			printf '%s\n' "$_i"
		fi
	done | sha256sum | cut -c1-16)
	printf '%s/%s-%s\n' "$(cache_root)" "$_kind" "$_key"
}

# cache_make PATH FUNCTION: makes the entry PATH unless it is there.  FUNCTION gets an empty folder
# to fill; the folder takes its final name only when it is complete, so an entry that can be seen
# is whole whatever was interrupted.  A lock keeps two builds of one entry apart.
cache_make()
{
	[ ! -d "$1" ] || return 0
	need flock
	mkdir -p "${1%/*}" || die "cannot create the cache folder ${1%/*} (set AXON_CACHE)"
	exec 9>"$1.lock"
	flock 9
	if [ -d "$1" ]; then	# made by another while this one waited
		exec 9>&-
		return 0
	fi
	rm -rf "$1".tmp.*	# the lock is ours: what is left there was interrupted
	_tmp=$1.tmp.$$
	mkdir "$_tmp"
	trap 'rm -rf "$_tmp"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	"$2" "$_tmp"
	mv "$_tmp" "$1"
	trap - EXIT INT TERM
	exec 9>&-
}

# kernel_headers: the kernel package that the headers' meta package resolves to, in $headers, and its
# version in $version
kernel_headers()
{
	_meta=linux-headers-6.12-amd64
	headers=$(dpkg-query -W -f '${Depends}\n' $_meta 2>/dev/null |
		grep -o 'linux-headers-6\.12[^ ,]*' | head -n 1) || true
	[ -n "$headers" ] || die "package $_meta is not installed; run scripts/setup first"
	version=$(dpkg-query -W -f '${Version}' "$headers") ||
		die "package $headers is not installed"
}

# kernel_source DIR [ARGUMENT OF tar]...: the source of that kernel, unpacked to DIR/src
kernel_source()
{
	_dir=$1
	shift
	_pkg=linux-source-6.12
	say "downloading $_pkg $version (about 150 MB)"
	(cd "$_dir" && apt-get -q -o Acquire::Retries=3 -o "APT::Sandbox::User=$(id -un)" \
		download "$_pkg=$version" >&2) ||
		die "cannot download $_pkg $version; if it is no longer offered, run" \
			"apt-get update and upgrade linux-headers-6.12-amd64"
	say "unpacking it"
	mkdir "$_dir/src" "$_dir/deb"
	dpkg -x "$_dir"/*.deb "$_dir/deb"
	xz -T0 -dc "$_dir/deb/usr/src/$_pkg.tar.xz" |
		tar -x -C "$_dir/src" --strip-components=1 "$@" || die "cannot unpack $_pkg"
	rm -rf "$_dir/deb" "$_dir"/*.deb
}
