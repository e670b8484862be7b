"""Texts on their way to a terminal."""

import contextlib
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from ledger.cli.printing import aligned, print_json


@given(
    st.recursive(
        st.text() | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_json_is_plain_ascii_and_says_the_same(document: object) -> None:
    """A JSON document holds nothing but printable ASCII and line feeds, and reads back as it was."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        print_json(document)
    text = printed.getvalue()
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert document == json.loads(text)


def test_columns_begin_at_one_place() -> None:
    """Cells are padded to the widest of their column, and lines end without spaces."""
    assert ["A    LONG", "bbb  c", "d"] == aligned([["A", "LONG"], ["bbb", "c"], ["d", ""]])
