/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* keys.c: the rows of keys.def, and values of them as text; see keys.h. */
#include "common/table/keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "common/base/parse.h"

#define WORD(id, text) text,
#define WORDS(name, ...) \
	static const char *const words_##name[] = { __VA_ARGS__ NULL };
#include "common/table/words.def"
#undef WORD

#define KEY_S 1000LL
#define KEY_M (60 * KEY_S)
#define KEY_H (60 * KEY_M)
#define KEY_D (24 * KEY_H)
#define KEY_KB (1LL << 10)
#define KEY_MB (1LL << 20)
#define KEY_TB (1LL << 40)
#define WORDS_OF(name) .list = words_##name

const struct key keys[KEY__COUNT] = {
#define KEY_ROW(scope_, id, number_, member, name_, kind_, ...)		\
	[KEY_##scope_##_##id] = { .name = name_, .number = number_,	\
	    .scope = SCOPE_##scope_, .kind = KIND_##kind_, __VA_ARGS__ },
#include "common/table/keys.def"
};

const struct key *
key_by_name(enum key_scope scope, const char *name)
{
	for (size_t i = 0; i < KEY__COUNT; i++)
		if (keys[i].scope == scope && key_is_written(&keys[i]) &&
		    strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

const struct key *
key_by_number(unsigned number)
{
	for (size_t i = 0; i < KEY__COUNT; i++)
		if (keys[i].number == number)
			return &keys[i];
	return NULL;
}

unsigned
word_distance(const char *a, const char *b, unsigned max)
{
	enum { MOST = 48 };
	unsigned rows[3][MOST + 1];
	unsigned *two = rows[0], *one = rows[1], *row = rows[2], *swap;
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > MOST || b_len > MOST)
		return max + 1;
	for (size_t j = 0; j <= b_len; j++)
		one[j] = two[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned cost = a[i - 1] != b[j - 1];
			unsigned best = one[j - 1] + cost;

			if (one[j] + 1 < best)
				best = one[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && two[j - 2] + 1 < best)
				best = two[j - 2] + 1;
			row[j] = best;
		}
		swap = two;
		two = one;
		one = row;
		row = swap;
	}
	return one[b_len] > max ? max + 1 : one[b_len];
}

const char *
key_nearest(enum key_scope scope, const char *name)
{
	unsigned best = strlen(name) <= 4 ? 1 : 3;
	const char *found = NULL;

	for (size_t i = 0; i < KEY__COUNT; i++) {
		unsigned distance;

		if (keys[i].scope != scope || !key_is_written(&keys[i]))
			continue;
		distance = word_distance(name, keys[i].name, best);
		if (distance < best || (distance == best && found == NULL)) {
			best = distance;
			found = keys[i].name;
		}
	}
	return found;
}

static int
list_find(const char *const *list, const char *text)
{
	for (int i = 0; list[i] != NULL; i++)
		if (strcmp(list[i], text) == 0)
			return i;
	return -1;
}

static int
parse_share(const char *text, size_t len, int64_t *value)
{
	unsigned percent;
	uint64_t number;
	int rc;

	if (len > 0 && text[len - 1] == '%') {
		rc = parse_percent(text, len, &percent);
		if (rc == 0)
			*value = CONF_SHARE_PERCENT + (int64_t)percent;
		return rc;
	}
	rc = parse_number(text, len, &number);
	if (rc == 0)
		*value = number >= CONF_SHARE_PERCENT ?
		    CONF_SHARE_PERCENT - 1 : (int64_t)number;
	return rc;
}

/* The bare value: no words, no range. */
static int
parse_plain(const struct key *key, const char *text, int64_t *value)
{
	size_t len = strlen(text);
	uint64_t number = 0;
	unsigned small = 0;
	int rc = ERR_FORMAT;

	switch ((enum key_kind)key->kind) {
	case KIND_NUMBER:
		rc = parse_number(text, len, &number);
		break;
	case KIND_SIZE:
		rc = parse_size(text, len, &number);
		break;
	case KIND_DURATION:
		rc = parse_duration(text, len, &number);
		break;
	case KIND_PERCENT:
		rc = parse_percent(text, len, &small);
		number = small;
		break;
	case KIND_OCTAL:
		rc = parse_octal(text, len, &small);
		number = small;
		break;
	case KIND_SIGNED:
		return parse_signed(text, len, value);
	case KIND_SHARE:
		return parse_share(text, len, value);
	case KIND_WORD:
		*value = list_find(key->list, text);
		return *value >= 0 ? 0 : ERR_FORMAT;
	case KIND_DERIVED: case KIND_TEXT: case KIND_PATH: case KIND_PATHS:
	case KIND_FILE: case KIND_ACCOUNT: case KIND_GROUP: case KIND_RANGE:
	case KIND_CPUS: case KIND_MODULE: case KIND_DERIVED_TEXT:
	case KIND_LIST:
		CHECK(!"a key with a number");
	}
	if (rc == 0)
		*value = number > INT64_MAX ? INT64_MAX : (int64_t)number;
	return rc;
}

int
key_value_is_legal(const struct key *key, int64_t value)
{
	int64_t words;

	if (value == CONF_OFF && key->may_off)
		return 1;
	if (value == CONF_AUTO && key->may_auto != NULL)
		return 1;
	if (key->kind == KIND_WORD) {
		for (words = 0; key->list[words] != NULL; words++)
			continue;
		return value >= 0 && value < words;
	}
	if (key->kind == KIND_SHARE && value >= CONF_SHARE_PERCENT)
		return value > CONF_SHARE_PERCENT &&
		    value <= CONF_SHARE_PERCENT + 100;
	return value >= key->min && value <= key->max;
}

int
key_parse(const struct key *key, const char *text, int64_t *value,
    struct errmsg *err)
{
	char range[256];
	int64_t got = 0;
	int rc;

	CHECK(key_is_number(key));
	if (key->may_off && strcmp(text, "off") == 0) {
		*value = CONF_OFF;
		return 0;
	}
	if (key->may_auto != NULL && strcmp(text, "auto") == 0) {
		*value = CONF_AUTO;
		return 0;
	}
	rc = parse_plain(key, text, &got);
	if (rc == 0 && !key_value_is_legal(key, got))
		rc = ERR_RANGE;
	if (rc == 0) {
		*value = got;
		return 0;
	}
	key_format_range(key, range, sizeof(range));
	if (key->kind == KIND_WORD)
		return errmsg_set(err, rc, "must be one of %s, not \"%.64s\"",
		    range, text);
	if (rc == ERR_UNIT && key->kind == KIND_DURATION)
		return errmsg_set(err, rc,
		    "\"%.64s\" needs a unit: ms, s, m, h or d", text);
	if (rc == ERR_UNIT)
		return errmsg_set(err, rc,
		    "\"%.64s\" has no unit of a size: k, M, G or T", text);
	return errmsg_set(err, rc, "must be %s, not \"%.64s\"", range, text);
}

char *
key_format(const struct key *key, int64_t value, char *out, size_t size)
{
	if (value == CONF_OFF && key->may_off)
		return snprintf(out, size, "off"), out;
	if (value == CONF_AUTO && key->may_auto != NULL)
		return snprintf(out, size, "auto"), out;
	switch ((enum key_kind)key->kind) {
	case KIND_SIZE:
		return format_size(out, size, (uint64_t)value);
	case KIND_DURATION:
		return format_duration(out, size, (uint64_t)value);
	case KIND_PERCENT:
		snprintf(out, size, "%" PRId64 "%%", value);
		return out;
	case KIND_OCTAL:
		snprintf(out, size, "%04" PRIo64, (uint64_t)value);
		return out;
	case KIND_WORD:
		CHECK(key_value_is_legal(key, value));
		snprintf(out, size, "%s", key->list[value]);
		return out;
	case KIND_SHARE:
		if (value > CONF_SHARE_PERCENT)
			snprintf(out, size, "%" PRId64 "%%",
			    value - CONF_SHARE_PERCENT);
		else
			snprintf(out, size, "%" PRId64, value);
		return out;
	case KIND_NUMBER: case KIND_SIGNED: case KIND_DERIVED:
		snprintf(out, size, "%" PRId64, value);
		return out;
	case KIND_TEXT: case KIND_PATH: case KIND_PATHS: case KIND_FILE:
	case KIND_ACCOUNT: case KIND_GROUP: case KIND_RANGE: case KIND_CPUS:
	case KIND_MODULE: case KIND_DERIVED_TEXT: case KIND_LIST:
		break;
	}
	CHECK(!"a key with a number");
	return out;
}

static void
add_word(char *out, size_t size, const char *word)
{
	size_t used = strlen(out);

	snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "", word);
}

/* "stderr syslog" and a path */
static void
add_files(char *out, size_t size, const char *words)
{
	char word[32];

	for (size_t n; *words != '\0'; words += n + strspn(words + n, " ")) {
		n = strcspn(words, " ");
		snprintf(word, sizeof(word), "%.*s", (int)n, words);
		add_word(out, size, word);
	}
	add_word(out, size, "FILE");
}

char *
key_format_range(const struct key *key, char *out, size_t size)
{
	char from[32], to[32], both[96];

	out[0] = '\0';
	if (key->list != NULL) {
		for (int i = 0; key->list[i] != NULL; i++)
			add_word(out, size, key->list[i]);
		return out;
	}
	if (key->may_off)
		add_word(out, size, "off");
	if (key->may_auto != NULL)
		add_word(out, size, "auto");
	if (key->kind == KIND_FILE)
		add_files(out, size, key->words);
	else if (key->words != NULL)
		add_word(out, size, key->words);
	if (key_is_number(key)) {
		key_format(key, key->min, from, sizeof(from));
		key_format(key, key->max, to, sizeof(to));
		snprintf(both, sizeof(both), "%s%s%s%s", from,
		    key->min < 0 ? " to " : "-", to,
		    key->kind == KIND_SHARE ? ", 1%-100%" : "");
		add_word(out, size, both);
	}
	return out;
}

const char *
key_applies_name(enum key_applies applies)
{
	switch (applies) {
	case APPLIES_LIVE:
		return "live";
	case APPLIES_RELOAD:
		return "reload";
	case APPLIES_RESTART:
		return "restart";
	}
	return "restart";
}
