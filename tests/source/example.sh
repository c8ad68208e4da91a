#!/bin/sh
# SPDX-License-Identifier: MIT
# The plugin that doc/from-node.md shows is plugins/count/count.c, and each line
# of C that it sets beside one of Node is in there.
set -eu
cd "${CLUSTERD_SOURCE:-.}"
page=doc/from-node.md plugin=plugins/count/count.c
shown=$(mktemp)
trap 'rm -f "$shown"' EXIT

# shellcheck disable=SC2016	# backquotes of the page
sed -n '/^```c$/,/^```$/p' "$page" | sed '1d;$d' >"$shown"
sed -n '/^#include/,$p' "$plugin" | diff -u "$shown" - || {
	echo "$page shows another plugin than $plugin"
	exit 1
}
# the second column of the table, where it is code with an end of a C line
# shellcheck disable=SC2016	# backquotes of the page
sed -nE 's/^\|.*\| `([^`]*[;{,)])`[^|]*\|$/\1/p' "$page" | while IFS= read -r line; do
	grep -qF -- "$line" "$plugin" || {
		echo "$page: not in $plugin: $line"
		exit 1
	}
done
