/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * host.h: the plugins of a worker at work: routes, callbacks, and the table of
 * functions that they call.  One host a process, the loop's thread only.
 */
#ifndef DAEMON_PLUGIN_HOST_H
#define DAEMON_PLUGIN_HOST_H

#include "daemon/child/cancel.h"
#include "daemon/child/children.h"
#include "daemon/http/http.h"
#include "daemon/plugin/control.h"
#include "daemon/plugin/datagrams.h"
#include "daemon/plugin/gate.h"
#include "daemon/plugin/inbox.h"
#include "daemon/plugin/loader.h"
#include "daemon/plugin/observe.h"
#include "daemon/plugin/outbox.h"
#include "daemon/plugin/routes.h"
#include "daemon/plugin/self.h"
#include "daemon/plugin/streams.h"
#include "daemon/plugin/timers.h"
#include "daemon/plugin/watches.h"
#include "daemon/plugin/workers.h"

/* What the worker does for the host. */
struct host_ops {
	/* A line of log of a plugin ("" is the host's own). */
	void (*log)(int level, const char *plugin, const char *text);
	/* The plugin wants this worker to be replaced. */
	void (*disconnect)(const char *plugin, const char *reason);
	/* Of a route that is shut: somebody asks, or the end of a probe. */
	void (*probe)(unsigned route, enum probe_word word);
	/* A request is at its end (http.h), where http.tells_ends is set. */
	void (*ended)(struct conn *conn, uint64_t now_ns, bool cut);
	/* One connection less, whose descriptor is to be closed, or one child
	 * (-1). */
	void (*closed)(int fd);
	/* Something waits in the control channel. */
	void (*waits)(void);
	/* All plugins that were late are ready.  A callback is above us. */
	void (*ready)(void);
	/* The plugin ends this worker.  Does not return. */
	void (*exit)(const char *plugin, const char *reason);
	/* We are the child of a fork() in a plugin.  Does not return. */
	void (*copied)(void);
};

struct host {
	struct event_base *base;
	struct board *board;
	struct http http;		/* table NULL: not of this protocol */
	struct streams streams;
	struct datagrams datagrams;
	struct plugin *plugins;		/* by index of the snapshot */
	size_t plugin_count;
	struct routes routes;
	struct routes filters;		/* in the order of the file */
	struct gates gates;		/* of those, what the master has shut */
	struct timers timers;
	struct watches watches;
	struct outbox outbox;
	struct inbox inbox;
	struct asking asking;
	struct observing observing;
	struct self self;
	struct workers workers;
	struct children children;
	struct cancels cancels;
	const struct host_ops *ops;
	const struct roster *roster;	/* the master's; NULL: none */
	const char *worker_name;
	uint64_t worker_id, generation;
	int64_t handler_ms;

	unsigned late;			/* plugins that are not ready yet */
	int holds;			/* cluster_hold(), of all threads */
	struct buf sse;			/* an event, while it is composed */
	bool replaced;			/* a plugin has asked for it */
	unsigned current;		/* plugin whose callback runs */
	bool in_callback;
	bool may_block;			/* none is served yet */
	bool no_loop;			/* a task: nothing comes later */
	uint64_t lost_ns;		/* when a body was lost, as was logged */
	enum fatal_class fatal;		/* what a start callback said */
	char fatal_text[512];
};

/* The table that plugins get; its functions serve the host of host_init(). */
extern const struct cluster_api host_api;

/* plugins and routes are filled in by the caller, between init and start. */
void host_init(struct host *host, struct event_base *base,
    struct board *board, const struct host_ops *ops);

/* Open all connections' machinery; 0 or ERR_MEMORY. */
int host_init_http(struct host *host, const struct http_config *config);

/*
 * Start the plugins in order.  0, with host->late of them still to say that they
 * are ready; else the one at *failed did not start: class
 * in host->fatal (FATAL_NONE: it may be tried again).  May block.
 */
int host_start(struct host *host, size_t *failed);

/* The plugin whose callback runs is ready. */
void host_say_ready(struct host *host);
/* 0, or -ERANGE. */
int host_hold(struct host *host, int delta);

/* Each beat. */
void host_tick(struct host *host, uint64_t now_ns);

/* How much work plugins have outside of requests that a drain has to await. */
unsigned host_count_holds(const struct host *host);

/* on_drain of all; stop of all that were started, in reverse order. */
void host_drain(struct host *host);
void host_stop(struct host *host);

/* ---- for the parts that call plugins ------------------------------------------ */

struct host_frame {
	unsigned plugin;
	bool outer;			/* in a callback already */
};

/* Around each callback: the page says which one runs, and since when. */
struct host_frame host_enter(struct host *host, enum page_doing_kind kind,
    unsigned plugin);
/* The same, and for whom: the address of a client. */
struct host_frame host_enter_for(struct host *host, enum page_doing_kind kind,
    unsigned plugin, const char *whom);
void host_leave(struct host *host, struct host_frame frame);

/* The same for who shows it himself. */
struct host_frame host_enter_quietly(struct host *host, unsigned plugin);
void host_leave_quietly(struct host *host, struct host_frame frame);

/* Of the configuration; "": none. */
const char *host_name_of(const struct host *host, unsigned plugin);

/* Is conn->route open?  False: it is shut, and that was answered. */
bool host_pass_gate(struct host *host, struct conn *conn);

/* What a plugin has said about a request; true: nobody else is asked. */
bool host_take_verdict(struct host *host, struct conn *conn,
    enum cluster_verdict verdict);

/* The plugin whose callback runs wants to hear of room for messages; they do. */
void host_want_room(struct host *host);
void host_tell_room(struct host *host);

#endif
