/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_proxy.c: any bytes in front of a connection.  The verdict must not depend
 * on the cut, and never be taken back.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/http/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 1024 };

static void
expect(bool truth)
{
	if (!truth)
		abort();
}

static void
check_done(const struct proxy *proxy, size_t len)
{
	expect(proxy->len > 0 && proxy->len <= len);
	expect(proxy->family == AF_UNSPEC || proxy->family == AF_INET ||
	    proxy->family == AF_INET6 || proxy->family == AF_UNIX);
	expect(!proxy->local || proxy->family == AF_UNSPEC);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum proxy_result last = PROXY_MORE, whole;
	struct proxy proxy, cut;

	if (size > LONGEST)
		return 0;
	whole = proxy_parse((const char *)data, size, &proxy);
	if (whole == PROXY_DONE)
		check_done(&proxy, size);
	for (size_t len = 0; len <= size; len++) {
		char *buf = malloc(len + 1);	/* so that its end is seen */
		enum proxy_result now;

		memcpy(buf, data, len);
		now = proxy_parse(buf, len, &cut);
		free(buf);
		expect(last == PROXY_MORE || now == last);
		if (now == PROXY_DONE)
			expect(whole == PROXY_DONE && cut.len == proxy.len &&
			    cut.family == proxy.family &&
			    cut.local == proxy.local &&
			    cut.port == proxy.port && memcmp(cut.address,
			    proxy.address, sizeof(cut.address)) == 0);
		if (now == PROXY_REFUSED)
			expect(whole == PROXY_REFUSED);
		last = now;
	}
	return 0;
}
