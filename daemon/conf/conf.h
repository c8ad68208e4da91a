/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * conf.h: one accepted configuration.  Made by the checker, carried by a
 * snapshot, read by master and workers; immutable once it is shared, and
 * counted: who keeps a pointer has a reference.  A worker's one holds its pool,
 * its plugins and the daemon's keys it needs; the others have their defaults.
 * Pure; one thread.
 */
#ifndef CLUSTERD_CONF_CONF_H
#define CLUSTERD_CONF_CONF_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/digest.h"
#include "common/table/keys.h"

enum {
	CONF_NAME_MAX = 32,		/* of a pool or plugin, with its NUL */
	CONF_POOLS_MAX = 64,
	CONF_PLUGINS_MAX = 256,
	CONF_LISTENS_MAX = 64,		/* a pool */
	CONF_ROUTES_MAX = 1024,
	CONF_FILTERS_MAX = 64,
	CONF_PAGES_MAX = 64,
	CONF_PAGE_MAX = 65536,		/* bytes of one */
	CONF_ENV_MAX = 256,
	CONF_OPTIONS_MAX = 256,		/* a plugin */
	CONF_ACCOUNTS_MAX = 64,
	CONF_GROUPS_MAX = 32,
};

/* What a member of each kind is: see enum key_kind. */
#define MEMBER_NUMBER(name)		int64_t name;
#define MEMBER_SIGNED(name)		int64_t name;
#define MEMBER_SIZE(name)		int64_t name;
#define MEMBER_DURATION(name)		int64_t name##_ms;
#define MEMBER_PERCENT(name)		int64_t name;
#define MEMBER_OCTAL(name)		int64_t name;
#define MEMBER_WORD(name)		int64_t name;	/* enum key_… */
#define MEMBER_SHARE(name)		int64_t name;
#define MEMBER_DERIVED(name)		int64_t name;
#define MEMBER_TEXT(name)		const char *name;
#define MEMBER_PATH(name)		const char *name;
#define MEMBER_PATHS(name)		const char *name;
#define MEMBER_FILE(name)		const char *name;
#define MEMBER_ACCOUNT(name)		const char *name;
#define MEMBER_GROUP(name)		const char *name;
#define MEMBER_RANGE(name)		const char *name;
#define MEMBER_CPUS(name)		const char *name;
#define MEMBER_MODULE(name)		const char *name;
#define MEMBER_DERIVED_TEXT(name)	const char *name;
#define MEMBER_LIST(name)

#define IN_DAEMON_DAEMON(member) member
#define IN_DAEMON_POOL(member)
#define IN_DAEMON_PLUGIN(member)
#define IN_POOL_DAEMON(member)
#define IN_POOL_POOL(member) member
#define IN_POOL_PLUGIN(member)
#define IN_PLUGIN_DAEMON(member)
#define IN_PLUGIN_POOL(member)
#define IN_PLUGIN_PLUGIN(member) member

/* [daemon]: one member a row of keys.def, texts never NULL. */
struct conf_daemon {
#define KEY_ROW(scope, id, number, member, name, kind, ...)		\
	IN_DAEMON_##scope(MEMBER_##kind(member))
#include "common/table/keys.def"
};

enum conf_listen_type { LISTEN_STREAM = 1, LISTEN_DGRAM = 2 };

struct conf_listen {
	const char *text;	/* canonical: "127.0.0.1:8080", "unix:/x" */
	const char *inherited;	/* NAME of fd:NAME, or NULL; then no address */
	uint32_t type;		/* enum conf_listen_type */
	uint32_t family;	/* AF_INET, AF_INET6, AF_UNIX; 0: inherited */
	uint32_t len;		/* of address; 0: inherited */
	uint8_t address[128];	/* struct sockaddr_…, port 0: any */
};

/* Of route and of filter. */
struct conf_route {
	const char *pattern;	/* as written */
	uint32_t plugin;	/* index into plugins of this conf */
};

/* Of error_page: a body for answers of the host. */
struct conf_page {
	const char *text;	/* "404,500 /FILE", numbers ascending */
	const char *data;	/* with a NUL behind it */
	size_t len;
};

/* [pool NAME] */
struct conf_pool {
	const char *name;
	uint32_t index;		/* in the whole configuration, also in a
				 * worker's, whose only pool is pools[0] */
#define KEY_ROW(scope, id, number, member, name, kind, ...)		\
	IN_POOL_##scope(MEMBER_##kind(member))
#include "common/table/keys.def"
	struct conf_listen *listens;
	size_t listen_count;
	struct conf_route *routes;	/* in the order of the file */
	size_t route_count;
	struct conf_route *filters;	/* the same */
	size_t filter_count;
	struct conf_page *pages;
	size_t page_count;
	const char **env;		/* "NAME=VALUE" */
	size_t env_count;
};

struct conf_option {
	const char *name;
	const char *value;	/* a secret's too: never print it */
	int secret;
};

/* [plugin NAME]: an instance. */
struct conf_plugin {
	const char *name;
	uint32_t index;		/* as a pool's */
#define KEY_ROW(scope, id, number, member, name, kind, ...)		\
	IN_PLUGIN_##scope(MEMBER_##kind(member))
#include "common/table/keys.def"
	struct conf_option *options;	/* those the file sets, file order */
	size_t option_count;
};

/* An account the keeper may start workers under; the number that SPAWN names
 * is its place in the list. */
struct conf_account {
	uint32_t uid, gid, group_count;
	uint32_t groups[CONF_GROUPS_MAX];
	const char *name;
};

struct conf {
	uint64_t generation;	/* 0: not accepted yet */
	struct conf_daemon daemon;
	struct conf_pool *pools;
	size_t pool_count;
	struct conf_plugin *plugins;
	size_t plugin_count;
	struct conf_account *accounts;
	size_t account_count;

	/* private to conf.c */
	unsigned refs;
	struct conf_chunk *texts;
};

/* ---- life ----------------------------------------------------------------- */

/* An empty one with the daemon's presets; one reference; NULL: out of memory. */
struct conf *conf_new(void);
struct conf *conf_ref(const struct conf *conf);
void conf_unref(const struct conf *conf);	/* NULL is fine */

/* ---- building: only by the checker and snapshot_decode(), before sharing ---- */

/* A new element with its presets, NULL and errno when full (ENOSPC) or out of memory
 * (ENOMEM).  Pointers to earlier elements of the same list are not valid any more. */
struct conf_pool *conf_add_pool(struct conf *conf, const char *name);
struct conf_plugin *conf_add_plugin(struct conf *conf, const char *name);
struct conf_listen *conf_add_listen(struct conf_pool *pool);
struct conf_route *conf_add_route(struct conf_pool *pool);
struct conf_route *conf_add_filter(struct conf_pool *pool);
struct conf_page *conf_add_page(struct conf_pool *pool);	/* empty data */
const char **conf_add_env(struct conf *conf, struct conf_pool *pool,
    const char *text);
struct conf_option *conf_add_option(struct conf_plugin *plugin);
struct conf_account *conf_add_account(struct conf *conf);
/* A copy of text (len bytes) that lives as long as conf; NULL: no memory. */
const char *conf_text(struct conf *conf, const char *text, size_t len);

/* The member of a row in its section (struct conf_daemon, _pool, _plugin). */
int64_t conf_number(const struct key *key, const void *section);
const char *conf_string(const struct key *key, const void *section);
void conf_set_number(const struct key *key, void *section, int64_t value);
void conf_set_string(const struct key *key, void *section, const char *text);

/* ---- questions -------------------------------------------------------------- */

const struct conf_pool *conf_pool_by_name(const struct conf *conf,
    const char *name);
/* Index into plugins, or -1. */
int conf_plugin_index(const struct conf *conf, const char *name);

/* Is the plugin of that index named by a route or a filter of the pool?  Its
 * workers have those that are, in their order. */
int conf_pool_names(const struct conf_pool *pool, size_t plugin);

/* By the number that workers give it: its place in the list + 1, filters behind
 * routes.  NULL: none has it. */
const struct conf_route *conf_pool_route(const struct conf_pool *pool,
    unsigned number);

/* The page of the pool for that status, NULL: none. */
const struct conf_page *conf_pool_page(const struct conf_pool *pool, int status);
/* The next status of a page's text from *at on, which moves; 0: no more. */
int conf_page_status(const char **at);
const char *conf_page_path(const struct conf_page *page);
/* The Content-Type of a file of that name, NULL: none that is known. */
const char *conf_page_type(const char *path);

/* Values with auto resolved; slots: wanted size of the pool, at least 0. */
int64_t conf_max_workers(const struct conf *conf);
int64_t conf_rlimit_nofile(const struct conf_pool *pool);
/* The least that rlimit_nofile may be. */
int64_t conf_least_nofile(const struct conf_pool *pool);
/* Listening sockets of the pool, all of which each of its workers holds. */
int64_t conf_sockets(const struct conf_pool *pool, int64_t slots);
int64_t conf_max_fds(const struct conf_pool *pool);	/* or CONF_OFF */
int64_t conf_offload_threads(const struct conf *conf,
    const struct conf_pool *pool);
int64_t conf_restart_burst(const struct conf_pool *pool, int64_t slots);
int64_t conf_restart_rate(const struct conf_pool *pool, int64_t slots);
int64_t conf_max_surge(const struct conf_pool *pool, int64_t slots);

#endif
