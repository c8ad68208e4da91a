#!/bin/sh
# SPDX-License-Identifier: MIT
# Every script of the tree is clean under shellcheck.
set -eu
cd "${CLUSTERD_SOURCE:-.}"
command -v shellcheck >/dev/null || { echo "shellcheck is missing"; exit 77; }
scripts=
for file in setup autogen.sh .ci/run build-aux/* tests/* tests/*/*.sh bench/*; do
	[ -f "$file" ] || continue
	case $file in
	build-aux/ar-lib|build-aux/compile|build-aux/config.*|build-aux/depcomp|\
	build-aux/install-sh|build-aux/ltmain.sh|build-aux/missing|build-aux/test-driver)
		continue ;;		# not ours
	esac
	! head -n 1 "$file" | grep -Eq '^#!.*(sh|bash)$' || scripts="$scripts $file"
done
# shellcheck disable=SC2086	# names without blanks
shellcheck $scripts
