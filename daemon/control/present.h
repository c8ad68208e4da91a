/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * present.h: parts of the view as JSON objects.  The members are those of the
 * manual, clusterd-control(7), and may only be added to.  Pure.
 */
#ifndef CLUSTERD_CONTROL_PRESENT_H
#define CLUSTERD_CONTROL_PRESENT_H

#include "common/wire/writer.h"
#include "daemon/control/view.h"

/* In an array or as a whole value: name is NULL. */
void present_add_worker(struct writer *w, const struct view_worker *worker);
void present_add_pool(struct writer *w, const struct view_pool *pool);
void present_add_listener(struct writer *w,
    const struct view_listener *listener);
void present_add_plugin(struct writer *w, const struct view_plugin *plugin);
void present_add_reason(struct writer *w, const struct view_reason *reason);
void present_add_status(struct writer *w, const struct view *view);

/* Members of "doing", without brackets. */
void present_add_doing(struct writer *w, const struct view_doing *doing);

const char *present_state(enum view_state state);

#endif
