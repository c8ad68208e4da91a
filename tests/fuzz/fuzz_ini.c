/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_ini.c: any bytes as a configuration.  What passes the checks must
 * survive the way into a snapshot and back, and be the same bytes then.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "daemon/checker/checks.h"
#include "daemon/checker/schema.h"
#include "daemon/conf/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
there_and_back(const struct conf *conf)
{
	struct buf first, second;
	struct conf *back = NULL;

	buf_init(&first, 0);
	buf_init(&second, 0);
	CHECK(snapshot_encode(conf, SNAPSHOT_ALL, &first) == 0);
	CHECK(snapshot_decode(buf_at(&first), buf_len(&first), &back,
	    NULL) == 0);
	CHECK(snapshot_encode(back, SNAPSHOT_ALL, &second) == 0);
	CHECK(buf_len(&first) == buf_len(&second));
	CHECK(memcmp(buf_at(&first), buf_at(&second), buf_len(&first)) == 0);
	conf_unref(back);
	buf_done(&first);
	buf_done(&second);
}

static void
on_finding(const struct finding *finding, void *arg)
{
	(void)arg;
	CHECK(memchr(finding->text, '\0', sizeof(finding->text)) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct machine machine = { 2, 65536 };
	struct report report;
	struct schema schema;
	struct source source;

	if (report_init(&report) != 0)
		return 0;
	source_init(&source, &report);
	source_parse(&source, "fuzz.ini", (const char *)data, size);
	if (schema_init(&schema, &source, &report) == 0) {
		checks_run(&schema, &machine);
		if (report.errors == 0)
			there_and_back(schema.conf);
		schema_done(&schema);
	}
	report_flush(&report, on_finding, NULL);
	source_done(&source);
	report_done(&report);
	return 0;
}
