/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * escape.h: foreign text made safe for a line of log, for JSON and for a
 * terminal.  Pure; all roles.
 */
#ifndef CLUSTERD_BASE_ESCAPE_H
#define CLUSTERD_BASE_ESCAPE_H

#include <stddef.h>

/*
 * Write text into out (size bytes, not terminated) with every byte below 0x20
 * or from 0x7f on, and '\\', as \xNN.  What does not fit is cut at a whole
 * escape.  Returns the bytes written.
 */
size_t escape_text(char *out, size_t size, const char *text, size_t len);

/* The same for the inside of a JSON string: RFC 8259; valid UTF-8 stays, a
 * byte that is not part of it becomes \u00NN. */
size_t escape_json(char *out, size_t size, const char *text, size_t len);

/*
 * Length of the valid UTF-8 sequence (RFC 3629) at text, 1..4, or 0 if there
 * is none (overlong, surrogate, cut or a stray byte).
 */
size_t utf8_length(const char *text, size_t len);

/* escape_text() into a terminated string of size bytes; returns out. */
char *escape_string(char *out, size_t size, const char *text, size_t len);

#endif
