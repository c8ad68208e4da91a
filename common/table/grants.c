/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* grants.c: which commands a plugin may give the daemon; see grants.h. */
#include "common/table/grants.h"

#include <stdio.h>
#include <string.h>

#include "common/table/table.h"

_Static_assert(COMMAND__COUNT <= 64, "a bit for each command");

static int
refuse(const char *word, struct errmsg *err)
{
	const struct command *command = command_by_name(word), *like;

	if (command != NULL && command->access == ACCESS_READ)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%s\" only reads, which every plugin may", word);
	if (command != NULL)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%s\" is not for plugins", word);
	like = command_like(word);
	return errmsg_set(err, ERR_BAD_ARGUMENT,
	    "there is no command \"%s\"%s%s%s", word, like != NULL ?
	    "; did you mean \"" : "", like != NULL ? like->name : "",
	    like != NULL ? "\"?" : "");
}

int
grants_parse(const char *text, uint64_t *grants, struct errmsg *err)
{
	static const char between[] = ", \t";
	const struct command *command;
	uint64_t found = 0;
	char word[64];
	size_t len;

	for (text += strspn(text, between); *text != '\0';
	    text += len + strspn(text + len, between)) {
		len = strcspn(text, between);
		snprintf(word, sizeof(word), "%.*s", (int)(len < sizeof(word) ?
		    len : sizeof(word) - 1), text);
		command = command_by_name(word);
		if (command == NULL || !command->grant)
			return refuse(word, err);
		found |= (uint64_t)1 << command->id;
	}
	*grants = found;
	return 0;
}

bool
command_is_granted(const struct command *command, uint64_t grants)
{
	return command->access == ACCESS_READ ||
	    (grants >> command->id & 1) != 0;
}
