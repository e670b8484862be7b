"""Which failures are an interrupt (Ctrl-C) in other words."""


def was_interrupt(error: BaseException | None) -> bool:
    """Whether an error is an interrupt, or was raised from one.

    Before Python 3.12 an interrupt that strikes while a class is being made, as whenever modules are loaded, leaves the
    class's ``__set_name__`` as a `RuntimeError` from it.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None
