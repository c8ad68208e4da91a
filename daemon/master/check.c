/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * check.c: what the checker says, and whether it adds up; see check.h.
 * The verdict counts only when DONE was said, the process left with 0, and
 * every size, seal and digest is as stated.
 */
#include "daemon/master/check.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/conf/conf.h"
#include "daemon/conf/snapshot.h"
#include "daemon/master/actions.h"
#include "daemon/master/change.h"
#include "daemon/master/disk.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"
#include "daemon/proto/snapshot.h"
#include "daemon/proto/verdict.h"
#include "daemon/store/rows.h"

enum { CHECK_LIMIT_MS = 10000, KILL_LIMIT_MS = 5000,
	CHECK_MEMORY = 512 << 20, TEXT_MAX = 4 << 20, PLUGIN_MAX = 256 << 20,
	MESSAGES_A_TURN = 64, MESSAGES_MAX = 10000 };

bool
check_is_good(const struct check *check)
{
	return check->complete && check->exited && WIFEXITED(check->status) &&
	    WEXITSTATUS(check->status) == 0 && check->error_count == 0 &&
	    check->conf != NULL;
}

static void
add_error(struct check *check, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void
add_error(struct check *check, const char *fmt, ...)
{
	char text[1200], safe[2400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	escape_string(safe, sizeof(safe), text, strlen(text));
	buf_add_text(&check->errors, safe);
	buf_add_text(&check->errors, "\n");
	check->error_count++;
}

/* -- what it sends ---------------------------------------------------------------- */

/* A sealed memfd of exactly that size: what is mapped of it is there. */
static bool
is_sealed_size(int fd, uint64_t size, uint64_t max)
{
	struct stat st;

	return size > 0 && size <= max && fd_is_sealed(fd) &&
	    fstat(fd, &st) == 0 && (uint64_t)st.st_size == size;
}

/* Map a sealed memfd of exactly that size and digest.  NULL: it is not. */
static void *
map_checked(int fd, uint64_t size, uint64_t max, const uint8_t *digest)
{
	uint8_t real[SHA256_SIZE];
	struct sha256 sha;
	void *data;

	if (!is_sealed_size(fd, size, max))
		return NULL;
	data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return NULL;
	sha256_init(&sha);
	sha256_add(&sha, data, size);
	sha256_end(&sha, real);
	if (memcmp(real, digest, sizeof(real)) == 0)
		return data;
	munmap(data, size);
	return NULL;
}

/* "FILE:LINE: ", or as much of it as is known. */
static void
put_place(char *out, size_t size, const char *file, uint32_t line)
{
	out[0] = '\0';
	if (file[0] != '\0' && line > 0)
		snprintf(out, size, "%s:%u: ", file, line);
	else if (file[0] != '\0')
		snprintf(out, size, "%s: ", file);
}

static void
on_finding(struct check *check, const struct verdict_msg_error *finding,
    bool warning)
{
	char place[300], line[2400];

	put_place(place, sizeof(place), finding->file, finding->line);
	if (!warning) {
		add_error(check, "%s%s", place, finding->text);
		return;
	}
	escape_string(line, sizeof(line), finding->text,
	    strlen(finding->text));
	buf_printf(&check->warnings, "%s%s\n", place, line);
}

static void
on_plugin(struct check *check, const struct verdict_msg_plugin *said, int *fd)
{
	struct check_plugin *plugin;

	if (check->plugin_count == CHECK_PLUGINS ||
	    !is_sealed_size(*fd, said->size, PLUGIN_MAX)) {
		add_error(check, "the checker's copy of %s is not usable",
		    said->name);
		return;
	}
	plugin = &check->plugins[check->plugin_count++];
	snprintf(plugin->name, sizeof(plugin->name), "%s", said->name);
	sha256_hex(said->sha256, plugin->hex);
	plugin->size = said->size;
	plugin->fd = *fd;
	*fd = -1;
}

static void
on_snapshot(struct check *check, const struct verdict_msg_snapshot *said,
    int fd)
{
	void *data = map_checked(fd, said->size, SNAPSHOT_SIZE_MAX,
	    said->sha256);
	struct errmsg err;

	if (data == NULL || check->conf != NULL) {
		add_error(check, "the checker's snapshot is not usable");
	} else if (snapshot_decode(data, said->size, &check->conf, &err) !=
	    0) {
		add_error(check, "the checker's snapshot: %s", err.text);
	}
	if (data != NULL)
		munmap(data, said->size);
}

static void
on_done(struct check *check, const struct verdict_msg_done *said, int fd)
{
	void *data = map_checked(fd, said->size, TEXT_MAX, said->sha256);

	if (data == NULL || said->plugins != check->plugin_count) {
		add_error(check, "the checker's verdict does not add up");
	} else {
		check->text = malloc(said->size + 1);
		if (check->text == NULL) {
			add_error(check, "out of memory");
			munmap(data, said->size);
			return;
		}
		memcpy(check->text, data, said->size);
		check->text[said->size] = '\0';
		check->text_len = said->size;
		sha256_hex(said->sha256, check->sha256);
		check->complete = true;
	}
	if (data != NULL)
		munmap(data, said->size);
}

static void
on_packet(struct check *check, const struct verdict_packet *packet, int *fds)
{
	check->heard = true;
	switch ((enum verdict_type)packet->header.type) {
	case VERDICT_ERROR:
		on_finding(check, &packet->body.error, false);
		break;
	case VERDICT_WARNING:
		on_finding(check, (const void *)&packet->body.warning, true);
		break;
	case VERDICT_OPENING:
		snprintf(check->opening, sizeof(check->opening), "%s",
		    packet->body.opening.name);
		put_place(check->opening_at, sizeof(check->opening_at),
		    packet->body.opening.file, packet->body.opening.line);
		break;
	case VERDICT_PLUGIN:
		on_plugin(check, &packet->body.plugin, &fds[0]);
		break;
	case VERDICT_SNAPSHOT:
		on_snapshot(check, &packet->body.snapshot, fds[0]);
		break;
	case VERDICT_DONE:
		on_done(check, &packet->body.done, fds[0]);
		break;
	case VERDICT_NONE:
	case VERDICT__COUNT:
		break;
	}
}

/* Whose code runs, as far as it was told. */
static void
put_during(const struct check *check, char at[400], char during[80])
{
	at[0] = during[0] = '\0';
	if (check->opening[0] == '\0')
		return;
	snprintf(at, 400, "%s[plugin %s] module: ", check->opening_at,
	    check->opening);
	snprintf(during, 80, " in the constructor of plugin %s",
	    check->opening);
}

/* A constructor may write there as well, without end. */
static void
cut_short(struct check *check)
{
	char at[400], during[80];

	put_during(check, at, during);
	add_error(check, "%sthe check says too much%s", at, during);
	actions_signal(check->master, check->id, SIGKILL);
}

/* Read what there is, up to so many messages; true when there is no more to
 * come. */
static bool
read_verdict(struct check *check, unsigned most)
{
	static struct verdict_packet packet;
	int fds[FD_PASS_MAX];
	size_t count;
	struct errmsg err;
	ssize_t len;

	for (unsigned i = 0; check->verdict_fd >= 0; i++) {
		if (i == most)
			return false;
		count = 0;
		len = fd_recv(check->verdict_fd, &packet, sizeof(packet), fds,
		    &count);
		if (len == -EAGAIN)
			return false;
		if (len <= 0)
			break;
		if (check->messages++ >= MESSAGES_MAX)
			cut_short(check);
		else if (verdict_check(&packet, (size_t)len, count, &err) != 0)
			add_error(check, "the checker: %s", err.text);
		else
			on_packet(check, &packet, fds);
		fd_close_all(fds, count);
		if (check->messages > MESSAGES_MAX)
			break;
	}
	return true;
}

/* -- its life ------------------------------------------------------------------------- */

static void
drop_event(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

static void
check_free(struct check *check)
{
	drop_event(&check->readable);
	drop_event(&check->output);
	drop_event(&check->limit);
	fd_close(&check->pid_fd);
	fd_close(&check->verdict_fd);
	fd_close(&check->output_fd);
	for (size_t i = 0; i < check->plugin_count; i++)
		fd_close(&check->plugins[i].fd);
	conf_unref(check->conf);
	free(check->text);
	buf_done(&check->errors);
	buf_done(&check->warnings);
	check->master = NULL;
}

/* A checker that just vanished says nothing; the words are made here. */
static void
explain_end(struct check *check)
{
	char at[400], during[80], name[16];

	if (check->error_count > 0 || check_is_good(check))
		return;
	put_during(check, at, during);
	if (check->timed_out)
		add_error(check, "%sthe check took longer than 10 s%s%s", at,
		    during, check->exited ? "" :
		    ", and its process cannot be ended");
	else if (WIFSIGNALED(check->status))
		add_error(check, "%sthe check died of %s%s", at,
		    rows_signal_name(WTERMSIG(check->status), name), during);
	else
		add_error(check, "%sthe check ended with status %d%s%s%s", at,
		    WEXITSTATUS(check->status), during,
		    check->tail_len > 0 ? ": " : "", check->tail);
}

/* A process that is still there is let go when it ends after all. */
static void
conclude(struct check *check)
{
	struct master *m = check->master;

	explain_end(check);
	m->check = NULL;
	/* The first one is let go when its service has begun. */
	if (check->exited && check->id != KEEPER_FIRST_CHECKER)
		life_release(m, check->id);
	check->done(m, check);
	check_free(check);
	change_next(m);		/* a check that waited for this checker */
}

static void
finish(struct check *check)
{
	/* The first checker may have ended long before we came: its verdict is
	 * not acted on while the keeper is still telling us what there is. */
	if (check->exited && check->closed && check->master->inventory)
		conclude(check);
}

static void
hear(struct check *check, unsigned most)
{
	if (!read_verdict(check, most))
		return;
	drop_event(&check->readable);
	fd_close(&check->verdict_fd);
	check->closed = true;
	finish(check);
}

static void
on_verdict(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	hear(arg, MESSAGES_A_TURN);
}

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	struct check *check = arg;
	char data[256];
	ssize_t len = read(fd, data, sizeof(data));

	(void)what;
	if (len <= 0) {
		if (len == 0 || errno != EAGAIN)
			drop_event(&check->output);
		return;
	}
	if ((size_t)len >= sizeof(check->tail) - 1 - check->tail_len)
		check->tail_len = 0;
	for (ssize_t i = 0; i < len; i++)
		check->tail[check->tail_len++] = data[i] == '\n' ? ' ' :
		    data[i];
	check->tail[check->tail_len] = '\0';
}

static void
limit_after(struct check *check, uint64_t ms)
{
	check->limit_ns = tick_awake_ns(check->master) + ms * NS_PER_MS;
	(void)tick_not_yet(check->master, check->limit, check->limit_ns);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct check *check = arg;

	(void)fd;
	(void)what;
	if (tick_not_yet(check->master, check->limit, check->limit_ns))
		return;
	/* Nobody else has a turn before this one is over. */
	if (check->timed_out && check->master->inventory) {
		conclude(check);
		return;
	}
	check->timed_out = true;
	actions_signal(check->master, check->id, SIGKILL);
	limit_after(check, clock_scaled_ms(KILL_LIMIT_MS));
}

/* One at a time; the second is begun when the first tells how it ended. */
static struct check checks[2];

static struct check *
check_new(struct master *m, uint64_t id,
    void (*done)(struct master *m, struct check *check))
{
	struct check *check = checks[0].master == NULL ? &checks[0] :
	    &checks[1];

	CHECK(m->check == NULL && check->master == NULL);
	memset(check, 0, sizeof(*check));
	check->master = m;
	check->id = id;
	check->done = done;
	check->pid_fd = check->verdict_fd = check->output_fd = -1;
	buf_init(&check->errors, 1 << 20);
	buf_init(&check->warnings, 1 << 20);
	m->check = check;
	return check;
}

static void
follow(struct check *check, const struct link_packet *packet)
{
	struct event_base *base = check->master->base;
	struct stat st;

	if (packet->count < 4) {
		check->closed = true;
		return;
	}
	check->pid_fd = packet->fds[0];
	check->verdict_fd = packet->fds[2];
	check->output_fd = packet->fds[3];
	packet->fds[0] = packet->fds[2] = packet->fds[3] = -1;
	/* The first one's words go to the caller; this is /dev/null then. */
	if (fstat(check->output_fd, &st) == 0 && S_ISFIFO(st.st_mode)) {
		fd_set_nonblock(check->output_fd);
		check->output = event_new(base, check->output_fd,
		    EV_READ | EV_PERSIST, on_output, check);
	}
	check->readable = event_new(base, check->verdict_fd,
	    EV_READ | EV_PERSIST, on_verdict, check);
	check->limit = evtimer_new(base, on_limit, check);
	CHECK(check->readable != NULL && check->limit != NULL);
	event_add(check->readable, NULL);
	if (check->output != NULL)
		event_add(check->output, NULL);
	limit_after(check, CHECK_LIMIT_MS);
}

void
check_adopt(struct master *m, uint64_t id, const struct link_packet *packet,
    void (*done)(struct master *m, struct check *check))
{
	const struct keeper_msg_have_worker *have =
	    &packet->packet->body.have_worker;
	struct check *check = check_new(m, id, done);

	check->exited = have->exited != 0;
	check->status = (int)have->status;
	follow(check, packet);
}

void
check_go_on(struct master *m)
{
	finish(m->check);
}

static void
on_spawned(struct master *m, uint64_t id, const struct link_packet *answer)
{
	const struct keeper_packet *p = answer->packet;
	struct check *check = m->check;

	if (check == NULL || check->id != id)
		return;
	if (p->header.type == KEEPER_SPAWNED) {
		follow(check, answer);
		return;
	}
	add_error(check, "the checker cannot be started: %s",
	    p->header.type == KEEPER_ERROR ? p->body.error.text :
	    strerror((int)p->header.code));
	m->check = NULL;
	check->done(m, check);
	check_free(check);
}

static void
refuse_check(struct master *m, uint64_t id)
{
	link_refuse(m, on_spawned, id);
}

void
check_start(struct master *m, uint32_t account,
    void (*done)(struct master *m, struct check *check))
{
	struct check *check = check_new(m, life_new_id(m), done);
	struct keeper_packet packet;
	struct keeper_msg_spawn *spawn = &packet.body.spawn;

	if (!link_reserve(m->link)) {
		turn_later(m, refuse_check, check->id);
		return;
	}
	keeper_begin(&packet, KEEPER_SPAWN, 0);
	spawn->id = check->id;
	spawn->role = ROLE_CHECKER;
	spawn->account = account;
	spawn->rlimit_nofile = UINT64_MAX;
	spawn->rlimit_core = 0;
	spawn->rlimit_as = CHECK_MEMORY;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	spawn->rlimit_as = UINT64_MAX;	/* shadow memory */
#endif
	record_put_text(spawn->name, sizeof(spawn->name), "checker");
	link_request(m->link, &packet, NULL, 0, on_spawned, check->id);
	(void)FP("check.asked");
}

void
check_exited(struct master *m, int status)
{
	struct check *check = m->check;

	check->exited = true;
	check->status = status;
	if (check->verdict_fd >= 0)
		hear(check, MESSAGES_MAX + 1);
	else
		check->closed = true;
	/* A descendant of a constructor may hold the socket: enough was
	 * said. */
	if (m->check == check) {
		check->closed = true;
		finish(check);
	}
}

/* -- plugin store -------------------------------------------------------------------- */

int
check_store_plugins(const struct check *check, const char *state_dir,
    struct disk_job *job, struct errmsg *err)
{
	char dir[300], file[400], name[48];
	int rc = 0;

	snprintf(dir, sizeof(dir), "%s/store", state_dir);
	disk_add_folder(job, dir, 0755);
	for (size_t i = 0; i < check->plugin_count && rc == 0; i++) {
		const struct check_plugin *plugin = &check->plugins[i];

		snprintf(file, sizeof(file), "%s/%s.so", dir, plugin->hex);
		snprintf(name, sizeof(name), "plugin %s", plugin->name);
		rc = disk_add_file(job, &(struct disk_file){ .path = file,
		    .mode = 0444, .fd = plugin->fd, .size = plugin->size,
		    .sha256 = plugin->hex, .name = name }, err);
	}
	return rc;
}
