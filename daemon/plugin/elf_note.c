/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* elf_note.c: reads a plugin's note out of an untrusted ELF file; see elf_note.h. */
#include "daemon/plugin/elf_note.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#else
#define OUR_MACHINE EM_NONE
#endif

enum { PLUGIN_FILE_MAX = 256 << 20 };

/* A view of the file; nothing outside it is ever touched. */
struct view {
	const uint8_t *at;
	size_t len;
};

/* Copy size bytes at offset; 0 if they are not all inside. */
static int
view_get(const struct view *view, uint64_t offset, void *out, size_t size)
{
	if (offset > view->len || view->len - offset < size)
		return 0;
	memcpy(out, view->at + offset, size);
	return 1;
}

static size_t
padded(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

/* Walk the notes of one segment.  Returns how many are ours; the last one's
 * contents are put into *note.  -1: they do not add up. */
static int
find_in_segment(const struct view *segment, struct cluster_note *note)
{
	uint64_t at = 0;
	int found = 0;

	while (at + sizeof(Elf64_Nhdr) <= segment->len) {
		char owner[sizeof(CLUSTER_NOTE_OWNER)];
		Elf64_Nhdr head;
		uint64_t desc;

		view_get(segment, at, &head, sizeof(head));
		at += sizeof(head);
		desc = at + padded(head.n_namesz);
		if (desc + head.n_descsz > segment->len)
			return -1;
		if (head.n_type == CLUSTER_NOTE_TYPE &&
		    head.n_namesz == sizeof(owner) &&
		    view_get(segment, at, owner, sizeof(owner)) &&
		    memcmp(owner, CLUSTER_NOTE_OWNER, sizeof(owner)) == 0) {
			if (head.n_descsz < sizeof(*note) ||
			    !view_get(segment, desc, note, sizeof(*note)))
				return -1;
			found++;
		}
		at = desc + padded(head.n_descsz);
	}
	return found;
}

static int
find_in_file(const struct view *view, const Elf64_Ehdr *head,
    struct cluster_note *note)
{
	int found = 0;

	for (unsigned i = 0; i < head->e_phnum; i++) {
		struct view segment;
		Elf64_Phdr program;
		int here;

		if (!view_get(view, head->e_phoff +
		    (uint64_t)i * sizeof(program), &program, sizeof(program)))
			return -1;
		if (program.p_type != PT_NOTE && program.p_type != PT_LOAD)
			continue;
		/* A segment that ends beyond the file would be a SIGBUS when
		 * it is mapped. */
		if (program.p_offset > view->len ||
		    view->len - program.p_offset < program.p_filesz)
			return -1;
		if (program.p_type != PT_NOTE)
			continue;
		segment.at = view->at + program.p_offset;
		segment.len = program.p_filesz;
		here = find_in_segment(&segment, note);
		if (here < 0)
			return -1;
		found += here;
	}
	return found;
}

int
elf_note_find(const void *file, size_t len, struct cluster_note *out,
    struct errmsg *err)
{
	const struct view view = { file, len };
	struct cluster_note note;
	Elf64_Ehdr head;
	int found;

	if (!view_get(&view, 0, &head, sizeof(head)) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
		return errmsg_set(err, ERR_FORMAT, "is not an ELF file");
	if (head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_ident[EI_DATA] != ELFDATA2LSB ||
	    head.e_machine != OUR_MACHINE || head.e_type != ET_DYN ||
	    head.e_phentsize != sizeof(Elf64_Phdr))
		return errmsg_set(err, ERR_FORMAT,
		    "is not a shared object of this machine");
	found = find_in_file(&view, &head, &note);
	if (found < 0)
		return errmsg_set(err, ERR_FORMAT,
		    "is cut short or damaged (its notes do not add up)");
	if (found == 0)
		return errmsg_set(err, ERR_FORMAT, "is not a clusterd plugin "
		    "(no note; made without CLUSTER_PLUGIN?)");
	if (found > 1)
		return errmsg_set(err, ERR_FORMAT, "has %d plugin notes", found);
	if (note.magic != CLUSTER_MAGIC ||
	    memchr(note.name, '\0', sizeof(note.name)) == NULL ||
	    memchr(note.version, '\0', sizeof(note.version)) == NULL)
		return errmsg_set(err, ERR_FORMAT, "has a damaged plugin note");
	*out = note;
	return 0;
}

int
elf_note_read(int fd, struct cluster_note *note, struct errmsg *err)
{
	struct stat status;
	void *file;
	int rc;

	if (fstat(fd, &status) != 0)
		return errmsg_errno(err, "cannot be examined");
	if (!S_ISREG(status.st_mode))
		return errmsg_set(err, ERR_FORMAT, "is not a regular file");
	if (status.st_size <= 0 || status.st_size > PLUGIN_FILE_MAX)
		return errmsg_set(err, ERR_FORMAT, "has %lld bytes",
		    (long long)status.st_size);
	file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return errmsg_errno(err, "cannot be mapped");
	rc = elf_note_find(file, (size_t)status.st_size, note, err);
	munmap(file, (size_t)status.st_size);
	return rc;
}

enum fatal_class
elf_note_judge(const struct cluster_note *note, struct errmsg *err)
{
	bool needs = (note->flags & CLUSTER_NEEDS_MINOR) != 0;

	if (note->abi_major != CLUSTER_ABI_MAJOR ||
	    (needs && note->abi_minor > CLUSTER_ABI_MINOR))
		errmsg_set(err, ERR_VERSION, "plugin %s is made for ABI %u.%u, "
		    "this clusterd has %u.%u", note->name, note->abi_major,
		    note->abi_minor, CLUSTER_ABI_MAJOR, CLUSTER_ABI_MINOR);
	else if (needs && note->api_size > sizeof(struct cluster_api))
		errmsg_set(err, ERR_VERSION, "plugin %s needs %u bytes of "
		    "functions, this clusterd (ABI %u.%u) has %zu", note->name,
		    note->api_size, CLUSTER_ABI_MAJOR, CLUSTER_ABI_MINOR,
		    sizeof(struct cluster_api));
	else if (note->option_size != sizeof(struct cluster_option) ||
	    note->descriptor_size < offsetof(struct cluster_plugin, start))
		errmsg_set(err, ERR_VERSION, "plugin %s has structures of %u "
		    "and %u bytes, which are none of ABI %u.%u", note->name,
		    note->descriptor_size, note->option_size,
		    note->abi_major, note->abi_minor);
	else
		return FATAL_NONE;
	return FATAL_ABI;
}
