# SPDX-License-Identifier: MIT
"""The whole table."""

from harness.wire import bodies, chunks, connections, fields, requests

CASES = requests.CASES + fields.CASES + bodies.CASES + chunks.CASES + connections.CASES
