/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* text_key.c: what the texts among the values may be; see text_key.h. */
#include "daemon/checker/text_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/parse.h"
#include "common/table/grants.h"
#include "daemon/conf/access_format.h"
#include "daemon/conf/networks.h"

static int
check_path(const struct key *key, const char *text, size_t len,
    struct errmsg *err)
{
	if (len == 0 || text[0] != '/')
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "must be an absolute path, not \"%.*s\"",
		    len > 64 ? 64 : (int)len, text);
	if (key->kind != KIND_PATHS && (int64_t)len > key->max && key->max > 0)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "has %zu bytes, more than %lld", len,
		    (long long)key->max);
	return 0;
}

static int
check_paths(const struct key *key, const char *text, struct errmsg *err)
{
	int64_t count = 0;
	int rc;

	for (;;) {
		size_t len = strcspn(text, ":");

		if ((rc = check_path(key, text, len, err)) != 0)
			return rc;
		if (++count > key->max)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "more than %lld paths", (long long)key->max);
		if (text[len] == '\0')
			return 0;
		text += len + 1;
	}
}

/* A word of "stderr syslog", or an absolute path. */
static int
check_file(const struct key *key, const char *text, struct errmsg *err)
{
	size_t len = strlen(text);
	char words[64] = "";

	if (text[0] == '/')
		return check_path(key, text, len, err);
	for (const char *word = key->words; *word != '\0';) {
		size_t n = strcspn(word, " ");

		if (n == len && memcmp(word, text, n) == 0)
			return 0;
		strncat(words, word, n < 20 ? n : 20);
		strncat(words, ", ", 3);
		word += n + strspn(word + n, " ");
	}
	return errmsg_set(err, ERR_BAD_ARGUMENT,
	    "must be %san absolute path, not \"%.64s\"", words, text);
}

static int
check_name(const char *text, const char *what, struct errmsg *err)
{
	size_t len = strlen(text);

	if (len == 0 || len > 31 || text[0] == '-' || strspn(text,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "-_.$") != len)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%.64s\" is not the name of %s", text, what);
	return 0;
}

int
text_parse_range(const struct key *key, const char *text, int64_t *min,
    int64_t *max, struct errmsg *err)
{
	const char *dots = strstr(text, "..");
	size_t len = dots != NULL ? (size_t)(dots - text) : strlen(text);
	uint64_t low, high;
	int rc = parse_number(text, len, &low);

	high = low;
	if (rc == 0 && dots != NULL)
		rc = parse_number(dots + 2, strlen(dots + 2), &high);
	if (rc == 0 && (high > (uint64_t)key->max || low > (uint64_t)key->max))
		rc = ERR_RANGE;
	if (rc != 0)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "must be auto, N or MIN..MAX of %lld-%lld, not \"%.64s\"",
		    (long long)key->min, (long long)key->max, text);
	if (dots != NULL && low >= high)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%.64s\": MIN must be less than MAX", text);
	if (dots != NULL && low == 0)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%.64s\": MIN must be at least 1", text);
	*min = (int64_t)low;
	*max = (int64_t)high;
	return 0;
}

/* "0-3,8": ascending, below 1024. */
static int
check_cpus(const char *text, struct errmsg *err)
{
	const char *at = text;
	uint64_t low, high, next = 0;

	if (strcmp(text, "off") == 0 || strcmp(text, "auto") == 0)
		return 0;
	for (;;) {
		size_t item = strcspn(at, ","), first = strcspn(at, "-");

		if (first > item)
			first = item;
		if (parse_number(at, first, &low) != 0)
			break;
		high = low;
		if (first < item && parse_number(at + first + 1,
		    item - first - 1, &high) != 0)
			break;
		if (low < next || high < low || high > 1023)
			break;
		next = high + 1;
		if (at[item] == '\0')
			return 0;
		at += item + 1;
	}
	return errmsg_set(err, ERR_BAD_ARGUMENT, "must be off, auto or a list "
	    "as 0-3,8 of CPUs below 1024, not \"%.64s\"", text);
}

static int
check_text(const struct key *key, const char *text, struct errmsg *err)
{
	struct access_format format;
	struct networks networks;
	uint64_t grants;

	if ((int64_t)strlen(text) > key->max)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "has %zu bytes, more than %lld", strlen(text),
		    (long long)key->max);
	if (key == &keys[KEY_PLUGIN_MAY])
		return grants_parse(text, &grants, err);
	if (key == &keys[KEY_POOL_ACCESS_LOG_FORMAT])
		return access_format_parse(&format, text, err);
	if (key == &keys[KEY_POOL_TRUSTED_PROXIES])
		return networks_parse(&networks, text, err);
	return 0;
}

static int
check_module(const char *text, struct errmsg *err)
{
	if (text[0] == '\0')
		return errmsg_set(err, ERR_BAD_ARGUMENT, "is empty");
	if (text[0] != '/' && strchr(text, '/') != NULL)
		return errmsg_set(err, ERR_BAD_ARGUMENT, "must be an absolute "
		    "path or a name in plugin_dir, not \"%.64s\"", text);
	return 0;
}

int
text_check(const struct key *key, const char *text, struct errmsg *err)
{
	int64_t min, max;

	if (key->may_auto != NULL && strcmp(text, "auto") == 0)
		return 0;
	switch ((enum key_kind)key->kind) {
	case KIND_TEXT:
		return check_text(key, text, err);
	case KIND_PATH:
		return check_path(key, text, strlen(text), err);
	case KIND_PATHS:
		return check_paths(key, text, err);
	case KIND_FILE:
		return check_file(key, text, err);
	case KIND_ACCOUNT:
		return check_name(text, "a user", err);
	case KIND_GROUP:
		return check_name(text, "a group", err);
	case KIND_RANGE:
		return text_parse_range(key, text, &min, &max, err);
	case KIND_CPUS:
		return check_cpus(text, err);
	case KIND_MODULE:
		return check_module(text, err);
	case KIND_NUMBER: case KIND_SIGNED: case KIND_SIZE:
	case KIND_DURATION: case KIND_PERCENT: case KIND_OCTAL:
	case KIND_WORD: case KIND_SHARE: case KIND_DERIVED:
	case KIND_DERIVED_TEXT: case KIND_LIST:
		break;
	}
	CHECK(!"a key with a text");
	return ERR_INTERNAL;
}

const char *
text_check_env(const char *text)
{
	static const char *const kept_back[] = { "LD_", "GCONV_PATH=",
	    "MALLOC_", "GLIBC_TUNABLES=", "CLUSTERD_" };
	size_t len = strcspn(text, "=");

	if (text[len] == '\0')
		return "must be NAME=VALUE";
	if (len == 0 || (text[0] >= '0' && text[0] <= '9') ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != len)
		return "the name of a variable is letters, digits and \"_\"";
	for (size_t i = 0; i < COUNT(kept_back); i++)
		if (strncmp(text, kept_back[i], strlen(kept_back[i])) == 0)
			return "this variable changes the loader or clusterd "
			    "itself and may not be set";
	return NULL;
}
