/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * process.h: child processes of a plugin.
 *
 * A child gets a process group of its own in the worker's session, default
 * signal dispositions, no descriptor but those that are listed, and it dies with
 * its worker.  It is started as by vfork() and exec(): what fails is the return
 * value, with the step that failed.  No callback runs before cluster_spawn() has
 * returned; on_exit comes once, on_close once and last, and ends the handle.
 *
 * To stop a child always means: kill_signal to kill_scope, and SIGKILL
 * kill_after_ms later, until all of the scope are gone.
 *
 * All functions run in the loop's thread and do not block, but where it says so.
 */
#ifndef CLUSTERD_PROCESS_H
#define CLUSTERD_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <clusterd/api.h>
#include <clusterd/message.h>

enum {
	CLUSTER_STDIO_COUNT = 8,	/* descriptors 0..7 of a child */
	CLUSTER_CHILD_WRITE_MAX = 1 << 20,	/* bytes that wait to be read */
	CLUSTER_CHILD_ARGS_MAX = 1024,	/* texts of argv, and of env */
};

/* What one descriptor of a child is. */
enum cluster_stdio_kind {
	/* 0: /dev/null; 1 and 2: a pipe where there is an on_output, else the
	 * log, captured by cluster_exec...(); 3 to 7: not open. */
	CLUSTER_STDIO_DEFAULT,
	CLUSTER_STDIO_PIPE,		/* 0: written here, all others read here */
	CLUSTER_STDIO_SOCKET,		/* both ways */
	CLUSTER_STDIO_NULL,		/* /dev/null; 3 to 7: not open */
	CLUSTER_STDIO_INHERIT,		/* the worker's; 3 to 7: not open */
	CLUSTER_STDIO_FD,		/* .fd, by .mode */
	CLUSTER_STDIO_FILE,		/* .path; 0: read, others: appended to */
	CLUSTER_STDIO_DATA,		/* a file that holds .data, .len bytes */
	CLUSTER_STDIO_LOG,		/* lines of the log, named by the child */
	CLUSTER_STDIO_CAPTURE,		/* 1, 2 of cluster_exec...(): the result */
};

/* What is done with more output than max_output. */
enum cluster_overflow {
	CLUSTER_OVERFLOW_KILL,		/* the child is stopped */
	CLUSTER_OVERFLOW_TRUNCATE,	/* the first bytes are kept */
	CLUSTER_OVERFLOW_TAIL,		/* the last; captured output only */
	CLUSTER_OVERFLOW_SPILL,		/* all, in a file; captured output only */
};

enum cluster_kill_scope {
	CLUSTER_KILL_GROUP,		/* its process group */
	CLUSTER_KILL_ONE,		/* that process only */
	/* The group, and descendants that have left it.  Not one whose parent
	 * had ended before, and who is in a session of its own. */
	CLUSTER_KILL_TREE,
};

/* Messages between plugin and child, beside its descriptors of stdio: peer.h,
 * clusterd-channel(7). */
enum cluster_channel {
	CLUSTER_CHANNEL_NONE,
	CLUSTER_CHANNEL_PACKET,		/* bytes, topics, descriptors */
	CLUSTER_CHANNEL_LINES,		/* one JSON text a line; Node's too */
};

enum cluster_spawn_flag {
	CLUSTER_SPAWN_ENV_ADD = 1,	/* env is added to the worker's */
	CLUSTER_SPAWN_DETACHED = 2,	/* own session; outlives the worker */
	CLUSTER_SPAWN_UNREF = 4,	/* as cluster_child_ref(child, false) */
};

/* The step of a start that failed. */
enum cluster_stage {
	CLUSTER_STAGE_FORK, CLUSTER_STAGE_STDIO, CLUSTER_STAGE_LIMITS,
	CLUSTER_STAGE_CHDIR, CLUSTER_STAGE_EXEC,
};

/* Why a child ended. */
enum cluster_cause {
	CLUSTER_CAUSE_EXIT,		/* by itself */
	CLUSTER_CAUSE_SIGNAL,		/* by a signal, whoever sent it */
	CLUSTER_CAUSE_TIMEOUT,		/* stopped after timeout_ms */
	CLUSTER_CAUSE_CANCELLED,	/* stopped by its token or request */
	CLUSTER_CAUSE_OVERFLOW,		/* stopped for its output */
	CLUSTER_CAUSE_OOM,		/* killed for want of memory */
	CLUSTER_CAUSE_STOPPING,		/* stopped with the worker */
};

struct cluster_child;			/* one child; a tagged handle */
struct cluster_cancel;			/* one token; a tagged handle */

struct cluster_stdio {
	enum cluster_stdio_kind kind;
	int fd;				/* FD */
	enum cluster_fd_mode mode;	/* FD: MOVE is closed here on success */
	const char *path;		/* FILE */
	const void *data;		/* DATA: copied */
	size_t len;
};

struct cluster_exit {
	size_t size;
	int code;			/* 0..255, or -1: by a signal */
	int signal;			/* or 0 */
	bool core;
	enum cluster_cause cause;
	uint64_t wall_ns;
	struct rusage rusage;		/* with the descendants it waited for */
};

struct cluster_rlimit {			/* a list ends with resource -1 */
	int resource;			/* RLIMIT_... */
	rlim_t soft, hard;
};

struct cluster_child_info {
	size_t size;			/* set it before the call */
	pid_t pid;
	bool running, connected, referenced;
	int code, signal;		/* as in cluster_exit, once not running */
	int signal_sent;		/* the last one sent from here; 0: none */
	enum cluster_channel channel;
	const char *file;		/* valid as long as the handle */
	const char *const *argv;
};

/* Of cluster_exec...() and cluster_run(). */
struct cluster_result {
	size_t size;
	struct cluster_exit exit;
	const void *out, *err;		/* not terminated */
	size_t out_len, err_len;
	size_t lost;			/* bytes of both that were not kept */
	int spill_fd[2];		/* all of 1, of 2; at its start; -1: none */
};

/* Each may be NULL. */
struct cluster_child_events {
	/* Borrowed for the call.  len 0: the end of it. */
	void (*on_output)(struct cluster_child *child, int fd,
	    const void *data, size_t len, void *arg);
	/* cluster_child_write() said -EAGAIN, there is room now; fd -1:
	 * cluster_child_send() did. */
	void (*on_room)(struct cluster_child *child, int fd, void *arg);
	/* It has sent one on its channel, from "child", with its pid;
	 * descriptors by cluster_message_take_fd(). */
	void (*on_message)(struct cluster_child *child,
	    const struct cluster_message *message, void *arg);
	/* Its channel is closed, all that it sent has come. */
	void (*on_disconnect)(struct cluster_child *child, void *arg);
	/* It has ended; output may still come, for linger_ms. */
	void (*on_exit)(struct cluster_child *child,
	    const struct cluster_exit *ended, void *arg);
	/* Nothing comes any more; the handle ends on return. */
	void (*on_close)(struct cluster_child *child,
	    const struct cluster_exit *ended, void *arg);
};

/* How to start a child; begin with .size = sizeof(struct cluster_spawn). */
struct cluster_spawn {
	size_t size;
	const char *file;		/* without a '/': looked up in PATH */
	/* Not NULL: file is a line for this shell ("": /bin/sh), argv NULL. */
	const char *shell;
	const char *cwd;		/* NULL: the worker's */
	const char *const *argv;	/* NULL: { file, NULL } */
	/* NULL: the worker's.  ENV_ADD: "NAME" without a '=' removes it. */
	const char *const *env;
	unsigned flags;			/* enum cluster_spawn_flag */
	struct cluster_stdio stdio[CLUSTER_STDIO_COUNT];
	enum cluster_channel channel;
	unsigned timeout_ms;		/* then it is stopped; 0: never */
	unsigned kill_after_ms;		/* 0: 2000 */
	unsigned linger_ms;		/* output after its end; 0: 5000 */
	int kill_signal;		/* 0: SIGTERM */
	int nice;			/* added to the worker's */
	enum cluster_kill_scope kill_scope;
	size_t max_output;		/* each stream; 0: no limit, captured 1 MiB */
	enum cluster_overflow overflow;
	const struct cluster_rlimit *rlimits;
	/* It is stopped at once when this request has ended: its client has
	 * left, its time is over, or it was answered. */
	struct cluster_request *with;
	struct cluster_cancel *cancel;
	const struct cluster_child_events *events;	/* borrowed till the end */
	void *arg;			/* of the events */
};

/* A function of the plugin for a process of its own; see cluster_fork_task().
 * .tasks of CLUSTER_PLUGIN() is a list of them that ends with a NULL name. */
struct cluster_task {
	const char *name;
	/* self: the options are there, start() was not called.  What it
	 * returns, 0..255, is how the process ends. */
	int (*run)(int argc, char **argv, void *self);
};

typedef void cluster_result_fn(const struct cluster_result *result, void *arg);

/*
 * Start a child.  Blocks for the time of exec() only.  Everything is copied but
 * the events; descriptors that MOVE are taken on success.  On failure nothing
 * was started, and *stage (if not NULL) says at which step where one failed:
 * errno of that step, such as -ENOENT no such file, -EACCES.  Before any:
 * -EINVAL, -E2BIG not a valid order; -EPERM children are not allowed here;
 * -EAGAIN as many as are allowed run; -ESTALE the request has ended;
 * -EBADF a descriptor that is to move is the host's own;
 * -ECANCELED the token was used; -ENOMEM; -ESHUTDOWN in stop().
 */
static inline int
cluster_spawn(const struct cluster_spawn *how, enum cluster_stage *stage,
    struct cluster_child **out)
{
	int step = CLUSTER_STAGE_FORK, rc;

	if (!cluster_has(spawn))
		return -ENOSYS;
	rc = cluster_host->spawn(how, &step, out);
	if (rc < 0 && stage != NULL)
		*stage = (enum cluster_stage)step;
	return rc;
}

/*
 * Run a line in a shell (how->shell, or /bin/sh), or a program, and call done()
 * once, after its end, with what it wrote to 1 and 2; the result is borrowed for
 * the call, its spill_fd is yours.  how may be NULL; file, argv and (exec_file:
 * argv only) are those given here, not its own.  As cluster_spawn(); on failure
 * done() is not called.  out may be NULL.
 */
static inline int
cluster_exec(const char *line, const struct cluster_spawn *how,
    cluster_result_fn *done, void *arg, struct cluster_child **out)
{
	return cluster_has(exec) ?
	    cluster_host->exec(line, how, done, arg, out) : -ENOSYS;
}

static inline int
cluster_exec_file(const char *file, const char *const *argv,
    const struct cluster_spawn *how, cluster_result_fn *done, void *arg,
    struct cluster_child **out)
{
	return cluster_has(exec_file) ?
	    cluster_host->exec_file(file, argv, how, done, arg, out) : -ENOSYS;
}

/*
 * In start(): start a child and wait for its end, however long that takes: set
 * timeout_ms.  Without events, with, cancel, channel, pipes and sockets; what it
 * reads is best a CLUSTER_STDIO_DATA.  As cluster_spawn(); -EDEADLK: requests
 * are served here, which would wait for it.  *out, on success: yours until
 * cluster_result_done(), which also closes its spill_fd, and may be called from any
 * thread.
 */
static inline int
cluster_run(const struct cluster_spawn *how, struct cluster_result *out)
{
	return cluster_has(run) ? cluster_host->run(how, out) : -ENOSYS;
}

static inline void
cluster_result_done(struct cluster_result *result)
{
	if (cluster_has(result_done))
		cluster_host->result_done(result);
}

/*
 * Write to what the child reads: copied.  -EAGAIN: 1 MiB waits for it, nothing
 * was taken, on_room() says when to go on; -EMSGSIZE: more than that at once;
 * -EPIPE: closed, not written here, or it reads no more; -EBADF: not one of 0..7;
 * -EINVAL: no data.
 */
static inline int
cluster_child_write(struct cluster_child *child, int fd, const void *data,
    size_t len)
{
	return cluster_has(child_write) ?
	    cluster_host->child_write(child, fd, data, len) : -ENOSYS;
}

/* The child shall see the end, after what was written.  A stream that is read
 * here is closed at once. */
static inline int
cluster_child_close(struct cluster_child *child, int fd)
{
	return cluster_has(child_close) ?
	    cluster_host->child_close(child, fd) : -ENOSYS;
}

/* Read no more of it until it is called with false: the child has to wait. */
static inline int
cluster_child_pause(struct cluster_child *child, int fd, bool paused)
{
	return cluster_has(child_pause) ?
	    cluster_host->child_pause(child, fd, paused) : -ENOSYS;
}

/* Send a signal, once; 0 only asks.  -ESRCH: it has ended; -EPERM; -EINVAL. */
static inline int
cluster_child_kill(struct cluster_child *child, int sig,
    enum cluster_kill_scope scope)
{
	return cluster_has(child_kill) ?
	    cluster_host->child_kill(child, sig, (int)scope) : -ENOSYS;
}

/* Whether a drain of the worker awaits the child (it does, from the start). */
static inline int
cluster_child_ref(struct cluster_child *child, bool ref)
{
	return cluster_has(child_ref) ?
	    cluster_host->child_ref(child, ref) : -ENOSYS;
}

/*
 * Run .tasks[name].run of this plugin in a new process, with a channel
 * (CLUSTER_CHANNEL_PACKET): the same module with the same options, and neither
 * a listener nor a client nor a thread of this worker.  how: as for
 * cluster_spawn(), or NULL; argv is what run() gets, NULL: { name, NULL }; file,
 * shell and channel are not given.
 *
 * In the task: peer.h for its channel.  Of the functions of the SDK it has
 * cluster_log(), cluster_self() (role TASK), cluster_run(), cluster_send(),
 * cluster_exit(), and the clocks.  It has no loop: timers, cluster_watch(),
 * cluster_disconnect() and cluster_hold() are -EPERM (cluster_timer(): NULL); others
 * answer as for a handle that has ended, or -ESHUTDOWN.
 * cluster_send() to "parent" comes to .on_message of the child here, all else is
 * passed on in the name of this worker, and nothing is heard of what became of
 * it (.done has to be NULL): it waits for room in the task's channel; where this
 * worker has none to pass it on it is lost, with a line of log.  Descriptors
 * below 12 go with DUP only.  -ENOENT: no such task.
 */
static inline int
cluster_fork_task(const char *name, const struct cluster_spawn *how,
    struct cluster_child **out)
{
	return cluster_has(fork_task) ?
	    cluster_host->fork_task(name, how, out) : -ENOSYS;
}

/*
 * Send on its channel; how as for cluster_send().  done(): 0 the child has read
 * it, -EPIPE it ended or closed the channel before it did (or, where it left
 * other messages unread, it may have), -ETIMEDOUT, -ESHUTDOWN.  0: it is on its
 * way.  -EAGAIN: 1,024 messages or 1 MiB wait for it, nothing was taken,
 * on_room(child, -1) says when to go on; -EPIPE: there is no channel, or it is
 * closed; -EINVAL: as cluster_send(), CLUSTER_SEND_NOT_SELF; with LINES a topic,
 * a descriptor, no data, or a line feed in it; others as cluster_send().
 */
static inline int
cluster_child_send(struct cluster_child *child, const void *data, size_t len,
    const struct cluster_send *how)
{
	return cluster_has(child_send) ?
	    cluster_host->child_send(child, data, len, how) : -ENOSYS;
}

/* Close the channel, after what was sent: at most 1 s for the child to read it,
 * and to say what it has to say; then on_disconnect.  -EPIPE: it is closed. */
static inline int
cluster_child_disconnect(struct cluster_child *child)
{
	return cluster_has(child_disconnect) ?
	    cluster_host->child_disconnect(child) : -ENOSYS;
}

/* *out: set its size before. */
static inline int
cluster_child_info(struct cluster_child *child, struct cluster_child_info *out)
{
	return cluster_has(child_info) ?
	    cluster_host->child_info(child, out) : -ENOSYS;
}

/* A token, yours until cluster_cancel_free(); NULL: no memory. */
static inline struct cluster_cancel *
cluster_cancel_new(void)
{
	return cluster_has(cancel_new) ? cluster_host->cancel_new() : NULL;
}

/* Stop all that is bound to it, as a client does that leaves.  Once: what is to
 * be bound to it later is refused. */
static inline void
cluster_cancel(struct cluster_cancel *token)
{
	if (cluster_has(cancel))
		cluster_host->cancel(token);
}

/* What is bound to it goes on. */
static inline void
cluster_cancel_free(struct cluster_cancel *token)
{
	if (cluster_has(cancel_free))
		cluster_host->cancel_free(token);
}

#endif
