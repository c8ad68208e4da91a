/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api_child.c: child processes and tasks; see api.h. */
#include <errno.h>

#include "daemon/child/run.h"
#include "daemon/plugin/api_parts.h"
#include "daemon/plugin/child_messages.h"
#include "daemon/plugin/child_task.h"
#include "daemon/plugin/children.h"

/* ---- child processes ------------------------------------------------------- */

/* That a program is not there, or has ended, is no misuse. */
static int
judged(int rc)
{
	return rc == -EINVAL || rc == -ESTALE || rc == -EBADF ||
	    rc == -EMSGSIZE || rc == -EDEADLK ? api_answered(rc) : rc;
}

int
api_spawn(const struct cluster_spawn *how, int *stage,
    struct cluster_child **out)
{
	enum cluster_stage step = CLUSTER_STAGE_FORK;
	int rc = host_spawn(api_here(), how, &step, out);

	if (stage != NULL)
		*stage = (int)step;
	return judged(rc);
}

int
api_child_write(struct cluster_child *child, int fd, const void *data,
    size_t len)
{
	return judged(host_child_write(api_here(), child, fd, data, len));
}

int
api_child_close(struct cluster_child *child, int fd)
{
	return judged(host_child_close(api_here(), child, fd));
}

int
api_child_pause(struct cluster_child *child, int fd, bool paused)
{
	return judged(host_child_pause(api_here(), child, fd, paused));
}

int
api_child_kill(struct cluster_child *child, int sig, int scope)
{
	return judged(host_child_kill(api_here(), child, sig,
	    (enum cluster_kill_scope)scope));
}

int
api_child_ref(struct cluster_child *child, bool ref)
{
	return judged(host_child_ref(api_here(), child, ref));
}

int
api_child_info(struct cluster_child *child, struct cluster_child_info *out)
{
	return judged(host_child_info(api_here(), child, out));
}

int
api_exec(const char *line, const struct cluster_spawn *how,
    cluster_result_fn *done, void *arg, struct cluster_child **out)
{
	return judged(host_exec(api_here(), line, how, done, arg, out));
}

int
api_exec_file(const char *file, const char *const *argv,
    const struct cluster_spawn *how, cluster_result_fn *done, void *arg,
    struct cluster_child **out)
{
	return judged(host_exec_file(api_here(), file, argv, how, done, arg, out));
}

int
api_run(const struct cluster_spawn *how, struct cluster_result *out)
{
	return judged(host_run(api_here(), how, out));
}

void
api_result_done(struct cluster_result *result)
{
	(void)api_here();
	if (result != NULL)
		run_free_result(result);
}

struct cluster_cancel *
api_cancel_new(void)
{
	return host_cancel_new(api_here());
}

void
api_cancel(struct cluster_cancel *token)
{
	(void)judged(host_cancel(api_here(), token));
}

void
api_cancel_free(struct cluster_cancel *token)
{
	(void)judged(host_cancel_free(api_here(), token));
}

int
api_child_send(struct cluster_child *child, const void *data, size_t len,
    const struct cluster_send *how)
{
	return judged(host_child_send(api_here(), child, data, len, how));
}

int
api_child_disconnect(struct cluster_child *child)
{
	return judged(host_child_disconnect(api_here(), child));
}

/* ---- tasks ----------------------------------------------------------------- */

int
api_fork_task(const char *name, const struct cluster_spawn *how,
    struct cluster_child **out)
{
	return judged(host_fork_task(api_here(), name, how, out));
}
