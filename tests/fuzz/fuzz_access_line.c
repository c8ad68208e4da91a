/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_access_line.c: any format of the access log, up to the first NUL, and any
 * bytes behind it as what a client sent.  A format is one or it is refused; the
 * line is one line, and no longer than it may be.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/errmsg.h"
#include "daemon/worker/access_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int truth)
{
	if (!truth)
		abort();
}

static struct access_text
header(const void *ctx, const char *name)
{
	expect(strlen(name) < ACCESS_HEADER_NAME);
	return *(const struct access_text *)ctx;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct access_format format;
	static char out[ACCESS_LINE_MAX], text[1025];
	struct access_time time = { .second = -1 };
	size_t len = strnlen((const char *)data, size), n;
	struct access_text foreign = { (const char *)data + len, size - len };
	struct access_entry entry = {
		.time = &time, .remote_addr = { "::1", 3 },
		.method = { "GET", 3 }, .uri = foreign, .path = foreign,
		.query = foreign, .protocol = { "HTTP/1.1", 8 },
		.host = foreign, .first_line = foreign,
		.worker = { "web/0", 5 }, .pool = { "web", 3 },
		.plugin = { "hello", 5 }, .request_id = { "0af7651916cd43dd", 16 }, .route = foreign, .header = header,
		.ctx = &foreign,
	};
	struct errmsg err = { 0 };
	int rc;

	if (len > 1024)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	rc = access_format_parse(&format, text, &err);
	expect(rc == 0 || (rc == ERR_BAD_ARGUMENT && err.text[0] != '\0'));
	if (rc != 0)
		return 0;
	expect(format.count <= ACCESS_PARTS_MAX);
	access_time_set(&time, 0);
	for (size_t max = 256; max <= ACCESS_LINE_MAX; max *= 2) {
		n = access_line_make(&format, &entry, out, max);
		expect(n >= 1 && n <= max && out[n - 1] == '\n');
		for (size_t i = 0; i + 1 < n; i++)
			expect((unsigned char)out[i] >= 0x20 ||
			    out[i] == '\t');
	}
	return 0;
}
