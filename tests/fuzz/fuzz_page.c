/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* fuzz_page.c: a page with anything in it: what is reported is in its bounds. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/scoreboard/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct page page;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct page_limits limits = { 1024, 2048, 64 };
	static const struct page_report zero;
	const uint64_t now_ns = 1000000000000;
	struct page_report report;
	struct page_doing doing;
	struct page_child child;
	unsigned route;
	struct errmsg err;

	memset(&page, 0, sizeof(page));
	memcpy(&page, data, size < sizeof(page) ? size : sizeof(page));
	(void)page_read(&page, &limits, &zero, now_ns, &report, &err);
	CHECK(report.connections <= limits.connections);
	CHECK(report.closable <= report.connections);
	CHECK(report.fds <= limits.fds && report.children <= limits.children);
	CHECK(report.callback_since_ns <= now_ns);
	for (unsigned i = 0; i < PAGE_DOING; i++) {
		(void)page_read_doing(&page, i, i & 1, &doing,
		    &route);
		CHECK(memchr(doing.path, '\0', PAGE_PATH) != NULL);
	}
	for (unsigned i = 0; i < PAGE_CHILDREN; i++)
		if (page_read_child(&page, i, &child))
			CHECK(child.pid != 0 && memchr(child.command, '\0',
			    PAGE_COMMAND) != NULL);
	return 0;
}
