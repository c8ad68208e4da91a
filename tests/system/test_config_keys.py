# SPDX-License-Identifier: MIT
"""Every key of the configuration, as the manual promises it: what it may be, up
to both ends of its range and not beyond, and that `-T', the manual page and the
sample know it.  What is expected is typed here, not taken from keys.def; a key
without a row, or a row without a key, fails."""

import os
import re
import subprocess

import pytest

GOOD = """[pool web]
listen = 127.0.0.1:8080
route = / hello
[plugin hello]
"""


class Key:
    """default: as the manual and the sample have it (None: a key without one);
    good: values, each as it is written or (as written, as shown by -T);
    bad: {value: words of the finding}; given: another line of the same section
    that the values need; limits: as the manual has them."""

    def __init__(self, default, good, bad, given="", limits=None):
        self.default, self.bad, self.given, self.limits = default, bad, given, limits
        self.good = [one if isinstance(one, tuple) else (one, one) for one in good]


def must(words, *bad):
    """Each of these is refused with the range."""
    return {value: 'must be %s, not "%s"' % (words, value) for value in bad}


def words(default, *all_of_them):
    limits = ", ".join(all_of_them)
    return Key(default, all_of_them,
               must("one of " + limits, "", "neither", all_of_them[0] + " " + all_of_them[0],
                    all_of_them[0].upper()), limits=limits)


def numbers(default, low, high, off=False, auto=False, given="", cut=None):
    """cut: the highest that other keys allow"""
    limits = "%s%s%d-%d" % ("off, " * off, "auto, " * auto, low, high)
    return Key(default, [str(low), str(cut or high)] + ["off"] * off + ["auto"] * auto,
               must(limits, "", "-1", "1.5", "x", "9" * 25, str(high + 1),
                    *[str(low - 1)] * (low > 0), *["off"] * (not off),
                    *["auto"] * (not auto)), given, limits)


def measures(default, low, high, below, above, off, given, no_unit):
    limits = "%s%s-%s" % ("off, " * off, low, high)
    bad = must(limits, *below, above, "", "-1", "x", "auto", *["off"] * (not off))
    return Key(default, [low, high] + ["off"] * off, {**bad, **no_unit}, given, limits)


def spans(default, low, high, below, above, off=False, given=""):
    """Durations."""
    return measures(default, low, high, below, above, off, given,
                    {"7": '"7" needs a unit: ms, s, m, h or d'})


def sizes(default, low, high, below, above, off=False, given=""):
    return measures(default, low, high, below, above, off, given,
                    {"7K": '"7K" has no unit of a size: k, M, G or T'})


def account(default, kind):
    return Key(default, ["daemon"], {"a b": '"a b" is not the name of a ' + kind,
                                     "-x": '"-x" is not the name of a ' + kind})


def files(default, *either):
    return Key(default, [*either, "/var/log/clusterd/x.log"],
               must(", ".join([*either, "an absolute path"]), "", "x.log", "neither"),
               limits=", ".join([*either, "FILE"]))


SECONDS = ("0", "99ms")

DAEMON = {
    "user": account("clusterd", "user"),
    "worker_user": account("clusterd-worker", "user"),
    "run_dir": Key("@", ["/", "/run/x"], must("an absolute path", "", "run", "./run")),
    "state_dir": Key("@", ["/", "/var/x"], must("an absolute path", "", "state", "../x")),
    # where hello is found: not to be taken away from the other checks
    "plugin_dir": Key("@", [":".join(["@PLUGINS"] + ["/a"] * 15)],
                      {":".join(["/a"] * 17): "more than 16 paths",
                       **must("an absolute path", "x", "")}),
    "log": files("stderr", "stderr", "syslog"),
    "log_level": words("notice", "error", "warning", "notice", "info", "debug"),
    "log_format": words("text", "text", "json"),
    "control_group": account("clusterd", "group"),
    "control_read": words("group", "group", "all"),
    "include": Key(None, [("@DIR/*.none", None)],
                   {"none.ini": "@DIR/none.ini does not exist"}),
    "record_query": words("no", "no", "yes"),
    "max_workers": numbers("auto", 1, 1024, auto=True),
    "orphan_grace": spans("5s", "1s", "1m", ("0", "999ms"), "61s"),
    "auto_rollback": spans("10m", "10s", "1d", ("0", "9s"), "25h", off=True),
    "keep_events": numbers("100000", 1000, 10000000),
    "keep_deaths": numbers("1000", 100, 1000000),
    "keep_commands": numbers("10000", 100, 1000000),
    "keep_generations": numbers("10", 2, 100),
}

POOL = {
    "listen": Key(None, ["127.0.0.1:0", "[::1]:65535", "unix:/run/x", "fd:web"],
                  {"8080": '"8080" has no port; it must be ADDRESS:PORT',
                   "": '"" has no port; it must be ADDRESS:PORT',
                   "127.0.0.1:65536": '"65536" is not a port, which is 0-65535',
                   "unix:x": 'the path of a Unix socket must be absolute, not "x"'}),
    "protocol": Key("http", ["http"],
                    {"HTTP": 'must be one of http, tcp, udp, not "HTTP"'}),
    "workers": Key("auto", ["auto", "0", "8", "1..8"],
                   {"": 'must be auto, N or MIN..MAX of 0-1024, not ""',
                    "1025": 'must be auto, N or MIN..MAX of 0-1024, not "1025"',
                    "-1": 'must be auto, N or MIN..MAX of 0-1024, not "-1"',
                    "1..1025": 'must be auto, N or MIN..MAX of 0-1024, not "1..1025"',
                    "2..1": '"2..1": MIN must be less than MAX',
                    "0..1": '"0..1": MIN must be at least 1'}),
    "schedule": words("round-robin", "round-robin", "least-connections", "shared", "reuseport"),
    "route": Key(None, ["/x hello", "/x/ hello", "*.txt hello", "example.org/ hello",
                         "GET,PUT /x hello"],
                 {"": '"" is not "[METHODS] PATTERN PLUGIN"',
                  "/x": '"/x" is not "[METHODS] PATTERN PLUGIN"',
                  "/x nobody": "there is no [plugin nobody]"}),
    "filter": Key(None, [],
                  {"": '"" is not "[METHODS] PATTERN PLUGIN"',
                   "/x": '"/x" is not "[METHODS] PATTERN PLUGIN"',
                   "/x nobody": "there is no [plugin nobody]",
                   "/x hello": 'the plugin "hello" is no filter: it has neither on_request '
                               "nor on_response"}),
    "access_log": files("off", "off", "stdout"),
    "access_log_format": Key("combined", ["combined", "json", "$status $path"],
                             must("combined, json or a format with $variables", "common", "")),
    "access_log_sample": numbers("1", 1, 1000000),
    "max_connections": numbers("1024", 1, 1000000, cut=10000),
    "backlog": numbers("1024", 1, 65535),
    "max_header_size": sizes("32k", "1k", "1M", ("0", "1023"), "2M", given="max_uri_size = 256"),
    "max_headers": numbers("100", 1, 1000),
    "max_uri_size": sizes("8k", "256", "1M", ("0", "255"), "2M", given="max_header_size = 1M"),
    "max_body_size": sizes("1M", "0", "1T", (), "2T", off=True),
    "max_pipeline": numbers("16", 1, 1000),
    "body_buffer": sizes("256k", "16k", "64M", ("0", "15k"), "65M"),
    "error_page": Key(None, [("404,400 @DIR/page.txt", "400,404 @DIR/page.txt")],
                      {"": '"" is not "STATUS[,STATUS...] FILE"',
                       "399 /a.txt": '"399" is not a status of 400-599',
                       "600 /a.txt": '"600" is not a status of 400-599',
                       "404 /a.png": "/a.png: its name must end in .html, .json or .txt"}),
    "header_timeout": spans("10s", "100ms", "1h", SECONDS, "61m"),
    "body_timeout": spans("20s", "100ms", "1h", SECONDS, "61m"),
    "send_timeout": spans("30s", "100ms", "1h", SECONDS, "61m"),
    "request_timeout": spans("60s", "100ms", "1d", SECONDS, "25h", off=True),
    "idle_timeout": spans("75s", "0", "1h", (), "61m"),
    "handler_timeout": spans("30s", "100ms", "1h", SECONDS, "61m"),
    "start_timeout": spans("30s", "100ms", "1h", SECONDS, "61m"),
    # together with stop_timeout at most 24 h
    "drain_timeout": Key("30s", ["0", "23h"], must("0-1d", "25h", "", "off", "x"),
                         limits="0-1d"),
    "stop_timeout": spans("5s", "100ms", "10m", SECONDS, "11m"),
    "max_requests": numbers("off", 1, 1 << 53, off=True),
    "max_age": spans("off", "1s", "365d", ("0", "999ms"), "366d", off=True),
    "max_rss": sizes("off", "16M", "1T", ("0", "15M"), "2T", off=True),
    "max_fds": numbers("auto", 64, 1000000, off=True, auto=True),
    "stable_after": spans("60s", "1s", "1h", ("0", "999ms"), "61m"),
    "backoff_min": spans("250ms", "10ms", "1m", ("0", "9ms"), "61s", given="backoff_max = 1h"),
    "backoff_max": spans("30s", "10ms", "1h", ("0", "9ms"), "61m", given="backoff_min = 10ms"),
    "restart_burst": numbers("auto", 1, 10000, auto=True),
    "restart_rate": numbers("auto", 1, 6000, auto=True),
    "max_surge": Key("auto", ["auto", "1", "1024", "1%", "100%"],
                     must("auto, 1-1024, 1%-100%", "0", "1025", "0%", "101%", "", "off", "x%"),
                     limits="auto, 1-1024, 1%-100%"),
    "canary_hold": spans("2s", "0", "10m", (), "11m"),
    "user": account("auto", "user"),
    "group": account("auto", "group"),
    "cwd": Key("/", ["/", "/tmp"], must("an absolute path", "", "tmp")),
    "env": Key(None, ["A=b", "_x=", "A=b=c"],
               {"PATH": "must be NAME=VALUE", "": "must be NAME=VALUE",
                "1A=x": 'the name of a variable is letters, digits and "_"',
                **{name + "=x": "this variable changes the loader or clusterd itself and may "
                   "not be set" for name in ("LD_PRELOAD", "GCONV_PATH", "MALLOC_ARENA_MAX",
                                             "GLIBC_TUNABLES", "CLUSTERD_X")}}),
    "nice": Key("0", ["-20", "0", "19"], must("-20 to 19", "-21", "20", "", "auto", "x"),
                limits="-20 to 19"),
    "cpu_affinity": Key("off", ["off", "auto", "0-3,8", "1023"],
                        must("off, auto or a list as 0-3,8 of CPUs below 1024", "1024", "3-1",
                             "", "x", "1,,2")),
    "rlimit_nofile": Key("auto", ["auto", "193"],
                         must("auto, 193-1073741824", "192", "0", "1073741825", "", "off"),
                         given="max_connections = 1", limits="auto, 193-1073741824"),
    "rlimit_core": sizes("0", "0", "1T", (), "2T", off=True),
    "rlimit_as": sizes("off", "0", "1T", (), "2T", off=True),
    "stdout": files("log", "log", "null"),
    "stderr": files("log", "log", "null"),
    "dispatch_window": numbers("2", 2, 64),
    "min_rate": sizes("500", "0", "1M", (), "2M"),
    "quarantine": words("report", "off", "report", "on"),
    "sandbox": Key("off", ["off"], {
        "log": "log is not in this build, which is without libseccomp",
        "enforce": "enforce is not in this build, which is without libseccomp",
        **must("one of off, log, enforce", "on", "")}, limits="off, log, enforce"),
    "scale_up_busy": Key("50%", [("1", "1%"), "2%", "100%"],
                         must("1%-100%", "0%", "101%", "", "auto", "x"),
                         given="scale_down_busy = 0%", limits="1%-100%"),
    "scale_down_busy": Key("25%", ["0%", "99%"], must("0%-99%", "100%", "", "auto", "-1%"),
                           given="scale_up_busy = 100%", limits="0%-99%"),
    "trusted_proxies": Key("", ["10.0.0.0/8, ::1, unix", "127.0.0.1", "0.0.0.0/0"],
                           {"localhost": '"localhost" is no address, ADDRESS/BITS or "unix"',
                            "::1/129": '"::1/129" is no address, ADDRESS/BITS or "unix"',
                            "10.1.0.0/8": '"10.1.0.0/8" has an address with more than 8 bits',
                            "x" * 3073: "has 3073 bytes, more than 3072"}),
    "proxy_protocol": words("off", "off", "on"),
    "scale_hold": spans("30s", "1s", "1h", ("0", "999ms"), "61m"),
    "socket_mode": Key("0660", ["0600", "0777", ("660", "0660")],
                       must("0600-0777", "0577", "01000", "0", "888", "rw", ""),
                       limits="0600-0777"),
    "socket_group": account("auto", "group"),
    "max_children": numbers("64", 0, 4096),
    "offload_threads": numbers("auto", 1, 64, auto=True),
}

PLUGIN = {
    "module": Key("auto", [("hello.so", "@PLUGINS/hello.so"), "@PLUGINS/hello.so"],
                  {"": "is empty",
                   "./hello.so": 'must be an absolute path or a name in plugin_dir, not '
                   '"./hello.so"',
                   "/etc": "/etc is not a regular file",
                   "xyzzy.so": "xyzzy.so is not in plugin_dir (@PLUGINS)"}),
    "may": Key("", ["scale restart", "scale, send", "scale"],
               {"restat": 'there is no command "restat"; did you mean "restart"?'}),
}

SCOPES = {"daemon": DAEMON, "pool": POOL, "plugin": PLUGIN}
KEYS = [(scope, name) for scope, rows in SCOPES.items() for name in rows]
TITLES = {"daemon": "daemon", "pool": "pool web", "plugin": "plugin hello"}


def place(text, scope, lines):
    """The file with these lines at the top of a section; the number of the first."""
    at = text.splitlines().index("[%s]" % TITLES[scope]) + 1
    all_lines = text.splitlines()
    return "\n".join(all_lines[:at] + lines + all_lines[at:]) + "\n", at + 1


@pytest.fixture
def check(build, tmp_path):
    """check(scope, name, value, given) -> (status, -T, findings, line of the key)"""
    plugins = build + "/plugins"

    def run(scope, name, value, given=""):
        lines = [] if scope == "daemon" and name == "plugin_dir" else ["plugin_dir = " + plugins]
        text = "[daemon]\n" + "".join(line + "\n" for line in lines) + GOOD
        if name == "listen":
            text = text.replace("listen = 127.0.0.1:8080\n", "")
        text, line = place(text, scope, ["%s = %s" % (name, value)] + [given] * bool(given))
        path = tmp_path / "c.ini"
        path.write_text(text)
        done = subprocess.run(
            [build + "/clusterd-worker", "--check", "--print-config", str(path)], timeout=30,
            env=dict(os.environ, CLUSTERD_FP="checker.not_root:skip"), text=True,
            stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr.splitlines(), "%s:%d: " % (path, line)
    (tmp_path / "page.txt").write_text("a page\n")      # of error_page
    run.fill = lambda text: text.replace("@PLUGINS", plugins).replace("@DIR", str(tmp_path))
    return run


def is_warning(finding):
    """That of a key that does nothing yet (test_config.py has their words)."""
    return ": warning: " in finding and "in this version" in finding


@pytest.mark.parametrize("scope, name", KEYS, ids=lambda word: word)
def test_what_it_may_be(check, scope, name):
    """Each good value is taken as it stands and shown by -T; each bad one is
    refused with its line and these very words."""
    key = SCOPES[scope][name]
    for written, shown in key.good:
        status, out, findings, _ = check(scope, name, check.fill(written), key.given)
        assert (status, [one for one in findings if not is_warning(one)]) == (0, []), written
        if shown is not None:
            assert "\n%s = %s\n" % (name, check.fill(shown)) in out, written
    for value, finding in key.bad.items():
        status, out, findings, line = check(scope, name, value, key.given)
        assert (status, out) == (78, ""), value
        findings = [one for one in findings if not is_warning(one)]
        assert findings[0] == "%s[%s] %s: %s" % (line, TITLES[scope], name, check.fill(finding))
        # no other key is blamed
        assert all("] module: hello.so is not in" in one for one in findings[1:]), findings


def items_of(page):
    """{key: text of its item} of clusterd.ini(5)"""
    return {match.group(1): match.group(2).split("\n") for match in re.finditer(
        r"^\.It Ic (\S+)\n(.*?)(?=^\.It|^\.El)", page, re.S | re.M)}


@pytest.fixture(scope="module")
def said(build):
    """(keys of keys.def, clusterd.ini(5) by scope, sample, -T of the defaults)"""
    listed = subprocess.run([build + "/doc/keys", "list"], text=True, capture_output=True,
                            check=True).stdout
    with open(build + "/doc/clusterd.ini.5", encoding="utf-8") as file:
        page = file.read()
    parts = re.split(r"^\.Sh \[(\w+)[^\n]*\n", page, flags=re.M)
    by_scope = {scope: items_of(text) for scope, text in zip(parts[1::2], parts[2::2])}
    with open(build + "/doc/clusterd-all.ini", encoding="utf-8") as file:
        sample = file.read()
    return listed, by_scope, sample


def test_every_key_has_its_row(said):
    assert sorted(tuple(line.split()) for line in said[0].splitlines()) == sorted(KEYS)


@pytest.mark.parametrize("scope, name", KEYS, ids=lambda word: word)
def test_where_it_is_described(check, said, scope, name):
    """clusterd.ini(5) has its purpose, default, range and when a change applies;
    the sample has it at its default; -T shows it."""
    key = SCOPES[scope][name]
    _, by_scope, sample = said
    item = by_scope[scope][name]
    assert item[0].endswith(".") and len(item[0]) > 10, "its purpose"
    assert any(line in ("Applies: live.", "Applies: reload.", "Applies: restart.")
               for line in item)
    if key.default == "@":
        assert any(line.startswith("Default: /") for line in item), item
    elif key.default:
        assert "Default: %s." % key.default in item
    if key.limits:
        assert any(line.startswith("Values: " + key.limits) for line in item), item
    _, section = sample.split("[%s]\n" % TITLES[scope], 1)
    section = section.split("\n[")[0]
    value = r"/\S+" if key.default == "@" else re.escape(key.default or "")
    assert re.search(r"^#?%s =%s" % (name, " ?" + value if key.default else ""), section, re.M)
    _, out, _, _ = check("pool", "workers", "1")
    assert re.search(r"^(; )?%s =" % name, out.split("[%s]\n" % TITLES[scope])[1], re.M)
