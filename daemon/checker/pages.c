/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* pages.c: see pages.h. */
#include "daemon/checker/pages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/fd.h"
#include "daemon/checker/must.h"

enum { STATUS_MIN = 400, STATUS_MAX = 599 };

/* A bit each. */
struct statuses { uint8_t has[STATUS_MAX + 1 - STATUS_MIN]; };

/* ---- the entry ------------------------------------------------------------------- */

static int
take_status(struct statuses *statuses, const char *word, size_t len,
    struct errmsg *err)
{
	int status = 0;

	for (size_t i = 0; i < len && len == 3; i++)
		status = word[i] >= '0' && word[i] <= '9' ?
		    status * 10 + word[i] - '0' : -1000;
	if (status < STATUS_MIN || status > STATUS_MAX)
		return errmsg_set(err, ERR_BAD_ARGUMENT, "\"%.*s\" is not a "
		    "status of 400-599", (int)(len < 32 ? len : 32), word);
	if (statuses->has[status - STATUS_MIN])
		return errmsg_set(err, ERR_BAD_ARGUMENT, "%d is there twice",
		    status);
	statuses->has[status - STATUS_MIN] = 1;
	return 0;
}

static int
parse_statuses(const char *text, size_t len, struct statuses *statuses,
    struct errmsg *err)
{
	for (;;) {
		size_t word = 0;
		int rc;

		while (word < len && text[word] != ',')
			word++;
		rc = take_status(statuses, text, word, err);
		if (rc != 0 || word == len)
			return rc;
		text += word + 1;
		len -= word + 1;
	}
}

/* Of one pool a status has one page. */
static int
check_others(const struct conf_pool *pool, const struct statuses *statuses,
    struct errmsg *err)
{
	for (size_t i = 0; i < pool->page_count; i++) {
		const char *at = pool->pages[i].text;
		int status;

		while ((status = conf_page_status(&at)) != 0)
			if (statuses->has[status - STATUS_MIN])
				return errmsg_set(err, ERR_BAD_ARGUMENT,
				    "%d has a page already, %s", status,
				    conf_page_path(&pool->pages[i]));
	}
	return 0;
}

static int
check_file(const char *path, struct errmsg *err)
{
	if (path[0] != '/')
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "must be an absolute path, not \"%.64s\"", path);
	if (conf_page_type(path) == NULL)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "%s: its name must end in .html, .json or .txt", path);
	return 0;
}

int
pages_take(struct conf *conf, struct conf_pool *pool, const char *value,
    struct errmsg *err)
{
	size_t len = strcspn(value, " \t");
	const char *path = value + len + strspn(value + len, " \t");
	struct statuses statuses = { { 0 } };
	struct conf_page *page;
	struct buf text;
	int rc;

	if (path[0] == '\0')
		return errmsg_set(err, ERR_BAD_ARGUMENT, "\"%.64s\" is not "
		    "\"%s\"", value, keys[KEY_POOL_ERROR_PAGE].words);
	if ((rc = parse_statuses(value, len, &statuses, err)) != 0 ||
	    (rc = check_others(pool, &statuses, err)) != 0 ||
	    (rc = check_file(path, err)) != 0)
		return rc;
	page = must_row(conf_add_page(pool));
	if (page == NULL)
		return errmsg_set(err, ERR_FULL, "more than %d of them",
		    CONF_PAGES_MAX);
	buf_init(&text, 0);
	for (int i = 0; i <= STATUS_MAX - STATUS_MIN; i++)
		if (statuses.has[i])
			buf_printf(&text, "%s%d", buf_len(&text) > 0 ? "," :
			    "", STATUS_MIN + i);
	buf_printf(&text, " %s", path);
	if (text.failed)
		must_end();
	page->text = must_text(conf, buf_at(&text), buf_len(&text));
	buf_done(&text);
	return 0;
}

/* ---- the files ------------------------------------------------------------------- */

/* Up to size bytes; how many, or -1. */
static ssize_t
read_all(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, out + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static void
read_page(struct schema *schema, size_t pool, size_t nth,
    const struct path_policy *policy)
{
	static char bytes[CONF_PAGE_MAX + 1];
	struct conf_page *page = &schema->conf->pools[pool].pages[nth];
	struct place place = schema_page_place(schema, pool, nth);
	const char *title = schema_pool_title(schema, pool);
	const char *key = keys[KEY_POOL_ERROR_PAGE].name;
	const char *path = conf_page_path(page);
	struct errmsg breach, err;
	int fd = path_open(path, &policy->owners, &breach, &err);
	ssize_t len;

	report_breach(schema->report, policy, place, title, key, &breach);
	if (fd < 0) {
		report_error(schema->report, place, title, key, "%s", err.text);
		return;
	}
	len = read_all(fd, bytes, sizeof(bytes));
	fd_close(&fd);
	if (len < 0 || len > CONF_PAGE_MAX) {
		report_error(schema->report, place, title, key,
		    len < 0 ? "%s cannot be read" :
		    "%s has more than 64k", path);
		return;
	}
	page->data = must_text(schema->conf, bytes, (size_t)len);
	page->len = (size_t)len;
}

void
pages_read(struct schema *schema, const struct path_policy *policy)
{
	const struct conf *conf = schema->conf;

	for (size_t p = 0; p < conf->pool_count; p++)
		for (size_t i = 0; i < conf->pools[p].page_count; i++)
			read_page(schema, p, i, policy);
}
