/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* read.c: reading a page that is not trusted; see read.h. */
#include "daemon/scoreboard/read.h"

#include <string.h>

#include "common/base/clock.h"
#include "daemon/scoreboard/word.h"

enum { READ_TRIES = 8 };

static uint32_t
clamped(const uint32_t *word, uint32_t limit)
{
	uint32_t value = WORD_GET(*word);

	return value < limit ? value : limit;
}

/* Of the access log two threads count, each in words of its own.  What is too
 * high to be added is for judge() to see. */
static void
add_helper(struct page_report *report, enum metric_id metric, uint64_t count)
{
	uint64_t *sum = &report->counters[metric];

	*sum = count > PAGE_COUNT_MAX || *sum > PAGE_COUNT_MAX ? UINT64_MAX :
	    *sum + count;
}

static void
copy_page(const struct page *shared, const struct page_limits *limits,
    uint64_t now_ns, struct page_report *report)
{
	report->beat_ns = WORD_GET(shared->beat.beat_ns);
	report->loops = WORD_GET(shared->beat.loops);
	report->busy_ns = WORD_GET(shared->beat.busy_ns);
	report->callback_since_ns = WORD_GET(shared->beat.callback_since_ns);
	if (report->callback_since_ns > now_ns)
		report->callback_since_ns = now_ns;
	report->busy_until_ns = WORD_GET(shared->beat.busy_until_ns);
	report->connections = clamped(&shared->gauges.connections,
	    limits->connections);
	report->closable = clamped(&shared->gauges.closable,
	    report->connections);
	report->fds = clamped(&shared->gauges.fds, limits->fds);
	report->children = clamped(&shared->gauges.children,
	    limits->children);
	report->holds = clamped(&shared->gauges.holds, limits->connections);
	report->requests_open = clamped(&shared->gauges.requests_open,
	    limits->connections);
	for (unsigned i = 0; i < METRIC__COUNT; i++)
		report->counters[i] = WORD_GET(shared->counters[i]);
	for (unsigned i = 0; i < PAGE_BUCKETS; i++)
		report->histogram[i] = WORD_GET(shared->histogram[i]);
	add_helper(report, METRIC_ACCESS_WRITTEN,
	    WORD_GET(shared->helper[HELPER_WRITTEN]));
	add_helper(report, METRIC_ACCESS_DROPPED,
	    WORD_GET(shared->helper[HELPER_LOST]));
}

static int
judge(const struct page_report *report, const struct page_report *before,
    uint64_t now_ns, struct errmsg *err)
{
	if (report->beat_ns > now_ns + NS_PER_S)
		return errmsg_set(err, ERR_FORMAT, "its beat is in the future");
	for (unsigned i = 0; i < METRIC__COUNT; i++)
		if (report->counters[i] > PAGE_COUNT_MAX)
			return errmsg_set(err, ERR_FORMAT,
			    "its counter %s cannot be so high",
			    metrics[i].name);
	for (unsigned i = 0; i < PAGE_BUCKETS; i++)
		if (report->histogram[i] > PAGE_COUNT_MAX)
			return errmsg_set(err, ERR_FORMAT,
			    "its histogram cannot be so high");
	if (before == NULL)
		return 0;
	for (unsigned i = 0; i < METRIC__COUNT; i++)
		if (report->counters[i] < before->counters[i])
			return errmsg_set(err, ERR_FORMAT,
			    "its counter %s went back", metrics[i].name);
	for (unsigned i = 0; i < PAGE_BUCKETS; i++)
		if (report->histogram[i] < before->histogram[i])
			return errmsg_set(err, ERR_FORMAT,
			    "its histogram went back");
	return 0;
}

int
page_read(const struct page *shared, const struct page_limits *limits,
    const struct page_report *before, uint64_t now_ns,
    struct page_report *report, struct errmsg *err)
{
	struct page_report copy;
	int rc;

	copy_page(shared, limits, now_ns, &copy);
	rc = judge(&copy, before, now_ns, err);
	*report = copy;
	return rc;
}

void
page_add(uint64_t *sum, uint64_t count)
{
	if (*sum > PAGE_COUNT_MAX || count > PAGE_COUNT_MAX - *sum)
		*sum = PAGE_COUNT_MAX;
	else
		*sum += count;
}

uint64_t
page_read_beat(const struct page *shared)
{
	return WORD_GET(shared->beat.beat_ns);
}

uint64_t
page_read_callback(const struct page *shared)
{
	return WORD_GET(shared->beat.callback_since_ns);
}

uint32_t
page_read_number(const struct page *shared)
{
	return WORD_GET(shared->beat.number);
}

int
page_read_ready(const struct page *shared)
{
	/* what is in the channel is looked at after this */
	return __atomic_load_n(&shared->gauges.ready, __ATOMIC_ACQUIRE) != 0;
}

int
page_read_left(const struct page *shared)
{
	return WORD_GET(shared->gauges.left) != 0;
}

static void
copy_doing(const struct page_doing *from, struct page_doing *doing)
{
	const uint64_t *path = (const uint64_t *)(const void *)from->path;

	memset(doing, 0, sizeof(*doing));
	doing->plugin = WORD_GET(from->plugin);
	doing->method = WORD_GET(from->method);
	doing->kind = WORD_GET(from->kind);
	doing->since_ns = WORD_GET(from->since_ns);
	doing->request = WORD_GET(from->request);
	for (size_t i = 0; i < PAGE_PATH / 8; i++) {
		uint64_t word = WORD_GET(path[i]);

		memcpy(doing->path + i * 8, &word, sizeof(word));
	}
	doing->path[PAGE_PATH - 1] = '\0';
}

enum doing_result
page_read_doing(const struct page *shared, unsigned entry, int dead,
    struct page_doing *doing, unsigned *route)
{
	const struct page_doing *from = &shared->doing[entry % PAGE_DOING];
	struct page_doing copy;

	for (int tries = 0; tries < READ_TRIES; tries++) {
		uint32_t seq = __atomic_load_n(&from->seq, __ATOMIC_ACQUIRE);

		if ((seq & 1) != 0 && !dead)
			continue;
		copy_doing(from, &copy);
		*route = WORD_GET(shared->route[entry % PAGE_DOING]);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (WORD_GET(from->seq) != seq)
			continue;
		*doing = copy;
		if ((seq & 1) != 0)
			return DOING_UNKNOWN;
		return copy.kind == DOING_NOTHING ? DOING_IDLE : DOING_KNOWN;
	}
	memset(doing, 0, sizeof(*doing));
	*route = 0;
	return DOING_UNKNOWN;
}

static void
copy_child(const struct page_child *from, struct page_child *child)
{
	const uint32_t *command = (const uint32_t *)(const void *)from->command;

	memset(child, 0, sizeof(*child));
	child->pid = WORD_GET(from->pid);
	child->since_ns = WORD_GET(from->since_ns);
	child->request = WORD_GET(from->request);
	child->flags = WORD_GET(from->flags);
	for (size_t i = 0; i < PAGE_COMMAND / 4; i++) {
		uint32_t word = WORD_GET(command[i]);

		memcpy(child->command + i * 4, &word, sizeof(word));
	}
	child->command[PAGE_COMMAND - 1] = '\0';
}

bool
page_read_child(const struct page *shared, unsigned row,
    struct page_child *child)
{
	const struct page_child *from = &shared->child[row % PAGE_CHILDREN];
	struct page_child copy;

	for (int tries = 0; tries < READ_TRIES; tries++) {
		uint32_t seq = __atomic_load_n(&from->seq, __ATOMIC_ACQUIRE);

		if ((seq & 1) != 0)
			continue;
		copy_child(from, &copy);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (WORD_GET(from->seq) != seq)
			continue;
		*child = copy;
		return copy.pid != 0;
	}
	return false;
}
