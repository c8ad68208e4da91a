# SPDX-License-Identifier: MIT
"""A configuration as a test states it, written as the INI file it stands for."""

# Keys for tests of faults: the same behaviour as the defaults, sooner.
QUICK = {
    "start_timeout": "10s",
    "drain_timeout": "2s",
    "stop_timeout": "1s",
    "stable_after": "2s",
    "backoff_min": "20ms",
    "backoff_max": "1s",
    "canary_hold": "300ms",
}

# What every row of the fault catalogue starts from.
FAULT = dict(QUICK, workers=4, handler_timeout="1s", request_timeout="1s")

# Fifty clients that hold a connection, and fifty new connections a second; most
# of them have a request in a worker's hands at any moment (plugin evil).
LOAD = {"keepalive": 50, "rate": 50, "path": "/sleep?100", "pause": 0.05}


def pool_section(name, keys, routes):
    """[pool NAME]; a list as a value repeats the key."""
    lines = ["[pool %s]" % name]
    for key, value in keys.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            lines.append("%s = %s" % (key, one))
    for pattern, plugin in routes.items():
        lines.append("route = %s %s" % (pattern, plugin))
    return lines


def render(directory, plugin_dirs, daemon, pools, plugins):
    """The text of clusterd.ini.

    pools is {name: (keys, routes)}; each plugin that a route names gets its
    section, with the options that plugins has for it.
    """
    lines = ["[daemon]"]
    keys = {
        "run_dir": directory + "/run",
        "state_dir": directory + "/state",
        "plugin_dir": ":".join(plugin_dirs),
        "log_level": "debug",
    }
    keys.update(daemon)
    lines += ["%s = %s" % pair for pair in keys.items() if pair[1] is not None]
    instances = dict(plugins)
    for name, (pool_keys, routes) in pools.items():
        lines += [""] + pool_section(name, pool_keys, routes)
        for plugin in routes.values():
            instances.setdefault(plugin, {})
    for plugin, options in instances.items():
        lines += ["", "[plugin %s]" % plugin]
        lines += ["%s = %s" % pair for pair in options.items()]
    return "\n".join(lines) + "\n"
