/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * output.c: lines of workers into our log; see output.h.
 * The log pipe carries frames (proto/log_frame.h), the output pipe lines.
 */
#include "daemon/master/output.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/proto/log_frame.h"
#include "daemon/supervisor/policy.h"
#include "daemon/supervisor/state.h"

enum { BUDGET = 65536 };	/* bytes a second */

/* In a crash loop each process says the same again: what it says is in its
 * death record, and in the log of who wants more than what is noteworthy. */
static bool
is_one_of_many(const struct process *process)
{
	const struct memo_copy *copy = turn_look(process->master);

	return process->row != MEMO_NONE &&
	    copy->slot[copy->worker[process->row].slot].early >=
	    POLICY_CRASH_LOOP;
}

static void
put(struct process *process, enum log_level level, const char *text, size_t len)
{
	char who[96];

	if (level < LL_INFO && is_one_of_many(process))
		level = LL_INFO;

	snprintf(who, sizeof(who), "%s[%d]", process->name, process->pid);
	log_foreign(level, who, text, len);
}

/* ---- 64 KiB a second ------------------------------------------------------------ */

/* What was dropped is said once the second is over. */
static void
begin_second(struct process *process, struct process_pipe *pipe)
{
	uint64_t second = clock_now_ns() / NS_PER_S;

	if (pipe->second == second)
		return;
	pipe->second = second;
	pipe->budget = 0;
	if (pipe->dropped > 0)
		log_warn("worker %s: %llu lines dropped, over 64 KiB "
		    "a second", process->name,
		    (unsigned long long)pipe->dropped);
	pipe->dropped = 0;
}

static bool
is_within_budget(struct process *process, struct process_pipe *pipe, size_t len)
{
	pipe->budget += len;
	if (pipe->budget <= BUDGET)
		return true;
	pipe->dropped++;
	process->master->pool[process->pool].lines_dropped++;
	return false;
}

/* ---- lines ---------------------------------------------------------------------- */

/* A whole frame of the log pipe; its length has been judged. */
static void
put_frame(struct process *process, const struct log_frame *frame)
{
	if (is_within_budget(process, &process->log,
	    sizeof(*frame) + frame->len))
		put(process, frame->level < LL__COUNT ?
		    (enum log_level)frame->level : LL_NOTICE, frame->text,
		    frame->len);
}

static void
take_frames(struct process *process, const char *data, size_t len)
{
	const struct log_frame *frame;
	size_t used = 0;

	while ((frame = log_frame_next(&process->frames, data, len, &used)) !=
	    NULL)
		put_frame(process, frame);
}

static void
put_line(struct process *process)
{
	struct process_pipe *pipe = &process->output;
	size_t len = pipe->len;

	pipe->len = 0;
	if (len > 0 && is_within_budget(process, pipe, len + 1))
		put(process, LL_NOTICE, pipe->line, len);
}

/* What has no newline is cut into lines. */
static void
take_lines(struct process *process, const char *data, size_t len)
{
	struct process_pipe *pipe = &process->output;

	process_tail_add(process, data, len);
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n') {
			put_line(process);
			continue;
		}
		pipe->line[pipe->len++] = data[i];
		if (pipe->len == sizeof(pipe->line))
			put_line(process);
	}
}

/* Bytes read; 0: nothing now, or the end. */
static size_t
read_some(struct process *process, struct process_pipe *pipe, int fd)
{
	char data[4096];
	ssize_t len = fd < 0 ? 0 : read(fd, data, sizeof(data));

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (len <= 0) {
		if (pipe->readable != NULL)
			event_del(pipe->readable);
		return 0;
	}
	begin_second(process, pipe);
	if (pipe == &process->log)
		take_frames(process, data, (size_t)len);
	else
		take_lines(process, data, (size_t)len);
	return (size_t)len;
}

/* ---- the pipes ------------------------------------------------------------------ */

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;

	(void)what;
	read_some(process, &process->output, fd);
}

static void
on_log(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;

	(void)what;
	read_some(process, &process->log, fd);
}

static void
watch(struct process *process, struct process_pipe *pipe, int fd,
    event_callback_fn call)
{
	if (fd < 0)
		return;
	fd_set_nonblock(fd);
	pipe->readable = event_new(process->master->base, fd,
	    EV_READ | EV_PERSIST, call, process);
	if (pipe->readable != NULL)
		event_add(pipe->readable, NULL);
}

void
output_watch(struct process *process)
{
	watch(process, &process->output, process->fd[PFD_OUTPUT], on_output);
	watch(process, &process->log, process->fd[PFD_LOG], on_log);
}

void
output_drain(struct process *process)
{
	for (int i = 0; i < 64 && read_some(process, &process->log,
	    process->fd[PFD_LOG]) > 0; i++)
		;
	for (int i = 0; i < 64 && read_some(process, &process->output,
	    process->fd[PFD_OUTPUT]) > 0; i++)
		;
	put_line(process);
}

void
output_tick(struct process *process)
{
	begin_second(process, &process->output);
	begin_second(process, &process->log);
}
