/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* answer.c: how the master answers a call; see host.h. */
#include <jansson.h>
#include <string.h>

#include "common/base/log.h"
#include "daemon/control/audit.h"
#include "daemon/control/call.h"
#include "daemon/control/server.h"

/* Its text goes between our brackets: one that is not JSON would break the
 * stream for the client. */
static bool
call_is_json(const struct control_call *call, const char *json)
{
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);

	if (value == NULL) {
		log_error("control: bug.answer: that of `%s' is not JSON",
		    call->command->name);
		return false;
	}
	json_decref(value);
	return true;
}

const char *
control_call_id(const struct control_call *call)
{
	return call->id;
}

void
control_progress(struct control_call *call, const char *json)
{
	if (!call_is_json(call, json))
		return;
	call_progress(call, json, strlen(json));
	for (struct control_call *other = call->control->calls, *next;
	    other != NULL; other = next) {
		next = other->next;
		if (other->joins == call || (call->id[0] != '\0' &&
		    strcmp(other->waits_for, call->id) == 0))
			call_progress(other, json, strlen(json));
	}
}

void
control_join(struct control_call *call, struct control_call *other)
{
	call->joins = other;
}

int64_t
control_asked_ms(const struct control_call *call)
{
	return call->time_ms;
}

void
control_waits(struct control_call *call, bool waits)
{
	if (call->recorded)
		audit_waits(call, waits);
}

void
control_row(struct control_call *call, const char *json)
{
	if (call_is_json(call, json))
		call_row(call, json, strlen(json));
}

void
control_done(struct control_call *call, const char *result)
{
	if (result != NULL && !call_is_json(call, result))
		call_fail_with(call, ERR_INTERNAL, "the answer is not JSON");
	else
		call_done(call, result);
}

void
control_fail(struct control_call *call, const struct errmsg *err,
    const char *result)
{
	if (result != NULL && !call_is_json(call, result))
		result = NULL;
	call_fail(call, err, result);
}
