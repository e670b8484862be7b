"""Which failures are an interrupt (Ctrl-C) in other words."""


def was_interrupt(error: BaseException | None) -> bool:
    """Whether an error is an interrupt, or was raised from one.

    Before Python 3.12 an interrupt that strikes while a class is being made, as whenever modules are loaded, leaves the
    class's ``__set_name__`` as a `RuntimeError` from it. An error of others' code may be a cause of itself.
    """
    seen = set[int]()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__
    return False
