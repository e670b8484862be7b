"""Which errors stand for an interrupt (Ctrl-C)."""


def was_interrupt(error: BaseException | None) -> bool:
    """Whether an error is an interrupt, or was raised from one.

    Before Python 3.12, an interrupt that strikes in a ``__set_name__`` while a class is being made, as happens when
    modules are loaded, comes out as a `RuntimeError` raised from it. The causes of others' errors may form a circle.
    """
    seen = set[int]()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__
    return False
