/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * accept.h: what an Accept-Encoding field allows (RFC 9110 12.5.3).  Pure; it
 * is compiled into each plugin that needs it.
 */
#ifndef PLUGINS_SHARED_ACCEPT_H
#define PLUGINS_SHARED_ACCEPT_H

/* The weight of a coding, in thousandths: 0 to 1000; 0: it is not acceptable.
 * value NULL: there is no such field, and only the plain is sent then. */
unsigned accept_weight(const char *value, const char *coding);

#endif
