/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * decode.c: bytes become a configuration, or are refused.  They come from the
 * checker, in which constructors of plugins ran, so every one is looked at
 * before it is used; see snapshot.h.
 */
#include "daemon/conf/snapshot.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/errmsg.h"
#include "daemon/proto/snapshot.h"

struct reader {
	struct conf *conf;
	struct conf_pool *pool;		/* the open group, or NULL */
	struct conf_plugin *plugin;
	unsigned phase;			/* of the order, below */
	unsigned last_key;		/* of the rows of this section */
	struct errmsg *err;
};

/* What may follow what: a record's phase never goes back, but for an opener. */
enum { PHASE_DAEMON, PHASE_ACCOUNT, PHASE_PLUGIN, PHASE_OPTION, PHASE_POOL,
	PHASE_LISTEN, PHASE_ROUTE, PHASE_FILTER,
	PHASE_PAGE };

static int
refuse(struct reader *reader, const char *what)
{
	return errmsg_set(reader->err, ERR_FORMAT, "snapshot: %s", what);
}

static int
no_memory(struct reader *reader)
{
	return errmsg_set(reader->err, ERR_MEMORY,
	    "snapshot: out of memory or too many of a kind");
}

int
conf_name_is_legal(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= CONF_NAME_MAX || name[0] == '-' ||
	    name[0] == '_')
		return 0;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

/* The text at the end of a value, after head bytes; NULL if it is none. */
static const char *
tail_text(const char *value, size_t length, size_t head)
{
	if (length <= head || value[length - 1] != '\0' ||
	    memchr(value + head, '\0', length - head) != value + length - 1)
		return NULL;
	return value + head;
}

/* A row of the section: legal, known, and after the one before. */
static int
read_row(struct reader *reader, enum key_scope scope, void *section,
    unsigned number, const char *value, size_t length)
{
	const struct key *key = key_by_number(number);
	const char *text;
	int64_t plain;

	if (key == NULL || key->scope != scope)
		return refuse(reader, "a key that is not known");
	if (key->kind == KIND_LIST) {
		text = tail_text(value, length, 0);
		if (key != &keys[KEY_POOL_ENV] || text == NULL ||
		    strchr(text, '=') == NULL)
			return refuse(reader, "a list that is not known");
		reader->last_key = UINT16_MAX;	/* no row comes after it */
		return conf_add_env(reader->conf, section, text) != NULL ? 0 :
		    no_memory(reader);
	}
	if (number <= reader->last_key)
		return refuse(reader, "keys out of order");
	reader->last_key = number;
	if (key_is_number(key)) {
		if (length != sizeof(plain))
			return refuse(reader, "a number of another size");
		memcpy(&plain, value, sizeof(plain));
		if (!key_value_is_legal(key, plain))
			return errmsg_set(reader->err, ERR_FORMAT,
			    "snapshot: %s out of range", key->name);
		conf_set_number(key, section, plain);
		return 0;
	}
	text = tail_text(value, length, 0);
	if (text == NULL)
		return refuse(reader, "a text without its end");
	/* it becomes the name of a file in the plugin store */
	if (key->kind == KIND_DERIVED_TEXT && length != 1 &&
	    (length != SHA256_HEX ||
	    strspn(text, "0123456789abcdef") != length - 1))
		return refuse(reader, "a digest that is none");
	text = conf_text(reader->conf, text, length - 1);
	if (text == NULL)
		return no_memory(reader);
	conf_set_string(key, section, text);
	return 0;
}

static int
read_account(struct reader *reader, const char *value, size_t length)
{
	const char *name = tail_text(value, length,
	    sizeof(struct snapshot_account));
	struct snapshot_account head;
	struct conf_account *account;

	if (name == NULL || length > sizeof(head) + 32)
		return refuse(reader, "an account of another size");
	memcpy(&head, value, sizeof(head));
	if (head.group_count > CONF_GROUPS_MAX)
		return refuse(reader, "an account with too many groups");
	for (size_t i = head.group_count; i < CONF_GROUPS_MAX; i++)
		if (head.groups[i] != 0)
			return refuse(reader, "groups beyond their count");
	account = conf_add_account(reader->conf);
	name = conf_text(reader->conf, name, strlen(name));
	if (account == NULL || name == NULL)
		return no_memory(reader);
	account->name = name;
	account->uid = head.uid;
	account->gid = head.gid;
	account->group_count = head.group_count;
	memcpy(account->groups, head.groups, sizeof(head.groups));
	return 0;
}

static int
read_opener(struct reader *reader, enum snapshot_kind kind, const char *value,
    size_t length)
{
	const char *name = tail_text(value, length,
	    sizeof(struct snapshot_opener));
	const struct conf *conf = reader->conf;
	struct snapshot_opener head;

	if (name == NULL || !conf_name_is_legal(name))
		return refuse(reader, "a group without a legal name");
	memcpy(&head, value, sizeof(head));
	reader->last_key = 0;
	if (kind == SNAPSHOT_PLUGIN) {
		if (conf_plugin_index(conf, name) >= 0 ||
		    head.index >= CONF_PLUGINS_MAX || (reader->plugin != NULL &&
		    head.index <= reader->plugin->index))
			return refuse(reader, "a plugin twice or out of order");
		reader->plugin = conf_add_plugin(reader->conf, name);
		if (reader->plugin == NULL)
			return no_memory(reader);
		reader->plugin->index = head.index;
		return 0;
	}
	if (conf_pool_by_name(conf, name) != NULL ||
	    head.index >= CONF_POOLS_MAX || (reader->pool != NULL &&
	    head.index <= reader->pool->index))
		return refuse(reader, "a pool twice or out of order");
	reader->pool = conf_add_pool(reader->conf, name);
	if (reader->pool == NULL)
		return no_memory(reader);
	reader->pool->index = head.index;
	return 0;
}

/* Is it what bind() may be called with? */
static int
address_is_legal(const struct snapshot_listen *head)
{
	sa_family_t family;

	memcpy(&family, head->address, sizeof(family));
	for (size_t i = head->len; i < sizeof(head->address); i++)
		if (head->address[i] != 0)
			return 0;
	if (head->family == 0)
		return head->inherited == 1 && head->len == 0;
	if (head->inherited != 0 || family != head->family)
		return 0;
	if (family == AF_INET)
		return head->len == sizeof(struct sockaddr_in);
	if (family == AF_INET6)
		return head->len == sizeof(struct sockaddr_in6);
	return family == AF_UNIX && head->len > sizeof(family) &&
	    head->len <= sizeof(struct sockaddr_un);
}

static int
read_listen(struct reader *reader, const char *value, size_t length)
{
	const char *text = tail_text(value, length,
	    sizeof(struct snapshot_listen));
	struct snapshot_listen head;
	struct conf_listen *listen;

	if (text == NULL)
		return refuse(reader, "an address of another size");
	memcpy(&head, value, sizeof(head));
	if ((head.type != LISTEN_STREAM && head.type != LISTEN_DGRAM) ||
	    head.len > sizeof(head.address) || !address_is_legal(&head) ||
	    (head.inherited && strncmp(text, "fd:", 3) != 0))
		return refuse(reader, "an address that is none");
	listen = conf_add_listen(reader->pool);
	text = conf_text(reader->conf, text, strlen(text));
	if (listen == NULL || text == NULL)
		return no_memory(reader);
	listen->text = text;
	listen->inherited = head.inherited ? text + 3 : NULL;
	listen->type = head.type;
	listen->family = head.family;
	listen->len = head.len;
	memcpy(listen->address, head.address, sizeof(head.address));
	return 0;
}

static int
read_route(struct reader *reader, enum snapshot_kind kind, const char *value,
    size_t length)
{
	const char *text = tail_text(value, length,
	    sizeof(struct snapshot_route));
	struct snapshot_route head;
	struct conf_route *route;

	if (text == NULL)
		return refuse(reader, "a route of another size");
	memcpy(&head, value, sizeof(head));
	if (head.plugin >= reader->conf->plugin_count)
		return refuse(reader, "a route to a plugin that is not there");
	route = kind == SNAPSHOT_FILTER ? conf_add_filter(reader->pool) :
	    conf_add_route(reader->pool);
	text = conf_text(reader->conf, text, strlen(text));
	if (route == NULL || text == NULL)
		return no_memory(reader);
	route->pattern = text;
	route->plugin = head.plugin;
	return 0;
}

/* "404,500 /FILE": is it what the checker writes? */
static int
page_is_legal(const char *text)
{
	const char *at = text;
	int status, last = 0;

	while ((status = conf_page_status(&at)) != 0) {
		if (status < 400 || status > 599 || status <= last)
			return 0;
		last = status;
	}
	return last > 0 && at[0] == ' ' && at[1] == '/' &&
	    conf_page_type(at + 1) != NULL;
}

static int
read_page(struct reader *reader, const char *value, size_t length)
{
	size_t text = strnlen(value, length);
	struct conf_page *page;

	if (text == length || length - text - 1 > CONF_PAGE_MAX ||
	    !page_is_legal(value))
		return refuse(reader, "a page that is none");
	page = conf_add_page(reader->pool);
	if (page == NULL)
		return no_memory(reader);
	page->text = conf_text(reader->conf, value, text);
	page->data = conf_text(reader->conf, value + text + 1,
	    length - text - 1);
	page->len = length - text - 1;
	return page->text != NULL && page->data != NULL ? 0 :
	    no_memory(reader);
}

static int
read_option(struct reader *reader, unsigned secret, const char *value,
    size_t length)
{
	size_t name = strnlen(value, length);
	struct conf_option *option;
	const char *text;

	text = name < length ? tail_text(value, length, name + 1) : NULL;
	if (name == 0 || text == NULL || secret > 1)
		return refuse(reader, "an option that is none");
	option = conf_add_option(reader->plugin);
	if (option == NULL)
		return no_memory(reader);
	option->name = conf_text(reader->conf, value, name);
	option->value = conf_text(reader->conf, text, strlen(text));
	option->secret = (int)secret;
	return option->name != NULL && option->value != NULL ? 0 :
	    no_memory(reader);
}

/* Phase of a record, or -1 for an unknown kind. */
static int
record_phase(unsigned kind)
{
	switch (kind) {
	case SNAPSHOT_DAEMON:
		return PHASE_DAEMON;
	case SNAPSHOT_ACCOUNT:
		return PHASE_ACCOUNT;
	case SNAPSHOT_PLUGIN:
		return PHASE_PLUGIN;
	case SNAPSHOT_OPTION:
		return PHASE_OPTION;
	case SNAPSHOT_POOL:
		return PHASE_POOL;
	case SNAPSHOT_LISTEN:
		return PHASE_LISTEN;
	case SNAPSHOT_ROUTE:
		return PHASE_ROUTE;
	case SNAPSHOT_FILTER:
		return PHASE_FILTER;
	case SNAPSHOT_PAGE:
		return PHASE_PAGE;
	}
	return -1;
}

static int
order_is_legal(const struct reader *reader, int phase, int opener)
{
	if (phase < 0)
		return 0;
	if (opener && phase == PHASE_PLUGIN)
		return reader->pool == NULL;
	if (opener)
		return 1;
	if (phase == PHASE_PLUGIN || phase == PHASE_OPTION)
		return reader->plugin != NULL &&
		    reader->phase <= (unsigned)phase;
	if (phase >= PHASE_POOL)
		return reader->pool != NULL && reader->phase <= (unsigned)phase;
	return reader->phase <= (unsigned)phase;
}

static int
read_record(struct reader *reader, const struct snapshot_record *record,
    const char *value)
{
	int phase = record_phase(record->kind);
	int opener = record->key == SNAPSHOT_OPENER &&
	    (phase == PHASE_PLUGIN || phase == PHASE_POOL);
	int keyless = phase == PHASE_ACCOUNT || phase == PHASE_LISTEN ||
	    phase == PHASE_ROUTE || phase == PHASE_FILTER ||
	    phase == PHASE_PAGE;

	if (!order_is_legal(reader, phase, opener) ||
	    (keyless && record->key != 0))
		return refuse(reader, "a record of an unknown kind, or where "
		    "it may not be");
	reader->phase = (unsigned)phase;
	switch ((enum snapshot_kind)record->kind) {
	case SNAPSHOT_DAEMON:
		return read_row(reader, SCOPE_DAEMON, &reader->conf->daemon,
		    record->key, value, record->length);
	case SNAPSHOT_ACCOUNT:
		return read_account(reader, value, record->length);
	case SNAPSHOT_PLUGIN:
		if (opener)
			return read_opener(reader, SNAPSHOT_PLUGIN, value,
			    record->length);
		return read_row(reader, SCOPE_PLUGIN, reader->plugin,
		    record->key, value, record->length);
	case SNAPSHOT_OPTION:
		return read_option(reader, record->key, value, record->length);
	case SNAPSHOT_POOL:
		if (opener)
			return read_opener(reader, SNAPSHOT_POOL, value,
			    record->length);
		return read_row(reader, SCOPE_POOL, reader->pool, record->key,
		    value, record->length);
	case SNAPSHOT_LISTEN:
		return read_listen(reader, value, record->length);
	case SNAPSHOT_ROUTE:
	case SNAPSHOT_FILTER:
		return read_route(reader, (enum snapshot_kind)record->kind,
		    value, record->length);
	case SNAPSHOT_PAGE:
		return read_page(reader, value, record->length);
	}
	return refuse(reader, "a record of an unknown kind");
}

static int
read_records(struct reader *reader, const char *at, const char *end,
    uint32_t count)
{
	struct snapshot_record record;
	size_t whole;
	int rc;

	for (uint32_t i = 0; i < count; i++) {
		if ((size_t)(end - at) < sizeof(record))
			return refuse(reader, "cut");
		memcpy(&record, at, sizeof(record));
		at += sizeof(record);
		whole = ((size_t)record.length + 7) / 8 * 8;
		if ((size_t)(end - at) < whole)
			return refuse(reader, "cut");
		for (size_t pad = record.length; pad < whole; pad++)
			if (at[pad] != 0)
				return refuse(reader, "padding that is not zero");
		rc = read_record(reader, &record, at);
		if (rc != 0)
			return rc;
		at += whole;
	}
	return at == end ? 0 : refuse(reader, "bytes after the last record");
}

/* Numbers of accounts name accounts; a worker's snapshot has no list. */
static int
check_accounts(struct reader *reader)
{
	const struct conf *conf = reader->conf;
	int64_t count = (int64_t)conf->account_count;

	if (count == 0)
		return 0;
	if (conf->daemon.user_account >= count ||
	    conf->daemon.worker_account >= count)
		return refuse(reader, "an account that is not there");
	for (size_t i = 0; i < conf->pool_count; i++)
		if (conf->pools[i].account >= count)
			return refuse(reader, "an account that is not there");
	return 0;
}

static int
check_header(const struct snapshot_header *header, const void *data,
    size_t size, struct errmsg *err)
{
	uint8_t digest[SHA256_SIZE];
	struct sha256 sha;

	if (header->magic != SNAPSHOT_MAGIC)
		return errmsg_set(err, ERR_FORMAT, "not a snapshot");
	if (header->version != SNAPSHOT_VERSION ||
	    header->head_size != sizeof(*header))
		return errmsg_set(err, ERR_VERSION, "snapshot of version %u, "
		    "not %u", header->version, SNAPSHOT_VERSION);
	if (header->size != size)
		return errmsg_set(err, ERR_FORMAT, "snapshot: %zu bytes, not "
		    "%u", size, header->size);
	sha256_init(&sha);
	sha256_add(&sha, (const char *)data + sizeof(*header),
	    size - sizeof(*header));
	sha256_end(&sha, digest);
	if (memcmp(digest, header->sha256, sizeof(digest)) != 0)
		return errmsg_set(err, ERR_FORMAT, "snapshot: wrong digest");
	return 0;
}

int
snapshot_decode(const void *data, size_t size, struct conf **out,
    struct errmsg *err)
{
	struct snapshot_header header;
	struct reader reader = { .err = err };
	int rc;

	if (size < sizeof(header) || size > SNAPSHOT_SIZE_MAX)
		return errmsg_set(err, ERR_FORMAT, "snapshot: %zu bytes", size);
	memcpy(&header, data, sizeof(header));
	rc = check_header(&header, data, size, err);
	if (rc != 0)
		return rc;
	reader.conf = conf_new();
	if (reader.conf == NULL)
		return no_memory(&reader);
	reader.conf->generation = header.generation;
	rc = read_records(&reader, (const char *)data + sizeof(header),
	    (const char *)data + size, header.records);
	if (rc == 0)
		rc = check_accounts(&reader);
	if (rc != 0) {
		conf_unref(reader.conf);
		return rc;
	}
	*out = reader.conf;
	return 0;
}
