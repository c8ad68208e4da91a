/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_control.c: the control server over real sockets, with the real journal
 * and the smallest of hosts: it keeps the last call until the test answers.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/stamp.h"
#include "daemon/control/control.h"
#include "daemon/control/server.h"
#include "daemon/control/verdicts.h"
#include "daemon/journal/journal.h"
#include "daemon/store/store.h"

enum { PATIENCE_MS = 10000 };

struct house {
	struct event_base *base;
	struct control *control;
	struct journal *journal;
	struct store *store;
	int listen_fd, wake_fd;
	struct control_call *call;	/* given to the host, not answered yet */
	struct change change;
	unsigned started;		/* calls of start() */
	struct sockaddr_un address;
	socklen_t address_len;
};

static const char *const listen_at[] = { "127.0.0.1:8080" };
static const struct view_pool pools[] = { {
	.pool = "web", .protocol = "http", .schedule = "round-robin",
	.listen = listen_at, .listen_count = 1, .desired = 2, .ready = 1,
} };
static const struct view_worker workers[] = {
	{ .worker = "web/0", .pool = "web", .slot = 0, .id = 11, .pid = 1234,
	    .state = "ready", .current = true, .rss_kb = VIEW_UNKNOWN,
	    .next = VIEW_UNKNOWN, .has_doing = true,
	    .doing = { "hello", "/", "GET", "/a\"b\xff", 5 } },
	{ .worker = "web/1", .pool = "web", .slot = 1, .id = VIEW_UNKNOWN,
	    .pid = VIEW_UNKNOWN, .state = "waiting", .current = true,
	    .next = VIEW_UNKNOWN },
};
static const struct view_reason reasons[] = {
	{ .id = REASON_SHORT_OF_WORKERS, .text = "1 of 2", .pool = "web" },
};
static const struct view the_view = {
	.state = VIEW_DEGRADED, .reasons = reasons, .reason_count = 1,
	.version = "0.1.0", .keeper_pid = 1, .master = { 2, 3, 0 },
	.generation = 1, .pools = pools, .pool_count = 1,
	.workers = workers, .worker_count = 2,
};

static const struct view_child child = { .pid = 99, .since_ms = 4,
	.cpu_ms = 3, .rss_kb = 2, .holds = true, .has_request = true,
	.request = { "hello", "/", "GET", "/a", 5 }, .command = "sleep 1" };
static const struct view_worker parents[] = {
	{ .worker = "web/0", .pool = "web", .slot = 0, .id = 11,
	    .state = "ready", .child = &child, .child_count = 1 },
};
static const struct view family = {
	.workers = parents, .worker_count = 1,
};

static const struct view *
host_view(void *context, enum view_children children)
{
	(void)context;
	return children == CHILDREN_OF_ALL ? &family : &the_view;
}

static void
host_start(void *context, struct control_call *call,
    const struct change *change)
{
	struct house *house = context;

	house->call = call;
	house->change = *change;
	house->started++;
}

static int
host_config_text(void *context, struct buf *out, struct errmsg *err)
{
	(void)context;
	(void)err;
	return buf_add_text(out, "[daemon]\n");
}

static struct house the_house;
static const struct control_host the_host = {
	.context = &the_house, .view = host_view, .start = host_start,
	.config_text = host_config_text,
};

static int
set_up(void **state)
{
	struct house *house = &the_house;
	const struct control_access access = { .user = getuid(), .group = 0 };
	const struct store_options options = { .closed = 1 };
	struct errmsg err;

	memset(house, 0, sizeof(*house));
	house->base = event_base_new();
	house->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(store_start("/nonexistent", &options, house->wake_fd,
	    &house->store, &err), 0);
	house->journal = journal_new(house->store, 1);
	house->listen_fd = socket(AF_UNIX,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	house->address.sun_family = AF_UNIX;
	/* An address that the kernel chooses, without a file. */
	assert_int_equal(bind(house->listen_fd,
	    (struct sockaddr *)&house->address, sizeof(sa_family_t)), 0);
	house->address_len = sizeof(house->address);
	getsockname(house->listen_fd, (struct sockaddr *)&house->address,
	    &house->address_len);
	assert_int_equal(listen(house->listen_fd, 128), 0);
	assert_int_equal(control_start(house->base, house->listen_fd, &the_host,
	    &access, house->journal, house->store, &house->control, &err), 0);
	*state = house;
	return 0;
}

static int
tear_down(void **state)
{
	struct house *house = *state;

	control_stop(house->control);
	journal_free(house->journal);
	store_stop(house->store, 1000);
	close(house->listen_fd);
	close(house->wake_fd);
	event_base_free(house->base);
	return 0;
}

/* ---- a client ---------------------------------------------------------------- */

static int
client_connect(struct house *house)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&house->address,
	    house->address_len), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void
client_say(int fd, const char *line)
{
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL),
	    (ssize_t)strlen(line));
}

static void
turn(struct house *house)
{
	const struct timeval soon = { .tv_usec = 5000 };

	event_base_loopexit(house->base, &soon);
	event_base_loop(house->base, EVLOOP_ONCE);
	store_poll(house->store);
}

/* Let the server work until fd has a line; terminated.  "" when it closed. */
static const char *
client_line(struct house *house, int fd)
{
	static char line[256 * 1024];
	uint64_t end = clock_now_ms() + PATIENCE_MS;
	size_t len = 0;

	while (clock_now_ms() < end) {
		ssize_t got = recv(fd, line + len, 1, 0);

		if (got == 1) {
			if (line[len++] == '\n') {
				line[len] = '\0';
				return line;
			}
		} else if (got == 0 || errno == ECONNRESET) {
			return "";
		} else {
			turn(house);
		}
	}
	fail_msg("no line within %d ms", PATIENCE_MS);
	return "";
}

static void
expect(struct house *house, int fd, const char *words)
{
	const char *line = client_line(house, fd);

	if (strstr(line, words) == NULL)
		fail_msg("no \"%s\" in: %s", words, line);
}

/* ---- tests ---------------------------------------------------------------------- */

static const struct {
	const char *line, *answer;
} cases[] = {
	{ "{\"id\":1,\"command\":\"ping\"}\n",
	    "{\"id\":1,\"ok\":true,\"result\":{\"api\":1,\"text\":\"pong\"" },
	{ "{\"id\":\"x\",\"command\":\"pong\"}\n",
	    "{\"id\":\"x\",\"ok\":false,\"error\":{\"code\":"
	    "\"unknown_command\",\"text\":\"there is no command \\\"pong\\\", "
	    "did you mean `ping'?" },
	{ "hello\n", "{\"id\":null,\"ok\":false,\"error\":{\"code\":"
	    "\"bad_request\"" },
	{ "{\"id\":2,\"command\":\"status\",\"args\":{\"a\":1}}\n",
	    "{\"id\":2,\"ok\":false,\"error\":{\"code\":\"bad_argument\"" },
	{ "{\"id\":2,\"command\":\"top\"}\n", "`top' is not in this version" },
	{ "{\"id\":2,\"command\":\"scale\",\"args\":{\"pool\":\"api\","
	    "\"workers\":\"1\"}}\n", "\"code\":\"not_found\"" },
	{ "{\"id\":2,\"command\":\"kill\",\"args\":{\"worker\":\"web/2\"}}\n",
	    "\"code\":\"not_found\"" },
	{ "{\"id\":2,\"command\":\"verdict\",\"args\":{\"command_id\":"
	    "\"never\"}}\n", "\"code\":\"not_found\"" },
	{ "{\"id\":2,\"command\":\"reload\",\"args\":{\"plan\":true,"
	    "\"continue\":true}}\n", "exclude each other" },
	{ "{\"id\":2,\"command\":\"config show\"}\n",
	    "\"text\":\"[daemon]\\n\"" },
	{ "{\"id\":2,\"command\":\"status\"}\n",
	    "\"result\":{\"api\":1,\"state\":\"degraded\",\"reasons\":[{"
	    "\"reason\":\"short_of_workers\",\"text\":\"1 of 2\"" },
	{ "{\"id\":2,\"command\":\"metrics\"}\n",
	    "clusterd_pool_workers_ready{pool=\\\"web\\\"} 1" },
	{ "{\"id\":2,\"command\":\"requests\"}\n",
	    "\"path\":\"/a\\\"b" },
};

static void
each_line_has_its_answer(void **state)
{
	struct house *house = *state;
	int fd = client_connect(house);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_say(fd, cases[i].line);
		expect(house, fd, cases[i].answer);
		if (strstr(cases[i].line, "requests") != NULL)
			expect(house, fd, "\"result\":null");
	}
	close(fd);
}

static void
rows_come_before_the_end(void **state)
{
	struct house *house = *state;
	int fd = client_connect(house);

	client_say(fd, "{\"id\":1,\"command\":\"workers\"}\n"
	    "{\"id\":2,\"command\":\"ping\"}\n");
	expect(house, fd, "{\"id\":1,\"row\":{\"worker\":\"web/0\"");
	expect(house, fd, "\"pid\":null");
	expect(house, fd, "{\"id\":1,\"ok\":true,\"result\":null}");
	expect(house, fd, "{\"id\":2,\"ok\":true");
	close(fd);
}

static void
children_are_those_of_whom_was_named(void **state)
{
	struct house *house = *state;
	int fd = client_connect(house);

	client_say(fd, "{\"id\":1,\"command\":\"children\"}\n");
	expect(house, fd, "{\"id\":1,\"row\":{\"worker\":\"web/0\",\"id\":11,"
	    "\"pid\":99,\"since_ms\":4,\"cpu_ms\":3,\"rss_kb\":2,"
	    "\"holds\":true,\"detached\":false,\"request\":{\"plugin\":"
	    "\"hello\",\"route\":\"/\",\"method\":\"GET\",\"path\":\"/a\","
	    "\"since_ms\":5},\"command\":\"sleep 1\"}}");
	expect(house, fd, "{\"id\":1,\"ok\":true");
	client_say(fd, "{\"id\":2,\"command\":\"children\",\"args\":{"
	    "\"worker\":\"web/1\"}}\n");
	expect(house, fd, "{\"id\":2,\"ok\":true");
	client_say(fd, "{\"id\":3,\"command\":\"children\",\"args\":{"
	    "\"worker\":\"nobody\"}}\n");
	expect(house, fd, "{\"id\":3,\"ok\":false");
	close(fd);
}

static void
a_command_id_runs_once(void **state)
{
	const char *scale = "{\"id\":1,\"command\":\"scale\",\"args\":{\"pool\":"
	    "\"web\",\"workers\":\"+2\"},\"command_id\":\"abc\"}\n";
	struct house *house = *state;
	int first = client_connect(house), second = client_connect(house);

	client_say(first, scale);
	expect(house, first, "{\"id\":1,\"progress\":{\"command_id\":\"abc\"}}");
	assert_int_equal(house->change.command, COMMAND_SCALE);
	assert_int_equal(house->change.how, SCALE_UP);
	assert_int_equal(house->change.number, 2);
	assert_string_equal(house->change.id, "abc");

	client_say(second, scale);
	turn(house);
	turn(house);
	control_progress(house->call, "{\"ready\":1}");
	expect(house, first, "{\"id\":1,\"progress\":{\"ready\":1}}");
	control_done(house->call, "{\"desired\":4}");
	expect(house, first, "{\"id\":1,\"ok\":true,\"result\":{\"api\":1,"
	    "\"command_id\":\"abc\",\"desired\":4}}");
	do {
		;
	} while (strstr(client_line(house, second), "\"desired\":4") == NULL);

	client_say(second, "{\"id\":7,\"command\":\"verdict\",\"args\":{"
	    "\"command_id\":\"abc\"}}\n");
	expect(house, second, "{\"id\":7,\"ok\":true,\"result\":{\"api\":1,"
	    "\"command_id\":\"abc\",\"desired\":4}}");
	client_say(second, "{\"id\":8,\"command\":\"rollback\","
	    "\"command_id\":\"abc\"}\n");
	expect(house, second, "\"code\":\"conflict\"");
	assert_int_equal(house->started, 1);
	close(first);
	close(second);
}

static void
a_change_outlives_its_client(void **state)
{
	struct house *house = *state;
	int fd = client_connect(house), other;
	struct errmsg err;

	client_say(fd, "{\"id\":1,\"command\":\"rollback\",\"command_id\":\"r\"}\n");
	expect(house, fd, "progress");
	close(fd);
	other = client_connect(house);
	client_say(other, "{\"id\":2,\"command\":\"verdict\",\"args\":{"
	    "\"command_id\":\"r\"}}\n");
	turn(house);
	control_progress(house->call, "{}");
	errmsg_set(&err, ERR_CONFLICT, "there is no previous generation");
	control_fail(house->call, &err, "{\"slots\":[]}");
	do {
		;
	} while (strstr(client_line(house, other), "{\"id\":2,\"ok\":false,"
	    "\"error\":{\"code\":\"conflict\",\"text\":\"there is no previous "
	    "generation\"},\"command_id\":\"r\",\"result\":{\"slots\":[]}}")
	    == NULL);
	close(other);
}

static void
a_command_before_a_restart_is_waited_for(void **state)
{
	struct house *house = *state;
	struct control_call *call = control_adopt(house->control,
	    COMMAND_RELOAD, "old", "root");
	int fd = client_connect(house);

	client_say(fd, "{\"id\":2,\"command\":\"verdict\",\"args\":{"
	    "\"command_id\":\"old\"}}\n{\"id\":3,\"command\":\"ping\"}\n");
	turn(house);
	turn(house);
	control_done(call, "{}");
	expect(house, fd, "{\"id\":2,\"ok\":true,\"result\":{\"api\":1,"
	    "\"command_id\":\"old\"}}");
	expect(house, fd, "{\"id\":3,\"ok\":true");
	close(fd);
}

static void
what_the_master_before_ended_is_known(void **state)
{
	struct house *house = *state;
	struct control_ended ended = { .id = "last", .who = "ada",
	    .command = COMMAND_SCALE, .result = "{\"to\":3}" };
	int fd = client_connect(house);

	/* The database, which knows nothing of it, may be asked first. */
	client_say(fd, "{\"id\":1,\"command\":\"verdict\",\"args\":{"
	    "\"command_id\":\"last\"}}\n");
	control_set_ended(house->control, &ended);
	expect(house, fd, "{\"id\":1,\"ok\":true,\"result\":{\"api\":1,"
	    "\"command_id\":\"last\",\"to\":3}}");
	close(fd);
}

/* The last ones are kept, and what they take is counted. */
static void
verdicts_are_kept_within_bounds(void **state)
{
	struct house *house = *state;
	char id[8];

	assert_int_equal(verdicts_memory(house->control), 0);
	for (int i = 0; i < 3 * VERDICTS; i++) {
		snprintf(id, sizeof(id), "%07d", i);
		control_done(control_adopt(house->control, COMMAND_SCALE, id,
		    "root"), "{}");
	}
	assert_in_range(verdicts_memory(house->control),
	    VERDICTS * strlen("\"ok\":true"), VERDICTS * 128);
}

static void
nobody_need_wait_for_a_reload(void **state)
{
	struct house *house = *state;
	int fd = client_connect(house);

	client_say(fd, "{\"id\":1,\"command\":\"reload\",\"args\":{\"no_wait\":"
	    "true},\"command_id\":\"n\"}\n{\"id\":2,\"command\":\"ping\"}\n");
	expect(house, fd, "progress");
	expect(house, fd, "\"running\":true");
	expect(house, fd, "{\"id\":2,\"ok\":true");
	control_done(house->call, NULL);
	client_say(fd, "{\"id\":3,\"command\":\"verdict\",\"args\":{"
	    "\"command_id\":\"n\"}}\n");
	expect(house, fd, "{\"id\":3,\"ok\":true,\"result\":null}");
	close(fd);
}

static void
a_check_outlives_its_client(void **state)
{
	struct house *house = *state;
	int fd = client_connect(house);

	client_say(fd, "{\"id\":1,\"command\":\"config check\"}\n");
	while (house->call == NULL)
		turn(house);
	close(fd);
	for (int i = 0; i < 5; i++)
		turn(house);
	control_done(house->call, "{}");
}

static void
followers_are_fed_until_their_event(void **state)
{
	struct house *house = *state;
	int fd = client_connect(house), history = client_connect(house);

	client_say(fd, "{\"id\":1,\"command\":\"events\",\"args\":{\"until\":"
	    "\"worker.ready\"}}\n{\"id\":2,\"command\":\"ping\"}\n");
	turn(house);
	turn(house);
	journal_publish(house->journal, EVENT_WORKER_FORKED, NULL);
	journal_publish(house->journal, EVENT_WORKER_READY, NULL);
	expect(house, fd, "{\"id\":1,\"row\":{\"seq\":");
	expect(house, fd, "worker.ready");
	expect(house, fd, "{\"id\":1,\"ok\":true,\"result\":null}");
	expect(house, fd, "{\"id\":2,\"ok\":true");

	/* there is no database here */
	client_say(history, "{\"id\":1,\"command\":\"events\"}\n");
	expect(house, history, "\"gap\":true");
	expect(house, history, "worker.forked");
	expect(house, history, "worker.ready");
	expect(house, history, "{\"id\":1,\"ok\":true,\"result\":null}");
	close(fd);
	close(history);
}

static void
a_follower_that_does_not_read_is_told_and_closed(void **state)
{
	struct house *house = *state;
	char text[2000];
	const struct event_fields fields = { .text = text };
	int fd = client_connect(house);
	const char *line;
	bool lagged = false;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	client_say(fd, "{\"id\":1,\"command\":\"events\",\"args\":{\"follow\":"
	    "true}}\n");
	turn(house);
	turn(house);
	for (int i = 0; i < 3000; i++) {
		journal_publish(house->journal, EVENT_WORKER_MESSAGE, &fields);
		if (i % 100 == 0)
			turn(house);
	}
	while (*(line = client_line(house, fd)) != '\0')
		lagged = lagged || strstr(line, "\"code\":\"lagged\"") != NULL;
	assert_true(lagged);
	close(fd);
}

static void
a_line_without_end_is_refused(void **state)
{
	struct house *house = *state;
	int fd = client_connect(house);
	char chunk[4096];
	const char *line;

	memset(chunk, 'a', sizeof(chunk));
	for (int i = 0; i < 40; i++) {
		if (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) < 0)
			break;
		turn(house);
	}
	line = client_line(house, fd);
	/* Or the close came first: it had unread bytes behind it. */
	assert_true(*line == '\0' || strstr(line, "too_large") != NULL);
	if (*line != '\0')
		assert_string_equal(client_line(house, fd), "");
	close(fd);
}

/* The first progress may be what its client cannot take any more: the master
 * has the call all the same. */
static void
a_change_outlives_a_client_that_does_not_read(void **state)
{
	struct house *house = *state;
	const char *rollback = "{\"id\":1,\"command\":\"rollback\","
	    "\"command_id\":\"r\"}\n";
	struct client *client = house->control->clients;
	int fd = client_connect(house), other;
	static char text[CLIENT_UNREAD_MAX];

	client_say(fd, "{\"id\":1,\"command\":\"ping\"}\n");
	expect(house, fd, "pong");
	while (client->bev == NULL)
		client++;
	for (int i = 0; i < 5; i++) {		/* the kernel takes some */
		client_write(client, text, sizeof(text) - evbuffer_get_length(
		    bufferevent_get_output(client->bev)));
		turn(house);
	}
	client_say(fd, rollback);
	while (client->bev != NULL)
		turn(house);
	assert_int_equal(house->started, 1);
	for (int i = 0; i < 60; i++)		/* past the next sweep */
		turn(house);
	other = client_connect(house);
	client_say(other, "{\"id\":2,\"command\":\"verdict\",\"args\":{"
	    "\"command_id\":\"r\"}}\n");
	turn(house);
	control_done(house->call, "{\"generation\":1}");
	expect(house, other, "\"generation\":1");
	close(fd);
	close(other);
}

static void
who_has_said_all_still_hears_the_answer(void **state)
{
	struct house *house = *state;
	int fd = client_connect(house);

	client_say(fd, "{\"id\":1,\"command\":\"rollback\"}\n"
	    "{\"id\":2,\"command\":\"ping\"}\n");
	shutdown(fd, SHUT_WR);
	expect(house, fd, "progress");
	turn(house);
	control_done(house->call, "{\"generation\":1}");
	expect(house, fd, "{\"id\":1,\"ok\":true");
	expect(house, fd, "{\"id\":2,\"ok\":true");
	assert_string_equal(client_line(house, fd), "");
	close(fd);
}

/* One that follows and has gone altogether does not keep its place. */
static void
who_has_gone_is_seen_to_be_gone(void **state)
{
	struct house *house = *state;
	struct client *client = house->control->clients;
	int fd = client_connect(house);

	client_say(fd, "{\"id\":1,\"command\":\"events\","
	    "\"args\":{\"follow\":true}}\n");
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 10; i++)
		turn(house);
	while (client->bev == NULL)
		client++;
	assert_non_null(client->call);
	close(fd);
	while (client->bev != NULL)
		turn(house);
}

static void
idle_clients_make_way(void **state)
{
	struct house *house = *state;
	uint64_t end = clock_now_ms() + PATIENCE_MS;
	int idle[40], fd;
	const char *line;

	for (size_t i = 0; i < 40; i++)
		idle[i] = client_connect(house);
	for (int i = 0; i < 20; i++)
		turn(house);
	/* Those that are new need not make way; but soon they are not. */
	do {
		fd = client_connect(house);
		client_say(fd, "{\"id\":1,\"command\":\"ping\"}\n");
		line = client_line(house, fd);
		close(fd);
	} while (strstr(line, "pong") == NULL && clock_now_ms() < end);
	assert_non_null(strstr(line, "pong"));
	for (size_t i = 0; i < 40; i++)
		close(idle[i]);
}

/* ---- commands of plugins ------------------------------------------------------ */

/* What a plugin has heard so far. */
struct heard {
	struct control_reader reader;
	char text[1024];
	unsigned rows, progress, ends;
	int error;
	bool full;
};

static void
on_hear(struct control_reader *reader, enum control_said said,
    const char *json, size_t len, int error)
{
	struct heard *heard = (struct heard *)reader;

	heard->rows += said == CONTROL_ROW;
	heard->progress += said == CONTROL_PROGRESS;
	heard->ends += said == CONTROL_DONE;
	heard->error = error;
	snprintf(heard->text, sizeof(heard->text), "%.*s", (int)len, json);
}

static bool
on_is_full(const struct control_reader *reader)
{
	return ((const struct heard *)reader)->full;
}

static int
ask(struct house *house, struct heard *heard, const char *command,
    const char *args, uint64_t grants)
{
	memset(heard, 0, sizeof(*heard));
	heard->reader.hear = on_hear;
	heard->reader.is_full = on_is_full;
	return control_ask(house->control, &heard->reader,
	    &(struct control_ask){ .command = command, .args = args,
	    .id = "p1.1", .who = "plugin:hello@web/0", .grants = grants,
	    .uid = 1, .gid = 1, .pid = 1 });
}

static void
a_plugin_reads_without_a_grant(void **state)
{
	struct house *house = *state;
	struct heard heard;

	assert_int_equal(ask(house, &heard, "workers", "", 0), 0);
	assert_int_equal(heard.rows, 2);
	assert_int_equal(heard.ends, 1);
	assert_int_equal(heard.error, 0);
	assert_string_equal(heard.text, "{\"ok\":true,\"result\":null}");
	assert_int_equal(ask(house, &heard, "workers", "{\"pool\":1}", 0), 0);
	assert_int_equal(heard.error, EINVAL);
	assert_int_equal(ask(house, &heard, "workers", "{", 0), 0);
	assert_int_equal(heard.error, EINVAL);
	assert_int_equal(ask(house, &heard, "wrokers", "", 0), 0);
	assert_int_equal(heard.error, ENOENT);
	assert_non_null(strstr(heard.text, "did you mean `workers'?"));
}

static void
a_plugin_changes_what_it_is_granted(void **state)
{
	const char *args = "{\"pool\":\"web\",\"workers\":\"4\"}";
	const uint64_t scale = (uint64_t)1 << COMMAND_SCALE;
	struct house *house = *state;
	struct heard heard, other;

	assert_int_equal(ask(house, &heard, "scale", args, scale << 1),
	    ERR_DENIED);
	assert_int_equal(heard.error, EACCES);
	assert_int_equal(ask(house, &heard, "audit", "", scale),
	    ERR_DENIED);
	assert_int_equal(house->started, 0);
	assert_int_equal(ask(house, &heard, "scale", args, scale), 0);
	assert_string_equal(heard.text, "{\"command_id\":\"p1.1\"}");
	assert_string_equal(house->change.who, "plugin:hello@web/0");
	assert_int_equal(heard.ends, 0);
	assert_int_equal(ask(house, &other, "verdict",
	    "{\"command_id\":\"p1.1\"}", 0), 0);
	control_progress(house->call, "{\"ready\":1}");
	assert_int_equal(heard.progress, 2);
	control_done(house->call, "{\"desired\":4}");
	assert_string_equal(heard.text, "{\"ok\":true,\"result\":{\"api\":1,"
	    "\"command_id\":\"p1.1\",\"desired\":4}}");
	assert_string_equal(other.text, heard.text);
	assert_int_equal(other.ends, 1);
}

/* Its worker ends; and one that does not wait. */
static void
a_change_outlives_its_plugin(void **state)
{
	struct house *house = *state;
	const uint64_t reload = (uint64_t)1 << COMMAND_RELOAD;
	struct heard heard;

	assert_int_equal(ask(house, &heard, "reload", "", reload), 0);
	control_lose(&heard.reader);
	control_done(house->call, NULL);
	assert_int_equal(heard.ends, 0);
	/* the same id: it is not run again */
	assert_int_equal(ask(house, &heard, "reload", "", reload), 0);
	assert_int_equal(heard.ends, 1);
	assert_int_equal(house->started, 1);
}

static void
a_plugin_need_not_wait(void **state)
{
	struct house *house = *state;
	struct heard heard;

	assert_int_equal(ask(house, &heard, "reload", "{\"no_wait\":true}",
	    (uint64_t)1 << COMMAND_RELOAD), 0);
	assert_int_equal(heard.ends, 1);
	assert_non_null(strstr(heard.text, "\"running\":true"));
	control_done(house->call, NULL);
	assert_int_equal(heard.ends, 1);
}

/* However many ask, there is room left for people. */
static void
plugins_do_not_use_up_all_room(void **state)
{
	static struct heard many[CALLS_PLUGINS + 1];
	struct house *house = *state;
	int fd = client_connect(house);

	for (size_t i = 0; i < CALLS_PLUGINS; i++) {
		assert_int_equal(ask(house, &many[i], "events",
		    "{\"follow\":true}", 0), 0);
		assert_int_equal(many[i].ends, 0);
	}
	assert_int_equal(ask(house, &many[CALLS_PLUGINS], "ping", "", 0), 0);
	assert_int_equal(many[CALLS_PLUGINS].error, EAGAIN);
	client_say(fd, "{\"id\":1,\"command\":\"ping\"}\n");
	expect(house, fd, "pong");
	journal_publish(house->journal, EVENT_POOL_SCALED, NULL);
	for (size_t i = 0; i < CALLS_PLUGINS; i++) {
		assert_int_equal(many[i].rows, 1);
		control_lose(&many[i].reader);
	}
	close(fd);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_line_has_its_answer),
		TEST(rows_come_before_the_end),
		TEST(children_are_those_of_whom_was_named),
		TEST(a_command_id_runs_once),
		TEST(a_change_outlives_its_client),
		TEST(a_command_before_a_restart_is_waited_for),
		TEST(what_the_master_before_ended_is_known),
		TEST(verdicts_are_kept_within_bounds),
		TEST(nobody_need_wait_for_a_reload),
		TEST(a_check_outlives_its_client),
		TEST(followers_are_fed_until_their_event),
		TEST(a_follower_that_does_not_read_is_told_and_closed),
		TEST(a_line_without_end_is_refused),
		TEST(a_change_outlives_a_client_that_does_not_read),
		TEST(who_has_said_all_still_hears_the_answer),
		TEST(who_has_gone_is_seen_to_be_gone),
		TEST(a_plugin_reads_without_a_grant),
		TEST(a_plugin_changes_what_it_is_granted),
		TEST(a_change_outlives_its_plugin),
		TEST(a_plugin_need_not_wait),
		TEST(plugins_do_not_use_up_all_room),
		TEST(idle_clients_make_way),
	};

	setenv("CLUSTERD_TEST_SCALE", "5", 1);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
