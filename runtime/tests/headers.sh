#!/bin/sh
# SPDX-License-Identifier: MIT
#
# headers.sh - every public header compiles by itself, as C11 and as C++17, without a warning.
#
# usage: headers.sh CC FOLDER UAPI HEADER...
set -u
cc=$1; folder=$2; uapi=$3
shift 3
status=0
for header; do
	for lang in "c -std=c11" "c++ -std=c++17"; do
		# shellcheck disable=SC2086
		printf '#include <%s>\n' "$header" | "$cc" -x $lang -Wall -Wextra -Wpedantic -Werror \
			-Wno-pedantic -I "$folder" -isystem "$uapi" \
			$(pkg-config --cflags libdrm) -fsyntax-only - || {
			echo "$header: does not compile as $lang"
			status=1
		}
	done
done
exit $status
