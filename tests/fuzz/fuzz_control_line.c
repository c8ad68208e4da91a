/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_control_line.c: any bytes as a stream of the control protocol.  Each
 * line is a request or an error with words; the id is always JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/wire/lines.h"
#include "common/wire/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_line(const char *line, size_t len)
{
	struct request request;
	struct errmsg err = { 0 };
	json_t *id;

	if (request_decode(line, len, &request, &err) == 0) {
		CHECK(request.command != NULL);
		request_done(&request);
	} else {
		CHECK(err.code == ERR_BAD_REQUEST && err.text[0] != '\0');
	}
	id = json_loads(request.id, JSON_DECODE_ANY, NULL);
	CHECK(id != NULL);
	json_decref(id);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines lines;
	size_t len, split = size > 0 ? data[0] % (size + 1) : 0;
	char *line;

	lines_init(&lines, 1024);
	for (int part = 0; part < 2; part++) {
		CHECK(lines_add(&lines, part == 0 ? data : data + split,
		    part == 0 ? split : size - split) == 0);
		while ((line = lines_next(&lines, &len)) != NULL) {
			CHECK(len <= 1024 && line[len] == '\0');
			fuzz_line(line, len);
		}
	}
	lines_done(&lines);
	return 0;
}
