"""Which names were surely not met before, so that most need no look-up: a bit stands for all that begin alike."""


class NameFilter:
    """The names that were added, in little memory."""

    def __init__(self, most: int, *, is_empty: bool) -> None:
        """``most`` is how many names there may be; without ``is_empty``, any of them may have been met before."""
        self._shift = 32 - min(max(most.bit_length() + 3, 8), 26)
        self._bits = bytearray(1 << 32 - self._shift >> 3) if is_empty else None

    def add(self, name: bytes) -> None:
        """Add a name."""
        if self._bits is not None:
            place = int.from_bytes(name[:4]) >> self._shift
            self._bits[place >> 3] |= 1 << (place & 7)

    def may_hold(self, name: bytes) -> bool:
        """Whether a name may have been added."""
        if self._bits is None:
            return True
        place = int.from_bytes(name[:4]) >> self._shift
        return bool(self._bits[place >> 3] & 1 << (place & 7))
