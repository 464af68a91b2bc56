/* probe_kinds: each kind of probe, one a file (probe_KIND.c), for probe.c to put together. */
#ifndef BACKEND_PROBE_KINDS_H
#define BACKEND_PROBE_KINDS_H

#include "backend/probe.h"

extern const struct probe_kind probe_command, probe_fed, probe_lanes, probe_ideas, probe_review,
	probe_invariants, probe_lint, probe_services, probe_calm, probe_supply;

#endif
