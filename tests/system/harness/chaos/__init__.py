# SPDX-License-Identifier: MIT
"""A random but replayable series of faults (tests/fault/chaos.py).

schedule.py  what is done when: a function of the seed alone
actions.py   how each of it is done to a daemon that runs
explain.py   which worker had taken each request that failed
"""
