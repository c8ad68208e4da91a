/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* access_writer.c: the thread that writes the access log; see access_writer.h. */
#include "daemon/worker/access_writer.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/errmsg.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "daemon/scoreboard/word.h"

enum {
	BATCH = 65536,			/* bytes, or … */
	BATCH_MS = 1000,
	STACK = 256 * 1024,
	NO_FD = -1, CLOSE = -2,		/* next_fd */
};

/* ---- waiting ------------------------------------------------------------------ */

/* While *word has that value; ms < 0: without a limit.  May return early. */
static void
futex_wait(const uint32_t *word, uint32_t value, int64_t ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
	    ms < 0 ? NULL : &time, NULL, 0);
}

static void
futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* ---- the thread: one write ------------------------------------------------------ */

/* What is to be written, piece by piece. */
struct rest {
	struct iovec pieces[3];
	int from;
};

static void
advance(struct rest *rest, size_t len)
{
	while (rest->from < 3 && len >= rest->pieces[rest->from].iov_len)
		len -= rest->pieces[rest->from++].iov_len;
	if (rest->from == 3)
		return;
	rest->pieces[rest->from].iov_base =
	    (char *)rest->pieces[rest->from].iov_base + len;
	rest->pieces[rest->from].iov_len -= len;
}

/* Till it takes more: 0; or EAGAIN: what waits is for another one.  The end of
 * the process is no reason to go: how long that waits for us is the loop's. */
static int
wait_writable(const struct access_writer *writer)
{
	struct pollfd ready = { writer->fd, POLLOUT, 0 };

	while (__atomic_load_n(&writer->next_fd, __ATOMIC_RELAXED) == NO_FD)
		if (poll(&ready, 1, (int)clock_scaled_ms(BATCH_MS)) > 0)
			return 0;
	return EAGAIN;
}

/* Bytes that were written; *error: why not all. */
static size_t
write_rest(const struct access_writer *writer, struct rest *rest, size_t len,
    int *error)
{
	size_t done = 0;

	*error = FP("access.write");
	while (done < len && *error <= 0) {
		ssize_t n = writev(writer->fd, rest->pieces + rest->from,
		    3 - rest->from);

		*error = 0;
		if (n > 0) {
			advance(rest, (size_t)n);
			done += (size_t)n;
		} else if (n == 0) {
			*error = EIO;
		} else if (errno == EAGAIN) {
			*error = wait_writable(writer);
		} else if (errno != EINTR) {
			*error = errno;
		}
	}
	return done;
}

static uint64_t
count_lines(const struct iovec pieces[2], size_t len)
{
	uint64_t count = 0;

	for (int p = 0; p < 2; p++) {
		const char *at = pieces[p].iov_base;
		size_t n = pieces[p].iov_len < len ? pieces[p].iov_len : len;
		const char *end = at + n;

		while (at < end && (at = memchr(at, '\n',
		    (size_t)(end - at))) != NULL) {
			count++;
			at++;
		}
		len -= n;
	}
	return count;
}

static char
byte_at(const struct iovec pieces[2], size_t at)
{
	return at < pieces[0].iov_len ? ((char *)pieces[0].iov_base)[at] :
	    ((char *)pieces[1].iov_base)[at - pieces[0].iov_len];
}

static void
count(const struct access_writer *writer, enum page_helper word, uint64_t lines)
{
	uint64_t *at = &writer->page->helper[word];

	WORD_SET(*at, WORD_GET(*at) + lines);
}

static void
set_trouble(struct access_writer *writer, enum access_trouble trouble,
    int error)
{
	__atomic_store_n(&writer->error, error, __ATOMIC_RELAXED);
	__atomic_store_n(&writer->trouble, (int)trouble, __ATOMIC_RELEASE);
}

/* Length of the whole ones among the first len bytes. */
static size_t
whole_lines(const struct iovec pieces[2], size_t len)
{
	while (len > 0 && byte_at(pieces, len - 1) != '\n')
		len--;
	return len;
}

/*
 * How much of it is done with: all, written or lost; or the lines before one
 * that is for another descriptor, which gets it whole.  Half a line, from a disk
 * that became full, ends where it ends: what comes next begins a line of its own.
 */
static size_t
write_batch(struct access_writer *writer, const struct iovec lines[2],
    size_t len)
{
	static char newline[] = "\n";
	struct rest rest = { { { newline, writer->torn }, lines[0],
	    lines[1] }, 0 };
	size_t before = writer->torn, done;
	uint64_t written;
	int error;

	advance(&rest, 0);
	done = write_rest(writer, &rest, len + before, &error);
	if (done > before)
		writer->torn = byte_at(lines, done - before - 1) != '\n';
	else if (done > 0)
		writer->torn = false;
	done = done > before ? done - before : 0;
	if (error == EAGAIN) {
		error = 0;
		len = whole_lines(lines, done);
	}
	written = count_lines(lines, done);
	count(writer, HELPER_WRITTEN, written);
	count(writer, HELPER_LOST, count_lines(lines, len) - written);
	set_trouble(writer, error > 0 ? ACCESS_FAILING : ACCESS_FINE, error);
	return len;
}

/* ---- the thread: its descriptor ---------------------------------------------------- */

/* Is it still the file that we were given?  Else the number is somebody else's,
 * neither to be written to nor to be closed. */
static bool
is_ours(struct access_writer *writer, struct stat *now)
{
	if (writer->fd < 0)
		return false;
	if (fstat(writer->fd, now) == 0 && file_is(now, &writer->file))
		return true;
	writer->fd = -1;
	set_trouble(writer, ACCESS_LOST_FD, 0);
	return false;
}

/* Is it ours, and has it a name? */
static bool
check_file(struct access_writer *writer)
{
	struct stat now;

	if (!is_ours(writer, &now)) {
		if (writer->trouble != ACCESS_LOST_FD)
			set_trouble(writer, ACCESS_NOT_OPEN, 0);
		return false;
	}
	if (S_ISREG(now.st_mode) && now.st_nlink == 0) {
		set_trouble(writer, ACCESS_REMOVED, 0);
		return false;
	}
	return true;
}

/* All that waits, or till there is another descriptor for the rest. */
static void
write_all(struct access_writer *writer)
{
	struct iovec lines[2];
	size_t len = 0, done = 0;

	while (done == len && (len = access_ring_peek(&writer->ring,
	    writer->batch, lines)) > 0 && check_file(writer)) {
		done = write_batch(writer, lines, len);
		access_ring_take(&writer->ring, done);
	}
}

static void
take_over(struct access_writer *writer)
{
	int fd = __atomic_exchange_n(&writer->next_fd, NO_FD,
	    __ATOMIC_ACQUIRE);
	struct stat now;

	if (fd == NO_FD)
		return;
	if (fd == CLOSE) {
		write_all(writer);
		fd = -1;
	}
	if (fd != writer->fd && is_ours(writer, &now))
		fd_close(&writer->fd);
	if (fd < 0 || fstat(fd, &now) != 0) {
		fd_close(&fd);
		set_trouble(writer, ACCESS_NOT_OPEN, 0);
		return;
	}
	writer->fd = fd;
	/* the same one, opened anew, has its half line still */
	writer->torn &= file_is(&now, &writer->file);
	writer->file = file_id_of(&now);
	/* what a pipe takes in one piece is not mixed with what others write */
	writer->batch = file_takes_lines(&now) ? BATCH : PIPE_BUF;
	set_trouble(writer, ACCESS_FINE, 0);
}

static void *
run(void *arg)
{
	struct access_writer *writer = arg;
	bool stopping;
	uint32_t kick;

	prctl(PR_SET_NAME, "access log");
	do {
		kick = __atomic_load_n(&writer->kick, __ATOMIC_ACQUIRE);
		stopping = __atomic_load_n(&writer->stopping, __ATOMIC_ACQUIRE);
		take_over(writer);
		write_all(writer);
		if (!stopping)
			futex_wait(&writer->kick, kick, writer->fd < 0 ? -1 :
			    (int64_t)clock_scaled_ms(BATCH_MS));
	} while (!stopping);
	__atomic_store_n(&writer->ended, 1, __ATOMIC_RELEASE);
	futex_wake(&writer->ended);
	return NULL;
}

/* ---- the loop ------------------------------------------------------------------------ */

/* All signals are the loop's: the thread has no stack for their handlers. */
static int
start_thread(struct access_writer *writer)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&writer->thread, &attr, run, writer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return rc == 0 ? 0 : ERR_SYSTEM;
}

int
access_writer_start(struct access_writer *writer, struct page *page)
{
	int rc = access_ring_init(&writer->ring);

	if (rc != 0)
		return rc;
	writer->page = page;
	writer->kicked_at = 0;
	writer->kick = writer->ended = 0;
	writer->next_fd = NO_FD;
	writer->stopping = writer->torn = false;
	writer->trouble = ACCESS_NOT_OPEN;
	writer->error = 0;
	writer->fd = -1;
	writer->batch = BATCH;
	rc = start_thread(writer);
	if (rc != 0)
		access_ring_done(&writer->ring);
	return rc;
}

static void
kick(struct access_writer *writer)
{
	writer->kicked_at = access_ring_position(&writer->ring);
	__atomic_add_fetch(&writer->kick, 1, __ATOMIC_RELEASE);
	futex_wake(&writer->kick);
}

bool
access_writer_put(struct access_writer *writer, const char *line, size_t len)
{
	if (!access_ring_put(&writer->ring, line, len))
		return false;
	if (access_ring_position(&writer->ring) - writer->kicked_at >= BATCH)
		kick(writer);
	return true;
}

void
access_writer_give(struct access_writer *writer, int fd)
{
	int before = __atomic_exchange_n(&writer->next_fd,
	    fd < 0 ? CLOSE : fd, __ATOMIC_RELEASE);

	/* one that the thread, held up by a disk, did not come to take */
	if (before >= 0)
		close(before);
	kick(writer);
}

enum access_trouble
access_writer_trouble(const struct access_writer *writer, int *error)
{
	int trouble = __atomic_load_n(&writer->trouble, __ATOMIC_ACQUIRE);

	*error = __atomic_load_n(&writer->error, __ATOMIC_RELAXED);
	return (enum access_trouble)trouble;
}

void
access_writer_stop(struct access_writer *writer, unsigned timeout_ms)
{
	uint64_t now = clock_now_ms(), end = now + timeout_ms;

	__atomic_store_n(&writer->stopping, true, __ATOMIC_RELEASE);
	kick(writer);
	while (__atomic_load_n(&writer->ended, __ATOMIC_ACQUIRE) == 0 &&
	    (now = clock_now_ms()) < end)
		futex_wait(&writer->ended, 0, (int64_t)(end - now));
	/* held up by its disk: the process is about to end */
	if (__atomic_load_n(&writer->ended, __ATOMIC_ACQUIRE) == 0)
		pthread_detach(writer->thread);
	else
		pthread_join(writer->thread, NULL);
}
