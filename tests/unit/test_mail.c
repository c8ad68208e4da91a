/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_mail.c: whom a message is for, letters in a frame, a mailbox's bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/proto/letter.h"
#include "daemon/proto/mail_target.h"
#include "daemon/supervisor/mailbox.h"

/* ---- targets ------------------------------------------------------------------ */

#define NAME31 "abcdefghijklmnopqrstuvwxyz01234"

static const struct { const char *text; struct mail_target expect; } targets[] = {
	{ "web/0", { .kind = MAIL_TO_SLOT, .pool = "web" } },
	{ "a-b_9/65534", { MAIL_TO_SLOT, "a-b_9", 65534, 0, "" } },
	{ "web", { .kind = MAIL_TO_POOL, .pool = "web" } },
	{ NAME31, { .kind = MAIL_TO_POOL, .pool = NAME31 } },
	{ "id", { .kind = MAIL_TO_POOL, .pool = "id" } },
	{ "allx", { .kind = MAIL_TO_POOL, .pool = "allx" } },
	{ "all", { .kind = MAIL_TO_ALL } },
	{ "id:4711", { .kind = MAIL_TO_ID, .id = 4711 } },
	{ "id:18446744073709551615", { .kind = MAIL_TO_ID, .id = UINT64_MAX } },
	{ "master", { .kind = MAIL_TO_MASTER } },
	{ "web/7@hello", { MAIL_TO_SLOT, "web", 7, 0, "hello" } },
	{ "all@" NAME31, { .kind = MAIL_TO_ALL, .instance = NAME31 } },
	{ "id:1@x", { .kind = MAIL_TO_ID, .id = 1, .instance = "x" } },
};

static const char *const no_targets[] = {
	"", "/", "/0", "web/", "web/x", "web/-1", "web/+1", "web/01", "web/00",
	"web/65535", "web/99999999999999999999", "web/0/1", "web/0 ", " web",
	"we b", "web\n", "w\xc3\xa9", "-web", "_web", NAME31 "5", "id:", "id:0",
	"id:01", "id:x", "id:-1", "id:18446744073709551616", "web:1", "@", "@x",
	"web@", "web@x@y", "web@-x", "web@a/b", "web/0@", "all@" NAME31 "5",
	"web@ x", "*", "web/*", ".", "web.1",
};

static void
a_word_is_a_target_or_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		struct mail_target found;

		memset(&found, 0, sizeof(found));
		if (mail_target_parse(targets[i].text, &found) != 0)
			fail_msg("refused: %s", targets[i].text);
		assert_int_equal(found.kind, targets[i].expect.kind);
		assert_string_equal(found.pool, targets[i].expect.pool);
		assert_int_equal(found.slot, targets[i].expect.slot);
		assert_true(found.id == targets[i].expect.id);
		assert_string_equal(found.instance, targets[i].expect.instance);
	}
	for (size_t i = 0; i < COUNT(no_targets); i++) {
		struct mail_target found = { .id = 17 };

		if (mail_target_parse(no_targets[i], &found) == 0)
			fail_msg("taken: \"%s\"", no_targets[i]);
		assert_int_equal(found.id, 17);
	}
}

/* ---- letters -------------------------------------------------------------------- */

static _Alignas(8) uint8_t frame[LETTERS_MAX];
static struct errmsg err;

static const struct letter plain = { .flags = LETTER_REPORT, .ref = 7,
	.name = "web/0", .instance = "", .topic = "t", .data = "hello", .len = 5 };

static void
letters_come_back_as_they_were(void **state)
{
	char data[LETTER_DATA_MAX];
	struct letter many[] = { plain, plain, plain }, got;
	const uint8_t *at = frame;
	size_t used = 0;

	(void)state;
	memset(data, 'x', sizeof(data));
	many[1].data = data;
	many[1].len = sizeof(data);
	many[1].from_id = 4711;
	many[2].len = 0;
	many[2].instance = NAME31;
	for (size_t i = 0; i < COUNT(many); i++) {
		letter_put(&many[i], frame + used);
		used += letter_size(&many[i]);
		assert_int_equal(used % 8, 0);
	}
	assert_int_equal(letters_check(frame, used, 3, 0, &err), 0);
	for (size_t i = 0; i < COUNT(many); i++) {
		at = letter_read(at, &got);
		assert_int_equal((uintptr_t)got.data % 8, 0);
		assert_string_equal(got.name, many[i].name);
		assert_string_equal(got.instance, many[i].instance);
		assert_string_equal(got.topic, many[i].topic);
		assert_true(got.ref == many[i].ref &&
		    got.from_id == many[i].from_id);
		assert_int_equal(got.len, many[i].len);
		assert_memory_equal(got.data, many[i].data, got.len);
	}
	assert_ptr_equal(at, frame + used);
}

/* The greatest that a plugin may send has its place. */
static void
the_greatest_letter_fits_a_frame(void **state)
{
	char word[LETTER_WORD_MAX + 1], name[LETTER_TO_MAX + 1];
	struct letter letter = plain;

	(void)state;
	memset(word, 'w', LETTER_WORD_MAX);
	memset(name, 'n', LETTER_TO_MAX);
	word[LETTER_WORD_MAX] = name[LETTER_TO_MAX] = '\0';
	letter.name = name;
	letter.instance = letter.topic = word;
	letter.len = LETTER_DATA_MAX;
	assert_true(letter_size(&letter) <= LETTERS_MAX);
}

/* Bytes at an offset, and what is wrong then. */
static const struct { size_t at; uint32_t value; const char *what; } lies[] = {
	{ 0, 0, "size" }, { 0, 8, "size" }, { 0, 41, "size" }, { 0, 4096, "size" },
	{ 0, UINT32_MAX, "size" }, { 4, 1u << 31, "flags" },
	{ 24, LETTER_DATA_MAX + 1, "length" }, { 24, 4000, "size and length" },
	{ 28, 0, "size and length" }, { 28, 65, "size and length" },
	{ 28, 5 | 1u << 8, "instance" }, { 28, 4 | 2u << 16, "name" },
	{ 28, 6, "name" }, { 28, 5 | 1u << 16 | 1u << 24, "descriptors" },
	{ 32, 'w' | 'e' << 8, "name" }, { 4, LETTER_LARGE, "size and length" },
};

static void
a_letter_that_lies_is_refused(void **state)
{
	size_t size = letter_size(&plain);

	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++) {
		memset(frame, 0, sizeof(frame));
		letter_put(&plain, frame);
		memcpy(frame + lies[i].at, &lies[i].value, 4);
		if (letters_check(frame, size, 1, 0, &err) != ERR_FORMAT)
			fail_msg("taken: %u at %zu", lies[i].value, lies[i].at);
		if (strstr(err.text, lies[i].what) == NULL)
			fail_msg("%u at %zu: %s", lies[i].value, lies[i].at,
			    err.text);
	}
	letter_put(&plain, frame);
	for (size_t len = 0; len < size; len++)
		assert_int_equal(letters_check(frame, len, len > 0, 0, &err),
		    ERR_FORMAT);
	assert_int_equal(letters_check(frame, size, 2, 0, &err), ERR_FORMAT);
	assert_int_equal(letters_check(frame, size, 1, 1, &err), ERR_FORMAT);
	assert_int_equal(letters_check(frame, size, 1, -1, &err), 0);
}

static void
descriptors_have_a_frame_of_their_own(void **state)
{
	struct letter letter = plain;
	size_t size;

	(void)state;
	letter.fds = 2;
	letter_put(&letter, frame);
	size = letter_size(&letter);
	assert_int_equal(letters_check(frame, size, 1, 2, &err), 0);
	assert_int_equal(letters_check(frame, size, 1, 0, &err), ERR_FORMAT);
	letter_put(&plain, frame + size);
	assert_int_equal(letters_check(frame, 2 * size, 2, 2, &err),
	    ERR_FORMAT);
	letter.flags |= LETTER_LARGE;
	letter.data = NULL;
	letter.len = LETTER_LARGE_MAX;
	letter_put(&letter, frame);
	size = letter_size(&letter);
	assert_int_equal(letters_check(frame, size, 1, 2, &err), 0);
	letter.len++;
	letter_put(&letter, frame);
	assert_int_equal(letters_check(frame, size, 1, 2, &err), ERR_FORMAT);
	letter.len--;
	letter.fds = 0;
	letter_put(&letter, frame);
	assert_int_equal(letters_check(frame, size, 1, 0, &err), ERR_FORMAT);
}

/* ---- mailboxes --------------------------------------------------------------------- */

/* What fills a box by each of its bounds. */
static const struct { struct mailbox_entry entry; unsigned fit; } bounds[] = {
	{ { .bytes = 48 }, MAILBOX_LETTERS },
	{ { .bytes = LETTERS_MAX }, MAILBOX_BYTES / LETTERS_MAX },
	{ { .bytes = 48, .fds = 1 }, MAILBOX_FDS },
	{ { .bytes = 48, .fds = 16 }, MAILBOX_FDS / 16 },
	{ { .bytes = 48, .fds = 1, .large = LETTER_LARGE_MAX }, 4 },
};

static void
a_mailbox_keeps_its_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bounds); i++) {
		const struct mailbox_entry *entry = &bounds[i].entry;
		struct mailbox box = { 0 };

		for (int round = 0; round < 3; round++) {
			unsigned fit = 0;

			for (; mailbox_has_room(&box, entry); fit++)
				mailbox_put(&box, entry);
			assert_int_equal(fit, bounds[i].fit);
			while (box.count > 0)
				mailbox_take(&box);
			assert_true(box.bytes == 0 && box.large == 0 &&
			    box.fds == 0);
		}
		mailbox_done(&box);
	}
}

static void
a_mailbox_keeps_the_order(void **state)
{
	struct mailbox box = { 0 };
	uint64_t in = 0, out = 0;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		struct mailbox_entry entry = { .ref = in, .bytes = 48 };

		if (mailbox_has_room(&box, &entry)) {
			mailbox_put(&box, &entry);
			in++;
		}
		if (round % 7 == 3) {		/* it could not be sent */
			assert_true(mailbox_undo(&box).ref == in - 1);
			in--;
		}
		if (round % 3 == 0 && box.count > 0)
			assert_true(mailbox_take(&box).ref == out++);
	}
	while (box.count > 0)
		assert_true(mailbox_take(&box).ref == out++);
	assert_true(in == out);
	mailbox_done(&box);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_is_a_target_or_none),
		cmocka_unit_test(letters_come_back_as_they_were),
		cmocka_unit_test(the_greatest_letter_fits_a_frame),
		cmocka_unit_test(a_letter_that_lies_is_refused),
		cmocka_unit_test(descriptors_have_a_frame_of_their_own),
		cmocka_unit_test(a_mailbox_keeps_its_bounds),
		cmocka_unit_test(a_mailbox_keeps_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
