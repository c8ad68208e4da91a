/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* exchange.c: buffers of a connection at work; see exchange.h. */
#include "daemon/http/exchange.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 8192 };

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	alignas(max_align_t) char bytes[];
};

/* All blocks but one of the usual size are given back. */
static void
arena_reset(struct exchange *exchange)
{
	struct arena_block *kept = NULL;

	while (exchange->blocks != NULL) {
		struct arena_block *block = exchange->blocks;

		exchange->blocks = block->next;
		if (kept == NULL && block->size == BLOCK_SIZE) {
			kept = block;
			continue;
		}
		free(block);
	}
	if (kept != NULL) {
		kept->next = NULL;
		kept->used = 0;
	}
	exchange->blocks = kept;
	exchange->allocated = 0;
}

static size_t
aligned(size_t size)
{
	return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

void *
exchange_take(struct exchange *exchange, size_t size)
{
	struct arena_block *block = exchange->blocks;
	size_t fresh;
	void *memory;

	size = aligned(size);
	if (block == NULL || block->size - block->used < size) {
		fresh = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		block = malloc(sizeof(*block) + fresh);
		if (block == NULL)
			return NULL;
		block->size = fresh;
		block->used = 0;
		block->next = exchange->blocks;
		exchange->blocks = block;
	}
	memory = block->bytes + block->used;
	block->used += size;
	return memory;
}

void *
exchange_alloc(struct exchange *exchange, size_t size)
{
	void *memory;

	if (size > EXCHANGE_ALLOC_MAX ||
	    exchange->allocated + aligned(size) > EXCHANGE_ALLOC_MAX)
		return NULL;
	memory = exchange_take(exchange, size);
	if (memory != NULL)
		exchange->allocated += aligned(size);
	return memory;
}

void
exchange_reset(struct exchange *exchange, const struct http *http)
{
	head_init(&exchange->head, &http->config.head, exchange->fields);
	if (exchange->body.kind != BODY_NONE)
		body_done(&exchange->body);
	exchange->body_at = exchange->body_len = exchange->raw_at = 0;
	exchange->path = exchange->query = exchange->authority = NULL;
	exchange->said = NULL;
	exchange->own_ms = HTTP_OFF;
	if (exchange->blocks != NULL)
		arena_reset(exchange);
	buf_clear(&exchange->headers);
	exchange->left = exchange->body_bytes = 0;
	exchange->answer = ANSWER_NONE;
	exchange->chunked = exchange->until_close = false;
	exchange->head_only = exchange->was_full = false;
	exchange->gone.call = NULL;
	exchange->status = 0;
	exchange->filters = 0;
	exchange->draft = NULL;
	exchange->stages = exchange->stage = NULL;
	exchange->ending = false;
}

static void
exchange_free(struct exchange *exchange)
{
	body_done(&exchange->body);
	arena_reset(exchange);
	free(exchange->blocks);
	buf_done(&exchange->in);
	outq_done(&exchange->out);
	outq_done(&exchange->unfiltered);
	buf_done(&exchange->headers);
	free(exchange);
}

struct exchange *
exchange_get(struct http *http)
{
	struct exchange *exchange = http->spare;

	if (exchange != NULL) {
		http->spare = exchange->next;
		http->spare_count--;
		return exchange;
	}
	exchange = calloc(1, sizeof(*exchange) +
	    http->config.head.fields * sizeof(exchange->fields[0]));
	if (exchange == NULL)
		return NULL;
	buf_init(&exchange->headers, EXCHANGE_HEADERS_MAX);
	exchange_reset(exchange, http);
	return exchange;
}

void
exchange_put_unused(struct http *http, struct exchange *exchange)
{
	if (http->spare_count >= EXCHANGE_SPARE ||
	    exchange->in.size > EXCHANGE_KEEP ||
	    exchange->out.bytes.size > EXCHANGE_KEEP ||
	    exchange->unfiltered.bytes.size > EXCHANGE_KEEP) {
		exchange_free(exchange);
		return;
	}
	buf_clear(&exchange->in);
	buf_clear(&exchange->out.bytes);
	buf_clear(&exchange->unfiltered.bytes);
	exchange->spent = 0;
	exchange->next = http->spare;
	http->spare = exchange;
	http->spare_count++;
}

void
exchange_put(struct http *http, struct exchange *exchange)
{
	exchange_reset(exchange, http);
	exchange_put_unused(http, exchange);
}
