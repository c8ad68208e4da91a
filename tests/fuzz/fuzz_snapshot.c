/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_snapshot.c: any bytes as a snapshot.  Length and digest are put right,
 * as a hostile checker would; what is accepted can be written and read again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "daemon/conf/snapshot.h"
#include "daemon/proto/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
repair(uint8_t *data, size_t size)
{
	struct snapshot_header header;
	struct sha256 sha;

	memcpy(&header, data, sizeof(header));
	header.magic = SNAPSHOT_MAGIC;
	header.version = SNAPSHOT_VERSION;
	header.head_size = sizeof(header);
	header.size = (uint32_t)size;
	sha256_init(&sha);
	sha256_add(&sha, data + sizeof(header), size - sizeof(header));
	sha256_end(&sha, header.sha256);
	memcpy(data, &header, sizeof(header));
}

static void
write_again(const struct conf *conf)
{
	struct conf *back = NULL;
	struct buf bytes;

	for (int pool = SNAPSHOT_ALL; pool < (int)conf->pool_count; pool++) {
		buf_init(&bytes, 0);
		CHECK(snapshot_encode(conf, pool, &bytes) == 0);
		CHECK(snapshot_decode(buf_at(&bytes), buf_len(&bytes), &back,
		    NULL) == 0);
		conf_unref(back);
		buf_done(&bytes);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *conf = NULL;
	uint8_t *copy;

	(void)snapshot_decode(data, size, &conf, NULL);
	conf_unref(conf);
	conf = NULL;
	if (size < sizeof(struct snapshot_header) || size > SNAPSHOT_SIZE_MAX)
		return 0;
	copy = malloc(size);
	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	repair(copy, size);
	if (snapshot_decode(copy, size, &conf, NULL) == 0) {
		write_again(conf);
		conf_unref(conf);
	}
	free(copy);
	return 0;
}
