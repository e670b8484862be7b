"""What a program wrote to a terminal of ours."""

import os


def read_terminal(ours: int) -> str:
    """Everything that comes out of a terminal until its other end is closed; ours is closed then, too."""
    printed = b""
    try:
        while data := os.read(ours, 1 << 16):
            printed += data
    except OSError:
        pass  # the other end of a terminal is closed
    os.close(ours)
    return printed.decode(errors="replace")
