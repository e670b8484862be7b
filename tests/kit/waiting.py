"""Waiting for what another thread or process brings about."""

import time
from collections.abc import Callable

_SECONDS = 20.0


def wait_until(holds: Callable[[], bool]) -> None:
    """Look until something holds; it has to within some seconds."""
    end = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)
