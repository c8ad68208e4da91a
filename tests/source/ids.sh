#!/bin/sh
# SPDX-License-Identifier: MIT
# Tests and the rows they show (build-aux/check-ids) agree.
exec "${CLUSTERD_SOURCE:-.}/build-aux/check-ids" "${CLUSTERD_SOURCE:-.}"
