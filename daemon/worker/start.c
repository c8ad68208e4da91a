/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* start.c: from exec to READY, in the order of the worker's life. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/forked.h"
#include "common/base/parse.h"
#include "common/base/signals.h"
#include "common/table/grants.h"
#include "daemon/http/pages.h"
#include "daemon/worker/clients.h"
#include "daemon/worker/crash.h"
#include "daemon/worker/guard.h"
#include "daemon/worker/image.h"
#include "daemon/worker/symbols.h"
#include "daemon/worker/worker.h"

/* Nothing more can be of use: say why, once, and go.  Where there is a
 * channel the master reads it there; the output pipe is for what comes before. */
static _Noreturn void
give_up(struct worker *worker, enum fatal_class class, const char *plugin,
    const char *text)
{
	if (class != FATAL_NONE)
		talk_say_fatal(worker, class, plugin, text);
	lines_say(LL_ERROR, "%s%s%s", plugin, plugin[0] == '\0' ? "" : ": ", text);
	_exit(1);
}

static _Noreturn void
die(const char *what)
{
	dprintf(WORKER_FD_OUTPUT, "worker: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* ---- descriptors ------------------------------------------------------------------------ */

static void *
map(int fd, size_t size, int prot, const char *what)
{
	void *memory = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		die(what);
	return memory;
}

static const struct master_page *
map_master_page(void)
{
	struct stat status;

	if (fstat(WORKER_FD_MASTER_PAGE, &status) != 0)
		die("master's page");
	if (status.st_size < (off_t)MASTER_PAGE_BYTES) {
		errno = EPROTO;
		die("master's page");
	}
	return map(WORKER_FD_MASTER_PAGE, MASTER_PAGE_BYTES, PROT_READ,
	    "master's page");
}

static void
map_pages(struct worker *worker)
{
	struct page *page = map(WORKER_FD_PAGE, PAGE_SIZE_BYTES,
	    PROT_READ | PROT_WRITE, "own page");

	if (page->head.magic != PAGE_MAGIC ||
	    page->head.version != PAGE_VERSION ||
	    page->head.size != PAGE_SIZE_BYTES) {
		errno = EPROTO;
		die("own page");
	}
	board_init(&worker->board, page);
	worker->name = page->head.name;
	worker->id = page->head.worker_id;
	worker->master_page = map_master_page();
}

static void
read_snapshot(struct worker *worker)
{
	struct conf *conf;
	struct errmsg err = { 0 };

	if (image_read_snapshot(WORKER_FD_SNAPSHOT, &conf, &err) != 0)
		give_up(worker, FATAL_CONFIG, "", err.text);
	worker->conf = conf;
	worker->pool = &conf->pools[0];
}

/* ---- the process -------------------------------------------------------------------------- */

/* Of the master that had us started; `unknown' where nobody said. */
static pid_t
take_master_pid(pid_t unknown)
{
	const char *text = getenv(WORKER_ENV_MASTER);
	uint64_t pid = 0;

	if (text == NULL || parse_number(text, strlen(text), &pid) != 0 ||
	    pid <= 1 || pid > INT32_MAX)
		pid = (uint64_t)unknown;
	unsetenv(WORKER_ENV_MASTER);
	return (pid_t)pid;
}

static void
set_process(struct worker *worker, pid_t keeper)
{
	char name[16];
	int rc;

	snprintf(name, sizeof(name), "w:%s", worker->name);
	prctl(PR_SET_NAME, name);
	failpoint_set_slot(worker->name);
	for (int fd = WORKER_FD_CHANNEL; fcntl(fd, F_GETFD) >= 0; fd++)
		fd_set_cloexec(fd, 1);
	/* asked after the signal was set, so that a death between is seen */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (drain_is_lifeline_cut())
		_exit(0);
#ifdef CLUSTERD_FAILPOINTS
	prctl(PR_SET_DUMPABLE, 1);
#else
	prctl(PR_SET_DUMPABLE, worker->pool->rlimit_core != 0);
#endif
	if ((rc = crash_install(worker->name, worker->board.page)) != 0)
		lines_say(LL_WARNING, "no last words: %s", strerror(-rc));
	if ((rc = forked_watch()) != 0)
		lines_say(LL_NOTICE, "children of plugins will not be told "
		    "apart: %s", strerror(-rc));
	signals_ignore();
	if ((rc = guard_install(keeper, take_master_pid(keeper))) != 0)
		lines_say(LL_NOTICE, "no guard filter: %s", strerror(-rc));
}

static void
set_number(const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	if (setenv(name, text, 1) != 0)
		die("env");
}

/* For plugins and their children to read; nothing here goes by it. */
static void
name_ourselves(const struct worker *worker)
{
	if (setenv("CLUSTERD_WORKER", worker->name, 1) != 0)
		die("env");
	set_number("CLUSTERD_WORKER_ID", worker->id);
	set_number("CLUSTERD_GENERATION", worker->conf->generation);
}

static void
set_environment(struct worker *worker)
{
	const struct conf_pool *pool = worker->pool;

	name_ourselves(worker);
	for (size_t i = 0; i < pool->env_count; i++)
		if (putenv((char *)(uintptr_t)pool->env[i]) != 0)
			die("env");
	if (chdir(pool->cwd) != 0) {
		char text[256];

		snprintf(text, sizeof(text), "cwd = %s: %s", pool->cwd,
		    strerror(errno));
		give_up(worker, FATAL_PERM, "", text);
	}
}

/* ---- ready ------------------------------------------------------------------------------------ */

static void
serve(struct worker *worker)
{
	(void)FP("worker.before_ready");
	worker->phase = PHASE_SERVE;
	self_set_state(&worker->host, CLUSTER_STATE_READY);
	accept_update(worker);
}

static void
say_ready(struct worker *worker)
{
	talk_say_ready(worker);
	(void)FP("worker.said_ready");
	/* after the word, so that who reads this finds the word in the channel
	 * or knows that it was taken */
	if (worker->channel.queued == 0)
		board_set_ready(&worker->board);
}

/* The last plugin that was late is ready.  It may be on its way out by now. */
static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd;
	(void)what;
	if (worker->phase != PHASE_START)
		return;
	serve(worker);
	say_ready(worker);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void
loop_says(int severity, const char *text)
{
	(void)severity;
	lines_say(LL_WARNING, "loop: %s", text);
}

static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	event_set_log_callback(loop_says);
	if (config == NULL)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV |
	    EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static void
plugin_disconnect(const char *plugin, const char *reason)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", plugin, reason);
	talk_say_recycle(&the_worker, text);
}

/* Somebody may wait for room, or for the last one.  From the loop: callbacks
 * of that connection are above us. */
static void
connection_closed(int fd)
{
	struct worker *worker = &the_worker;

	if (fd >= 0)
		accept_close(worker, fd);
	if (worker->full || worker->scarce_since_ns != 0 || (worker->phase == PHASE_DRAIN &&
	    clients_count(worker) == 0))
		event_active(&worker->beat_event, EV_TIMEOUT, 0);
}

static void
request_ended(struct conn *conn, uint64_t now_ns, bool cut)
{
	access_end_request(&the_worker, conn, now_ns, cut);
}

static void
say_probe(unsigned route, enum probe_word word)
{
	talk_say_probe(&the_worker, route, word);
}

/* From the loop, as all that begins to serve. */
static void
plugins_ready(void)
{
	struct worker *worker = &the_worker;

	event_assign(&worker->ready_event, worker->base, -1, 0, on_ready,
	    worker);
	event_active(&worker->ready_event, EV_TIMEOUT, 0);
}

/* Before READY it may be for good, as where start() fails. */
static void
plugin_exit(const char *plugin, const char *reason)
{
	struct worker *worker = &the_worker;

	if (worker->phase == PHASE_START) {
		crash_leave_words(reason);
		give_up(worker, worker->host.fatal, plugin,
		    worker->host.fatal_text[0] != '\0' ?
		    worker->host.fatal_text : reason);
	}
	drain_exit(worker, plugin, reason);
}

/* The parent serves on and has the only answer. */
static _Noreturn void
plugin_copied(void)
{
	lines_say(LL_ERROR, "a child of a plugin came back (pid %d): ended",
	    (int)getpid());
	_exit(1);
}

static void
channel_waits(void)
{
	talk_watch(&the_worker);
}

static const struct host_ops host_ops = {
	.log = lines_add, .disconnect = plugin_disconnect,
	.probe = say_probe, .ended = request_ended,
	.closed = connection_closed,
	.waits = channel_waits,
	.ready = plugins_ready, .exit = plugin_exit,
	.copied = plugin_copied,
};

/* ---- plugins ---------------------------------------------------------------------------------- */

static void
open_plugin(struct worker *worker, struct plugin *plugin,
    const struct conf_plugin *conf)
{
	struct errmsg err = { 0 };
	enum fatal_class class = image_open_plugin(worker->conf, conf,
	    &host_api, plugin, &err);

	if (class != FATAL_NONE)
		give_up(worker, class, conf->name, err.text);
	if (grants_parse(conf->may, &plugin->may, &err) != 0)
		give_up(worker, FATAL_CONFIG, conf->name, err.text);
}

/* For last words: a plugin in its store goes by the name of its module. */
static const char *
module_of(const char *path)
{
	const struct conf *conf = the_worker.conf;
	const char *file = strrchr(path, '/'), *slash;

	for (size_t i = 0; file != NULL && i < conf->plugin_count; i++) {
		const struct conf_plugin *plugin = &conf->plugins[i];

		if (strncmp(file + 1, plugin->sha256, SHA256_HEX - 1) != 0)
			continue;
		slash = strrchr(plugin->module, '/');
		return slash != NULL ? slash + 1 : plugin->module;
	}
	return NULL;
}

/* Whom all connections or datagrams go to: a module may have been exchanged. */
static void
check_plugin(struct worker *worker)
{
	const struct conf_pool *pool = worker->pool;
	const struct plugin *plugin;
	const char *lacks;
	char text[64];

	if (pool->route_count != 1)
		give_up(worker, FATAL_CONFIG, "", "not one route");
	plugin = &worker->host.plugins[pool->routes[0].plugin];
	lacks = plugin_lacks(plugin, pool->protocol);
	if (lacks == NULL)
		return;
	snprintf(text, sizeof(text), "has no %s", lacks);
	give_up(worker, FATAL_ABI, plugin->instance, text);
}

static void
open_plugins(struct worker *worker)
{
	struct host *host = &worker->host;
	const struct conf *conf = worker->conf;
	struct errmsg err = { 0 };

	host->plugins = calloc(conf->plugin_count + 1,
	    sizeof(host->plugins[0]));
	if (host->plugins == NULL)
		die("plugins");
	for (size_t i = 0; i < conf->plugin_count; i++) {
		open_plugin(worker, &host->plugins[i], &conf->plugins[i]);
		host->plugin_count++;
	}
	if (worker->pool->protocol != PROTOCOL_HTTP) {
		check_plugin(worker);
		return;
	}
	for (size_t i = 0; i < worker->pool->route_count; i++)
		if (routes_add(&host->routes, worker->pool->routes[i].pattern,
		    worker->pool->routes[i].plugin, &err) != 0)
			give_up(worker, FATAL_CONFIG, "", err.text);
	if (routes_sort(&host->routes) != 0)
		die("routes");
	for (size_t i = 0; i < worker->pool->filter_count; i++)
		if (routes_add(&host->filters, worker->pool->filters[i].pattern,
		    worker->pool->filters[i].plugin, &err) != 0)
			give_up(worker, FATAL_CONFIG, "", err.text);
}

static void
start_plugins(struct worker *worker)
{
	struct host *host = &worker->host;
	size_t failed = 0;
	char text[600];

	if (host_start(host, &failed) == 0)
		return;
	snprintf(text, sizeof(text), "start failed%s%s",
	    host->fatal_text[0] == '\0' ? "" : ": ", host->fatal_text);
	give_up(worker, host->fatal, host->plugins[failed].instance, text);
}

/* NULL: the pool has none. */
static const struct pages *
make_pages(const struct conf_pool *pool)
{
	static struct pages pages;

	for (size_t i = 0; i < pool->page_count; i++) {
		const struct conf_page *page = &pool->pages[i];
		const char *at = page->text;
		int status, file = pages_add(&pages, &(struct page_file){
		    .type = conf_page_type(conf_page_path(page)),
		    .data = page->data, .len = page->len });

		while ((status = conf_page_status(&at)) != 0)
			pages_set(&pages, status, file);
	}
	return pool->page_count == 0 ? NULL : &pages;
}

static void
make_http_config(struct worker *worker, struct http_config *config)
{
	const struct conf_pool *pool = worker->pool;
	struct errmsg err;

	*config = (struct http_config){
		.head = {
			.head_size = (uint32_t)pool->max_header_size,
			.uri_size = (uint32_t)pool->max_uri_size,
			.fields = (uint32_t)pool->max_headers,
		},
		.max_body = pool->max_body_size,
		.body_buffer = pool->body_buffer,
		.max_connections = pool->max_connections,
		.max_pipeline = pool->max_pipeline,
		.min_rate = pool->min_rate,
		.header_ms = pool->header_timeout_ms,
		.body_ms = pool->body_timeout_ms,
		.send_ms = pool->send_timeout_ms,
		.idle_ms = pool->idle_timeout_ms,
		.request_ms = pool->request_timeout_ms,
		.record_query = worker->conf->daemon.record_query != 0,
		.proxy_protocol = pool->proxy_protocol == PROXY_PROTOCOL_ON,
		.pages = make_pages(pool),
	};
	if (networks_parse(&config->trusted, pool->trusted_proxies,
	    &err) != 0)
		give_up(worker, FATAL_CONFIG, "", err.text);
}

/* ---- listeners --------------------------------------------------------------------------------- */

static void
check_listener(struct worker *worker, int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	if (clients_are_datagrams(worker))
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0)
		give_up(worker, FATAL_BIND, "", "a listener is no socket");
	if (!listening)
		lines_say(LL_WARNING, "a listener does not listen: till it is healed");
}

/* The keeper says which ids lie behind the descriptors from LISTENERS on. */
static uint32_t
take_listeners(struct worker *worker)
{
	const char *at = getenv(WORKER_ENV_LISTENERS);
	int fd = WORKER_FD_LISTENERS;
	uint32_t count = 0;

	while (at != NULL && *at != '\0') {
		size_t len = strcspn(at, ",");
		uint64_t id;

		if (parse_number(at, len, &id) != 0 || id > UINT32_MAX ||
		    accept_add(worker, (uint32_t)id, fd) != 0)
			give_up(worker, FATAL_BIND, "",
			    "the list of listeners does not add up");
		check_listener(worker, fd++);
		count++;
		at += len + (at[len] == ',');
	}
	unsetenv(WORKER_ENV_LISTENERS);
	return count;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static void
init_loop(struct worker *worker)
{
	struct http_config config;
	struct errmsg err;

	worker->base = new_base();
	if (worker->base == NULL)
		die("event base");
	host_init(&worker->host, worker->base, &worker->board, &host_ops);
	worker->host.worker_name = worker->name;
	worker->host.worker_id = worker->id;
	worker->host.generation = worker->conf->generation;
	worker->host.handler_ms = worker->pool->handler_timeout_ms;
	worker->host.roster = &worker->master_page->roster;
	self_init(&worker->host, worker->name);
	worker->host.children.limit = (uint32_t)worker->pool->max_children;
	make_http_config(worker, &config);
	if ((worker->pool->protocol == PROTOCOL_HTTP &&
	    host_init_http(&worker->host, &config) != 0) ||
	    clients_init(worker) != 0)
		die("connections");
	if (access_init(worker, &err) != 0)
		give_up(worker, FATAL_CONFIG, "", err.text);
	accept_init(worker);
	drain_init(worker);
	mail_init(worker);
}

void
start_worker(struct worker *worker)
{
	pid_t keeper = getppid();
	uint32_t listeners;

	map_pages(worker);
	lines_init(worker);
	channel_init(&worker->channel, WORKER_FD_CHANNEL, CHANNEL_FROM_WORKER);
	read_snapshot(worker);
	log_set_level((enum log_level)worker->conf->daemon.log_level);
	srandom((unsigned)(worker->id ^ clock_now_ns()));
	talk_say_online(worker);
	beat_now(worker);
	set_process(worker, keeper);
	stdio_init(worker);
	set_environment(worker);
	init_loop(worker);
	open_plugins(worker);
	symbols_take(module_of);
	start_plugins(worker);
	listeners = take_listeners(worker);
	talk_say_listening(worker, listeners);
	beat_init(worker);
	if (worker->host.late == 0)
		serve(worker);
	beat_now(worker);
	talk_init(worker);
	if (worker->phase != PHASE_START)
		say_ready(worker);
}
