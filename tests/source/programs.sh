#!/bin/sh
# SPDX-License-Identifier: MIT
# The walls as link facts: each program needs the libraries of its list and no
# other, exports nothing, and is hardened; a plugin exports cluster_plugin alone.
# The keeper, which may be root, links libc alone.  shows: node-B19
set -eu
source=${CLUSTERD_SOURCE:-.}
build=${CLUSTERD_BUILD:-.}
needed=$source/build-aux/needed
status=0

for tool in readelf nm; do
	command -v $tool >/dev/null || { echo "$tool is missing"; exit 77; }
done
wrong() {
	echo "$*"
	status=1
}

# allowed PROGRAM: its libraries, one a line
allowed() {
	awk -v program="$1" '$1 == "*" || $1 == program { for (i = 2; i <= NF; i++) print $i }' "$needed"
}

# The symbols that a file defines for others.  A name with a version belongs to
# the C library: a variable of it that was copied into the program.
exported() {
	# A variable of a library that a program uses (inih's settings) is copied
	# into the program by the loader: R_*_COPY; that is not an export of ours.
	copied=$(readelf -rW "$1" 2>/dev/null | awk '$3 ~ /_COPY$/ { print $5 }')
	nm -D --defined-only "$1" 2>/dev/null | awk '$NF !~ /@/ { print $NF }' |
		grep -vxF "${copied:-@}" | LC_ALL=C sort
}

programs=$(awk '!/^#/ && $1 != "*" { print $1 }' "$needed")
for program in $programs; do
	file=$build/$program
	[ -f "$file" ] || { wrong "$program was not built"; continue; }
	if [ "${SANITIZED:-no}" = no ]; then
		for library in $(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*/\1/p'); do
			allowed "$program" | grep -qxF "$library" ||
				wrong "$program must not be linked with $library"
		done
		names=$(exported "$file" | tr '\n' ' ')
		[ -z "$names" ] || wrong "$program exports $names"
	fi
	readelf -h "$file" | grep -q 'Type:.*DYN' || wrong "$program is not position independent"
	readelf -d "$file" | grep -q 'BIND_NOW\|NOW' || wrong "$program is not bound at start"
	readelf -lW "$file" | grep -q GNU_RELRO || wrong "$program has no RELRO"
done

count=0
for file in "$build"/plugins/*.so "$build"/tests/plugins/*.so; do
	[ -f "$file" ] || continue
	count=$((count + 1))
	names=$(exported "$file" | tr '\n' ' ')
	# a plugin that is broken on purpose has its own list of what it exports
	[ "$names" = "cluster_plugin " ] ||
		grep -qxF "${file##*/}" "$source/tests/plugins/strangers" 2>/dev/null ||
		wrong "$file exports $names"
done
[ "$count" -gt 0 ] || wrong "no plugin was built"
exit $status
