/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* start.c: hearing from the keeper, and the first start; see start.h. */
#include "daemon/master/files.h"
#include "daemon/master/start.h"

#include <event2/event.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/stamp.h"
#include "daemon/control/control.h"
#include "daemon/journal/journal.h"
#include "daemon/master/adopt.h"
#include "daemon/master/change.h"
#include "daemon/master/check.h"
#include "daemon/master/disk.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/generations.h"
#include "daemon/master/host.h"
#include "daemon/master/life.h"
#include "daemon/master/link.h"
#include "daemon/master/listeners.h"
#include "daemon/master/logs.h"
#include "daemon/master/master.h"
#include "daemon/master/orders.h"
#include "daemon/master/pools.h"
#include "daemon/master/process.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"
#include "daemon/proto/roster.h"
#include "daemon/store/store.h"
#include "daemon/supervisor/state.h"

enum { EXIT_CONFIG = 78, EXIT_NEWER = 5 };

static void ask_accounts(struct master *m);

/* -- store and journal ------------------------------------------------------------ */

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;

	(void)fd;
	(void)what;
	store_poll(m->store);
}

uint64_t
start_unused(uint64_t stored, uint64_t salvaged)
{
	uint64_t now = (uint64_t)clock_wall_ms() * 1000;

	if (salvaged > stored)
		stored = salvaged;
	return now > stored ? now : stored;
}

int
start_open_store(struct master *m, const char *state_dir, struct errmsg *err)
{
	struct store_options options = {
		.closed = (m->flags & WELCOME_SAFE_MODE) != 0,
		.adopted = m->adopted && m->memo_recovered,
		.serving = m->adopted,
	};
	uint64_t seq;
	int rc;

	m->store_wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (m->store_wake_fd < 0)
		return errmsg_errno(err, "no descriptor for the store");
	if (m->conf != NULL)
		options.keep = (struct store_keep){
			.events = (unsigned)m->conf->daemon.keep_events,
			.deaths = (unsigned)m->conf->daemon.keep_deaths,
			.commands = (unsigned)m->conf->daemon.keep_commands,
			.generations =
			    (unsigned)m->conf->daemon.keep_generations,
		};
	rc = store_start(state_dir, &options, m->store_wake_fd, &m->store,
	    err);
	if (rc != 0)
		return rc;
	m->wake = event_new(m->base, m->store_wake_fd, EV_READ | EV_PERSIST,
	    on_wake, m);
	CHECK(m->wake != NULL);
	event_add(m->wake, NULL);
	seq = store_load(m->store)->seq_mark;
	if (turn_look(m)->globals.next_seq > seq)
		seq = turn_look(m)->globals.next_seq;
	if (m->adopted && !m->memo_recovered)
		seq = start_unused(seq, m->salvage != NULL ?
		    m->salvage->globals.next_seq : 0);
	m->journal = journal_new(m->store, seq);
	return m->journal != NULL ? 0 :
	    errmsg_set(err, ERR_MEMORY, "out of memory");
}

/* -- first start ---------------------------------------------------------------------- */

static void
apply_daemon_keys(struct master *m)
{
	log_set_level((enum log_level)m->conf->daemon.log_level);
	log_set_format(m->conf->daemon.log_format == FORMAT_JSON ?
	    LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
	logs_apply(m);
}

static void
send_backstop(struct master *m)
{
	struct keeper_packet packet;
	int64_t most = 0;

	for (size_t i = 0; i < m->conf->pool_count; i++) {
		const struct conf_pool *pool = &m->conf->pools[i];

		if (pool->drain_timeout_ms + pool->stop_timeout_ms > most)
			most = pool->drain_timeout_ms + pool->stop_timeout_ms;
	}
	keeper_begin(&packet, KEEPER_BACKSTOP, 0);
	packet.body.backstop.ms = (uint64_t)most + clock_scaled_ms(10000);
	link_request(m->link, &packet, NULL, 0, NULL, 0);
}

static void
put_generation(struct master *m, const char *state, const char *who,
    const char *verdict)
{
	const struct generation *generation = master_generation(m,
	    turn_look(m)->globals.generation);
	struct store_generation row = {
		.number = generation->number, .time = clock_wall_ms(),
		.previous = turn_look(m)->globals.previous, .state = state,
		.image = build_stamp, .who = who, .text = generation->text,
		.verdict = verdict,
	};

	store_put_generation(m->store, &row);
}

/* Up to here a master that dies is followed by a first start anew, from here
 * on by one that continues. */
static void
end_first_start(struct master *m, uint64_t unused)
{
	(void)unused;
	life_release(m, KEEPER_FIRST_CHECKER);
}

/* Everything is bound: pools start. */
void
start_service(struct master *m)
{
	struct memo_copy *copy = turn_change(m);
	struct event_fields fields = {
		.generation = copy->globals.generation,
	};

	turn_later(m, end_first_start, 0);
	turn_later(m, generations_tidy_later, 0);
	for (size_t i = 0; i < m->conf->pool_count; i++)
		if (pools_add(m, &m->conf->pools[i],
		    copy->globals.generation) != 0)
			log_error("pool %s: too many workers",
			    m->conf->pools[i].name);
	m->attached = true;
	turn_tell(m, EVENT_MASTER_STARTED, NULL);
	turn_tell(m, EVENT_CONFIG_APPLIED, &fields);
	put_generation(m, "committed", "start", NULL);
	tick_start(m);
}

void
start_apply_conf(struct master *m)
{
	apply_daemon_keys(m);
	files_apply(m);
	send_backstop(m);
	host_set_access(m);
	start_change_control(m);
}

static void
on_bound(struct master *m, int code, const char *text)
{
	if (m->ending)
		return;		/* stopped meanwhile */
	if (code != 0) {
		master_end(m, EXIT_BIND, "%s", text);
		return;
	}
	start_bind_control(m);
}

static void
init_marks(struct master *m)
{
	const struct store_loaded *loaded = store_load(m->store);
	struct memo_globals *globals = &turn_change(m)->globals;
	uint64_t mark = loaded->present ? loaded->id_mark :
	    (uint64_t)clock_wall_ms() * 1000;

	/* Ids are never used twice, whatever was lost; checkers have some. */
	if (mark > globals->next_id)
		globals->next_id = mark;
	globals->generation = 0;
	globals->previous = loaded->committed;
}

/* Everything is with the keeper: listeners, then pools. */
static void
on_first_kept(struct master *m, const struct errmsg *err)
{
	if (m->ending)
		return;
	if (err->code != 0) {
		master_end(m, 1, "%s", err->text);
		return;
	}
	start_apply_conf(m);
	listeners_adopt(m, m->conf);	/* of a first start that was cut off */
	listeners_bind(m, m->conf, false, on_bound);
}

static void
on_first_stored(struct master *m, const struct errmsg *err)
{
	if (m->ending)
		return;
	if (err->code != 0)
		master_end(m, 1, "%s", err->text);
	else
		generations_keep(m, master_generation(m,
		    turn_look(m)->globals.generation), on_first_kept);
}

static int
store_first(struct master *m, const struct check *check,
    const struct generation *generation, struct errmsg *err)
{
	struct disk_job *job = disk_job_new();
	int rc;

	rc = check_store_plugins(check, m->conf->daemon.state_dir, job, err);
	if (rc == 0)
		rc = generations_store(generation, job, err);
	if (rc == 0)
		return disk_start(m->disk, job, on_first_stored, err);
	disk_job_free(job);
	return rc;
}

/* The verdict is in: store, plugin store, snapshots. */
static void
accept_first(struct master *m, struct check *check)
{
	struct generation *generation;
	struct errmsg err;
	int rc;

	m->conf = check->conf;
	rc = start_open_store(m, check->conf->daemon.state_dir, &err);
	if (rc == 0) {
		init_marks(m);
		rc = generations_add(m, check->conf, generations_next(m),
		    check->text, check->text_len, &generation, &err);
	}
	if (rc == 0) {
		m->conf = generation->conf;
		turn_change(m)->globals.generation = generation->number;
		rc = store_first(m, check, generation, &err);
	} else {
		m->conf = NULL;
	}
	if (rc != 0)
		master_end(m, rc == ERR_VERSION ? EXIT_NEWER : 1, "%s",
		    err.text);
}

static void
print_lines(const struct buf *lines, bool error)
{
	const char *at = buf_len(lines) > 0 ? buf_at(lines) : NULL;
	const char *end = at != NULL ? at + buf_len(lines) : NULL;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		int len = (int)((newline != NULL ? newline : end) - at);

		if (error)
			log_error("%.*s", len, at);
		else
			log_warn("%.*s", len, at);
		at += len + 1;
	}
}

static void
on_first_check(struct master *m, struct check *check)
{
	if (m->ending)
		return;		/* stopped meanwhile */
	if (!check->heard && !check_is_good(check) && m->number > 1) {
		/* Its words went to a master that is gone: ask again. */
		check_start(m, m->checker_account, on_first_check);
		return;
	}
	print_lines(&check->warnings, false);
	print_lines(&check->errors, true);
	if (!check_is_good(check))
		master_end(m, EXIT_CONFIG, "the configuration is not usable");
	else
		accept_first(m, check);
}

/* -- what the keeper says --------------------------------------------------------------- */

static void
have_worker(struct master *m, const struct link_packet *packet)
{
	const struct keeper_msg_have_worker *have =
	    &packet->packet->body.have_worker;

	if (have->id > m->highest_id)
		m->highest_id = have->id;
	if (have->role == ROLE_CHECKER) {
		if (m->flags & WELCOME_FIRST &&
		    have->id == KEEPER_FIRST_CHECKER) {
			m->checker_account = have->account;
			check_adopt(m, have->id, packet, on_first_check);
		} else if (have->exited) {
			life_release(m, have->id);
		} else {	/* of a change that is over */
			adopt_end_process(m, have->id);
		}
		return;
	}
	adopt_have_worker(m, packet);
}

static void
on_accounts(struct master *m, uint64_t unused,
    const struct link_packet *answer)
{
	const struct keeper_msg_account_list *list =
	    &answer->packet->body.account_list;

	(void)unused;
	if (answer->packet->header.type != KEEPER_ACCOUNT_LIST)
		return;
	for (uint32_t i = 0; i < list->count && i < 32 &&
	    m->account_count < KEEPER_ACCOUNTS_MAX; i++) {
		m->account_uids[m->account_count] = list->uids[i];
		m->account_gids[m->account_count++] = list->gids[i];
	}
	if (list->count > 0 && m->account_count < list->total)
		ask_accounts(m);
}

static void
ask_accounts(struct master *m)
{
	struct keeper_packet packet;

	keeper_begin(&packet, KEEPER_ACCOUNTS, 0);
	packet.body.accounts.first = (uint32_t)m->account_count;
	link_request(m->link, &packet, NULL, 0, on_accounts, 0);
}

static void
have_end(struct master *m)
{
	m->inventory = true;
	ask_accounts(m);
	(void)FP("master.after_inventory");
	if (!(m->flags & WELCOME_FIRST)) {
		adopt_begin(m);
		return;
	}
	turn_change(m)->globals.next_id = KEEPER_FIRST_CHECKER + 1;
	life_skip_known_ids(m);
	if (m->check == NULL)
		check_start(m, m->checker_account, on_first_check);
	else
		check_go_on(m);
}

static void
on_exited(struct master *m, const struct keeper_msg_exited *exited)
{
	const struct process_end end = { .status = (int)exited->status,
		.core = (int)exited->core, .utime_us = exited->utime_us,
		.stime_us = exited->stime_us, .maxrss_kb = exited->maxrss_kb,
		.ended_ns = exited->ended_ns };

	if (m->check != NULL && m->check->id == exited->id) {
		check_exited(m, (int)exited->status);
		return;
	}
	life_exited(m, exited->id, &end);
}

static void
on_event(struct master *m, const struct link_packet *event)
{
	const struct keeper_packet *p = event->packet;

	if (m->turn == NULL)
		return;		/* before WELCOME: not for us */
	switch ((enum keeper_type)p->header.type) {
	case KEEPER_HAVE_LISTENER:
		listeners_have(m, event);
		break;
	case KEEPER_HAVE_KEPT:
		generations_have(m, event);
		break;
	case KEEPER_HAVE_WORKER:
		have_worker(m, event);
		break;
	case KEEPER_HAVE_END:
		have_end(m);
		break;
	case KEEPER_EXITED:
		on_exited(m, &p->body.exited);
		break;
	case KEEPER_ORDER:
		orders_take(m, p->body.order.order);
		break;
	default:		/* answers never come without a ref */
		break;
	}
	turn_end(m);
}

static void
on_lost(struct master *m, const char *why)
{
	/* The keeper is gone: what we know is stored, then we leave. */
	log_warn("master: the keeper is gone: %s", why);
	if (m->store != NULL)
		store_flush(m->store, 1000);
	logs_stop(m, 100);
	_exit(1);
}

static const struct link_handler handler = { on_event, on_lost };

static void
map_page(struct master *m, int fd)
{
	struct master_page *page = MAP_FAILED;
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)MASTER_PAGE_BYTES)
		page = mmap(NULL, MASTER_PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		log_error("master: cannot map its page");
		_exit(1);
	}
	m->page = &page->page;
	m->roster = &page->roster;
	__atomic_store_n(&m->page->beat.number, m->number, __ATOMIC_RELAXED);
	tick_beat(m);
}

/* A failpoint may be meant for one of the masters that follow each other. */
static char number_text[12];

static void
on_welcome(struct master *m, uint64_t unused, const struct link_packet *answer)
{
	const struct keeper_packet *p = answer->packet;
	const struct keeper_msg_welcome *welcome = &p->body.welcome;
	struct errmsg err = { 0 };
	int recovered;

	(void)unused;
	if (p->header.type != KEEPER_WELCOME) {
		log_error("master: the keeper refuses: %s",
		    p->body.error.text);
		_exit(1);
	}
	m->flags = welcome->flags;
	m->keeper_pid = welcome->keeper_pid;
	m->number = welcome->number;
	snprintf(number_text, sizeof(number_text), "%u", m->number);
	failpoint_set_slot(number_text);
	m->connection_number = (uint64_t)m->number << 40;
	m->keeper_started_ms = welcome->started_wall_ms;
	m->orphan_grace_ms = welcome->orphan_grace_ms;
	snprintf(m->config_file, sizeof(m->config_file), "%s",
	    welcome->config);
	snprintf(m->last_end, sizeof(m->last_end), "%s", welcome->last);
	map_page(m, answer->fds[1]);
	if (turn_open(m, answer->fds[0], m->flags &
	    (WELCOME_FIRST | WELCOME_REBUILD), &recovered, &err) != 0) {
		log_error("master: %s", err.text);
		_exit(1);
	}
	m->memo_recovered = recovered != 0;
	if (!recovered && !(m->flags & WELCOME_FIRST))
		snprintf(m->rebuilt, sizeof(m->rebuilt), "%.100s",
		    err.text[0] != '\0' ? err.text :
		    "five masters in a row died early");
}

void
start_attach(struct master *m)
{
	struct keeper_packet packet;
	struct errmsg err;

	if (link_open(m->base, MASTER_FD_KEEPER, &handler, m, &m->link, &err)
	    != 0) {
		log_error("master: %s", err.text);
		_exit(1);
	}
	keeper_begin(&packet, KEEPER_ATTACH, 0);
	packet.body.attach.proto_min = KEEPER_PROTOCOL;
	packet.body.attach.proto_max = KEEPER_PROTOCOL;
	record_put_text(packet.body.attach.stamp,
	    sizeof(packet.body.attach.stamp), build_stamp);
	link_request(m->link, &packet, NULL, 0, on_welcome, 0);
}
