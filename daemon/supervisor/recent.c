/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* recent.c: how often has a slot died of late; see recent.h. */
#include "daemon/supervisor/recent.h"

unsigned
recent_note_death(struct memo_slot *slot, uint64_t now_ns, uint64_t minute_ns)
{
	uint32_t now = (uint32_t)(now_ns / minute_ns);
	unsigned count = 0;

	if (now - slot->minute > MEMO_MINUTES)
		slot->minute = now - MEMO_MINUTES;
	while (slot->minute != now)
		slot->deaths[++slot->minute % MEMO_MINUTES] = 0;
	if (slot->deaths[now % MEMO_MINUTES] < UINT16_MAX)
		slot->deaths[now % MEMO_MINUTES]++;
	for (unsigned i = 0; i < MEMO_MINUTES; i++)
		count += slot->deaths[i];
	return count;
}
