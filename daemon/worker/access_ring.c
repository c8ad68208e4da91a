/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* access_ring.c: lines on their way to the access log; see access_ring.h. */
#include "daemon/worker/access_ring.h"

#include <string.h>
#include <sys/mman.h>

#include "common/base/errmsg.h"

enum { MASK = ACCESS_RING_SIZE - 1 };

int
access_ring_init(struct access_ring *ring)
{
	/* not of the heap: pages that no line comes to are never there */
	void *bytes = mmap(NULL, ACCESS_RING_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		return ERR_MEMORY;
	memset(ring, 0, sizeof(*ring));
	ring->bytes = bytes;
	return 0;
}

void
access_ring_done(struct access_ring *ring)
{
	munmap(ring->bytes, ACCESS_RING_SIZE);
	ring->bytes = NULL;
}

bool
access_ring_put(struct access_ring *ring, const char *line, size_t len)
{
	uint64_t put = ring->put;
	size_t at = put & MASK, first = ACCESS_RING_SIZE - at;

	if (put + len - ring->taken_seen > ACCESS_RING_SIZE) {
		ring->taken_seen = __atomic_load_n(&ring->taken,
		    __ATOMIC_ACQUIRE);
		if (put + len - ring->taken_seen > ACCESS_RING_SIZE)
			return false;
	}
	if (first > len)
		first = len;
	memcpy(ring->bytes + at, line, first);
	memcpy(ring->bytes, line + first, len - first);
	__atomic_store_n(&ring->put, put + len, __ATOMIC_RELEASE);
	return true;
}

uint64_t
access_ring_position(const struct access_ring *ring)
{
	return __atomic_load_n(&ring->put, __ATOMIC_RELAXED);
}

/* Length of the whole lines among the first len bytes from position from; of
 * the first line, if that is longer. */
static size_t
whole_lines(const struct access_ring *ring, uint64_t from, size_t len,
    size_t all)
{
	size_t n = len;

	while (n > 0 && ring->bytes[(from + n - 1) & MASK] != '\n')
		n--;
	if (n > 0)
		return n;
	for (n = len + 1; n < all; n++)
		if (ring->bytes[(from + n - 1) & MASK] == '\n')
			break;
	return n;
}

size_t
access_ring_peek(const struct access_ring *ring, size_t most,
    struct iovec pieces[2])
{
	uint64_t from = ring->taken;
	size_t all = (size_t)(__atomic_load_n(&ring->put, __ATOMIC_ACQUIRE) -
	    from);
	size_t at = from & MASK, len = all, first;

	if (len > most)
		len = whole_lines(ring, from, most, all);
	first = len < ACCESS_RING_SIZE - at ? len : ACCESS_RING_SIZE - at;
	pieces[0] = (struct iovec){ ring->bytes + at, first };
	pieces[1] = (struct iovec){ ring->bytes, len - first };
	return len;
}

void
access_ring_take(struct access_ring *ring, size_t len)
{
	__atomic_store_n(&ring->taken, ring->taken + len, __ATOMIC_RELEASE);
}
