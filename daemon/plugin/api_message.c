/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api_message.c: messages, events and control; see api.h. */
#include "daemon/plugin/api_parts.h"

/* ---- messages -------------------------------------------------------------- */

int
api_send(const char *to, const void *data, size_t len,
    const struct cluster_send *how)
{
	return api_answered(outbox_send(&api_here()->outbox, to, data, len, how));
}

int
api_ask(const char *to, const void *data, size_t len, unsigned timeout_ms,
    cluster_answer_fn *answer, void *arg)
{
	return api_answered(outbox_ask(&api_here()->outbox, to, data, len, timeout_ms,
	    answer, arg));
}

int
api_answer(const struct cluster_message *m, const void *data, size_t len,
    const struct cluster_fds *fds)
{
	return api_answered(inbox_answer(api_here(), m, data, len, fds));
}

int
api_message_take_fd(const struct cluster_message *m, unsigned index)
{
	return api_answered(inbox_take_fd(api_here(), m, index));
}

size_t
api_send_room(void)
{
	return outbox_room(&api_here()->outbox);
}

/* ---- events and control ---------------------------------------------------- */

int
api_observe(const char *pattern, cluster_event_fn *event, void *arg,
    struct cluster_observer **out)
{
	return api_answered(observe_begin(api_here(), pattern, event, arg, out));
}

int
api_observer_free(struct cluster_observer *observer)
{
	return api_answered(observe_end(api_here(), observer));
}

int
api_command(const char *command, const char *args_json, cluster_row_fn *row,
    cluster_done_fn *done, void *arg)
{
	return api_answered(control_command(api_here(), command, args_json, row, done,
	    arg));
}

int
api_scale(const char *pool, const char *workers, cluster_done_fn *done,
    void *arg)
{
	return api_answered(control_scale(api_here(), pool, workers, done, arg));
}
