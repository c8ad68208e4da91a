/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* stream.h: the bytes of one descriptor of a child, both ways; never blocks. */
#ifndef DAEMON_CHILD_STREAM_H
#define DAEMON_CHILD_STREAM_H

#include "daemon/child/child.h"

void stream_init(struct stream *stream, struct child *child, int number);
/* Begin with our end of it, which is the stream's.  0 or -ENOMEM. */
int stream_open(struct stream *stream, int fd, bool reads, bool writes);
void stream_close(struct stream *stream);
/* What is written to it is thrown away from now on: the child is gone. */
void stream_end_writing(struct stream *stream);

/* For the plugin; as cluster_child_...(). */
int stream_write(struct stream *stream, const void *data, size_t len);
int stream_end(struct stream *stream);
int stream_pause(struct stream *stream, bool paused);

/* Read what is there already, at most so many bytes. */
void stream_read_rest(struct stream *stream, size_t most);

/* ---- output.c: where it goes ---- */

void output_take(struct stream *stream, const char *data, size_t len);
/* The end of it: told once. */
void output_end(struct stream *stream);

#endif
