/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_plugin.c: note, loader and options, with hello.so as it is built. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "common/table/keys.h"
#include "daemon/plugin/elf_note.h"
#include "daemon/plugin/loader.h"

static char path[512];
static char *image;
static size_t image_len;

static int
read_hello(void **state)
{
	const char *build = getenv("CLUSTERD_BUILD");
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/plugins/hello.so",
	    build == NULL ? "." : build);
	if ((file = fopen(path, "rb")) == NULL)
		return -1;
	image = malloc(1 << 20);
	image_len = fread(image, 1, 1 << 20, file);
	fclose(file);
	return image_len > 0 ? 0 : -1;
}

static int
free_hello(void **state)
{
	(void)state;
	free(image);
	return 0;
}

static void
note_says_what_the_descriptor_says(void **state)
{
	struct cluster_note note;
	struct errmsg err = { 0 };

	(void)state;
	assert_int_equal(elf_note_find(image, image_len, &note, &err), 0);
	assert_string_equal(note.name, "hello");
	assert_int_equal(note.abi_major, 1);
	assert_int_equal(note.descriptor_size, sizeof(struct cluster_plugin));
	assert_int_equal(elf_note_judge(&note, &err), FATAL_NONE);
	note.abi_major = 2;
	assert_int_equal(elf_note_judge(&note, &err), FATAL_ABI);
	assert_non_null(strstr(err.text, "2.3"));
	assert_non_null(strstr(err.text, "1.3"));
	note.abi_major = 1;
	note.abi_minor = 7;
	assert_int_equal(elf_note_judge(&note, &err), FATAL_NONE);
	note.flags = CLUSTER_NEEDS_MINOR;
	assert_int_equal(elf_note_judge(&note, &err), FATAL_ABI);
}

/* Each cut is on the heap, so that a read too far is seen by a sanitizer. */
static void
a_file_cut_anywhere_is_refused_or_whole(void **state)
{
	struct cluster_note note;
	struct errmsg err;

	(void)state;
	for (size_t len = 0; len < 4096 && len < image_len; len += 7) {
		char *cut = malloc(len + 1);

		memcpy(cut, image, len);
		(void)elf_note_find(cut, len, &note, &err);
		free(cut);
	}
	assert_true(elf_note_find(image, 64, &note, &err) < 0);
	assert_true(elf_note_find("#!/bin/sh\n", 10, &note, &err) < 0);
}

static void
hello_is_opened_and_filled(void **state)
{
	static const struct option_text given[] = {
		{ "greeting", "Good evening" },
	};
	static const struct option_text unknown[] = { { "greting", "x" } };
	const struct cluster_option *like;
	struct plugin plugin;
	struct errmsg err = { 0 };

	(void)state;
	assert_int_equal(plugin_open(&plugin, "hello", path, NULL, &err),
	    FATAL_NONE);
	assert_string_equal(plugin.desc.name, "hello");
	assert_non_null(plugin.desc.handle);
	assert_null(plugin.desc.start);
	assert_int_equal(plugin_fill(&plugin, given, 1, &err), FATAL_NONE);
	assert_string_equal(*(const char **)plugin.self, "Good evening");
	free(*(char **)plugin.self);
	free(plugin.self);
	assert_int_equal(plugin_fill(&plugin, unknown, 1, &err), FATAL_CONFIG);
	free(plugin.self);
	like = options_suggest(plugin.desc.options, "greting");
	assert_non_null(like);
	assert_string_equal(like->name, "greeting");
	assert_null(options_suggest(plugin.desc.options, "zzz"));
}

static void
what_is_no_plugin_is_refused_with_its_class(void **state)
{
	struct plugin plugin;
	struct errmsg err = { 0 };

	(void)state;
	assert_int_equal(plugin_open(&plugin, "x", "/nonexistent.so", NULL,
	    &err), FATAL_ELF);
	assert_int_equal(plugin_open(&plugin, "x", "/proc/self/exe", NULL,
	    &err), FATAL_ELF);
	assert_non_null(strstr(err.text, "not a clusterd plugin"));
}

static enum cluster_verdict
take_request(struct cluster_request *req, void *self)
{
	(void)req;
	(void)self;
	return CLUSTER_PASS;
}

static void
take_response(struct cluster_request *req, void *self)
{
	(void)req;
	(void)self;
}

static int
start(void *self)
{
	(void)self;
	return 0;
}

static void
take_stream(struct cluster_stream *stream, void *self)
{
	(void)stream;
	(void)self;
}

static void
take_datagram(struct cluster_datagram *datagram, void *self)
{
	(void)datagram;
	(void)self;
}

static void
take_message(const struct cluster_message *message, void *self)
{
	(void)message;
	(void)self;
}

static void
take_drain(void *self)
{
	(void)self;
}

static const struct cluster_task no_task[] = { { NULL, NULL } };

/* Whether it may stand in a route of each protocol. */
static const struct {
	const char *spec;
	struct cluster_plugin desc;
	bool http, tcp, udp;
} kinds[] = {
	{ "a handler", { .handle = take_request }, true, false, false },
	{ "bodies alone", { .on_head = take_request }, true, false, false },
	{ "a handler and filter", { .handle = take_request,
	    .on_response = take_response }, true, false, false },
	{ "nothing", { .on_drain = take_drain }, false, false, false },
	{ "a filter", { .on_request = take_request }, false, false, false },
	{ "a filter that starts", { .on_response = take_response,
	    .start = start }, false, false, false },
	{ "one of streams", { .start = start, .on_stream = take_stream }, false,
	    true, false },
	{ "one of datagrams", { .on_message = take_message,
	    .on_datagram = take_datagram }, false, false, true },
	{ "one of all", { .handle = take_request, .on_stream = take_stream,
	    .on_datagram = take_datagram }, true, true, true },
	{ "one beside the requests", { .start = start }, true, false, false },
	{ "one of messages", { .on_message = take_message }, true, false,
	    false },
};

static void
a_plugin_serves_what_it_has_callbacks_for(void **state)
{
	struct plugin tasks = { .desc.tasks = no_task };

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct plugin plugin = { .desc = kinds[i].desc };

		if ((plugin_lacks(&plugin, PROTOCOL_HTTP) == NULL) !=
		    kinds[i].http ||
		    (plugin_lacks(&plugin, PROTOCOL_TCP) == NULL) !=
		    kinds[i].tcp ||
		    (plugin_lacks(&plugin, PROTOCOL_UDP) == NULL) !=
		    kinds[i].udp)
			fail_msg("%s", kinds[i].spec);
	}
	assert_null(plugin_lacks(&tasks, PROTOCOL_HTTP));
}

struct all {
	int64_t number;
	uint64_t size, duration;
	int on, word;
	const char *text;
};

static const struct cluster_option rows[] = {
	CLUSTER_OPTION_NUMBER(struct all, number, "7", -10, 10, "n"),
	CLUSTER_OPTION_SIZE(struct all, size, "8k", 0, 1 << 20, "s"),
	CLUSTER_OPTION_DURATION(struct all, duration, "250ms", 1, 60000, "d"),
	CLUSTER_OPTION_SWITCH(struct all, on, "no", "o"),
	CLUSTER_OPTION_WORD(struct all, word, "low", "low|middle|high", "w"),
	CLUSTER_OPTION_STRING(struct all, text, NULL, "t"),
	CLUSTER_OPTION_END
};

static const struct {
	const char *key, *value;
	int ok;
} values[] = {
	{ "number", "-10", 1 }, { "number", "11", 0 }, { "number", "1x", 0 },
	{ "size", "1M", 1 }, { "size", "2M", 0 }, { "size", "-1", 0 },
	{ "duration", "1m", 1 }, { "duration", "61s", 0 },
	{ "duration", "5", 0 },
	{ "on", "yes", 1 }, { "on", "on", 1 }, { "on", "off", 1 },
	{ "on", "maybe", 0 },
	{ "word", "high", 1 }, { "word", "hig", 0 }, { "word", "", 0 },
	{ "text", "", 1 },
};

static void
values_are_checked_by_their_row(void **state)
{
	struct errmsg err;

	(void)state;
	assert_int_equal(options_check_rows(rows, sizeof(struct all), &err), 0);
	assert_true(options_check_rows(rows, 8, &err) < 0);
	for (size_t i = 0; i < COUNT(values); i++) {
		int rc = options_check(options_find(rows, values[i].key),
		    values[i].value, &err);

		if ((rc == 0) != values[i].ok)
			fail_msg("%s = %s: %d", values[i].key, values[i].value,
			    rc);
	}
}

static void
fallbacks_fill_what_is_not_given(void **state)
{
	static const struct option_text given[] = {
		{ "text", "x" }, { "word", "high" }, { "on", "yes" },
	};
	struct all all = { 0 };
	struct errmsg err;

	(void)state;
	assert_true(options_fill(rows, &all, given, 0, &err) < 0);
	assert_non_null(strstr(err.text, "text: is required"));
	assert_int_equal(options_fill(rows, &all, given, COUNT(given), &err),
	    0);
	assert_int_equal(all.number, 7);
	assert_int_equal(all.size, 8192);
	assert_int_equal(all.duration, 250);
	assert_int_equal(all.on, 1);
	assert_int_equal(all.word, 2);
	assert_string_equal(all.text, "x");
	free((char *)(uintptr_t)all.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(note_says_what_the_descriptor_says),
		cmocka_unit_test(a_file_cut_anywhere_is_refused_or_whole),
		cmocka_unit_test(hello_is_opened_and_filled),
		cmocka_unit_test(what_is_no_plugin_is_refused_with_its_class),
		cmocka_unit_test(a_plugin_serves_what_it_has_callbacks_for),
		cmocka_unit_test(values_are_checked_by_their_row),
		cmocka_unit_test(fallbacks_fill_what_is_not_given),
	};

	return cmocka_run_group_tests(tests, read_hello, free_hello) ? 1 : 0;
}
