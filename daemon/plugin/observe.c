/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* observe.c: events that plugins watch; see observe.h. */
#include "daemon/plugin/observe.h"

#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/parse.h"
#include "common/table/events.h"
#include "daemon/plugin/host.h"
#include "daemon/plugin/json.h"

static struct observed *
find(struct observing *observing, uint64_t ref)
{
	for (size_t i = 0; i < OBSERVERS_AT_ONCE; i++)
		if (observing->rows[i].ref == ref)
			return &observing->rows[i];
	return NULL;
}

/* ---- to the master -------------------------------------------------------------- */

/* 0 or -errno: FOLLOW or, when its plugin has let it go, UNFOLLOW. */
static int
post(struct host *host, struct observed *observed)
{
	static _Alignas(8) struct channel_packet packet;
	int rc;

	if (observed->event == NULL) {
		channel_begin(&packet, CHANNEL_UNFOLLOW, observed->ref);
		rc = control_post(host, &packet, 0);
		if (rc == 0)
			observed->ref = 0;
	} else {
		channel_begin(&packet, CHANNEL_FOLLOW, observed->ref);
		packet.body.follow.since = observed->placed ?
		    observed->last + 1 : 0;
		packet.body.follow.since_ms = observed->placed ? 0 :
		    observed->since_ms;
		record_put_text(packet.body.follow.pattern,
		    sizeof(packet.body.follow.pattern), observed->pattern);
		rc = control_post(host, &packet, 0);
	}
	observed->unsent = rc != 0;
	return rc;
}

void
observe_tick(struct host *host, uint32_t master)
{
	struct observing *observing = &host->observing;
	bool is_new = master != observing->master;

	observing->master = master;
	for (size_t i = 0; i < OBSERVERS_AT_ONCE; i++) {
		struct observed *observed = &observing->rows[i];

		if (observed->ref != 0 && (is_new || observed->unsent))
			(void)post(host, observed);
	}
}

/* ---- from the master -------------------------------------------------------------- */

static void
tell(struct host *host, const struct observed *observed,
    const struct channel_msg_event *told, const char *json)
{
	const struct cluster_event event = {
		.size = sizeof(event), .seq = told->seq,
		.time_ms = told->time_ms, .event = told->name,
		.worker = told->worker, .worker_id = told->worker_id,
		.json = json,
	};
	struct host_frame frame = host_enter(host, DOING_MESSAGE,
	    observed->plugin);

	observed->event(&event, observed->arg);
	host_leave(host, frame);
}

/* There is no memory for it here. */
static void
tell_lost(struct host *host, const struct observed *observed,
    struct channel_msg_event *told)
{
	record_put_text(told->name, sizeof(told->name), "lost");
	record_put_text(told->worker, sizeof(told->worker), "");
	told->worker_id = 0;
	tell(host, observed, told, "{\"event\":\"lost\",\"count\":1}");
}

void
observe_take(struct host *host, struct channel_packet *packet, const int *fds,
    size_t count)
{
	struct channel_msg_event *told = &packet->body.event;
	struct observed *observed = packet->header.ref == 0 ? NULL :
	    find(&host->observing, packet->header.ref);
	struct json_text json;

	/* What the master before had said already the next one says again. */
	if (observed == NULL || observed->event == NULL ||
	    (observed->placed && told->seq <= observed->last))
		return;
	observed->placed = true;
	observed->last = told->seq;
	if (told->name[0] == '\0')
		return;
	if (json_open(&json, packet, fds, count) != 0) {
		tell_lost(host, observed, told);
		return;
	}
	tell(host, observed, told, json.text);
	json_close(&json);
}

/* ---- what plugins ask ---------------------------------------------------------------- */

/* "4711", a sequence number, or "10m", a time back from now. */
static int
parse_since(const char *text, struct observed *observed)
{
	uint64_t seq, back_ms;
	int64_t now_ms = clock_wall_ms();

	if (parse_number(text, strlen(text), &seq) == 0) {
		observed->placed = true;
		observed->last = seq > 0 ? seq - 1 : 0;
		return 0;
	}
	if (parse_duration(text, strlen(text), &back_ms) != 0)
		return -EINVAL;
	observed->since_ms = back_ms < (uint64_t)now_ms ?
	    now_ms - (int64_t)back_ms : 1;
	return 0;
}

/* "worker.*,config.applied since 4711" */
static int
parse_pattern(const char *text, struct observed *observed)
{
	static const char since[] = " since ";
	size_t len = strcspn(text, " ");
	uint64_t events;

	if (len >= sizeof(observed->pattern) ||
	    events_parse_pattern(text, len, &events) != 0)
		return -EINVAL;
	memcpy(observed->pattern, text, len);
	observed->pattern[len] = '\0';
	if (text[len] == '\0')
		return 0;
	if (strncmp(text + len, since, sizeof(since) - 1) != 0)
		return -EINVAL;
	return parse_since(text + len + sizeof(since) - 1, observed);
}

int
observe_begin(struct host *host, const char *pattern, cluster_event_fn *event,
    void *arg, struct cluster_observer **out)
{
	struct observing *observing = &host->observing;
	struct observed *observed = find(observing, 0);
	struct observed wanted = { .ref = observing->number + 1,
	    .plugin = host->current, .event = event, .arg = arg };
	int rc;

	if (pattern == NULL || event == NULL || out == NULL)
		return -EINVAL;
	rc = parse_pattern(pattern, &wanted);
	if (rc != 0)
		return rc;
	if (observed == NULL)
		return -ENOSPC;
	rc = post(host, &wanted);
	if (rc != 0)
		return rc;
	observing->number++;
	*observed = wanted;
	*out = (struct cluster_observer *)(uintptr_t)wanted.ref;
	return 0;
}

int
observe_end(struct host *host, const struct cluster_observer *observer)
{
	uint64_t ref = (uint64_t)(uintptr_t)observer;
	struct observed *observed = ref == 0 ? NULL :
	    find(&host->observing, ref);

	if (observed == NULL || observed->event == NULL)
		return -ESTALE;
	observed->event = NULL;
	(void)post(host, observed);
	return 0;
}

void
observe_init(struct host *host, uint32_t master)
{
	host->observing.master = master;
}
