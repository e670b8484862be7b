"""What releases of a library can do: older ones are supported as far as they go."""

from types import ModuleType

import pytest


def is_since(library: ModuleType, major: int) -> bool:
    """Whether a library is of that major release or a later one."""
    return int(library.__version__.split(".")[0]) >= major


def needs(library: ModuleType, major: int, reason: str) -> pytest.MarkDecorator:
    """A mark of a test of something that a library brought with a major release."""
    return pytest.mark.skipif(not is_since(library, major), reason=f"{library.__name__} before {major}: {reason}")
