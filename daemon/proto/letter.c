/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* letter.c: messages of plugins in a frame; see letter.h. */
#include "daemon/proto/letter.h"

#include <string.h>

/* What precedes the three words, each with its NUL, and the data. */
struct head {
	uint32_t size;			/* of the letter, a multiple of 8 */
	uint32_t flags;
	uint64_t ref, from_id;
	uint32_t len;			/* of the data */
	uint8_t name, instance, topic;	/* characters of each */
	uint8_t fds;
};

_Static_assert(sizeof(struct head) == 32, "no padding");

static size_t
up(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static size_t
words_size(const struct head *head)
{
	return up((size_t)head->name + head->instance + head->topic + 3);
}

static size_t
inline_len(const struct head *head)
{
	return head->flags & LETTER_LARGE ? 0 : head->len;
}

static void
make_head(const struct letter *letter, struct head *head)
{
	*head = (struct head){
		.flags = letter->flags, .ref = letter->ref,
		.from_id = letter->from_id, .len = (uint32_t)letter->len,
		.name = (uint8_t)strlen(letter->name),
		.instance = (uint8_t)strlen(letter->instance),
		.topic = (uint8_t)strlen(letter->topic),
		.fds = (uint8_t)letter->fds,
	};
	head->size = (uint32_t)(sizeof(*head) + words_size(head) +
	    up(inline_len(head)));
}

size_t
letter_size(const struct letter *letter)
{
	struct head head;

	make_head(letter, &head);
	return head.size;
}

static uint8_t *
put_word(uint8_t *to, const char *word, size_t len)
{
	memcpy(to, word, len + 1);
	return to + len + 1;
}

void
letter_put(const struct letter *letter, uint8_t *to)
{
	uint8_t *at = to + sizeof(struct head);
	struct head head;

	make_head(letter, &head);
	memcpy(to, &head, sizeof(head));
	at = put_word(at, letter->name, head.name);
	at = put_word(at, letter->instance, head.instance);
	at = put_word(at, letter->topic, head.topic);
	to += sizeof(head) + words_size(&head);
	memset(at, 0, (size_t)(to - at));
	if (inline_len(&head) > 0)
		memcpy(to, letter->data, inline_len(&head));
	memset(to + inline_len(&head), 0, up(inline_len(&head)) -
	    inline_len(&head));
}

/* ---- reading ------------------------------------------------------------------- */

static bool
is_word(const uint8_t *at, size_t len, size_t max)
{
	return len <= max && at[len] == '\0' && memchr(at, '\0', len) == NULL;
}

static const char *
words_fault(const struct head *head, const uint8_t *at)
{
	if (head->name == 0 || !is_word(at, head->name, LETTER_TO_MAX))
		return "name";
	at += head->name + 1;
	if (!is_word(at, head->instance, LETTER_WORD_MAX))
		return "instance";
	at += head->instance + 1;
	return is_word(at, head->topic, LETTER_WORD_MAX) ? NULL : "topic";
}

static const char *
head_fault(const struct head *head, size_t room)
{
	if (head->size > room || head->size % 8 != 0)
		return "size";
	if (head->flags & ~(uint32_t)LETTER_FLAGS)
		return "flags";
	if (head->len > (head->flags & LETTER_LARGE ? LETTER_LARGE_MAX :
	    LETTER_DATA_MAX))
		return "length";
	if (sizeof(*head) + words_size(head) + up(inline_len(head)) !=
	    head->size)
		return "size and length";
	if ((head->flags & LETTER_LARGE) && head->fds == 0)
		return "descriptor of its data";
	if ((head->flags & (LETTER_REPORT | LETTER_ASKS)) && head->ref == 0)
		return "ref";
	return NULL;
}

int
letters_check(const uint8_t *at, size_t len, uint32_t count, int fds,
    struct errmsg *err)
{
	const uint8_t *end = at + len;
	uint32_t found = 0, descriptors = 0;

	for (; at < end; found++) {
		const char *fault = "size";
		struct head head;

		if ((size_t)(end - at) >= sizeof(head)) {
			memcpy(&head, at, sizeof(head));
			fault = head_fault(&head, (size_t)(end - at));
			if (fault == NULL)
				fault = words_fault(&head, at + sizeof(head));
		}
		if (fault != NULL)
			return errmsg_set(err, ERR_FORMAT,
			    "letter %u: wrong %s", found + 1, fault);
		descriptors += head.fds;
		at += head.size;
	}
	if (found != count || found == 0 || (descriptors > 0 && found > 1))
		return errmsg_set(err, ERR_FORMAT, "%u letters with %u "
		    "descriptors, not %u", found, descriptors, count);
	if (fds >= 0 && descriptors != (uint32_t)fds)
		return errmsg_set(err, ERR_FORMAT, "letter of %u descriptors, "
		    "not %d", descriptors, fds);
	return 0;
}

const uint8_t *
letter_read(const uint8_t *at, struct letter *letter)
{
	struct head head;

	memcpy(&head, at, sizeof(head));
	*letter = (struct letter){
		.flags = head.flags, .ref = head.ref, .from_id = head.from_id,
		.name = (const char *)at + sizeof(head),
		.len = head.len, .fds = head.fds,
	};
	letter->instance = letter->name + head.name + 1;
	letter->topic = letter->instance + head.instance + 1;
	if ((head.flags & LETTER_LARGE) == 0)
		letter->data = at + sizeof(head) + words_size(&head);
	return at + head.size;
}
