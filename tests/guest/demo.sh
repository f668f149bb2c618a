#!/bin/sh
# SPDX-License-Identifier: MIT
#
# demo.sh [MODEL TOKENIZER] - the guest's half of `make demo`. AXON_BUILD is set by the guest's init.
# Without a model it trains one on a text that every Debian has.
set -u
bin=$AXON_BUILD/bin
rc=0

say() { printf '\n=== %s\n' "$*"; }

say "load axon.ko"
"$AXON_SRC/tests/guest/load" || exit 1
dmesg | grep -i axon | tail -6

say "axon-ls"
"$bin/axon-ls" || rc=1

stress()
{
	say "card 1: a matrix product, over and over"
	"$bin/axon-matmul" --core 2 --seconds 600 >/tmp/stress.log 2>&1 &
	stress=$!
}

if [ $# -ge 2 ]; then
	stress
	say "card 0: a story, computed on the card"
	"$bin/axon-llm" "$1" -z "$2" -t 0 -n 256 || rc=1
else
	say "both cards: a model is trained on a licence; they add up their gradients over their link"
	"$bin/axon-train" /usr/share/common-licenses/GPL-3 --cards 2 -o /tmp/gpl.bin || rc=1
	stress
	say "card 0: it writes"
	"$bin/axon-llm" /tmp/gpl.bin -z /tmp/gpl.bin.tok -t 0.7 -s 1 || rc=1
fi

say "axon-top"
"$bin/axon-top" --once || rc=1

kill -INT $stress
wait $stress || rc=1
cat /tmp/stress.log

say "unload"
rmmod axon && echo "axon: unloaded" || rc=1
dmesg | grep -E 'WARNING|BUG|Oops|Call Trace' && rc=1
exit $rc
