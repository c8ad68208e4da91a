#!/bin/sh
# SPDX-License-Identifier: MIT
# autogen.sh: make ./configure.  Needs autoconf, automake and libtool.
set -e
cd "$(dirname "$0")"
for tool in autoreconf automake libtoolize; do
	command -v "$tool" >/dev/null 2>&1 || {
		echo "autogen.sh: $tool is missing; on Debian: apt-get install autoconf automake libtool" >&2
		exit 1
	}
done
mkdir -p m4
exec autoreconf --install --force
