# SPDX-License-Identifier: MIT
"""Bad configurations, each with its exact message: file, line, section, key,
what is wrong.  The real checker reads them."""

import os
import pathlib
import pwd
import random
import re
import subprocess

import pytest

from harness import accounts, inject, sanitized, shows

GOOD = """[pool web]
listen = 127.0.0.1:8080
route = / hello
[plugin hello]
"""


@pytest.fixture
def check(build, plugin_dirs, tmp_path):
    """check(text, mode="--print") -> (exit status, stdout, stderr lines with the
    directory of the file taken away, and those of plugins named).  uid: of another
    account than ours, which can enter that directory then."""
    def run(text, mode="--print", root=False, uid=None):
        program, who = build + "/clusterd-worker", {}
        if uid is not None:
            for directory in [tmp_path] + list(tmp_path.parents)[:-2]:
                directory.chmod(0o755)
            program = accounts.program(build, "clusterd-worker", tmp_path)
            who = accounts.become(uid)
        path = tmp_path / "c.ini"
        head = "[daemon]\nplugin_dir = %s\n" % ":".join(plugin_dirs)
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(data.replace(b"@DIRS\n", head.encode()))
        env = dict(os.environ, CLUSTERD_FP="" if root else "checker.not_root:skip")
        done = subprocess.run([program, "--check", mode, str(path)], check=False,
                              env=env, stdin=subprocess.DEVNULL, timeout=30,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **who)
        errors = done.stderr.decode().replace(str(tmp_path) + "/", "")
        for directory, name in zip(plugin_dirs, ("PLUGINS", "TEST_PLUGINS")):
            errors = errors.replace(directory, name)
        return done.returncode, done.stdout.decode(), errors.splitlines()
    run.directory = tmp_path
    return run


def pool(line):
    """A good file whose pool has one more line, which is line 4."""
    return GOOD.replace("[plugin", line + "\n[plugin")


def daemon(line):
    """The same with a line in [daemon], which is line 2."""
    return "[daemon]\n" + line + "\n" + GOOD


def plugin(line):
    """The same with a line in [plugin hello], which is line 7 (and plugin_dir)."""
    return "@DIRS\n" + GOOD + line + "\n"


def key(where, line, text):
    name = line.split("=")[0].strip()
    return "c.ini:%d: [%s] %s: %s" % (2 if where == "daemon" else 4, where, name, text)


def rows():
    """(file, findings).  Files without @DIRS have their plugin not found, which
    is not what the row is about: one finding more."""
    for line, words in KEYS_DAEMON:
        yield daemon(line), [key("daemon", line, words)]
    for line, words in KEYS_POOL:
        yield pool(line), [key("pool web", line, words)]
    for line, words in PLUGIN:
        yield plugin(line), ["c.ini:7: [plugin hello] " + words]
    yield from FILES


NO_UNIT = "needs a unit: ms, s, m, h or d"

KEYS_DAEMON = [
    ("run_dir = run", 'must be an absolute path, not "run"'),
    ("state_dir =", 'must be an absolute path, not ""'),
    ("run_dir = /" + "x" * 200, "has 201 bytes, more than 200"),
    ("plugin_dir = /a:b", 'must be an absolute path, not "b"'),
    ("plugin_dir = " + ":".join(["/a"] * 17), "more than 16 paths"),
    ("log = stdout", 'must be stderr, syslog, an absolute path, not "stdout"'),
    ("log_level = warn", 'must be one of error, warning, notice, info, debug, not "warn"'),
    ("log_format = xml", 'must be one of text, json, not "xml"'),
    ("control_read = everybody", 'must be one of group, all, not "everybody"'),
    ("record_query = on", 'must be one of no, yes, not "on"'),
    ("max_workers = 0", 'must be auto, 1-1024, not "0"'),
    ("orphan_grace = 5", '"5" ' + NO_UNIT),
    ("orphan_grace = 2m", 'must be 1s-1m, not "2m"'),
    ("auto_rollback = 1s", 'must be off, 10s-1d, not "1s"'),
    ("keep_events = 10", 'must be 1000-10000000, not "10"'),
    ("keep_generations = 1", 'must be 2-100, not "1"'),
    ("user = a b", '"a b" is not the name of a user'),
    ("control_group = -x", '"-x" is not the name of a group'),
    ("loglevel = debug", 'unknown key; did you mean "log_level"?'),
    ("workers = 4", "unknown key; it belongs in [pool NAME]"),
    ("zebra = 4", "unknown key"),
    ("include = none.ini", "DIR/none.ini does not exist"),
]

KEYS_POOL = [
    ("listen = 8080", '"8080" has no port; it must be ADDRESS:PORT'),
    ("listen = localhost:80", '"localhost" is not an IP address; did you mean "127.0.0.1:80"?'),
    ("listen = *:80", '"*" is not an IP address; did you mean "0.0.0.0:80"?'),
    ("listen = :80", '"" is not an IP address; did you mean "0.0.0.0:80"?'),
    ("listen = ::1:80", 'an IPv6 address stands in brackets; did you mean "[::1]:80"?'),
    ("listen = [::g]:80", '"[::g]" is not an IP address'),
    ("listen = [::1]", '"[::1]" has no port; it must be ADDRESS:PORT'),
    ("listen = 1.2.3.4:65536", '"65536" is not a port, which is 0-65535'),
    ("listen = 1.2.3.4:http", '"http" is not a port, which is 0-65535'),
    ("listen = unix:sock", 'the path of a Unix socket must be absolute, not "sock"'),
    ("listen = unix:/" + "x" * 120,
     "the path of a Unix socket has 121 bytes, more than 107"),
    ("listen = unix:/run/", '"/run/" is a directory'),
    ("listen = fd:", '"" is not the name of a descriptor (FileDescriptorName=)'),
    ("listen = 127.0.0.1:443 tls", '"tls" is not in this version'),
    ("listen = 127.0.0.1:443 ssl", '"ssl" after the address is not understood'),
    ("exec = /bin/x", '"exec" is not in this version'),
    ("protocol = https", 'must be one of http, tcp, udp, not "https"'),
    ("workers = many", 'must be auto, N or MIN..MAX of 0-1024, not "many"'),
    ("workers = 1025", 'must be auto, N or MIN..MAX of 0-1024, not "1025"'),
    ("workers = 4..2", '"4..2": MIN must be less than MAX'),
    ("workers = 0..2", '"0..2": MIN must be at least 1'),
    ("workers = -1", 'must be auto, N or MIN..MAX of 0-1024, not "-1"'),
    ("schedule = random", "must be one of round-robin, least-connections, shared, reuseport, "
                          'not "random"'),
    ("route = /x", '"/x" is not "[METHODS] PATTERN PLUGIN"'),
    ("route = /x helo", 'there is no [plugin helo]; did you mean "hello"?'),
    ("route = /x static", "there is no [plugin static]"),
    ("route = example.org hello",
     '"example.org" has no path; "example.org/" is everything on that host'),
    ("route = / hello", '"/ hello" is there twice'),
    ("route = GET / hello more", '"GET / hello more" is not "[METHODS] PATTERN PLUGIN"'),
    ("route = / hello more", '"/ hello more" is not "[METHODS] PATTERN PLUGIN"'),
    ("route = GET hello", '"GET" has no path; "GET/" is everything on that host'),
    ("route = get / hello", '"get" is no method; did you mean "GET"?'),
    ("route = GET,FETCH / hello", '"FETCH" is not one of GET, HEAD, POST, PUT, PATCH, '
                                  "DELETE, OPTIONS"),
    ("route = CONNECT / hello", '"CONNECT" is not one of GET, HEAD, POST, PUT, PATCH, '
                                "DELETE, OPTIONS"),
    ("route = GET,POST,GET / hello", '"GET" is there twice'),
    ("route = GET, / hello", '"" is not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'),
    ("route = GET /a*b hello", "\"/a*b\": '*' is only known at the start"),
    ("error_page = 404", '"404" is not "STATUS[,STATUS...] FILE"'),
    ("error_page = 200 /a.html", '"200" is not a status of 400-599'),
    ("error_page = 404,4x4 /a.html", '"4x4" is not a status of 400-599'),
    ("error_page = 404, /a.html", '"" is not a status of 400-599'),
    ("error_page = 404,404 /a.html", "404 is there twice"),
    ("error_page = 404 a.html", 'must be an absolute path, not "a.html"'),
    ("error_page = 404 /a.png", "/a.png: its name must end in .html, .json or .txt"),
    ("error_page = 404 /none/a.html", "cannot open /none/a.html: No such file or directory"),
    ("filter = /x", '"/x" is not "[METHODS] PATTERN PLUGIN"'),
    ("filter = / helo", 'there is no [plugin helo]; did you mean "hello"?'),
    ("filter = FETCH / hello", '"FETCH" is not one of GET, HEAD, POST, PUT, PATCH, '
                               "DELETE, OPTIONS"),
    ("access_log = log.txt", 'must be off, stdout, an absolute path, not "log.txt"'),
    ("access_log = /" + 300 * "x", "has 301 bytes, more than 255"),
    ("access_log_format = common",
     'must be combined, json or a format with $variables, not "common"'),
    ("max_connections = 0", 'must be 1-1000000, not "0"'),
    ("max_connections = 1e3", 'must be 1-1000000, not "1e3"'),
    ("max_header_size = 2M", 'must be 1k-1M, not "2M"'),
    ("max_header_size = 32K", '"32K" has no unit of a size: k, M, G or T'),
    ("max_uri_size = 64k", "max_uri_size (64k) must not be more than max_header_size (32k)"),
    ("handler_timeout = 30", '"30" ' + NO_UNIT),
    ("handler_timeout = off", 'must be 100ms-1h, not "off"'),
    ("max_requests = 0", 'must be off, 1-9007199254740992, not "0"'),
    ("max_age = 366d", 'must be off, 1s-365d, not "366d"'),
    ("max_rss = 1M", 'must be off, 16M-1T, not "1M"'),
    ("backoff_min = 40s", "backoff_min (40s) must not be more than backoff_max (30s)"),
    ("backoff_max = 100ms", "backoff_min (250ms) must not be more than backoff_max (100ms)"),
    ("drain_timeout = 24h",
     "drain_timeout (1d) and stop_timeout (5s) together must not be more than 24h"),
    ("max_surge = 0%", 'must be auto, 1-1024, 1%-100%, not "0%"'),
    ("cwd = tmp", 'must be an absolute path, not "tmp"'),
    ("env = PATH", "must be NAME=VALUE"),
    ("env = 1A=x", 'the name of a variable is letters, digits and "_"'),
    ("env = LD_PRELOAD=/x.so",
     "this variable changes the loader or clusterd itself and may not be set"),
    ("nice = 20", 'must be -20 to 19, not "20"'),
    ("cpu_affinity = 3-1", "must be off, auto or a list as 0-3,8 of CPUs below 1024, not \"3-1\""),
    ("rlimit_nofile = 1000", "must be at least max_connections + 192 = 1216, not 1000"),
    ("rlimit_core = yes", 'must be off, 0-1T, not "yes"'),
    ("stdout = console", 'must be log, null, an absolute path, not "console"'),
    ("dispatch_window = 1", 'must be 2-64, not "1"'),
    ("scale_up_busy = 101%", 'must be 1%-100%, not "101%"'),
    ("socket_mode = 777777", 'must be 0600-0777, not "777777"'),
    ("socket_mode = rw", 'must be 0600-0777, not "rw"'),
    ("worker = 4", 'unknown key; did you mean "workers"?'),
    ("handler_timout = 1s", 'unknown key; did you mean "handler_timeout"?'),
    ("run_dir = /run", "unknown key; it belongs in [daemon]"),
    ("greeting = hi", "unknown key"),
    ("listen = 127.0.0.1:8080", "127.0.0.1:8080 is there twice"),
    ("route =", '"" is not "[METHODS] PATTERN PLUGIN"'),
]

PLUGIN = [
    ("greting = x", 'greting: unknown key; did you mean "greeting"?'),
    ("zzz = x", "zzz: unknown key; the plugin has no such option"),
    ('greeting = "a', "greeting: a quote without its end"),
    ('greeting = "a" b', "greeting: text after the end of a quote"),
    ('greeting = "a\\q"', 'greeting: an escape that is none of \\" \\\\ \\n \\t'),
    ('greeting = a "b', "greeting: a quote without its end"),
    ("module = ../x.so", 'module: must be an absolute path or a name in plugin_dir, '
                         'not "../x.so"'),
    ("module = helo.so", 'module: helo.so is not in plugin_dir (PLUGINS:'
                         'TEST_PLUGINS); did you mean "hello.so"?'),
    ("module = xyzzy.so", "module: xyzzy.so is not in plugin_dir (PLUGINS:"
                          "TEST_PLUGINS)"),
    ("module = /etc/passwd", "module: /etc/passwd: is not an ELF file"),
    ("module = /etc", "module: /etc is not a regular file"),
    ("module = /nowhere/x.so", "module: cannot open /nowhere/x.so: No such file or directory"),
    ("module =", "module: is empty"),
    ("may = scale restat", 'may: there is no command "restat"; did you mean "restart"?'),
    ("may = scale, stop", 'may: "stop" is not for plugins'),
    ("may = audit", 'may: "audit" is not for plugins'),
    ("may = status", 'may: "status" only reads, which every plugin may'),
]

LONG = "x" * 5000

FILES = [
    ("", ["c.ini: there is no [pool NAME]"]),
    ("[daemon]\n", ["c.ini: there is no [pool NAME]"]),
    ("user = x\n" + GOOD, ['c.ini:1: "user" stands before the first section']),
    ("[poool web]\n" + GOOD, ["c.ini:1: [poool web]: unknown section; did you mean [pool web]?"]),
    ("[pool]\n" + GOOD, ["c.ini:1: [pool]: unknown section; did you mean [pool NAME]?"]),
    ("[server]\n" + GOOD, ["c.ini:1: [server]: unknown section; there are [daemon], "
                           "[pool NAME] and [plugin NAME]"]),
    ("[hook start]\n" + GOOD, ['c.ini:1: [hook start]: "hook" is not in this version']),
    # in one file; files may add to each other's sections (test_include)
    (GOOD + "[plugin hello]\n", ["c.ini:5: [plugin hello]: is there already, in line 4"]),
    (GOOD + "[pool web]\nworkers = 2\n[pool web]\nworkers = 3\n",
     ["c.ini:5: [pool web]: is there already, in line 1",
      "c.ini:7: [pool web]: is there already, in line 1",
      "c.ini:8: [pool web] workers: is there already, in line 6"]),
    ("[daemon]\n" + GOOD + "[daemon]\n", ["c.ini:6: [daemon]: is there already, in line 1"]),
    (GOOD + "[pool a/b]\nlisten = 127.0.0.1:1\n",
     ['c.ini:5: [pool a/b]: "a/b" is not a name: up to 31 letters, digits, "-" and "_", '
      "a letter or digit first"]),
    (GOOD + "[pool sorry]\nlisten = 127.0.0.1:1\n",
     ['c.ini:5: [pool sorry]: the name "sorry" is reserved']),
    (GOOD + "[pool master]\nlisten = 127.0.0.1:1\n",
     ['c.ini:5: [pool master]: the name "master" is reserved']),
    (GOOD + "[pool two]\n", ["c.ini:5: [pool two] listen: is required"]),
    (GOOD + "[pool two]\nlisten = 127.0.0.1:8080\n",
     ["c.ini:6: [pool two] listen: 127.0.0.1:8080 is also in [pool web]"]),
    (GOOD + "[pool u]\nlisten = 127.0.0.1:1\nprotocol = udp\nschedule = round-robin\n"
     "route = hello\n",
     ["c.ini:8: [pool u] schedule: round-robin is not possible with protocol = udp; "
      "use shared or reuseport"]),
    (GOOD + "[pool u]\nlisten = 127.0.0.1:1\nlisten = unix:/x\nprotocol = udp\nroute = hello\n",
     ["c.ini:7: [pool u] listen: unix:/x is not possible with protocol = udp"]),
    (GOOD + "[pool t]\nlisten = 127.0.0.1:1\nprotocol = tcp\n",
     ["c.ini:5: [pool t] route: a pool of protocol tcp has one route, not 0"]),
    (GOOD + "[pool t]\nlisten = 127.0.0.1:1\nroute = hello\nroute = hello\nprotocol = tcp\n",
     ["c.ini:7: [pool t] route: a pool of protocol tcp has one route, not 2"]),
    (GOOD + "[pool t]\nlisten = 127.0.0.1:1\nroute = / hello\nprotocol = tcp\n",
     ['c.ini:7: [pool t] route: "/ hello" is not "PLUGIN": with protocol = tcp or udp a route '
      "has no pattern"]),
    (GOOD + "[pool t]\nlisten = 127.0.0.1:1\nroute = hello\nfilter = / hello\n"
     "protocol = tcp\n",
     ["c.ini:8: [pool t] filter: needs protocol = http"]),
    (GOOD + "[pool t]\nlisten = 127.0.0.1:1\nroute = helo\nprotocol = tcp\n",
     ['c.ini:7: [pool t] route: there is no [plugin helo]; did you mean "hello"?']),
    ("[daemon]\nmax_workers = 200\n" + GOOD + "[pool u]\nlisten = 127.0.0.1:1\n"
     "listen = 127.0.0.1:2\nworkers = 129\nschedule = reuseport\n",
     ["c.ini:11: [pool u] schedule: 129 slots x 2 addresses are 258 sockets with reuseport, "
      "more than 256"]),
    (GOOD + "[pool u]\nlisten = 127.0.0.1:1\nschedule = reuseport\nrlimit_nofile = 1000\n",
     ["c.ini:8: [pool u] rlimit_nofile: must be at least max_connections + 448 = 1472, "
      "not 1000"]),
    (GOOD + "[pool u]\nlisten = unix:/tmp/x\nschedule = reuseport\n",
     ["c.ini:6: [pool u] listen: unix:/tmp/x is not possible with schedule = reuseport"]),
    ("[daemon]\nmax_workers = 4\n" + GOOD + "[pool b]\nlisten = 127.0.0.1:1\nworkers = 5\n",
     ["c.ini:2: [daemon] max_workers: the pools' workers are 5, more than max_workers (4)"]),
    ("[daemon\n" + GOOD, ['c.ini:1: a section without its "]"']),
    ("[daemon] x\n" + GOOD, ['c.ini:1: text after the "]" of a section']),
    ("[]\n" + GOOD, ["c.ini:1: a section without a name"]),
    ("[" + "p" * 50 + "]\n" + GOOD, ["c.ini:1: the name of a section has more than 49 bytes"]),
    ("[daemon\nlog = nowhere\n" + GOOD, ['c.ini:1: a section without its "]"']),
    ("[daemon]\n log = stderr\n" + GOOD,
     ["c.ini:2: [daemon]: a blank at the start of a line; a value cannot be continued"]),
    ("[daemon]\nlog stderr\n" + GOOD, ['c.ini:2: [daemon]: "log stderr" is not "KEY = VALUE"']),
    ("[daemon]\nlog: stderr\n" + GOOD,
     ['c.ini:2: [daemon]: ":" before the first "="; it must be "KEY = VALUE"']),
    ("[daemon]\n= stderr\n" + GOOD, ['c.ini:2: [daemon]: nothing before the "="']),
    ("[daemon]\n" + "k" * 50 + " = 1\n" + GOOD,
     ["c.ini:2: [daemon]: the name of a key has more than 49 bytes"]),
    ("[daemon]\nlog = " + LONG + "\n" + GOOD,
     ['c.ini:2: [daemon]: the line "log = xxxxxxxxxxxxxxxxxxxxxxxx..." has 5006 bytes, '
      "more than 4094"]),
    (b"[daemon]\nlog = a\0b\n" + GOOD.encode(), ["c.ini:2: a NUL byte"]),
    (b"[daemon]\nlog = a\x1bb\n" + GOOD.encode(), ["c.ini:2: a control character"]),
    (b"[daemon]\nlog = a\xff\n" + GOOD.encode(), ["c.ini:2: bytes that are not UTF-8"]),
    (GOOD.replace("route", "workers = 2\nworkers = 3\nroute"),
     ["c.ini:4: [pool web] workers: is there already, in line 3"]),
    ("@DIRS\n" + GOOD + "greeting = a\ngreeting = b\n",
     ["c.ini:8: [plugin hello] greeting: is there already, in line 7"]),
    ("[daemon]\ninclude = c.ini\n" + GOOD, ["c.ini:2: [daemon] include: DIR/c.ini includes itself"]),
    (pool("scale_up_busy = 20%"),
     ["c.ini:4: [pool web] scale_up_busy: scale_down_busy (25%) must be less than "
      "scale_up_busy (20%)"]),
    (pool("scale_down_busy = 60"),
     ["c.ini:4: [pool web] scale_down_busy: scale_down_busy (60%) must be less than "
      "scale_up_busy (50%)"]),
    # all of them in one run, in the order of the lines
    ("[daemon]\nlog = x\n[pool web]\nlisten = 1\nwrokers = 2\nroute = / nobody\n",
     ['c.ini:2: [daemon] log: must be stderr, syslog, an absolute path, not "x"',
      'c.ini:4: [pool web] listen: "1" has no port; it must be ADDRESS:PORT',
      'c.ini:5: [pool web] wrokers: unknown key; did you mean "workers"?',
      "c.ini:6: [pool web] route: there is no [plugin nobody]"]),
]


def test_the_table_is_large():
    assert len(list(rows())) >= 80


@shows("node-B34")
@sanitized
@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row[1][0][:60])
def test_bad_file(check, row):
    text, findings = row
    status, output, errors = check(text)
    # "DIR/x" is a path as the message has it; that of the file itself is taken away
    expected = [line.replace("DIR/", "") for line in findings]
    # a file without @DIRS looks for hello.so elsewhere: not the row's matter
    errors = [line for line in errors
              if "hello.so is not in plugin_dir" not in line or line in expected]
    assert errors == expected
    assert status == 78
    assert output == ""


def test_good_file(check):
    status, output, errors = check("@DIRS\n" + GOOD)
    assert (status, output) == (0, "")
    assert errors == ["c.ini: the configuration is good"]


@pytest.mark.parametrize("protocol, needs", [("tcp", "on_stream"), ("udp", "on_datagram")])
def test_who_has_no_callback_for_it(check, protocol, needs):
    status, _, errors = check(
        "@DIRS\n" + GOOD + "[pool t]\nlisten = 127.0.0.1:1\nroute = hello\n"
        "protocol = %s\n" % protocol)
    assert (status, errors) == (78, [
        "c.ini:9: [pool t] route: hello has no %s, as protocol = %s needs" % (needs, protocol)])


def test_who_handles_no_requests(check):
    """Each route of such a one, at its line: it would be 404."""
    status, _, errors = check(
        "@DIRS\n" + GOOD + "[pool b]\nlisten = 127.0.0.1:1\nroute = / hello\n"
        "filter = / filters\nroute = /a filters\nroute = /b hello\nroute = GET /c streams\n"
        "[plugin filters]\nname = a\n[plugin streams]\n")
    says = 'the plugin "%s" handles no requests: it has neither handle nor on_head'
    assert (status, errors) == (78, ["c.ini:11: [pool b] route: " + says % "filters",
                                     "c.ini:13: [pool b] route: " + says % "streams"])


def test_what_means_nothing_to_a_protocol(check):
    """A warning, as what is written is not what happens."""
    status, _, errors = check(
        "@DIRS\n" + GOOD + "[pool t]\nlisten = 127.0.0.1:1\nroute = echo\nmax_headers = 3\n"
        "idle_timeout = 3s\nprotocol = tcp\n[plugin echo]\n")
    assert (status, errors) == (0, [
        "c.ini:10: warning: [pool t] max_headers: means nothing with protocol = tcp",
        "c.ini: the configuration is good"])


def test_the_sample_is_good(check):
    sample = pathlib.Path(__file__).resolve().parents[2] / "etc" / "clusterd.ini"
    text = sample.read_text(encoding="utf-8")
    assert text.count("[daemon]\n") == 1
    status, _, errors = check(text.replace("[daemon]\n", "@DIRS\n"))
    assert (status, errors) == (0, ["c.ini: the configuration is good"])


@sanitized
def test_effective_configuration_is_a_fixed_point(check):
    """What --print-config prints is the same configuration, when read again."""
    text = "@DIRS\n" + GOOD.replace("route", "env = A=b; c\nmax_surge = 25%\nroute", 1)
    text += 'greeting = "a \\"b\\" ; c\\n"\n'
    status, first, errors = check(text, "--print-config")
    assert (status, errors) == (0, [])
    assert 'greeting = "a \\"b\\" ; c\\n"\n' in first
    status, second, errors = check(first, "--print-config")
    assert (status, errors) == (0, [])
    assert second == first


def test_include(check):
    directory = check.directory
    (directory / "conf.d").mkdir()
    (directory / "conf.d" / "b.ini").write_text("[pool web]\nworkers = 3\nidle_timeout = x\n")
    (directory / "conf.d" / "a.ini").write_text("[pool web]\nworkers = 2\n")
    status, _, errors = check("@DIRS\n" + "include = conf.d/*.ini\n" + GOOD)
    assert status == 78
    assert errors == [
        "conf.d/b.ini:2: [pool web] workers: is there already, in conf.d/a.ini:2",
        'conf.d/b.ini:3: [pool web] idle_timeout: must be 0-1h, not "x"']


def test_include_too_deep(check):
    for level in range(10):
        (check.directory / ("%d.ini" % level)).write_text(
            "[daemon]\ninclude = %d.ini\n" % (level + 1))
    status, _, errors = check("@DIRS\ninclude = 0.ini\n" + GOOD)
    assert status == 78
    assert errors == ["7.ini:2: [daemon] include: more than 8 files deep"]


OPTIONS = "@DIRS\n[pool web]\nlisten = 127.0.0.1:0\nroute = / options\n[plugin options]\n"


@shows("node-S2")
@pytest.mark.parametrize("line, words", [
    ("level = 6", "level: outside -5 to 5"),
    ("level = x", "level: is not a number"),
    ("room = 8K", "room: a size needs its unit"),
    ("wait = 5", "wait: a duration needs its unit"),
    ("wait = 2m", "wait: outside 0 to 60000"),
    ("on = maybe", "on: is neither yes nor no"),
    ("mood = sad", "mood: is not one of calm|wild"),
    ("password = file:/nowhere",
     "password: cannot open /nowhere: No such file or directory"),
])
def test_bad_option(check, line, words):
    status, _, errors = check(OPTIONS + "name = x\n" + line + "\n")
    assert (status, errors) == (78, ["c.ini:8: [plugin options] " + words])


def test_required_option(check):
    status, _, errors = check(OPTIONS)
    assert (status, errors) == (78, ["c.ini:6: [plugin options] name: is required"])


@pytest.mark.parametrize("in_file", [False, True])
def test_secrets_are_not_shown(check, in_file):
    secret = check.directory / "secret"
    secret.write_text("hush-hush\n")
    value = "file:%s" % secret if in_file else "hush-hush"
    text = OPTIONS + "name = x\npassword = %s\n" % value
    status, output, errors = check(text, "--print-config")
    assert (status, errors) == (0, [])
    assert "password = ***\n" in output
    assert "hush" not in output
    status, output, errors = check(text + "password = hush-hush\n", "--print-config")
    assert (status, output) == (78, "")
    assert errors == ["c.ini:9: [plugin options] password: is there already, in line 8"]


@pytest.mark.parametrize("how, words", [
    ("segv", ["crashed (SIGSEGV)"]),
    ("exit0", ["ended the checker with status 0"]),
    # the second where others want the CPU too
    pytest.param("loop", ["used more than 5 s of CPU time", "did not return within 10 s"],
                 marks=pytest.mark.slow),
])
def test_constructor_that_does_not_return(check, how, words):
    text = "@DIRS\n[pool web]\nlisten = 127.0.0.1:0\nworkers = x\n[plugin evil_ctor_%s]\n" % how
    status, output, errors = check(text)
    assert (status, output) == (78, "")
    assert errors[:1] == [
        'c.ini:5: [pool web] workers: must be auto, N or MIN..MAX of 0-1024, not "x"']
    assert errors[1:] in [[
        "c.ini:6: [plugin evil_ctor_%s] module: the constructor of TEST_PLUGINS/"
        "evil_ctor_%s.so %s" % (how, how, one)] for one in words]


@pytest.mark.parametrize("line, words", [
    ("offload_threads = 3", "has no effect in this version")])
def test_what_does_nothing_yet_is_said(check, line, words):
    status, _, errors = check("@DIRS\n" + pool(line))
    assert status == 0
    assert errors[:-1] == ["c.ini:6: warning: [pool web] %s: %s"
                           % (line.split(" ", maxsplit=1)[0], words)]


def test_a_default_that_is_written_is_no_reason_for_words(check):
    status, _, errors = check("@DIRS\n" + pool("access_log = off\noffload_threads = auto"))
    assert (status, errors) == (0, ["c.ini: the configuration is good"])


def test_path_rules(check):
    """A module that anybody could change: a warning, an error under a root keeper."""
    module = check.directory / "open.so"
    with open(os.environ["CLUSTERD_BUILD"] + "/plugins/hello.so", "rb") as file:
        module.write_bytes(file.read())
    module.chmod(0o666)
    status, _, errors = check("@DIRS\n" + GOOD + "module = %s\n" % module)
    assert errors[0] == ("c.ini:7: warning: [plugin hello] module: open.so is writable by "
                         "everybody (mode 0666)")
    assert status == 0


def test_every_key_is_documented(check, build):
    """keys.def, `clusterd -T', the sample and clusterd.ini(5) name the same keys."""
    listed = subprocess.run([build + "/doc/keys", "list"], stdout=subprocess.PIPE, check=True)
    names = [line.split()[1] for line in listed.stdout.decode().splitlines()]
    assert len(names) > 70
    with open(build + "/doc/clusterd-all.ini", encoding="utf-8") as file:
        sample = file.read()
    with open(build + "/doc/clusterd.ini.5", encoding="utf-8") as file:
        page = file.read().splitlines()
    _, effective, _ = check("@DIRS\n" + GOOD, "--print-config")
    for name in names:
        assert "\n%s =" % name in effective or "\n; %s =" % name in effective, name
        assert "\n%s =" % name in sample or "\n#%s =" % name in sample, name
        assert ".It Ic " + name in page, name


def test_sample_of_all_keys_is_good(check, build):
    """As it is, and with every key taken out of its comment: the same."""
    with open(build + "/doc/clusterd-all.ini", encoding="utf-8") as file:
        sample = file.read()
    module = "\nmodule = %s/plugins/hello.so\n" % build
    sample = sample.replace("\n#module = auto\n", module)
    sample = sample.replace("\n#include = conf.d/*.ini\n", "\n").replace("\n#greeting", "\n;#g")
    for line in ("env = NAME=VALUE", "filter = / NAME",
                 "error_page = 404 /etc/clusterd/404.html"):
        sample = sample.replace("\n#" + line + "\n", "\n")
    written = sample.replace("\n#", "\n")
    status, first, errors = check(sample, "--print-config")
    assert (status, errors) == (0, [])
    status, second, errors = check(written, "--print-config")
    assert (status, errors) == (0, [])
    assert first == second


# ---- under a keeper that is root --------------------------------------------------------

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def two_accounts():
    """Two accounts of this system that are not root, and have groups of their own."""
    found = []
    for entry in pwd.getpwall():
        if entry.pw_uid != 0 and entry.pw_gid != 0 and len(entry.pw_name) < 32:
            found.append(entry.pw_name)
    return found[:2]


def as_root(lines, more=""):
    user, worker = two_accounts()
    keys = {"user": user, "worker_user": worker, "control_group": "root"}
    keys.update(lines)
    return "@DIRS\n%s\n%s%s" % ("\n".join("%s = %s" % pair for pair in keys.items()),
                               GOOD.replace("route", more + "route", 1) if more else GOOD, "")


@NEEDS_ROOT
def test_root_accounts(check):
    assert check(as_root({}), root=True)[::2] == (0, ["c.ini: the configuration is good"])
    user, worker = two_accounts()
    for lines, more, words in [
            ({"user": "root"}, "", '3: [daemon] user: "root" is root, which it must not be'),
            ({"worker_user": user}, "",
             '4: [daemon] worker_user: "%s" is also "user"; plugins could operate the daemon'
             % user),
            ({"user": "nobody-here"}, "", '3: [daemon] user: there is no user "nobody-here"'),
            ({"control_group": "nobody-here"}, "",
             '5: [daemon] control_group: there is no group "nobody-here"'),
            ({}, "user = root\n", '8: [pool web] user: "root" is root, which it must not be'),
            ({}, "user = %s\n" % user,
             '8: [pool web] user: "%s" is also "user" of [daemon]; plugins could operate the '
             "daemon" % user),
            ({}, "group = nobody-here\n", '8: [pool web] group: there is no group "nobody-here"'),
            ({}, "socket_group = nobody-here\n",
             '8: [pool web] socket_group: there is no group "nobody-here"')]:
        status, _, errors = check(as_root(lines, more), root=True)
        assert (status, errors) == (78, ["c.ini:" + words])


@NEEDS_ROOT
def test_root_path_rules(check):
    """Each component that somebody else could change is an error."""
    directory = check.directory / "dir"
    directory.mkdir()
    module = directory / "m.so"
    with open(os.environ["CLUSTERD_BUILD"] + "/plugins/hello.so", "rb") as file:
        module.write_bytes(file.read())
    link = check.directory / "link.so"
    link.symlink_to("dir/m.so")
    stranger = pwd.getpwnam(two_accounts()[1]).pw_uid

    def expect(words, path=module):
        status, _, errors = check(as_root({}) + "module = %s\n" % path, root=True)
        if words is None:
            assert (status, errors) == (0, ["c.ini: the configuration is good"])
        else:
            assert (status, errors) == (78, ["c.ini:10: [plugin hello] module: " + words])

    expect(None)
    expect(None, link)
    module.chmod(0o646)
    expect("dir/m.so is writable by everybody (mode 0646)")
    expect("dir/m.so is writable by everybody (mode 0646)", link)
    module.chmod(0o4755)
    expect("dir/m.so is setuid or setgid (mode 4755)")
    module.chmod(0o644)
    os.chown(module, stranger, 0)
    expect("dir/m.so belongs to uid %d, who could change it (mode 0644)" % stranger)
    os.chown(module, 0, stranger)
    module.chmod(0o664)
    expect("dir/m.so is writable by group %d (mode 0664)" % stranger)
    module.chmod(0o644)
    directory.chmod(0o777)
    expect("dir is writable by everybody (mode 0777)")
    directory.chmod(0o1777)
    expect(None)
    directory.chmod(0o755)
    os.lchown(link, stranger, 0)
    expect("link.so belongs to uid %d, who could change it (mode 0777)" % stranger, link)


@NEEDS_ROOT
def test_file_that_the_checker_may_not_read(check):
    worker = two_accounts()[1]
    secret = check.directory / "secret"
    secret.write_text("x\n")
    secret.chmod(0o600)
    status, _, errors = check(OPTIONS + "name = x\npassword = file:%s\n" % secret,
                              uid=pwd.getpwnam(worker).pw_uid)
    assert status == 78
    assert errors == ["c.ini:8: [plugin options] password: cannot open secret: %s may not read it"
                      % worker]


# ---- want of memory ---------------------------------------------------------------------

def rich(cluster, page):
    """With something in each list."""
    api = {"workers": 3, "idle_timeout": "31s", "user": "nobody", "group": "nogroup",
           "env": ["A=1", "B=2"], "filter": "/ gzip", "socket_group": "nogroup",
           "error_page": "404,405 %s" % page,
           "listen": ["127.0.0.1:0", "unix:/run/none.sock"],
           "routes": {"/": "hello", "GET /two": "hello", "*.x": "hello"}}
    return cluster(start=False, daemon={"control_group": "nogroup"}, pools={"api": api},
                   plugins={"hello": {"greeting": "Hi"}, "gzip": {}})


@NEEDS_ROOT
@inject.needs_preload
@pytest.mark.limit(300)
def test_each_allocation_of_a_check_fails_once(cluster, tmp_path, request):
    """The configuration as it is, or refused for want of memory: nothing of it is
    left out."""
    for directory in [tmp_path] + list(tmp_path.parents)[:-2]:
        directory.chmod(0o755)
    page = tmp_path / "404.html"
    page.write_text("<p>none</p>\n")
    c = rich(cluster, page)
    fi = inject.injected_into(c)
    fi.arm("checker", "malloc:NULL@p=0")
    whole = c.clusterd("-T")
    assert whole.code == 0, whole
    count = fi.calls("checker", "malloc")
    every = range(1, count + 1)
    for k in every if request.config.getoption("--all") else random.sample(every, 250):
        fi.arm("checker", "malloc:NULL@%d" % k)
        result = c.clusterd("-T")
        assert (result.code, result.out) == (0, whole.out) or \
            result.code > 0 and WANT.search(result.err), (k, count, result)


# The C library may take what it could not read for what is not there.
WANT = re.compile("out of memory|does not answer|[Cc]annot allocate memory|no memory|"
                  "there is no (user|group)|module: .*\\.so: .*cannot ")
