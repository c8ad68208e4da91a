/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * flow.h: one connection of tcp.h: its turns and its end.  flow_out.c has what is
 * written, flow_time.c the deadlines.  Each end of it ends alone: the client's
 * with on_eof, ours with flow_finish().
 */
#ifndef DAEMON_STREAM_FLOW_H
#define DAEMON_STREAM_FLOW_H

#include <event2/event_struct.h>

#include "daemon/stream/tcp.h"

enum { FLOW_IDLE_USUAL = -1 };

enum flow_deadline {
	FLOW_NONE,
	FLOW_IDLE,		/* no byte either way */
	FLOW_SEND,		/* a look at a client that is to take something */
	FLOW_LINGER,		/* told, shut, and the client does not close */
};

struct flow {
	TAILQ_ENTRY(flow) all_link, due_link;
	struct tcp *tcp;
	struct event read_event, timer;
	struct event *write_event;	/* only after EAGAIN */
	struct buf out;
	uint64_t number;		/* of all that were opened */
	uint64_t moved_ns;		/* last byte either way */
	int64_t idle_ms;		/* FLOW_IDLE_USUAL, or its own; 0: none */
	uint64_t given, taken;		/* bytes: by us, by the client */
	uint64_t took_ns;		/* taken has grown */
	uint64_t excused_ns;		/* what an excuse has made of one of these */
	uint64_t linger_ns;		/* since */
	uint32_t row;			/* in tcp->table */
	uint32_t discarded;		/* while it lingers */
	int fd;
	int error;			/* why it ends; 0: in good order */
	uint8_t deadline;		/* enum flow_deadline */
	bool reading, writing;		/* the events are added */
	bool in_turn;			/* its own callback runs: do not close */
	bool wanted;			/* upper layer: it can take data */
	bool paused;			/* and does not want any now */
	bool full;			/* on_drained is due */
	bool eof;			/* the client has said its last */
	bool finish;			/* our side ends after what waits */
	bool shut;			/* and has ended */
	bool close;			/* no data any more; ends after what waits */
	bool told;			/* on_closed has been called */
	bool due;			/* in tcp->due */
	bool waits;			/* something waits for the client */
	bool waited;			/* or did: our kernel has its time */
	bool away;			/* another worker may have it by now */
	bool guest;			/* another one had it before */
	bool dead;			/* to be closed at the end of the turn */
	bool reset;			/* closing is a reset */

	/* the peer, as it was passed */
	uint16_t family, port, listener;
	uint8_t address[16];
	char peer[56];			/* the same as text */
};

uint64_t flow_handle(const struct flow *flow);

/* The upper layer has somewhere to put data: until then none is read. */
void flow_want(struct flow *flow);

/* 0, 1: taken, and enough waits, on_drained follows; -EAGAIN: nothing taken,
 * on_drained follows; -EMSGSIZE: more than TCP_OUT_MAX; -EPIPE: our side has
 * ended; -ENOMEM. */
int flow_send(struct flow *flow, const void *data, size_t len);

/* 0; -EALREADY. */
int flow_finish(struct flow *flow);
int flow_close(struct flow *flow);

void flow_pause(struct flow *flow, bool paused);

/* May be idle for so long from now on; 0: for ever. */
void flow_set_idle(struct flow *flow, int64_t ms);

/* It is on its way to another worker, or not any more: nothing is read, written
 * or timed. */
void flow_set_away(struct flow *flow, bool away);
/* It has left: ours ends, and the connection does not. */
void flow_leave(struct flow *flow, int error);

/* ---- for the files of this folder ---- */

/* A new one and its first turn; NULL: no memory, or no row. */
struct flow *flow_new(struct tcp *tcp, int fd,
    const struct connection_passed *passed);
void flow_start(struct flow *flow);
/* Say what became of it, if that was not said yet. */
void flow_tell(struct flow *flow);
/* A turn from the loop, in the pass that runs. */
void flow_soon(struct flow *flow);
void flow_on_due(evutil_socket_t fd, short what, void *tcp);
/* End it at once.  No callback of it may be above. */
void flow_free(struct flow *flow);
/* It ends, of this. */
void flow_fail(struct flow *flow, int error, bool reset);

/* flow_out.c: */
static inline size_t
flow_left(const struct flow *flow)
{
	return buf_len(&flow->out);
}

/* Write what waits.  May mark the flow dead. */
void flow_write(struct flow *flow);
void flow_drop_out(struct flow *flow);
/* Has the client taken something since the last look? */
void flow_look(struct flow *flow);

/* flow_time.c: as things stand after a turn. */
void flow_arm(struct flow *flow);
/* The timer has fired. */
void flow_expire(struct flow *flow);
void flow_await(struct flow *flow, enum flow_deadline deadline, int64_t ms);

#endif
