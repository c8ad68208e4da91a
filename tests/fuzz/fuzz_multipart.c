/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_multipart.c: any bytes as multipart/form-data, the first line as the value
 * of its Content-Type.  What is found lies inside of the body, in order, and no
 * data holds the boundary.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 8192 };

static void
expect(bool truth)
{
	if (!truth)
		abort();
}

static void
check_name(const char *body, size_t len, struct multipart_text text)
{
	char *copy;

	if (text.at == NULL)
		return;
	expect(text.at >= body && text.at + text.len <= body + len);
	copy = malloc(text.len + 1);
	expect(multipart_copy(copy, text) <= text.len);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *in = (const char *)data, *body, *at;
	size_t type_len = 0, len;
	struct multipart multipart;
	struct multipart_part part;
	int rc;

	if (size > LONGEST)
		return 0;
	while (type_len < size && in[type_len] != '\n')
		type_len++;
	if (type_len == size)
		return 0;
	at = body = in + type_len + 1;
	len = size - type_len - 1;
	rc = multipart_init(&multipart, in, type_len, body, len);
	expect(rc == 0 || rc == -EBADMSG);
	if (rc != 0)
		return 0;
	while ((rc = multipart_next(&multipart, &part)) > 0) {
		check_name(body, len, part.name);
		check_name(body, len, part.filename);
		check_name(body, len, part.type);
		expect(part.name.at > at);
		expect(part.data.at > part.name.at);
		expect(part.data.at + part.data.len + multipart.mark_len <=
		    body + len);
		expect(memmem(part.data.at, part.data.len, multipart.mark,
		    multipart.mark_len) == NULL);
		at = part.data.at + part.data.len;
		expect(memcmp(at, multipart.mark, multipart.mark_len) == 0);
	}
	expect(rc == 0 || rc == -EBADMSG || rc == -E2BIG);
	return 0;
}
