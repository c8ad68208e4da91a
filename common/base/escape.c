/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* escape.c: foreign text made safe; see escape.h. */
#include "common/base/escape.h"

#include <string.h>

static const char hex[] = "0123456789abcdef";

size_t
escape_text(char *out, size_t size, const char *text, size_t len)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		int plain = c >= 0x20 && c < 0x7f && c != '\\';

		if (used + (plain ? 1 : 4) > size)
			break;
		if (plain) {
			out[used++] = (char)c;
			continue;
		}
		out[used++] = '\\';
		out[used++] = 'x';
		out[used++] = hex[c >> 4];
		out[used++] = hex[c & 15];
	}
	return used;
}

char *
escape_string(char *out, size_t size, const char *text, size_t len)
{
	if (size > 0)
		out[escape_text(out, size - 1, text, len)] = '\0';
	return out;
}

size_t
utf8_length(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned min, code;
	size_t need;

	if (len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if ((p[0] & 0xe0) == 0xc0)
		need = 2, min = 0x80, code = p[0] & 0x1fU;
	else if ((p[0] & 0xf0) == 0xe0)
		need = 3, min = 0x800, code = p[0] & 0x0fU;
	else if ((p[0] & 0xf8) == 0xf0)
		need = 4, min = 0x10000, code = p[0] & 0x07U;
	else
		return 0;
	if (need > len)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fU);
	}
	if (code < min || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return need;
}

/* One character of a JSON string into piece; returns its length. */
static size_t
json_piece(char piece[6], unsigned char c)
{
	static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
		if ((unsigned char)shorts[i] != c)
			continue;
		piece[0] = '\\';
		piece[1] = shorts[i + 1];
		return 2;
	}
	memcpy(piece, "\\u00", 4);
	piece[4] = hex[c >> 4];
	piece[5] = hex[c & 15];
	return 6;
}

size_t
escape_json(char *out, size_t size, const char *text, size_t len)
{
	size_t used = 0, i = 0;

	while (i < len) {
		unsigned char c = (unsigned char)text[i];
		size_t whole = utf8_length(text + i, len - i), n;
		char piece[6];

		if (whole > 0 && c >= 0x20 && c != '"' && c != '\\' &&
		    c != 0x7f) {
			n = whole;
			memcpy(piece, text + i, n);
			i += whole;
		} else {
			n = json_piece(piece, c);
			i++;
		}
		if (used + n > size)
			break;
		memcpy(out + used, piece, n);
		used += n;
	}
	return used;
}
