# SPDX-License-Identifier: MIT
"""The harness as pytest sees it: the fixture `cluster`, the time limit of each
test, the options, and the checks after each test."""

import functools
import os
import signal

import pytest

from harness import ports, processes, stage
from harness.daemon import Daemon
from harness.memory import little_memory     # noqa: F401 pylint: disable=unused-import
from harness.keeper import Keeper
from harness.row import Row

LIMIT_S = 120


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true",
                     default=os.environ.get("CLUSTERD_TEST_ALL") == "yes",
                     help="the slow tests too")
    parser.addoption("--repeat", type=int, default=1, metavar="N",
                     help="run each test N times")


def pytest_configure():
    processes.adopt_orphans()


def pytest_generate_tests(metafunc):
    times = metafunc.config.getoption("--repeat")
    if times > 1:
        metafunc.parametrize("repetition", range(times), indirect=True)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--all"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


# ---- the time limit ---------------------------------------------------------------

class TimeIsUp(BaseException):
    """Not an Exception: no test may catch it by accident."""


def _limited(item, phase):
    marker = item.get_closest_marker("limit")
    limit = marker.args[0] if marker else LIMIT_S

    def on_alarm(*_):
        raise TimeIsUp("%s of %s took more than %d s" % (phase, item.name, limit))
    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from _limited(item, "set-up")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from _limited(item, "the run")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield from _limited(item, "the end")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    setattr(item, "report_" + outcome.get_result().when, outcome.get_result())


# ---- fixtures -----------------------------------------------------------------------

@pytest.fixture(autouse=True)
def repetition(request):
    """Which run of --repeat this is."""
    return getattr(request, "param", 0)


@pytest.fixture(scope="session")
def build():
    """The directory of the build under test."""
    path = os.environ.get("CLUSTERD_BUILD")
    if not path:
        pytest.exit("CLUSTERD_BUILD does not name a build directory", 2)
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def plugin_dirs(build):                 # pylint: disable=redefined-outer-name
    with stage.plugins(build) as dirs:
        yield dirs


@pytest.fixture
def cluster(build, plugin_dirs, request):       # pylint: disable=redefined-outer-name
    """cluster(workers=2, routes={"/": "hello"}, ...) starts a Daemon."""
    before = set(processes.children(os.getpid()))
    started = []

    def make(*args, **how):
        start = how.pop("start", True)
        kind = how.pop("kind", Daemon)
        daemon = kind(build, plugin_dirs, *args, start=False, **how)
        started.append(daemon)
        if start:
            daemon.start()
        return daemon

    yield make
    wrong = []
    for daemon in started:
        wrong += daemon.finish()
    wrong += processes.left_behind(before)
    failed = wrong or getattr(getattr(request.node, "report_call", None), "failed", True)
    for daemon in started:
        if failed and daemon.log():
            print("---- log of %s\n%s" % (daemon.dir, daemon.log()[-20000:]))
        daemon.remove()
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.fixture
def row(cluster):                       # pylint: disable=redefined-outer-name
    """row(workers=4, ...) starts a Row: load, probe and oracle of doc/faults.md."""
    return functools.partial(cluster, kind=Row)


@pytest.fixture
def port():
    """One of 127.0.0.1 that nobody has, and nobody else will."""
    return ports.own()


@pytest.fixture
def keeper(build):                      # pylint: disable=redefined-outer-name
    """keeper(...) starts one whose master, checker and workers the test plays."""
    made = []

    def make(**how):
        made.append(Keeper(build, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()
    left = processes.left_behind(patience=5)
    for one in made:
        print("---- log of %s\n%s" % (one.dir, one.said() if one.process else ""))
        one.remove()
    assert not left
