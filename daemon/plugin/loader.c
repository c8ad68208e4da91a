/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* loader.c: note, dlopen, descriptor, options; see loader.h. */
#include "daemon/plugin/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/table/keys.h"
#include "daemon/plugin/elf_note.h"

static enum fatal_class
read_note(struct plugin *plugin, const char *path, struct errmsg *err)
{
	enum fatal_class class;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		class = errno == EACCES || errno == EPERM ?
		    FATAL_PERM : FATAL_ELF;
		errmsg_errno(err, "cannot be opened");
		return class;
	}
	class = elf_note_read(fd, &plugin->note, err) == 0 ?
	    elf_note_judge(&plugin->note, err) : FATAL_ELF;
	fd_close(&fd);
	return class;
}

/* A file system mounted noexec refuses the mapping; that word helps more than
 * the loader's. */
static enum fatal_class
explain_dlopen(struct errmsg *err)
{
	const char *text = dlerror();

	if (text == NULL)
		text = "dlopen failed";
	if (strstr(text, "undefined symbol") != NULL) {
		errmsg_set(err, ERR_FAILED, "%s", text);
		return FATAL_SYMBOL;
	}
	if (strstr(text, "failed to map segment") != NULL) {
		errmsg_set(err, ERR_FAILED,
		    "%s (is its file system mounted noexec?)", text);
		return FATAL_PERM;
	}
	errmsg_set(err, ERR_FAILED, "%s", text);
	return FATAL_ELF;
}

/* Copy the descriptor as far as the plugin has it. */
static enum fatal_class
take_descriptor(struct plugin *plugin, const struct cluster_plugin *desc,
    struct errmsg *err)
{
	size_t size = desc->descriptor_size;

	if (desc->magic != CLUSTER_MAGIC ||
	    size != plugin->note.descriptor_size ||
	    size < offsetof(struct cluster_plugin, start)) {
		errmsg_set(err, ERR_FORMAT,
		    "its descriptor and its note do not agree");
		return FATAL_ELF;
	}
	memset(&plugin->desc, 0, sizeof(plugin->desc));
	if (size > sizeof(plugin->desc))
		size = sizeof(plugin->desc);
	memcpy(&plugin->desc, desc, size);
	if (plugin->desc.api == NULL) {
		errmsg_set(err, ERR_FORMAT, "has no place for the host's table");
		return FATAL_ELF;
	}
	if (options_check_rows(plugin->desc.options, plugin->desc.size,
	    err) != 0)
		return FATAL_CONFIG;
	return FATAL_NONE;
}

const void *
plugin_base_of(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

enum fatal_class
plugin_open(struct plugin *plugin, const char *instance, const char *path,
    const struct cluster_api *host, struct errmsg *err)
{
	const struct cluster_plugin *desc;
	enum fatal_class class;

	memset(plugin, 0, sizeof(*plugin));
	snprintf(plugin->instance, sizeof(plugin->instance), "%s", instance);
	if ((class = read_note(plugin, path, err)) != FATAL_NONE)
		return class;
	plugin->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (plugin->handle == NULL)
		return explain_dlopen(err);
	desc = dlsym(plugin->handle, "cluster_plugin");
	if (desc == NULL) {
		errmsg_set(err, ERR_FORMAT,
		    "does not export cluster_plugin");
		return FATAL_SYMBOL;
	}
	if ((class = take_descriptor(plugin, desc, err)) != FATAL_NONE)
		return class;
	plugin->base = plugin_base_of(desc);
	if (host != NULL)
		*plugin->desc.api = host;
	return FATAL_NONE;
}

enum fatal_class
plugin_fill(struct plugin *plugin, const struct option_text *given,
    size_t count, struct errmsg *err)
{
	size_t size = plugin->desc.size > 0 ? plugin->desc.size : 1;

	plugin->self = calloc(1, size);
	if (plugin->self == NULL) {
		errmsg_set(err, ERR_MEMORY, "out of memory");
		return FATAL_CONFIG;
	}
	if (options_fill(plugin->desc.options, plugin->self, given, count,
	    err) != 0)
		return FATAL_CONFIG;
	return FATAL_NONE;
}

static bool
answers(const struct cluster_plugin *desc)
{
	return desc->handle != NULL || desc->on_head != NULL;
}

/* It works beside the requests: a route is how a pool gets it, and passes all. */
static bool
is_quiet(const struct cluster_plugin *desc)
{
	return desc->on_request == NULL && desc->on_response == NULL &&
	    desc->on_stream == NULL && desc->on_datagram == NULL &&
	    (desc->start != NULL || desc->on_message != NULL ||
	    desc->tasks != NULL);
}

const char *
plugin_lacks(const struct plugin *plugin, int64_t protocol)
{
	switch ((enum key_protocol)protocol) {
	case PROTOCOL_HTTP:
		return answers(&plugin->desc) || is_quiet(&plugin->desc) ? NULL :
		    "handle";
	case PROTOCOL_TCP:
		return plugin->desc.on_stream == NULL ? "on_stream" : NULL;
	case PROTOCOL_UDP:
		return plugin->desc.on_datagram == NULL ? "on_datagram" : NULL;
	}
	return NULL;
}
