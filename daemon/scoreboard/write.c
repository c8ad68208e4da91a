/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* write.c: writing a page; see write.h. */
#include "daemon/scoreboard/write.h"

#include <stdbool.h>
#include <string.h>

void
board_init(struct board *board, struct page *page)
{
	memset(board, 0, sizeof(*board));
	board->page = page;
}

unsigned
board_bucket(uint64_t ns)
{
	uint64_t quarters = ns / 4000;		/* 16 us is 4 */
	unsigned octave, bucket;

	if (quarters < 4)
		return 0;
	octave = 61 - (unsigned)__builtin_clzll(quarters);
	bucket = octave * 4 + (unsigned)(quarters >> octave) - 4;
	return bucket < PAGE_BUCKETS ? bucket : PAGE_BUCKETS - 1;
}

uint64_t
board_bucket_end_ns(unsigned bucket)
{
	unsigned octave = bucket / 4;

	return (uint64_t)(bucket % 4 + 5) * 4000 << octave;
}

void
board_add_latency(struct board *board, uint64_t ns)
{
	uint64_t *word = &board->page->histogram[board_bucket(ns)];

	WORD_SET(*word, WORD_GET(*word) + 1);
	board_add(board, METRIC_ANSWER_US, ns / 1000);
}

void
board_beat(struct board *board, uint64_t now_ns, uint64_t loops)
{
	struct page_beat *beat = &board->page->beat;
	uint64_t busy_ns = board->busy_ns;

	if (board->awake_ns != 0)
		busy_ns += now_ns - board->awake_ns;

	WORD_SET(beat->loops, WORD_GET(beat->loops) + loops);
	WORD_SET(beat->busy_ns, busy_ns);
	WORD_SET(beat->beat_ns, now_ns);
	board->beat_ns = now_ns;
}

/* The small fields of an entry, as the one word they lie in. */
static void
set_what(struct page_doing *doing, enum page_doing_kind kind, unsigned plugin,
    unsigned method)
{
	WORD_SET(doing->plugin, (uint16_t)plugin);
	WORD_SET(doing->method, (uint8_t)method);
	WORD_SET(doing->kind, (uint8_t)kind);
}

/* Path as relaxed words; what was longer before is zeroed. */
static void
set_path(struct board *board, unsigned entry, const char *path, size_t len)
{
	uint64_t *words = (uint64_t *)(void *)
	    board->page->doing[entry].path;
	size_t used, i;

	if (len > PAGE_PATH - 1)
		len = PAGE_PATH - 1;
	used = (len + 7) / 8;
	for (i = 0; i < used; i++) {
		size_t left = len - i * 8;
		uint64_t word = 0;

		memcpy(&word, path + i * 8, left < 8 ? left : 8);
		WORD_SET(words[i], word);
	}
	for (; i < board->path_words[entry]; i++)
		WORD_SET(words[i], 0);
	board->path_words[entry] = (uint8_t)used;
}

void
board_do(struct board *board, unsigned entry, const struct board_work *work)
{
	struct page_doing *doing = &board->page->doing[entry];
	uint32_t seq = WORD_GET(doing->seq) | 1;

	WORD_SET(doing->seq, seq);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	set_what(doing, work->kind, work->plugin, work->method);
	WORD_SET(board->page->route[entry], (uint16_t)work->route);
	WORD_SET(doing->since_ns, work->since_ns);
	WORD_SET(doing->request, work->request);
	set_path(board, entry, work->path, work->path_len);
	__atomic_store_n(&doing->seq, seq + 1, __ATOMIC_RELEASE);
}

void
board_do_nothing(struct board *board, unsigned entry)
{
	struct page_doing *doing = &board->page->doing[entry];
	uint32_t seq = WORD_GET(doing->seq) | 1;

	WORD_SET(doing->seq, seq);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	set_what(doing, DOING_NOTHING, 0, 0);
	__atomic_store_n(&doing->seq, seq + 1, __ATOMIC_RELEASE);
}

void
board_keep(const struct board *board, struct board_kept *kept)
{
	kept->doing = board->page->doing[0];
	kept->route = board->page->route[0];
}

void
board_put_back(struct board *board, const struct board_kept *kept)
{
	board_do(board, 0, &(struct board_work){
	    .kind = (enum page_doing_kind)kept->doing.kind,
	    .plugin = kept->doing.plugin, .route = kept->route,
	    .method = kept->doing.method, .since_ns = kept->doing.since_ns,
	    .request = kept->doing.request, .path = kept->doing.path,
	    .path_len = strnlen(kept->doing.path, PAGE_PATH) });
}

/* ---- children --------------------------------------------------------------------- */

/* Says whether that is news. */
static bool
note_child(struct board *board, unsigned row, bool used)
{
	uint64_t *rows = &board->child_rows[row / 64], bit = 1ULL << row % 64;
	uint32_t *count = &board->page->gauges.children;

	if (((*rows & bit) != 0) == used)
		return false;
	*rows ^= bit;
	WORD_SET(*count, used ? WORD_GET(*count) + 1 : WORD_GET(*count) - 1);
	return true;
}

static void
write_child(struct page_child *row, const struct board_child *child)
{
	uint32_t *command = (uint32_t *)(void *)row->command;
	uint32_t seq = WORD_GET(row->seq) | 1;
	char text[PAGE_COMMAND] = "";

	if (child->command != NULL)
		memcpy(text, child->command,
		    strnlen(child->command, sizeof(text) - 1));
	WORD_SET(row->seq, seq);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WORD_SET(row->pid, (uint32_t)child->pid);
	WORD_SET(row->since_ns, child->since_ns);
	WORD_SET(row->request, child->request);
	WORD_SET(row->flags, child->flags);
	for (size_t i = 0; i < sizeof(text) / 4; i++) {
		uint32_t word;

		memcpy(&word, text + i * 4, sizeof(word));
		WORD_SET(command[i], word);
	}
	__atomic_store_n(&row->seq, seq + 1, __ATOMIC_RELEASE);
}

void
board_child_set(struct board *board, unsigned row,
    const struct board_child *child)
{
	if (row >= BOARD_CHILDREN)
		return;
	(void)note_child(board, row, true);
	if (row < PAGE_CHILDREN)
		write_child(&board->page->child[row], child);
}

void
board_child_clear(struct board *board, unsigned row)
{
	if (row >= BOARD_CHILDREN || !note_child(board, row, false))
		return;
	if (row < PAGE_CHILDREN)
		write_child(&board->page->child[row], &(struct board_child){ 0 });
}
