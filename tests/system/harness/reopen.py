# SPDX-License-Identifier: MIT
"""`log reopen` where the disk answers, be it late."""

from harness import wait

PATIENCE_S = 30


def reopen(c, code=0):
    """Asked again as long as the disk takes longer than a client is kept waiting for it
    (a second of the scale): the answer, which ends with this code."""
    def answer():
        result = c.ctl("log", "reopen")
        late = result.code == 5 and "its disk does not answer" in result
        return None if late else result
    result = wait.until(answer, PATIENCE_S, "answer of the disk")
    assert result.code == code, result
    return result
