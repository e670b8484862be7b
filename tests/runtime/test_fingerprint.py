"""Cache keys: pure, stable, and different for whatever differs."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.runtime.fingerprint import UntoldError, cache_key, source_digest
from ledger.runtime.parameters import fits_record, is_json, recordable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def key_of(value: Any) -> str | None:
    return cache_key(source="sha256:aa", outputs={}, parameters={"x": value}, inputs={})


def typed(value: Any) -> Any:
    """A value in which 1, 1.0, -0.0 and True differ, and dicts by their order."""
    if isinstance(value, dict):
        return [{key: typed(child)} for key, child in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [typed(child) for child in value]
    return type(value), repr(value)


@given(VALUES, VALUES)
def test_keys_are_equal_exactly_for_equal_values(one: Any, other: Any) -> None:
    """Two parameters have one key if and only if they are the same value of the same types."""
    assert (typed(one) == typed(other)) == (key_of(one) == key_of(other))


def test_the_key_is_pinned() -> None:
    """A release that changed keys would run everything again: this value changes only on purpose."""
    key = cache_key(
        source="sha256:aa", outputs={"x": {"name": "x"}}, parameters={"a": 1.0, "b": float("inf")}, inputs={"c": "id"}
    )
    assert "94cb08c482f6e71e72beb2e80dc9d79fe0080621eca0a36b75e2f3e4fc868fef" == key


def test_every_part_is_part_of_the_key() -> None:
    """Source, outputs, parameters and inputs each change it, and do not stand for each other."""
    parts: dict[str, Any] = {"source": "", "outputs": {}, "parameters": {}, "inputs": {}}
    changed: list[dict[str, Any]] = [
        {},
        {"source": "a"},
        {"outputs": {"a": "b"}},
        {"parameters": {"a": "b"}},
        {"inputs": {"a": "b"}},
    ]
    assert 5 == len({cache_key(**{**parts, **each}) for each in changed})


def test_what_has_neither_source_nor_code_has_no_digest() -> None:
    """A builtin cannot be told from its next version."""
    with pytest.raises(UntoldError, match="len has no source"):
        source_digest(len)


def made(text: str) -> Any:
    """The function ``f`` of a text that is no file."""
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    return namespace["f"]


def test_code_without_source_is_told_by_what_its_instructions_leave_out() -> None:
    """What a ``try`` covers, and what a star gathers, is beside the instructions."""
    texts = [
        "def f(a, b):\n try:\n  a()\n  b()\n except OSError:\n  return 1\n return 0",
        "def f(a, b):\n try:\n  a()\n except OSError:\n  return 1\n else:\n  b()\n return 0",
        "def f(a): return (lambda a: a)(a)",
        "def f(a): return (lambda *a: a)(a)",
    ]
    digests = {source_digest(made(text)) for text in texts}
    assert 4 == len(digests)
    assert digests == {source_digest(made(text)) for text in texts}


@given(st.dictionaries(st.text(max_size=3), st.one_of(VALUES, st.just(object()), st.just("\ud800")), max_size=5))
def test_a_record_takes_what_it_can(arguments: dict[str, Any]) -> None:
    """What is recorded of a pipeline's arguments is JSON, fits, and is all that does."""
    told = recordable(arguments)
    assert fits_record(told)
    for name, value in arguments.items():
        assert (name in told) == (is_json(value) and value != "\ud800")


def test_a_large_argument_does_not_crowd_out_the_others() -> None:
    """Each argument is judged by the room that is left."""
    told = recordable({"a": 1, "large": ["x"] * 100_000, "b": 2})
    assert {"a": 1, "b": 2} == told


def test_functions_that_call_each_other_are_parsed_once() -> None:
    """Each is met behind every other in turn, which would cost seconds for eight of them."""
    names = [f"f{number}" for number in range(5)]
    bodies = [f"    def {name}():\n        return {', '.join(names)}" for name in names]
    made: dict[str, Any] = {}
    exec("\n".join(["def outer():", *bodies, "    return f0"]), made)
    parsed = 0

    def count(_: object, event: str, called: object) -> None:
        nonlocal parsed
        parsed += event == "c_call" and called is compile

    function = made["outer"]()
    source_digest(function)  # their texts are read now
    sys.setprofile(count)
    try:
        source_digest(function)
    finally:
        sys.setprofile(None)
    assert parsed <= len(names)
