/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* fuzz_letters.c: any tail of a frame of messages, and any word for whom. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/proto/letter.h"
#include "daemon/proto/mail_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look_at(const struct letter *letter, const uint8_t *end)
{
	struct mail_target target;

	CHECK(strlen(letter->name) > 0 &&
	    strlen(letter->name) <= LETTER_TO_MAX);
	CHECK(strlen(letter->instance) <= LETTER_WORD_MAX);
	CHECK(strlen(letter->topic) <= LETTER_WORD_MAX);
	if (mail_target_parse(letter->name, &target) == 0 &&
	    target.kind == MAIL_TO_ID)
		CHECK(target.id != 0);
	if (letter->data == NULL)
		CHECK(letter->fds > 0 && letter->len <= LETTER_LARGE_MAX);
	else
		CHECK((const uint8_t *)letter->data + letter->len <= end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(8) uint8_t again[LETTERS_MAX];
	uint8_t *tail;
	struct errmsg err = { 0 };
	const uint8_t *at;

	if (size < 2 || size - 2 > LETTERS_MAX)
		return 0;
	/* of exactly that size, so that a sanitizer sees what lies beyond */
	tail = malloc(size - 2 + 1);
	CHECK(tail != NULL);
	memcpy(tail, data + 2, size - 2);
	if (letters_check(tail, size - 2, data[0], (int)data[1] - 1,
	    &err) != 0) {
		CHECK(err.text[0] != '\0');
		free(tail);
		return 0;
	}
	at = tail;
	for (unsigned i = 0; i < data[0]; i++) {
		struct letter letter;
		const uint8_t *next = letter_read(at, &letter);

		CHECK(next > at && next <= tail + size - 2);
		look_at(&letter, next);
		CHECK(letter_size(&letter) == (size_t)(next - at));
		letter_put(&letter, again);
		at = next;
	}
	CHECK(at == tail + size - 2);
	free(tail);
	return 0;
}
