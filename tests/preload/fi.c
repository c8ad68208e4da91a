/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fi.c: preloaded into the programs of the daemon; makes calls of the C library
 * fail as the rules say (fi_rules.h).  Each function here is the library's own
 * by another way: a raw system call, or the name that glibc keeps for its heap.
 * So nothing is looked up, and it works from the first instruction on.
 */
#undef _FORTIFY_SOURCE		/* its inlines would stand in our way */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fi_rules.h"

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* True if it fails; errno is set then. */
static int
fails(enum fi_call call)
{
	int error = fi_inject(call);

	if (error != 0)
		errno = error;
	return error != 0;
}

/* -- the heap ------------------------------------------------------------------ */

EXPORT void *
malloc(size_t size)
{
	return fails(FI_MALLOC) ? NULL : __libc_malloc(size);
}

EXPORT void *
calloc(size_t count, size_t size)
{
	return fails(FI_MALLOC) ? NULL : __libc_calloc(count, size);
}

EXPORT void *
realloc(void *at, size_t size)
{
	return fails(FI_MALLOC) ? NULL : __libc_realloc(at, size);
}

EXPORT void *
memalign(size_t alignment, size_t size)
{
	return fails(FI_MALLOC) ? NULL : __libc_memalign(alignment, size);
}

EXPORT void *
aligned_alloc(size_t alignment, size_t size)
{
	return fails(FI_MALLOC) ? NULL : __libc_memalign(alignment, size);
}

EXPORT int
posix_memalign(void **at, size_t alignment, size_t size)
{
	void *block = fails(FI_MALLOC) ? NULL :
	    __libc_memalign(alignment, size);

	if (block == NULL)
		return ENOMEM;
	*at = block;
	return 0;
}

/* -- the clock: of the wall alone ------------------------------------------------ */

EXPORT int
clock_gettime(clockid_t id, struct timespec *now)
{
	int rc = (int)syscall(SYS_clock_gettime, id, now);

	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		now->tv_sec += fi_clock();
	return rc;
}

EXPORT int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int rc = (int)syscall(SYS_gettimeofday, now, zone);

	if (rc == 0)
		now->tv_sec += fi_clock();
	return rc;
}

EXPORT time_t
time(time_t *out)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

/* -- sockets ----------------------------------------------------------------------- */

EXPORT int
accept4(int fd, struct sockaddr *restrict from, socklen_t *restrict len,
    int flags)
{
	return fails(FI_ACCEPT4) ? -1 :
	    (int)syscall(SYS_accept4, fd, from, len, flags);
}

EXPORT int
accept(int fd, struct sockaddr *restrict from, socklen_t *restrict len)
{
	return accept4(fd, from, len, 0);
}

EXPORT int
bind(int fd, const struct sockaddr *address, socklen_t len)
{
	return fails(FI_BIND) ? -1 : (int)syscall(SYS_bind, fd, address, len);
}

EXPORT int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
	return fails(FI_CONNECT) ? -1 :
	    (int)syscall(SYS_connect, fd, address, len);
}

EXPORT int
listen(int fd, int backlog)
{
	return fails(FI_LISTEN) ? -1 : (int)syscall(SYS_listen, fd, backlog);
}

EXPORT ssize_t
recv(int fd, void *to, size_t len, int flags)
{
	return fails(FI_RECV) ? -1 :
	    syscall(SYS_recvfrom, fd, to, len, flags, NULL, NULL);
}

EXPORT ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
	return fails(FI_RECVMSG) ? -1 :
	    syscall(SYS_recvmsg, fd, message, flags);
}

EXPORT ssize_t
send(int fd, const void *from, size_t len, int flags)
{
	return fails(FI_SEND) ? -1 :
	    syscall(SYS_sendto, fd, from, len, flags, NULL, 0);
}

EXPORT ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	return fails(FI_SENDMSG) ? -1 :
	    syscall(SYS_sendmsg, fd, message, flags);
}

EXPORT int
setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return fails(FI_SETSOCKOPT) ? -1 :
	    (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

EXPORT int
socket(int domain, int type, int protocol)
{
	return fails(FI_SOCKET) ? -1 :
	    (int)syscall(SYS_socket, domain, type, protocol);
}

EXPORT int
socketpair(int domain, int type, int protocol, int pair[2])
{
	return fails(FI_SOCKETPAIR) ? -1 :
	    (int)syscall(SYS_socketpair, domain, type, protocol, pair);
}

/* -- files --------------------------------------------------------------------------- */

static int
open_at(int directory, const char *path, int flags, unsigned mode)
{
	return fails(FI_OPEN) ? -1 :
	    (int)syscall(SYS_openat, directory, path, flags, mode);
}

/* The mode, where the flags say that there is one. */
static unsigned
mode_of(int flags, va_list *more)
{
	return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ?
	    va_arg(*more, unsigned) : 0;
}

EXPORT int
open(const char *path, int flags, ...)
{
	va_list more;
	unsigned mode;

	va_start(more, flags);
	mode = mode_of(flags, &more);
	va_end(more);
	return open_at(AT_FDCWD, path, flags, mode);
}

EXPORT int
openat(int directory, const char *path, int flags, ...)
{
	va_list more;
	unsigned mode;

	va_start(more, flags);
	mode = mode_of(flags, &more);
	va_end(more);
	return open_at(directory, path, flags, mode);
}

EXPORT int
dup(int fd)
{
	return fails(FI_DUP) ? -1 : (int)syscall(SYS_dup, fd);
}

EXPORT int
dup3(int fd, int to, int flags)
{
	return fails(FI_DUP) ? -1 : (int)syscall(SYS_dup3, fd, to, flags);
}

EXPORT int
fcntl(int fd, int command, ...)
{
	va_list more;
	long argument;

	va_start(more, command);
	argument = va_arg(more, long);
	va_end(more);
	return fails(FI_FCNTL) ? -1 :
	    (int)syscall(SYS_fcntl, fd, command, argument);
}

EXPORT int
ioctl(int fd, unsigned long request, ...)
{
	va_list more;
	long argument;

	va_start(more, request);
	argument = va_arg(more, long);
	va_end(more);
	return fails(FI_IOCTL) ? -1 :
	    (int)syscall(SYS_ioctl, fd, request, argument);
}

EXPORT int
fsync(int fd)
{
	return fails(FI_FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

EXPORT int
fdatasync(int fd)
{
	return fails(FI_FDATASYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

EXPORT int
ftruncate(int fd, off_t len)
{
	return fails(FI_FTRUNCATE) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

EXPORT int
mkdir(const char *path, mode_t mode)
{
	return fails(FI_MKDIR) ? -1 :
	    (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

EXPORT int
rename(const char *from, const char *to)
{
	return fails(FI_RENAME) ? -1 :
	    (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int
pipe2(int pair[2], int flags)
{
	return fails(FI_PIPE2) ? -1 : (int)syscall(SYS_pipe2, pair, flags);
}

EXPORT int
memfd_create(const char *name, unsigned flags)
{
	return fails(FI_MEMFD_CREATE) ? -1 :
	    (int)syscall(SYS_memfd_create, name, flags);
}

EXPORT int
eventfd(unsigned value, int flags)
{
	return fails(FI_EVENTFD) ? -1 : (int)syscall(SYS_eventfd2, value, flags);
}

EXPORT void *
mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
	return fails(FI_MMAP) ? (void *)-1 :
	    (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}

/* -- bytes ----------------------------------------------------------------------------- */

EXPORT ssize_t
read(int fd, void *to, size_t len)
{
	return fails(FI_READ) ? -1 : syscall(SYS_read, fd, to, len);
}

EXPORT ssize_t
readv(int fd, const struct iovec *to, int count)
{
	return fails(FI_READ) ? -1 : syscall(SYS_readv, fd, to, count);
}

EXPORT ssize_t
write(int fd, const void *from, size_t len)
{
	return fails(FI_WRITE) ? -1 : syscall(SYS_write, fd, from, len);
}

EXPORT ssize_t
writev(int fd, const struct iovec *from, int count)
{
	return fails(FI_WRITE) ? -1 : syscall(SYS_writev, fd, from, count);
}

EXPORT ssize_t
pread(int fd, void *to, size_t len, off_t offset)
{
	return fails(FI_PREAD64) ? -1 :
	    syscall(SYS_pread64, fd, to, len, offset);
}

EXPORT ssize_t
pwrite(int fd, const void *from, size_t len, off_t offset)
{
	return fails(FI_PWRITE64) ? -1 :
	    syscall(SYS_pwrite64, fd, from, len, offset);
}

EXPORT ssize_t
sendfile(int to, int from, off_t *offset, size_t len)
{
	return fails(FI_SENDFILE) ? -1 :
	    syscall(SYS_sendfile, to, from, offset, len);
}

/* -- waiting ----------------------------------------------------------------------------- */

EXPORT int
epoll_create1(int flags)
{
	return fails(FI_EPOLL_CREATE) ? -1 :
	    (int)syscall(SYS_epoll_create1, flags);
}

EXPORT int
epoll_ctl(int fd, int operation, int of, struct epoll_event *event)
{
	return fails(FI_EPOLL_CTL) ? -1 :
	    (int)syscall(SYS_epoll_ctl, fd, operation, of, event);
}

EXPORT int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	return fails(FI_EPOLL_WAIT) ? -1 : (int)syscall(SYS_epoll_pwait, fd,
	    events, max, timeout, NULL, (size_t)_NSIG / 8);
}

EXPORT int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
	struct timespec time = { timeout / 1000, timeout % 1000 * 1000000L };

	return fails(FI_POLL) ? -1 : (int)syscall(SYS_ppoll, fds, count,
	    timeout < 0 ? NULL : &time, NULL, (size_t)_NSIG / 8);
}

/* -- other names of the same -------------------------------------------------------------- */

#define ALIAS(of) EXPORT __attribute__((alias(#of)))

/* SQLite's, with 64-bit offsets, which all of ours are. */
ALIAS(open) int open64(const char *path, int flags, ...);
ALIAS(openat) int openat64(int directory, const char *path, int flags, ...);
ALIAS(fcntl) int fcntl64(int fd, int command, ...);
ALIAS(ftruncate) int ftruncate64(int fd, off_t len);
ALIAS(mmap) void *mmap64(void *at, size_t len, int protection, int flags,
    int fd, off_t offset);
ALIAS(pread) ssize_t pread64(int fd, void *to, size_t len, off_t offset);
ALIAS(pwrite) ssize_t pwrite64(int fd, const void *from, size_t len,
    off_t offset);
ALIAS(sendfile) ssize_t sendfile64(int to, int from, off_t *offset, size_t len);

/* Those that a hardened build calls: the size was proved by the compiler. */
ssize_t __read_chk(int fd, void *to, size_t len, size_t size);
ssize_t __recv_chk(int fd, void *to, size_t len, size_t size, int flags);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);

EXPORT ssize_t
__read_chk(int fd, void *to, size_t len, size_t size)
{
	if (len > size)
		abort();
	return read(fd, to, len);
}

EXPORT ssize_t
__recv_chk(int fd, void *to, size_t len, size_t size, int flags)
{
	if (len > size)
		abort();
	return recv(fd, to, len, flags);
}

EXPORT int
__poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
	if (count * sizeof(*fds) > size)
		abort();
	return poll(fds, count, timeout);
}
