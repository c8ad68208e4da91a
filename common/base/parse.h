/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * parse.h: numbers, sizes, durations and percentages as people write them.
 * Pure; all roles.  Return 0, or ERR_FORMAT, ERR_UNIT or ERR_RANGE; the output
 * is untouched on failure.  No sign, no blank, no octal, no overflow.
 */
#ifndef CLUSTERD_BASE_PARSE_H
#define CLUSTERD_BASE_PARSE_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits only: "42". */
int parse_number(const char *text, size_t len, uint64_t *value);
/* "+3", "-20", "7". */
int parse_signed(const char *text, size_t len, int64_t *value);
/* Bytes: "8k", "64M", "1G", "2T", powers of 1024; a bare number is bytes. */
int parse_size(const char *text, size_t len, uint64_t *bytes);
/* Milliseconds: "250ms", "30s", "5m", "1h", "7d".  A unit is required, except
 * for 0. */
int parse_duration(const char *text, size_t len, uint64_t *ms);
/* "50" or "50%": 0..100. */
int parse_percent(const char *text, size_t len, unsigned *percent);
/* Octal mode: "0660", "660". */
int parse_octal(const char *text, size_t len, unsigned *mode);

/* The shortest text that parses back to the value: "30s", "8k", "1500ms".
 * Return out, terminated. */
char *format_size(char *out, size_t size, uint64_t bytes);
char *format_duration(char *out, size_t size, uint64_t ms);

#endif
