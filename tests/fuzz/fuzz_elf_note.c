/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* fuzz_elf_note.c: any file given as a plugin, before it is opened. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/plugin/elf_note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cluster_note note;
	struct errmsg err = { 0 };

	if (elf_note_find(data, size, &note, &err) != 0) {
		CHECK(err.text[0] != '\0');
		return 0;
	}
	CHECK(memchr(note.name, '\0', sizeof(note.name)) != NULL);
	CHECK(memchr(note.version, '\0', sizeof(note.version)) != NULL);
	(void)elf_note_judge(&note, &err);
	return 0;
}
