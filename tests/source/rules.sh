#!/bin/sh
# SPDX-License-Identifier: MIT
# The tree keeps the rules of build-aux/check-source, and a breach is seen.  shows: P10
# No signal goes to a pid.  shows: node-W2
set -eu
source=${CLUSTERD_SOURCE:-.}
check=$source/build-aux/check-source

"$check" "$source" || exit 1

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mit='/* SPDX-License-Identifier: MIT */'

put() {
	rm -rf "${tree:?}"/*
	mkdir -p "$tree/$(dirname "$1")"
	printf '%s\n' "$2" "$3" >"$tree/$1"
}
refused() {
	put "$@"
	! "$check" "$tree" >/dev/null || { echo "not seen in $1: $2 $3"; exit 1; }
}
accepted() {
	put "$@"
	"$check" "$tree" || { echo "refused in $1: $2 $3"; exit 1; }
}

# written in two parts, so that this file keeps the rules itself
pause='sleep'
refused tests/system/test_a.py '' "    time.$pause(1)"
refused tests/unit/test_a.c "$mit" "	u$pause(10);"
refused daemon/master/a.c "$mit" '	kill(pid, SIGTERM);'
refused daemon/master/a.c "$mit" "typedef struct slot slot_t;"
refused common/base/a.c "$mit" '	strcpy(to, from);'
refused common/base/a.c '' 'int base;'
accepted daemon/master/a.c "$mit" '	kill(-group, SIGTERM);'
accepted daemon/master/a.c "$mit" '/* never kill(2) a pid: kill(pid) */'
accepted tests/system/test_a.py '' "    # no $pause() here"
