/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * death.c: why a worker's process ended; see death.h.
 * All foreign text (path, output, words of a plugin) is escaped here.
 */
#include "daemon/master/death.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <linux/sockios.h>

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/stamp.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/store/store.h"

static void
note_status(const struct process *process, struct death *death)
{
	death->code = death->signal = -1;
	if (process->unkillable)
		return;			/* it has none yet */
	if (WIFSIGNALED(process->end.status)) {
		death->signal = WTERMSIG(process->end.status);
		death->signal_name = rows_signal_name(death->signal,
		    death->name_buf);
	} else {
		death->code = WEXITSTATUS(process->end.status);
	}
	death->core = process->end.core;
}

static void
note_times(const struct process *process, const struct memo_worker *row,
    struct death *death)
{
	uint64_t now = clock_now_ns(), ended = process->end.ended_ns, beat = 0;

	if (ended == 0 || ended > now)
		ended = now;
	death->ended_ns = ended;
	death->time = clock_wall_ms() - (int64_t)((now - ended) / NS_PER_MS);
	/* A row that was made anew does not know when it was forked. */
	death->uptime_ms = row->forked_ns == 0 || row->forked_ns > ended ? 0 :
	    (int64_t)((ended - row->forked_ns) / NS_PER_MS);
	if (process->page != NULL)
		beat = page_read_beat(process->page);
	death->beat_age_ms = beat == 0 || beat > ended ? -1 :
	    (int64_t)((ended - beat) / NS_PER_MS);
	death->cpu_ms = (int64_t)((process->end.utime_us + process->end.stime_us) /
	    1000);
	death->rss_kb = (int64_t)process->end.maxrss_kb;
}

/* Requests that were to be answered later, the oldest of them. */
static unsigned
oldest_open(const struct process *process, struct sample_doing *oldest)
{
	struct sample_doing doing;
	unsigned count = 0;

	for (unsigned i = 1; i < PAGE_DOING; i++)
		if (sample_doing(process, i, true, &doing) && doing.is_request
		    && (count++ == 0 || doing.since_ns < oldest->since_ns))
			*oldest = doing;
	return count;
}

/* In a callback its request is meant; else the oldest of those that are open,
 * which is to be suspected only if it is the only one. */
static void
note_doing(struct process *process, struct death *death)
{
	struct sample_doing oldest;
	char path[PAGE_PATH];

	death->request_ms = -1;
	death->has_doing = sample_doing(process, 0, true, &death->doing);
	death->in_callback = death->has_doing;
	death->open = oldest_open(process, &oldest);
	if (!death->has_doing && death->open > 0) {
		death->doing = oldest;
		death->has_doing = true;
	}
	if (!death->has_doing)
		return;
	if (death->doing.known && (death->in_callback || death->open == 1))
		death->suspect = death->doing.route_number;
	memcpy(path, death->doing.path, sizeof(path));
	escape_string(death->doing.path, 129, path, strlen(path));
	if (death->doing.since_ns != 0 && death->doing.since_ns <= death->ended_ns)
		death->request_ms = (int64_t)((death->ended_ns - death->doing.since_ns) /
		    NS_PER_MS);
}

static void
note_connections(struct master *m, struct process *process,
    struct death *death)
{
	const struct page_report *report = &process->report;
	int64_t waiting = (int64_t)dispatch_waiting(m, process), lost;

	sample_page(process);
	death->recovered = waiting + (int64_t)process->taken_back;
	death->requests = process->has_report ?
	    (int64_t)report->counters[METRIC_REQUESTS] : 0;
	lost = process->has_report ? report->connections : 0;
	if (!m->adopted && process->passed > 0)
		lost = (int64_t)process->passed - death->recovered -
		    (process->has_report ?
		    (int64_t)report->counters[METRIC_FINISHED] : 0);
	death->lost = lost > 0 ? lost : 0;
	/* What it cut itself, as its time was over, it has closed. */
	if (process->has_report)
		death->lost +=
		    (int64_t)report->counters[METRIC_DRAIN_ABORTED];
	m->pool[process->pool].lost += (uint64_t)death->lost;
}

/* What is known besides: the verdict on a hang, the place of a crash, the size
 * of what was too large. */
static void
note_evidence(const struct process *process, struct death *death)
{
	char words[sizeof(death->evidence)] = "";
	const char *verdict = process->evidence;
	char size[64] = "";

	if (!process->unkillable)
		sample_words(process, words, sizeof(words));
	if (death->cause == CAUSE_OOM) {
		snprintf(size, sizeof(size), "at most %lld MiB were resident",
		    (long long)(death->rss_kb / 1024));
		verdict = size;
	}
	snprintf(death->evidence, sizeof(death->evidence), "%s%s%.700s",
	    verdict, verdict[0] != '\0' && words[0] != '\0' ? "; " : "",
	    words);
}

static char *
next_words(enum worker_event next, uint64_t wait_ms, char *out, size_t size)
{
	unsigned long long s = wait_ms / 1000, tenths = wait_ms % 1000 / 100;

	if (next == WE_START)
		snprintf(out, size, "; replaced at once");
	else if (next == WE_HOLD)
		snprintf(out, size,
		    "; held until `retry', a reload or the next minute");
	else if (next != WE_WAIT)
		snprintf(out, size, "%s", "");
	else if (s == 0)
		snprintf(out, size, "; next try in %llu ms",
		    (unsigned long long)wait_ms);
	else if (tenths == 0)
		snprintf(out, size, "; next try in %llu s", s);
	else
		snprintf(out, size, "; next try in %llu.%llu s", s, tenths);
	return out;
}

/* ", 3rd time in 10 min"; of the first nothing is said. */
static char *
times_words(unsigned count, char *out, size_t size)
{
	static const char *const ends[] = { "th", "st", "nd", "rd" };
	unsigned last = count % 100 / 10 == 1 ? 0 : count % 10;

	if (count < 2)
		snprintf(out, size, "%s", "");
	else
		snprintf(out, size, ", %u%s time in %d min", count,
		    ends[last < 4 ? last : 0], MEMO_MINUTES);
	return out;
}

/* Of one that its plugin ended there are words. */
static void
left_words(const struct process *process, const char *how, char *out,
    size_t size)
{
	char words[256] = "";

	if (process->page != NULL && page_read_left(process->page))
		sample_words(process, words, sizeof(words));
	snprintf(out, size, "%s%s%s", how, words[0] != '\0' ? ", ended by " : "",
	    words);
}

static void
cause_words(const struct process *process, const struct death *death,
    char *out, size_t size)
{
	char how[64], words[256];

	if (process->unkillable)
		snprintf(how, sizeof(how), "nothing, not even SIGKILL");
	else if (death->signal > 0)
		snprintf(how, sizeof(how), "%s%s", death->signal_name,
		    death->core ? " (core dumped)" : "");
	else
		snprintf(how, sizeof(how), "exit status %d", death->code);
	switch ((enum death_cause)death->cause) {
	case CAUSE_HANG:
		snprintf(out, size, "hung%s%s%s%s",
		    process->evidence[0] != '\0' ? ": " : "",
		    process->evidence, death->signal == SIGABRT ? "" :
		    ", ended by ", death->signal == SIGABRT ? "" : how);
		break;
	case CAUSE_FATAL:
		escape_string(words, sizeof(words), process->fatal_text,
		    strlen(process->fatal_text));
		snprintf(out, size, "cannot start: %s", words);
		break;
	case CAUSE_START_TIMEOUT:
		snprintf(out, size, "not ready in start_timeout, ended by %s",
		    how);
		break;
	case CAUSE_DRAIN_TIMEOUT:
	case CAUSE_STOP_TIMEOUT:
		snprintf(out, size, "did not stop in %s, ended by %s",
		    death->cause == CAUSE_DRAIN_TIMEOUT ? "drain_timeout" :
		    "stop_timeout", how);
		break;
	case CAUSE_PROTOCOL:
		snprintf(out, size, "broke the protocol, ended by %s", how);
		break;
	case CAUSE_INIT_FAILED:
		snprintf(out, size, "failed to start: %s", how);
		break;
	case CAUSE_LOST_FD:
		snprintf(out, size, "lost a descriptor of its own");
		break;
	case CAUSE_OOM:
		snprintf(out, size, "SIGKILL: out of memory");
		break;
	case CAUSE_OPERATOR:
		snprintf(out, size, "%s by command", how);
		break;
	case CAUSE_EXIT:
		left_words(process, how, out, size);
		break;
	case CAUSE_NONE:
	case CAUSE_SIGNAL:
		snprintf(out, size, "%s", how);
		break;
	}
}

/* " in plugin shop, GET /cart (1.2 s)"; where no callback ran, what was open:
 * "; 3 requests were open, the oldest in plugin shop, GET /cart (1.2 s)". */
static void
doing_words(const struct death *death, char *out, size_t size)
{
	const struct sample_doing *d = &death->doing;
	size_t used = 0;

	out[0] = '\0';
	if (!death->has_doing || death->asked)
		return;
	if (!death->in_callback && death->open > 1)
		used = (size_t)snprintf(out, size,
		    "; %u requests were open, the oldest", death->open);
	else if (!death->in_callback)
		used = (size_t)snprintf(out, size, "; a request was open");
	if (d->plugin[0] != '\0')
		used += (size_t)snprintf(out + used, size - used,
		    " in plugin %.64s", d->plugin);
	if (d->method[0] == '\0')
		return;
	used += (size_t)snprintf(out + used, size - used, ", %.8s %.128s",
	    d->method, d->path);
	if (death->request_ms >= 0)
		snprintf(out + used, size - used, " (%lld.%lld s)",
		    (long long)(death->request_ms / 1000),
		    (long long)(death->request_ms % 1000 / 100));
}

static void
make_sentence(const struct process *process, enum worker_event next,
    uint64_t wait_ms, struct death *death)
{
	char cause[400], doing[400], times[48], words[64];

	cause_words(process, death, cause, sizeof(cause));
	doing_words(death, doing, sizeof(doing));
	next_words(next, wait_ms, words, sizeof(words));
	if (death->asked && death->cause != CAUSE_OPERATOR && death->code == 0)
		snprintf(death->text, sizeof(death->text),
		    "%.63s ended as asked", death->worker);
	else if (process->unkillable)
		snprintf(death->text, sizeof(death->text),
		    "%.63s cannot be ended: %.150s%.260s%.52s", death->worker,
		    cause, doing, words);
	else
		snprintf(death->text, sizeof(death->text),
		    "%.63s died: %.150s%.260s%.24s%.52s", death->worker, cause,
		    doing, times_words(death->asked ? 0 : death->recent, times,
		    sizeof(times)), words);
}

void
death_make(struct master *m, struct process *process,
    const struct memo_worker *row, enum worker_event next, uint64_t wait_ms,
    unsigned recent, struct death *death)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_slot *slot = &copy->slot[row->slot];

	memset(death, 0, sizeof(*death));
	snprintf(death->worker, sizeof(death->worker), "%s", process->name);
	snprintf(death->pool, sizeof(death->pool), "%s",
	    copy->pool[slot->pool].name);
	death->slot = slot->number;
	death->worker_id = process->id;
	death->generation = row->generation;
	death->pid = process->pid;
	death->state = row->state;
	death->cause = row->cause;
	death->asked = row->asked != 0;
	if (death->asked)
		memcpy(death->reason, row->reason, sizeof(death->reason));
	death->n = slot->early;
	death->recent = recent;
	death->next_ms = next == WE_NONE ? -1 : (int64_t)wait_ms;
	if (next == WE_HOLD)
		death->next_ms = clock_scaled_ms(60000);
	note_status(process, death);
	note_times(process, row, death);
	note_doing(process, death);
	note_connections(m, process, death);
	note_evidence(process, death);
	process_tail(process, death->tail, sizeof(death->tail));
	make_sentence(process, next, wait_ms, death);
}

void
death_store(struct master *m, const struct death *death)
{
	struct store_death row = {
		.time = death->time,
		.mono_ms = (int64_t)(death->ended_ns / NS_PER_MS),
		.asked = death->asked,
		.slot = death->slot, .worker_id = death->worker_id,
		.pid = death->pid, .generation = death->generation,
		.uptime_ms = death->uptime_ms, .code = death->code,
		.signal = death->signal, .core = death->core,
		.request_ms = death->request_ms,
		.beat_age_ms = death->beat_age_ms,
		.connections_lost = death->lost,
		.connections_recovered = death->recovered,
		.requests = death->requests, .cpu_ms = death->cpu_ms,
		.rss_kb = death->rss_kb, .n = death->n,
		.next_ms = death->next_ms,
	};

	if (m->store == NULL)
		return;
	snprintf(row.pool, sizeof(row.pool), "%s", death->pool);
	snprintf(row.image, sizeof(row.image), "%.40s", build_stamp);
	snprintf(row.state, sizeof(row.state), "%s",
	    worker_state_name(death->state));
	snprintf(row.cause, sizeof(row.cause), "%s",
	    death_cause_name(death->cause));
	snprintf(row.reason, sizeof(row.reason), "%s", death->reason);
	if (death->has_doing) {
		snprintf(row.plugin, sizeof(row.plugin), "%.63s",
		    death->doing.plugin);
		snprintf(row.route, sizeof(row.route), "%.127s",
		    death->doing.route);
		snprintf(row.method, sizeof(row.method), "%.15s",
		    death->doing.method);
		snprintf(row.path, sizeof(row.path), "%.128s",
		    death->doing.path);
	}
	snprintf(row.evidence, sizeof(row.evidence), "%s", death->evidence);
	snprintf(row.output_tail, sizeof(row.output_tail), "%s", death->tail);
	snprintf(row.text, sizeof(row.text), "%s", death->text);
	store_put_death(m->store, &row);
}
