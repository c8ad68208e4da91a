/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_outq.c: a queue of bytes, memory and files over a real socket.  Each
 * content is sent with each bound of a turn, by calls that are cut short, and with
 * each call failing in each way: what arrives is a beginning of the content, the
 * whole where nothing is wrong, and each due is called once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "daemon/http/outq.h"

enum { CONTENT_MAX = 400000, DUES_MAX = 128, LARGE = OUTQ_LEND_MIN };

/* ---- calls that fail ------------------------------------------------------------- */

static struct {
	long at;			/* this one, counted from 0; -1: none */
	int error;			/* errno; 0: it does less */
	size_t most;			/* bytes a call, all of them; 0: any */
	long calls;
} fault = { .at = -1 };
static bool no_memory;

ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_sendfile(int out, int in, off_t *offset, size_t len);
ssize_t __wrap_sendfile(int out, int in, off_t *offset, size_t len);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

/* Whether this call fails; else how much it may do. */
static bool
fails(size_t *most)
{
	bool now = fault.calls++ == fault.at;

	*most = now && fault.error == 0 ? 1 :
	    fault.most > 0 ? fault.most : SIZE_MAX;
	if (!now || fault.error == 0)
		return false;
	errno = fault.error;
	return true;
}

ssize_t
__wrap_send(int fd, const void *data, size_t len, int flags)
{
	size_t most;

	return fails(&most) ? -1 :
	    __real_send(fd, data, len < most ? len : most, flags);
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct iovec vectors[64];
	struct msghdr less = *message;
	size_t most;

	if (fails(&most))
		return -1;
	assert_true(message->msg_iovlen > 0 && message->msg_iovlen <= 64);
	less.msg_iov = vectors;
	for (size_t i = 0; i < message->msg_iovlen; i++) {
		vectors[i] = message->msg_iov[i];
		assert_true(vectors[i].iov_len > 0);
		if (vectors[i].iov_len > most)
			vectors[i].iov_len = most;
		most -= vectors[i].iov_len;
	}
	return __real_sendmsg(fd, &less, flags);
}

ssize_t
__wrap_sendfile(int out, int in, off_t *offset, size_t len)
{
	size_t most;

	return fails(&most) ? -1 :
	    __real_sendfile(out, in, offset, len < most ? len : most);
}

void *
__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

void *
__wrap_realloc(void *memory, size_t size)
{
	return no_memory ? NULL : __real_realloc(memory, size);
}

/* ---- a queue and what is expected of it ----------------------------------------------- */

struct rig {
	struct event_base *base;
	struct dues dues;
	struct outq queue;
	int ends[2], file;
	char content[CONTENT_MAX], seen[CONTENT_MAX];
	size_t len, seen_len;
	unsigned owed, called[DUES_MAX];
	int words[DUES_MAX];
};

static struct rig *rig;

static void
run(const struct due *due, void *ctx)
{
	assert_ptr_equal(ctx, rig);
	due_call(due);
}

static void
on_memory(void *data, void *arg)
{
	rig->called[(uintptr_t)arg]++;
	free(data);
}

static void
on_file(int fd, void *arg)
{
	assert_int_equal(fd, rig->file);
	rig->called[(uintptr_t)arg]++;
}

static void
on_word(int error, void *arg)
{
	rig->called[(uintptr_t)arg]++;
	rig->words[(uintptr_t)arg] = error;
}

static char
byte_at(size_t at)
{
	return (char)(at * 7 + at / 251);
}

static int
make_file(void)
{
	int file = memfd_create("outq", MFD_CLOEXEC);
	char bytes[4096];

	for (size_t at = 0; at < CONTENT_MAX; at += sizeof(bytes)) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = byte_at(at + i);
		assert_int_equal(write(file, bytes, sizeof(bytes)),
		    sizeof(bytes));
	}
	return file;
}

static int
set_up(void **state)
{
	static int file = -1;
	int small = 4096;

	if (file < 0)
		file = make_file();
	(void)state;
	rig = calloc(1, sizeof(*rig));
	rig->base = event_base_new();
	dues_init(&rig->dues, rig->base, run, rig);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    rig->ends), 0);
	setsockopt(rig->ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	rig->file = dup(file);
	fault.at = -1;
	fault.error = 0;
	fault.most = 0;
	fault.calls = 0;
	no_memory = false;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	outq_drop(&rig->queue, &rig->dues);
	assert_true(outq_left(&rig->queue) == 0);
	assert_int_equal(rig->queue.held, 0);
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(rig->dues.promised, 0);
	for (unsigned i = 0; i < rig->owed; i++)
		if (rig->called[i] != 1)
			fail_msg("due %u was called %u times", i,
			    rig->called[i]);
	outq_done(&rig->queue);
	free(rig->dues.rows);
	event_base_free(rig->base);
	close(rig->ends[0]);
	close(rig->ends[1]);
	close(rig->file);
	free(rig);
	return 0;
}

/* More of the content, of the kind of the letter: bytes (b), static memory (s),
 * given memory (g), a file that stays open (f) or is closed (c), a mark (m). */
static void
add(char kind, size_t len)
{
	static char memory[CONTENT_MAX];
	struct piece piece = { .len = len, .fd = -1 };
	void *arg = (void *)(uintptr_t)rig->owed;
	size_t from = rig->len;

	if (kind == 'm') {
		assert_int_equal(outq_mark(&rig->queue, &rig->dues,
		    &(struct due){ .kind = DUE_WORD, .call.number = on_word,
		    .arg = arg }), 0);
		rig->owed++;
		return;
	}
	assert_true(from + len <= CONTENT_MAX);
	for (size_t i = from; i < from + len; i++)
		memory[i] = rig->content[i] = byte_at(i);
	rig->len += len;
	switch (kind) {
	case 'b':
		assert_int_equal(buf_add(&rig->queue.bytes, memory + from, len),
		    0);
		return;
	case 's':
		piece.kind = PIECE_STATIC;
		piece.data = memory + from;
		break;
	case 'g':
		piece.kind = PIECE_GIVE;
		piece.data = memcpy(malloc(len), memory + from, len);
		piece.due = (struct due){ .kind = DUE_MEMORY, .arg = arg,
		    .call.memory = on_memory,
		    .data = (void *)(uintptr_t)piece.data };
		rig->owed++;
		break;
	case 'f':
		piece.due = (struct due){ .kind = DUE_FILE, .arg = arg,
		    .call.number = on_file, .number = rig->file };
		rig->owed++;
		/* fall through */
	case 'c':
		piece.kind = PIECE_FILE;
		piece.offset = from;
		piece.close = kind == 'c';
		piece.fd = kind == 'c' ? dup(rig->file) : rig->file;
		break;
	}
	assert_true(piece_is_lent(&piece));
	assert_int_equal(outq_reserve(&rig->queue, &rig->dues, &piece, 1), 0);
	outq_lend(&rig->queue, &piece);
	assert_true(piece.taken);
}

static void
add_all(const char *kinds)
{
	static const size_t lens[] = { 1, 20, 3, 9 };

	for (size_t i = 0; kinds[i] != '\0'; i++)
		add(kinds[i], strchr("sg", kinds[i]) != NULL ?
		    LARGE + lens[i % 4] : lens[i % 4]);
}

static void
receive(void)
{
	ssize_t got;

	while ((got = recv(rig->ends[1], rig->seen + rig->seen_len,
	    CONTENT_MAX - rig->seen_len, MSG_DONTWAIT)) > 0)
		rig->seen_len += (size_t)got;
}

/* Until it is empty, or nothing goes any more: that state. */
static enum outq_state
send_all(size_t most)
{
	enum outq_state state;
	unsigned idle = 0;

	do {
		uint64_t left = outq_left(&rig->queue);
		size_t sent;

		state = outq_send(&rig->queue, &rig->dues, rig->ends[0], most,
		    &sent);
		assert_true(sent <= most);
		assert_true(outq_left(&rig->queue) == left - sent);
		receive();
		idle = sent > 0 ? 0 : idle + 1;
	} while ((state == OUTQ_FULL || state == OUTQ_ENOUGH) && idle < 3);
	assert_true(rig->seen_len <= rig->len);
	assert_memory_equal(rig->seen, rig->content, rig->seen_len);
	return state;
}

static void
expect_all_sent(void)
{
	assert_int_equal(rig->seen_len, rig->len);
	assert_true(outq_left(&rig->queue) == 0);
	assert_int_equal(rig->queue.count, 0);
}

/* ---- tests ----------------------------------------------------------------------------- */

static const char *const contents[] = {
	"b", "s", "g", "f", "c", "bb", "bs", "bg", "bf", "sb", "fb", "gm", "bm",
	"bfb", "bsbgbfbcb", "bfff", "fsfgfc", "mbmbm", "bfmbm", "ssggff",
	"bsssssssssgb", "bmmmmsmmmm", "fmfmfmb", "cccc", "bcbcbcb",
};

static void
all_goes_out_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(contents); i++) {
		set_up(NULL);
		add_all(contents[i]);
		if (send_all(SIZE_MAX / 2) != OUTQ_EMPTY)
			fail_msg("%s: not all", contents[i]);
		expect_all_sent();
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
		for (unsigned n = 0; n < rig->owed; n++)
			assert_int_equal(rig->words[n], 0);
		tear_down(NULL);
	}
}

static void
all_goes_out_however_little_a_call_takes(void **state)
{
	static const size_t mosts[] = { 1, 2, 3, 7, 19, 20, 21, 4096, LARGE };

	(void)state;
	for (size_t i = 0; i < COUNT(contents); i++)
		for (size_t n = 0; n < COUNT(mosts); n++) {
			if (mosts[n] == 1 && strpbrk(contents[i], "sg") != NULL)
				continue;	/* long, and no other case */
			set_up(NULL);
			fault.most = mosts[n];
			add_all(contents[i]);
			assert_int_equal(send_all(SIZE_MAX / 2), OUTQ_EMPTY);
			expect_all_sent();
			tear_down(NULL);
		}
}

/* A bound of 1, 2, 3 ... bytes for the first turn, the rest at once: each cut. */
static void
a_turn_ends_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(contents); i++) {
		for (size_t most = 1;; most = most < 100 ? most + 1 :
		    most + 997) {
			size_t sent, len;

			set_up(NULL);
			add_all(contents[i]);
			len = rig->len;
			if (most < len) {
				outq_send(&rig->queue, &rig->dues,
				    rig->ends[0], most, &sent);
				assert_true(sent <= most);
				add('b', 10);
				assert_int_equal(send_all(SIZE_MAX / 2),
				    OUTQ_EMPTY);
				expect_all_sent();
			}
			tear_down(NULL);
			if (most >= len)
				break;
		}
	}
}

static void
a_call_that_fails_loses_no_due(void **state)
{
	static const int errors[] = { EAGAIN, EINTR, 0, EPIPE, ECONNRESET, EIO,
	    ENOMEM };

	(void)state;
	for (size_t i = 0; i < COUNT(contents); i++)
		for (size_t n = 0; n < COUNT(errors); n++)
			for (long at = 0; at < 12; at++) {
				enum outq_state end;
				bool fatal;

				set_up(NULL);
				fault.at = at;
				fault.error = errors[n];
				add_all(contents[i]);
				end = send_all(SIZE_MAX / 2);
				fatal = n >= 3 && fault.calls > at;
				if (!fatal)
					expect_all_sent();
				if (fatal)
					assert_true(end == OUTQ_GONE ||
					    end == OUTQ_BROKEN);
				if (fatal && n < 5)
					assert_int_equal(end, OUTQ_GONE);
				tear_down(NULL);
			}
}

static void
a_file_that_is_shorter_is_broken(void **state)
{
	(void)state;
	close(rig->file);
	rig->file = make_file();
	add('b', 10);
	add('f', 5000);
	add('m', 0);
	add('b', 10);
	assert_int_equal(ftruncate(rig->file, 3000), 0);
	assert_int_equal(send_all(SIZE_MAX / 2), OUTQ_BROKEN);
	assert_int_equal(rig->seen_len, 3000);
	outq_drop(&rig->queue, &rig->dues);
	assert_int_equal(rig->called[1], 0);	/* not from within */
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(rig->words[1], -EPIPE);
}

static void
a_file_that_cannot_be_read_is_broken(void **state)
{
	struct piece piece = { .kind = PIECE_FILE, .len = 5,
	    .fd = rig->ends[1] };

	(void)state;
	assert_int_equal(outq_reserve(&rig->queue, &rig->dues, &piece, 1), 0);
	outq_lend(&rig->queue, &piece);
	assert_int_equal(send_all(100), OUTQ_BROKEN);
}

static void
there_are_so_many_parts_and_marks(void **state)
{
	struct piece pieces[OUTQ_LENT];
	struct due word = { .kind = DUE_WORD, .call.number = on_word };

	(void)state;
	for (int i = 0; i < OUTQ_LENT; i++)
		pieces[i] = (struct piece){ .kind = PIECE_FILE, .len = 1,
		    .fd = rig->file };
	add('b', 1);
	for (int i = 0; i < OUTQ_MARKS; i++)
		add('m', 0);
	assert_int_equal(outq_mark(&rig->queue, &rig->dues, &word), -EAGAIN);
	for (int i = 0; i < OUTQ_LENT; i++)
		add('f', 1);
	assert_int_equal(outq_reserve(&rig->queue, &rig->dues, pieces, 1),
	    -EAGAIN);
	assert_int_equal(outq_reserve(&rig->queue, &rig->dues, pieces, 0), 0);
	assert_false(outq_has_room(&rig->queue, &rig->dues, 1000));
	assert_int_equal(send_all(SIZE_MAX / 2), OUTQ_EMPTY);
	expect_all_sent();
	assert_true(outq_has_room(&rig->queue, &rig->dues, 1000));
	assert_int_equal(outq_reserve(&rig->queue, &rig->dues, pieces,
	    OUTQ_LENT), 0);
	for (int i = 0; i < OUTQ_LENT; i++)
		add('f', 1);			/* the ring goes round */
	assert_int_equal(send_all(3), OUTQ_EMPTY);
	expect_all_sent();
}

static void
what_is_held_is_counted_until_it_is_released(void **state)
{
	size_t sent;

	(void)state;
	add('b', 100);
	add('s', LARGE);
	assert_int_equal(outq_held(&rig->queue, &rig->dues), 100);
	add('g', LARGE);
	assert_int_equal(outq_held(&rig->queue, &rig->dues), 100 + LARGE);
	outq_send(&rig->queue, &rig->dues, rig->ends[0], 100, &sent);
	assert_int_equal(outq_held(&rig->queue, &rig->dues), LARGE);
	while (outq_left(&rig->queue) > 1) {
		outq_send(&rig->queue, &rig->dues, rig->ends[0],
		    (size_t)outq_left(&rig->queue) - 1, &sent);
		receive();
		assert_int_equal(outq_held(&rig->queue, &rig->dues), LARGE);
	}
	assert_int_equal(send_all(1), OUTQ_EMPTY);
	assert_int_equal(outq_held(&rig->queue, &rig->dues), LARGE);
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(outq_held(&rig->queue, &rig->dues), 0);
}

/* Read by somebody in between: what a mark stands for leaves by the other one. */
static void
marks_go_along_with_what_is_read(void **state)
{
	struct outq other = { 0 };
	char block[100];
	const char *at;
	size_t sent;
	ssize_t len;

	(void)state;
	add('b', 50);
	add('m', 0);
	add('f', 300);
	add('m', 0);
	add('s', LARGE);
	while (outq_left(&rig->queue) > 0) {
		len = outq_peek(&rig->queue, block, sizeof(block), &at);
		assert_true(len > 0 && len <= (ssize_t)sizeof(block));
		assert_int_equal(buf_add(&other.bytes, at, (size_t)len), 0);
		outq_take(&rig->queue, &other, &rig->dues, (size_t)len);
	}
	assert_int_equal(other.marks, 2);
	assert_int_equal(outq_send(&other, &rig->dues, rig->ends[0], 49, &sent),
	    OUTQ_ENOUGH);
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(rig->called[0], 0);
	outq_send(&other, &rig->dues, rig->ends[0], 1, &sent);
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(rig->called[0], 1);
	assert_int_equal(rig->called[2], 0);
	outq_drop(&other, &rig->dues);
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(rig->words[0], 0);
	assert_int_equal(rig->words[2], -EPIPE);
	receive();
	assert_int_equal(rig->seen_len, 50);
	assert_memory_equal(rig->seen, rig->content, 50);
	outq_done(&other);
	rig->seen_len = rig->len;
}

static void
a_mark_on_nothing_is_due_at_once(void **state)
{
	(void)state;
	add('m', 0);
	assert_int_equal(rig->called[0], 0);	/* but not within the call */
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(rig->called[0], 1);
}

static void
without_memory_nothing_is_taken(void **state)
{
	struct piece pieces[2] = {
		{ .kind = PIECE_FILE, .len = 1, .fd = rig->file },
		{ .kind = PIECE_FILE, .len = 1, .fd = rig->file,
		    .due = { .kind = DUE_FILE, .call.number = on_file } },
	};
	struct due word = { .kind = DUE_WORD, .call.number = on_word };

	(void)state;
	add('b', 1);
	no_memory = true;
	assert_int_equal(outq_reserve(&rig->queue, &rig->dues, pieces, 1),
	    -ENOMEM);
	assert_int_equal(outq_mark(&rig->queue, &rig->dues, &word), -ENOMEM);
	no_memory = false;
	assert_int_equal(outq_reserve(&rig->queue, &rig->dues, pieces, 1), 0);
	no_memory = true;
	assert_int_equal(outq_reserve(&rig->queue, &rig->dues, pieces, 2),
	    -ENOMEM);
	assert_int_equal(outq_mark(&rig->queue, &rig->dues, &word), -ENOMEM);
	no_memory = false;
	assert_int_equal(rig->dues.promised, 0);
	assert_int_equal(outq_reserve(&rig->queue, &rig->dues, pieces, 2), 0);
	assert_int_equal(rig->dues.promised, 1);
	outq_forgo(&rig->dues, pieces, 2);
	assert_int_equal(send_all(SIZE_MAX / 2), OUTQ_EMPTY);
	expect_all_sent();
}

/* Nobody appends it, so nothing may be promised that nobody takes back. */
static void
an_empty_file_is_not_lent(void **state)
{
	struct piece piece = { .kind = PIECE_FILE, .fd = rig->file,
	    .due = { .kind = DUE_FILE, .call.number = on_file } };

	(void)state;
	assert_int_equal(outq_reserve(&rig->queue, &rig->dues, &piece, 1), 0);
	assert_int_equal(rig->dues.promised, 0);
	assert_false(piece_is_lent(&piece));
}

/* ---- dues ------------------------------------------------------------------------------- */

static unsigned order[64], order_len;

/* The first three each ask for one more; the second looks for others itself. */
static void
on_order(int number, void *arg)
{
	(void)arg;
	order[order_len++] = (unsigned)number;
	if (number < 3) {
		assert_int_equal(dues_promise(&rig->dues), 0);
		dues_add(&rig->dues, &(struct due){ .kind = DUE_FILE,
		    .number = number + 100, .call.number = on_order });
	}
	if (number == 1)
		dues_run(&rig->dues);
}

static void
dues_may_do_as_they_like(void **state)
{
	static const unsigned expected[] = { 0, 1, 2, 3, 4, 100, 101, 102 };

	(void)state;
	order_len = 0;
	for (int i = 0; i < 5; i++)
		assert_int_equal(dues_promise(&rig->dues), 0);
	for (int i = 0; i < 5; i++)
		dues_add(&rig->dues, &(struct due){ .kind = DUE_FILE,
		    .number = i, .call.number = on_order });
	assert_int_equal(order_len, 0);
	while (order_len < COUNT(expected))
		event_base_loop(rig->base, EVLOOP_ONCE);
	for (size_t i = 0, n; i < COUNT(expected); i++) {
		for (n = 0; n < order_len && order[n] != expected[i]; n++)
			continue;
		assert_true(n < order_len);
	}
	event_base_loop(rig->base, EVLOOP_NONBLOCK);
	assert_int_equal(order_len, COUNT(expected));
	assert_int_equal(rig->dues.promised, 0);
}

int
main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_goes_out_in_order),
		cmocka_unit_test(all_goes_out_however_little_a_call_takes),
		cmocka_unit_test(a_turn_ends_anywhere),
		cmocka_unit_test(a_call_that_fails_loses_no_due),
		WITH_RIG(a_file_that_is_shorter_is_broken),
		WITH_RIG(a_file_that_cannot_be_read_is_broken),
		WITH_RIG(there_are_so_many_parts_and_marks),
		WITH_RIG(what_is_held_is_counted_until_it_is_released),
		WITH_RIG(marks_go_along_with_what_is_read),
		WITH_RIG(a_mark_on_nothing_is_due_at_once),
		WITH_RIG(without_memory_nothing_is_taken),
		WITH_RIG(an_empty_file_is_not_lent),
		WITH_RIG(dues_may_do_as_they_like),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
