/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fd.h: descriptors and the passing of them.
 * All roles.  Functions return 0 or more, or -errno; they retry EINTR, do not
 * log and do not allocate.
 */
#ifndef CLUSTERD_BASE_FD_H
#define CLUSTERD_BASE_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FD_PASS_MAX = 16 };	/* descriptors in one message, all protocols */

/* Close *fd if it is one and set it to -1.  Keeps errno. */
void fd_close(int *fd);
void fd_close_all(int *fds, size_t count);

int fd_set_nonblock(int fd);
int fd_set_cloexec(int fd, int on);

/* SOCK_SEQPACKET pair, close-on-exec, non-blocking. */
int fd_seqpacket_pair(int pair[2]);

/* Anonymous memory file, close-on-exec, sealable. */
int fd_memfd(const char *name);
/* F_SEAL_SHRINK | GROW | WRITE | SEAL: nobody can change it any more. */
int fd_seal(int fd);
/* Both, with that in it. */
int fd_sealed(const char *name, const void *data, size_t len);
/* True if fd is a memfd that carries that seal. */
int fd_is_sealed(int fd);

/*
 * Send one packet of len bytes with count (0..FD_PASS_MAX) descriptors, which
 * stay the caller's.  Never SIGPIPE, never blocks.  Returns 0 or -errno.
 */
int fd_send(int sock, const void *data, size_t len, const int *fds,
    size_t count);

/*
 * Receive one packet.  Descriptors (at most FD_PASS_MAX) are put into fds,
 * close-on-exec, their number into *count; they are the caller's.  Never
 * blocks.  Returns the length (0: peer closed), -EMSGSIZE for a packet that
 * is longer than size, carries too many descriptors, or descriptors alone (they
 * are closed), or another -errno.
 */
ssize_t fd_recv(int sock, void *data, size_t size, int fds[FD_PASS_MAX],
    size_t *count);
/* fd_recv() for who can do without the descriptors: *count is FD_LOST, and none
 * is left, where there were no free numbers for them. */
enum { FD_LOST = FD_PASS_MAX + 1 };
ssize_t fd_recv_lossy(int sock, void *data, size_t size,
    int fds[FD_PASS_MAX], size_t *count);
/* fd_recv(), and the packet stays where it is: the descriptors are copies. */
ssize_t fd_peek(int sock, void *data, size_t size, int fds[FD_PASS_MAX],
    size_t *count);

/* As read(). */
ssize_t fd_read(int fd, void *to, size_t size);
/* Write all of it at the start of a file.  0 or -errno. */
int fd_put(int fd, const void *data, size_t len);

/* Write all of it to a blocking descriptor.  0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len);

/*
 * TCP: our kernel ends a connection whose peer has taken nothing of what waits for
 * it for 30 s, scaled, and so much more, in ms (TCP_USER_TIMEOUT, RFC 5482); also
 * one that answers, but whose buffer is full.  0: what a listener has and gives on;
 * who has a time of his own for such a peer adds it, and so is first.  0 or -errno.
 */
int fd_set_untaken(int fd, int64_t more_ms);

#endif
