/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* symbols.c: which function is at an address; see symbols.h. */
#include "daemon/worker/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/fd.h"

enum { OBJECTS_MAX = 64 };

/* A part of a mapped file; nothing outside it is touched. */
struct part {
	const uint8_t *at;
	uint64_t size;
};

struct object {
	uintptr_t base, from, to;	/* from..to: its code */
	char name[48];
	struct part symbols, strings;
	bool is_ours, is_named;
};

static struct object objects[OBJECTS_MAX];
static size_t object_count;

/* ---- files -------------------------------------------------------------------------- */

static bool
get(const struct part *part, uint64_t offset, void *out, size_t size)
{
	if (offset > part->size || part->size - offset < size)
		return false;
	memcpy(out, part->at + offset, size);
	return true;
}

static struct part
map_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct part file = { NULL, 0 };
	struct stat status;
	void *memory;

	if (fd < 0)
		return file;
	if (fstat(fd, &status) == 0 && status.st_size > 0) {
		memory = mmap(NULL, (size_t)status.st_size, PROT_READ,
		    MAP_PRIVATE, fd, 0);
		if (memory != MAP_FAILED)
			file = (struct part){ memory, (uint64_t)
			    status.st_size };
	}
	fd_close(&fd);
	return file;
}

static bool
get_section(const struct part *file, const Elf64_Ehdr *head, unsigned index,
    Elf64_Shdr *section)
{
	return index < head->e_shnum && get(file, head->e_shoff +
	    (uint64_t)index * sizeof(*section), section, sizeof(*section));
}

static struct part
part_of(const struct part *file, const Elf64_Shdr *section)
{
	struct part none = { NULL, 0 };

	if (section->sh_offset > file->size ||
	    file->size - section->sh_offset < section->sh_size)
		return none;
	return (struct part){ file->at + section->sh_offset,
	    section->sh_size };
}

/* The full table where there is one, else that of the loader. */
static void
find_tables(const struct part *file, struct object *object)
{
	Elf64_Shdr section, strings, best = { .sh_type = SHT_NULL };
	Elf64_Ehdr head;

	if (!get(file, 0, &head, sizeof(head)) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_ident[EI_CLASS] != ELFCLASS64)
		return;
	for (unsigned i = 0; get_section(file, &head, i, &section); i++)
		if (section.sh_type == SHT_SYMTAB ||
		    (section.sh_type == SHT_DYNSYM &&
		    best.sh_type == SHT_NULL))
			best = section;
	if (best.sh_type == SHT_NULL ||
	    !get_section(file, &head, best.sh_link, &strings))
		return;
	object->symbols = part_of(file, &best);
	object->strings = part_of(file, &strings);
}

/* ---- what is loaded --------------------------------------------------------------------- */

static void
find_code(const struct dl_phdr_info *info, struct object *object)
{
	object->base = info->dlpi_addr;
	object->from = UINTPTR_MAX;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *program = &info->dlpi_phdr[i];
		uintptr_t from = object->base + program->p_vaddr;

		if (program->p_type != PT_LOAD || !(program->p_flags & PF_X))
			continue;
		if (from < object->from)
			object->from = from;
		if (from + program->p_memsz > object->to)
			object->to = from + program->p_memsz;
	}
}

static bool
is_known(const struct object *object)
{
	for (size_t i = 0; i < object_count; i++)
		if (objects[i].from == object->from)
			return true;
	return object->from >= object->to;
}

static int
note_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *(*name_of)(const char *) =
	    *(const char *(**)(const char *))arg;
	struct object object = { .is_ours = info->dlpi_name[0] == '\0' };
	struct part file;
	const char *name, *slash;

	(void)size;
	find_code(info, &object);
	if (object_count == OBJECTS_MAX || is_known(&object))
		return 0;
	name = name_of(info->dlpi_name);
	object.is_named = name != NULL;
	slash = strrchr(info->dlpi_name, '/');
	if (name == NULL)
		name = object.is_ours ? "clusterd-worker" :
		    slash != NULL ? slash + 1 : info->dlpi_name;
	snprintf(object.name, sizeof(object.name), "%s", name);
	file = map_file(object.is_ours ? "/proc/self/exe" : info->dlpi_name);
	find_tables(&file, &object);
	objects[object_count] = object;
	__atomic_store_n(&object_count, object_count + 1, __ATOMIC_RELEASE);
	return 0;
}

void
symbols_take(const char *(*name_of)(const char *path))
{
	dl_iterate_phdr(note_object, (void *)&name_of);
}

/* ---- looking up -------------------------------------------------------------------------- */

static const char *
find_string(const struct part *strings, uint64_t offset)
{
	if (offset == 0 || offset >= strings->size || memchr(strings->at +
	    offset, '\0', strings->size - offset) == NULL)
		return NULL;
	return (const char *)strings->at + offset;
}

static void
find_function(const struct object *object, struct symbol *symbol)
{
	uint64_t at = symbol->offset;
	Elf64_Sym row;

	for (uint64_t i = 0; get(&object->symbols, i, &row, sizeof(row));
	    i += sizeof(row)) {
		if (ELF64_ST_TYPE(row.st_info) != STT_FUNC ||
		    row.st_shndx == SHN_UNDEF || at < row.st_value ||
		    at - row.st_value >= row.st_size)
			continue;
		symbol->function = find_string(&object->strings, row.st_name);
		symbol->offset = at - row.st_value;
		if (symbol->function != NULL)
			return;
		symbol->offset = at;
	}
}

bool
symbols_find(uintptr_t address, struct symbol *symbol)
{
	size_t count = __atomic_load_n(&object_count, __ATOMIC_ACQUIRE);

	for (size_t i = 0; i < count; i++) {
		const struct object *object = &objects[i];

		if (address < object->from || address >= object->to)
			continue;
		symbol->object = object->name;
		symbol->is_ours = object->is_ours;
		symbol->is_named = object->is_named;
		symbol->function = NULL;
		symbol->offset = address - object->base;
		find_function(object, symbol);
		return true;
	}
	return false;
}
