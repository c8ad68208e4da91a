/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* check.c: the end of a process whose invariant does not hold; see check.h. */
#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/digits.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_LSAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_LSAN
#endif

#ifdef WITH_LSAN
void __lsan_do_leak_check(void);
#endif

static void
put(const char *text)
{
	ssize_t ignored = write(2, text, strlen(text));

	(void)ignored;
}

_Noreturn void
check_failed(const char *condition, const char *file, int line)
{
	struct digits digits;

	put("bug. check failed: ");
	put(condition);
	put(" at ");
	put(file);
	put(":");
	put(digits.text + digits_put(&digits, (uint64_t)line));
	put("\n");
	abort();
}

void
check_leaks(void)
{
#ifdef WITH_LSAN
	__lsan_do_leak_check();
#endif
}
