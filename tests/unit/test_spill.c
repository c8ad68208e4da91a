/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_spill.c: files without names, wherever they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/spill.h"

/* What TMPDIR may say; where it is no place for a file, /var/tmp is. */
static const char *const places[] = {
	NULL, "", "relative", "/nowhere/at/all", "/proc", "/dev/shm", "/var/tmp",
};

static void
a_file_has_no_name_and_one_owner(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(places); i++) {
		struct stat st;
		char byte = 'x';
		int fd;

		if (places[i] == NULL)
			unsetenv("TMPDIR");
		else
			setenv("TMPDIR", places[i], 1);
		fd = spill_open();
		if (fd < 0)
			fail_msg("%s: %d", places[i], fd);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_nlink, 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(pwrite(fd, &byte, 1, 3), 1);
		assert_int_equal(pread(fd, &byte, 1, 0), 1);
		assert_int_equal(byte, 0);
		close(fd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_has_no_name_and_one_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
