#!/bin/sh
# SPDX-License-Identifier: MIT
# The tree keeps its ranks (build-aux/ranks), and a breach of them is seen: the
# check is shown one of each kind in a small tree of its own.
set -eu
source=${CLUSTERD_SOURCE:-.}
check=$source/build-aux/check-ranks

"$check" "$source" || exit 1

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# refused FILE INCLUDE: a tree with this one line fails, and the file is named
refused() {
	rm -rf "${tree:?}"/*
	mkdir -p "$tree/$(dirname "$1")"
	printf '#include %s\n' "$2" >"$tree/$1"
	if found=$("$check" "$tree"); then
		echo "not seen: $1 includes $2"
		exit 1
	fi
	case $found in "$1:1: "*) ;; *) echo "badly told: $found"; exit 1 ;; esac
}

accepted() {
	rm -rf "${tree:?}"/*
	mkdir -p "$tree/$(dirname "$1")"
	printf '#include %s\n' "$2" >"$tree/$1"
	"$check" "$tree" || { echo "refused: $1 includes $2"; exit 1; }
}

refused common/base/a.c '"common/table/table.h"'	# upwards
refused common/wire/a.c '"daemon/proto/page.h"'		# beside
refused daemon/http/a.c '"daemon/store/store.h"'	# another side
refused daemon/keeper/a.c '"daemon/conf/conf.h"'	# the keeper sees little
refused daemon/worker/drain.c '"daemon/checker/check.h"'
refused ctl/a.c '"daemon/proto/keeper.h"'
refused plugins/hello/a.c '"common/base/buf.h"'		# the SDK only
refused daemon/master/a.c '<sqlite3.h>'			# not its home
refused daemon/worker/a.c '<jansson.h>'
refused daemon/supervisor/a.c '<event2/event.h>'
refused daemon/conf/a.c '<ini.h>'
refused daemon/conf/a.c '"conf.h"'			# not from the top
refused daemon/attic/a.c '<stdio.h>'			# a folder without rank

accepted daemon/store/a.c '<sqlite3.h>'
accepted daemon/worker/main.c '"daemon/checker/check.h"'
accepted daemon/master/a.c '"daemon/supervisor/slot.h"'
accepted plugins/hello/a.c '<clusterd/plugin.h>'
accepted daemon/plugin/a.c '"include/clusterd/api.h"'
