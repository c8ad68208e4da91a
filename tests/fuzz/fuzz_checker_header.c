/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_checker_header.c: any bytes as what the first checker, which reads
 * foreign files, tells the keeper, which may be root.  What passes must be what
 * the keeper then relies on.  The first byte says whether it is privileged; the
 * rest is laid over a good header, so that most inputs get past its first word.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/keeper/first.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int truth)
{
	if (!truth)
		abort();
}

static void
look_at_account(const struct checker_header *header, uint32_t number)
{
	const struct checker_account *account = &header->accounts[number];

	expect(account->uid != 0 && account->gid != 0);
	for (uint32_t i = 0; i < account->ngroups; i++)
		expect(account->groups[i] != 0);
	expect(number == header->user ||
	    account->uid != header->accounts[header->user].uid);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct checker_header header = {
		.magic = CHECKER_MAGIC, .version = CHECKER_VERSION,
		.size = sizeof(header), .count = 2, .worker_user = 1,
		.run_dir = "/run", .state_dir = "/state",
		.accounts = { { .uid = 10, .gid = 10 }, { .uid = 11, .gid = 11 } },
	};
	struct errmsg err = { 0 };
	int privileged;

	if (size < 3 || size - 3 > sizeof(header))
		return 0;
	privileged = data[0] & 1;
	/* two bytes say where the rest is laid */
	size_t at = (size_t)(data[1] | data[2] << 8) % sizeof(header);
	size_t len = size - 3 < sizeof(header) - at ? size - 3 :
	    sizeof(header) - at;

	memcpy((uint8_t *)&header + at, data + 3, len);
	if (first_check_header(&header, privileged, &err) != 0) {
		expect(err.text[0] != '\0');
		return 0;
	}
	expect(header.count <= CHECKER_ACCOUNTS &&
	    header.user < header.count && header.worker_user < header.count);
	expect(header.run_dir[0] == '/' && header.state_dir[0] == '/');
	expect(memchr(header.run_dir, '\0', CHECKER_PATH) != NULL &&
	    memchr(header.state_dir, '\0', CHECKER_PATH) != NULL);
	for (uint32_t i = 0; i < header.count; i++) {
		expect(header.accounts[i].ngroups <= CHECKER_GROUPS);
		if (privileged)
			look_at_account(&header, i);
	}
	expect(!privileged || header.user != header.worker_user);
	return 0;
}
