/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* spawn.c: what each role gets at its start; see spawn.h. */
#include "daemon/keeper/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "daemon/keeper/listeners.h"
#include "daemon/keeper/kept.h"
#include "daemon/keeper/left.h"

/* -- environment --------------------------------------------------------------- */

static const char *const allowed[] = { "PATH=", "TZ=", "LANG=", "LANGUAGE=",
	"LC_",
#ifdef CLUSTERD_FAILPOINTS
	"LD_PRELOAD=", "GLIBC_TUNABLES=", "FI", "CLUSTERD_FP=",
	"CLUSTERD_TEST_SCALE=",
	"CLUSTERD_TEST_CELLS=", "CLUSTERD_TEST_PRAGMA=", "CLUSTERD_MASTER=",
	"CLUSTERD_WORKER_IMAGE=",
	"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS=",
#endif
};

static int
is_allowed(const char *variable)
{
	for (size_t i = 0; i < COUNT(allowed); i++)
		if (strncmp(variable, allowed[i], strlen(allowed[i])) == 0)
			return 1;
	return 0;
}

void
spawn_init_environment(struct keeper *k)
{
	unsigned count = 0;

	for (char **variable = environ; *variable != NULL; variable++)
		if (count < ENVIRONMENT_MAX && is_allowed(*variable))
			k->environment[count++] = *variable;
	k->environment[count] = NULL;
}

/* -- descriptors --------------------------------------------------------------- */

static void
plan_add(struct child_plan *plan, int fd)
{
	CHECK(plan->fd_count < CHILD_FDS_MAX);
	plan->fds[plan->fd_count++] = fd;
}

/* Ends for the child are closed once it has been cloned. */
struct ends {
	int fds[4];
	unsigned count;
};

static int
ends_pair(struct ends *ends, int *ours)
{
	int pair[2], rc = fd_seqpacket_pair(pair);

	if (rc != 0)
		return rc;
	*ours = pair[0];
	ends->fds[ends->count++] = pair[1];
	return 0;
}

static int
ends_pipe(struct ends *ends, int *ours)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	*ours = pair[0];
	ends->fds[ends->count++] = pair[1];
	return 0;
}

static int
make_page(const struct process *process, int *page)
{
	struct page_head head = { .magic = PAGE_MAGIC,
	    .version = PAGE_VERSION, .head_size = sizeof(head),
	    .size = PAGE_SIZE_BYTES, .counters = PAGE_COUNTERS,
	    .worker_id = process->id };
	int fd = fd_memfd("clusterd-page"), rc;

	if (fd < 0)
		return fd;
	memcpy(head.name, process->name, sizeof(head.name));
	if ((rc = fd_put(fd, &head, sizeof(head))) != 0) {
		close(fd);
		return rc;
	}
	if (ftruncate(fd, PAGE_SIZE_BYTES) < 0 || fcntl(fd, F_ADD_SEALS,
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	*page = fd;
	return 0;
}

/* -- the common end ------------------------------------------------------------ */

static int
start(struct process *process, struct child_plan *plan, struct ends *ends)
{
	struct child child;
	int rc;

	plan->name = process->name;
	rc = child_start(plan, &child);
	fd_close_all(ends->fds, ends->count);
	if (rc != 0)
		return rc;
	process->pid = child.pid;
	process->fds[PF_PIDFD] = child.pidfd;
	process->fds[PF_PROC] = child.proc;
	process->failure = child.failure;
	process->state = PROCESS_STARTING;
	return 0;
}

static void
take_request(struct process *process, const struct keeper_msg_spawn *request)
{
	process->id = request->id;
	process->role = request->role;
	process->account = request->account;
	process->image = request->image;
	process->snapshot = request->snapshot;
	record_put_text(process->name, sizeof(process->name), request->name);
}

static struct child_tuning
tuning_of(const struct keeper_msg_spawn *request, int oom_score_adj)
{
	return (struct child_tuning){ .nice = request->nice,
	    .oom_score_adj = oom_score_adj,
	    .rlimit_nofile = request->rlimit_nofile,
	    .rlimit_core = request->rlimit_core,
	    .rlimit_as = request->rlimit_as, .affinity = request->affinity };
}

/* -- worker -------------------------------------------------------------------- */

static int
worker_resources(struct process *process, struct ends *ends)
{
	int *fds = process->fds, rc;

	if ((rc = ends_pair(ends, &fds[PF_CHANNEL])) != 0 ||
	    (rc = ends_pair(ends, &fds[PF_CONNECTIONS])) != 0 ||
	    (rc = ends_pipe(ends, &fds[PF_OUTPUT])) != 0 ||
	    (rc = ends_pipe(ends, &fds[PF_LOG])) != 0 ||
	    (rc = make_page(process, &fds[PF_PAGE])) != 0)
		return rc;
	/* The worker's end stays with us: what it did not take is read back. */
	fds[PF_CONNECTIONS_WORKER] = ends->fds[1];
	ends->fds[1] = -1;
	return 0;
}

/* The ids as text, and the sockets behind the fixed descriptors. */
static int
add_listeners(struct keeper *k, const struct spawn_fds *wanted,
    struct child_plan *plan, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "%s=",
	    WORKER_ENV_LISTENERS);

	for (uint32_t i = 0; wanted != NULL && i < wanted->count; i++) {
		const struct listener *listener = listener_find(k,
		    wanted->listeners[i]);

		if (listener == NULL)
			return -ENOENT;
		plan_add(plan, listener->fd);
		used += (size_t)snprintf(text + used, size - used, "%s%u",
		    i > 0 ? "," : "", wanted->listeners[i]);
	}
	return 0;
}

static int
start_worker(struct keeper *k, const struct keeper_msg_spawn *request,
    const struct spawn_fds *listeners, struct process *process,
    struct ends *ends)
{
	const struct kept *snapshot = kept_find(k, KEPT_SNAPSHOT,
	    request->snapshot);
	struct child_tuning tuning = tuning_of(request, 200);
	struct child_plan plan = { .image = &k->images.worker,
	    .account = keeper_account(k, request->account),
	    .tuning = &tuning };
	char title[96], ids[KEEPER_SPAWN_LISTENERS * 11 + 32];
	const char *argv[] = { title, NULL };
	const char *envp[ENVIRONMENT_MAX + 3];
	char master[48];
	unsigned count = 0;
	int rc;

	if (snapshot == NULL)
		return -ENOENT;
	if ((rc = worker_resources(process, ends)) != 0)
		return rc;
	plan_add(&plan, k->null_fd);
	plan_add(&plan, ends->fds[2]);
	plan_add(&plan, ends->fds[2]);
	plan_add(&plan, ends->fds[0]);
	plan_add(&plan, process->fds[PF_CONNECTIONS_WORKER]);
	plan_add(&plan, k->lifeline_read);
	plan_add(&plan, process->fds[PF_PAGE]);
	plan_add(&plan, k->page_read_fd);
	plan_add(&plan, snapshot->fd);
	plan_add(&plan, ends->fds[3]);
	plan_add(&plan, k->workers_lock_fd);
	plan_add(&plan, ends->fds[2]);
	CHECK(plan.fd_count == WORKER_FD_LISTENERS);
	if ((rc = add_listeners(k, listeners, &plan, ids, sizeof(ids))) != 0)
		return rc;
	while (k->environment[count] != NULL) {
		envp[count] = k->environment[count];
		count++;
	}
	envp[count++] = ids;
	snprintf(master, sizeof(master), "%s=%d", WORKER_ENV_MASTER,
	    (int)k->master.pid);
	envp[count++] = master;
	envp[count] = NULL;
	snprintf(title, sizeof(title), "clusterd: worker %s", process->name);
	plan.argv = argv;
	plan.envp = envp;
	return start(process, &plan, ends);
}

int
spawn_worker(struct keeper *k, const struct keeper_msg_spawn *request,
    const struct spawn_fds *listeners, struct process **process)
{
	struct ends ends = { { -1, -1, -1, -1 }, 0 };
	struct process *row = process_new(&k->table);
	int rc;

	if (row == NULL)
		return -ENOSPC;
	take_request(row, request);
	rc = start_worker(k, request, listeners, row, &ends);
	fd_close_all(ends.fds, COUNT(ends.fds));
	if (rc != 0) {
		process_free(row);
		return rc;
	}
	k->table.living++;
	left_is_another(k, row->pid);
	*process = row;
	return 0;
}

/* -- checker ------------------------------------------------------------------- */

/* keeper_end: the socket of --first, or -1; visible: its fds 1 and 2. */
static int
start_checker(struct keeper *k, const char *const argv[],
    const struct checker_account *account, const struct child_tuning *tuning,
    int visible, int keeper_end, struct process *row)
{
	struct ends ends = { { -1, -1, -1, -1 }, 0 };
	struct child_plan plan = { .image = &k->images.worker, .argv = argv,
	    .envp = k->environment, .account = account, .tuning = tuning };
	int rc = ends_pair(&ends, &row->fds[PF_VERDICT]);

	/* A visible one writes to our stderr: its pipe is at its end at once. */
	if (rc == 0)
		rc = ends_pipe(&ends, &row->fds[PF_CHECKER_OUTPUT]);
	if (rc == 0) {
		plan_add(&plan, k->null_fd);
		plan_add(&plan, visible ? 2 : ends.fds[1]);
		plan_add(&plan, visible ? 2 : ends.fds[1]);
		plan_add(&plan, ends.fds[0]);
		plan_add(&plan, keeper_end >= 0 ? keeper_end : k->null_fd);
		plan_add(&plan, k->lifeline_read);
		rc = start(row, &plan, &ends);
	}
	fd_close_all(ends.fds, COUNT(ends.fds));
	if (rc == 0) {
		k->table.living++;
		left_is_another(k, row->pid);
	} else {
		process_free(row);
	}
	return rc;
}

int
spawn_checker(struct keeper *k, const struct keeper_msg_spawn *request,
    struct process **process)
{
	const char *argv[] = { "clusterd: checker", "--check", "--reload",
	    k->options.file, NULL };
	struct child_tuning tuning = tuning_of(request, 200);
	struct process *row = process_new(&k->table);
	int rc;

	if (row == NULL)
		return -ENOSPC;
	take_request(row, request);
	rc = start_checker(k, argv, keeper_account(k, request->account),
	    &tuning, 0, -1, row);
	if (rc == 0)
		*process = row;
	return rc;
}

int
spawn_first_checker(struct keeper *k, const struct checker_account *account,
    struct process **process)
{
	const char *argv[] = { "clusterd: checker", "--check", "--first",
	    k->options.file, NULL };
	struct process *row = process_new(&k->table);
	int pair[2], rc;

	if (row == NULL)
		return -ENOSPC;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	row->id = KEEPER_FIRST_CHECKER;
	row->role = ROLE_CHECKER;
	record_put_text(row->name, sizeof(row->name), "checker");
	rc = start_checker(k, argv, account, NULL, 1, pair[1], row);
	close(pair[1]);
	if (rc != 0) {
		close(pair[0]);
		return rc;
	}
	fd_close(&k->first.keeper_fd);
	k->first.keeper_fd = pair[0];
	*process = row;
	return 0;
}

int
spawn_visible(struct keeper *k, const struct image *image,
    const struct checker_account *account, const char *const argv[],
    struct child *child)
{
	struct child_plan plan = { .image = image, .argv = argv,
	    .envp = k->environment, .account = account, .name = "checker" };

	plan_add(&plan, 0);
	plan_add(&plan, 1);
	plan_add(&plan, 2);
	plan_add(&plan, k->null_fd);
	plan_add(&plan, k->null_fd);
	plan_add(&plan, k->lifeline_read);
	return child_start(&plan, child);
}

/* -- master -------------------------------------------------------------------- */

int
spawn_master(struct keeper *k, int socket, struct child *child)
{
	const char *argv[] = { "clusterd: master", NULL };
	struct child_plan plan = { .image = &k->images.master, .argv = argv,
	    .envp = k->environment, .name = "master", .ahead = 1,
	    .account = keeper_account(k, k->first.header.user) };
	/* Detached, what we print until then is all that the caller sees. */
	int log = k->options.detach ? k->null_fd : 2;
	int rc;

	plan_add(&plan, k->null_fd);
	plan_add(&plan, log);
	plan_add(&plan, log);
	plan_add(&plan, socket);
	plan_add(&plan, k->lifeline_read);
	rc = child_start(&plan, child);
	close(socket);
	return rc;
}
