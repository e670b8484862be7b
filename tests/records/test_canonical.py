"""The one byte form of records, and everything that is refused as not being it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from ledger.errors import FormatError, UnsupportedFormatError
from ledger.records import decode, decode_compact, encode, encode_compact
from ledger.records.canonical import RECORD_LIMIT

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "canonical.json").read_text(encoding="utf-8")
)
LARGEST = 2**53 - 1

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST, LARGEST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


class Record(Struct, frozen=True, kw_only=True):
    count: int
    share: float = 0.5
    text: str = ""


class Table(Struct, frozen=True, kw_only=True):
    count: int
    format: int = 1


# Spellings of numbers, canonical or not, and what is none.
NUMBERS = st.sampled_from(["0", "1", "2", "-0", "1.0", "1e0", str(LARGEST), str(LARGEST + 1), "true", '"a"'])
FIELDS = st.fixed_dictionaries(
    {"count": NUMBERS}, optional={"format": NUMBERS | st.just("1"), "later": st.sampled_from(['"a"', r'"\u0061"'])}
)


def refused_bytes(row: dict[str, str]) -> bytes:
    return bytes.fromhex(row["hex"]) if "hex" in row else row["text"].encode()


@pytest.mark.parametrize("row", VECTORS["accepted"], ids=lambda row: ascii(row["table"])[:30])
def test_a_value_has_the_bytes_of_the_vectors(row: dict[str, Any]) -> None:
    """A value is written as the golden vectors say, indented in a record and without spaces in a table."""
    assert (row["record"].encode(), row["table"].encode()) == (encode(row["value"]), encode_compact(row["value"]))


@pytest.mark.parametrize("row", VECTORS["accepted"], ids=lambda row: ascii(row["table"])[:30])
def test_the_bytes_of_the_vectors_are_read_back(row: dict[str, Any]) -> None:
    """The golden bytes give the value they were written from, the sign of zero included."""
    found = decode(row["record"].encode(), object, where="a record")
    assert repr(row["value"]) == repr(found) or row["value"] == found
    assert found == decode_compact(row["table"].encode(), object, where="a table")


@pytest.mark.parametrize("row", VECTORS["refused"], ids=lambda row: ascii(row.get("text", row.get("hex")))[:30])
def test_the_bad_bytes_of_the_vectors_are_refused(row: dict[str, str]) -> None:
    """Bytes that are not the canonical form of anything are refused, naming the record and the reason."""
    with pytest.raises(FormatError) as caught:
        decode(refused_bytes(row), object, where="iris@3: version.json")
    assert str(caught.value).startswith("iris@3: version.json: ")
    assert row["reason"] in str(caught.value)


@pytest.mark.parametrize("text", ['{"a": 1}', '{"b":1,"a":2}', '{"a":1,"a":1}', "1e0", "1\n"])
def test_a_table_has_one_form_as_well(text: str) -> None:
    """Other bytes of the same value are refused in a table, too."""
    with pytest.raises(FormatError, match="iris@3: not in canonical form"):
        decode_compact(text.encode(), object, where="iris@3")


@given(FIELDS, st.sampled_from([1, -1]))
@settings(max_examples=5 * settings().max_examples)
def test_a_table_is_judged_as_a_record_is(fields: dict[str, str], step: int) -> None:
    """What is usual is read in a shorter way, which gives the same fields, and refuses as much."""
    names = sorted(fields)[::step]
    table = ("{" + ",".join(f'"{name}":{fields[name]}' for name in names) + "}").encode()
    record = msgspec.json.format(table, indent=2)
    assert outcome(decode, record) == outcome(decode_compact, table)


def outcome(read: Callable[..., object], data: bytes) -> object:
    """What reading gives, or as what it fails."""
    try:
        return read(data, Table, where="iris@3")
    except FormatError as error:
        return type(error)


@given(VALUES)
def test_decoding_gives_what_was_encoded(value: object) -> None:
    """Encoding and decoding are inverse, as a record and as a table."""
    assert repr(_sorted(value)) == repr(decode(encode(value), object, where="r"))
    assert repr(_sorted(value)) == repr(decode_compact(encode_compact(value), object, where="t"))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=str.encode)}
    return [_sorted(child) for child in value] if isinstance(value, list) else value


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_a_record_or_an_error_of_ours(data: bytes) -> None:
    """Whatever stands in a file, it decodes to what encodes to it, or it is a FormatError."""
    try:
        value = decode(data, object, where="r")
    except FormatError:
        return
    assert data == encode(value)


def test_the_size_is_judged_first() -> None:
    """A record over 1 MiB is refused by its size, before anything parses it."""
    with pytest.raises(FormatError, match=f"iris: {RECORD_LIMIT + 1} bytes, over the limit of {RECORD_LIMIT}"):
        decode(b"[" * (RECORD_LIMIT + 1), object, where="iris")


def test_a_record_of_exactly_the_limit_is_written_and_read() -> None:
    """The limit of 1 MiB itself is allowed; one byte more is refused when writing."""
    text = "x" * ((1 << 20) - 2)
    assert text == decode(encode(text), str, where="r")
    with pytest.raises(FormatError, match=str(RECORD_LIMIT + 1)):
        encode(text + "x")


def test_a_table_may_be_larger_than_a_record() -> None:
    """The limit of 1 MiB is for records alone."""
    text = "x" * RECORD_LIMIT
    assert text == decode_compact(encode_compact(text), str, where="t")


def test_the_deepest_nesting_is_written_and_read() -> None:
    """Sixty-four levels are allowed."""
    value: object = 1
    for _ in range(64):
        value = [value]
    assert value == decode(encode(value), object, where="r")


def test_hostile_nesting_is_an_error_of_ours() -> None:
    """A megabyte of brackets neither crashes nor leaks a RecursionError."""
    with pytest.raises(FormatError, match="nested deeper than 64 levels"):
        decode(b"[" * RECORD_LIMIT, object, where="r")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{\n  "count": true\n}', "Expected `int`, got `bool`"),
        ('{\n  "count": 1.0\n}', "Expected `int`, got `float`"),
        ('{\n  "count": "1"\n}', "Expected `int`, got `str`"),
        ('{\n  "count": null\n}', "Expected `int`, got `null`"),
        ('{\n  "count": 1,\n  "text": 1\n}', "Expected `str`, got `int`"),
        ("{}", "missing required field `count`"),
        ("[]", "Expected `object`, got `array`"),
    ],
)
def test_fields_have_exactly_their_types(text: str, reason: str) -> None:
    """A bool is no integer, a float is none either, and nothing is converted on the way."""
    with pytest.raises(FormatError, match=f"^iris@3: .*{reason}"):
        decode(text.encode(), Record, where="iris@3")


def test_an_integer_serves_where_a_float_is_asked_for() -> None:
    """The one allowed widening: 1 is read as 1.0 where a field is a float."""
    assert Record(count=1, share=1.0) == decode(b'{\n  "count": 1,\n  "share": 1\n}', Record, where="r")


def test_unknown_fields_are_allowed() -> None:
    """A record of a later program of the same format is read; what is not known is passed over."""
    assert Record(count=1) == decode(b'{\n  "count": 1,\n  "later": {}\n}', Record, where="r")


def test_a_format_of_the_future_says_which_program_to_get() -> None:
    """A greater format is judged before the fields, and the error names both formats."""
    with pytest.raises(UnsupportedFormatError) as caught:
        decode(b'{\n  "format": 7\n}', Record, where="iris@3")
    assert "iris@3: format 7, this program reads up to format 1" == str(caught.value)
    assert {"found": 7, "supported": 1, "where": "iris@3"} == caught.value.facts
    assert "format 7" in caught.value.hint


@pytest.mark.parametrize(("read", "shape"), [(decode, Record), (decode_compact, object)])
def test_a_format_of_the_future_may_have_another_form(read: Callable[..., object], shape: type) -> None:
    """A greater format is judged before the canonical form, which may be another one by then."""
    with pytest.raises(UnsupportedFormatError, match="iris@3: format 7, this program reads up to format 1"):
        read(b'{ "format": 7 }', shape, where="iris@3")


class FormattedTable(Struct, kw_only=True):
    format: int = 1


@pytest.mark.parametrize("number", [0, -1])
def test_a_table_of_no_format_is_refused(number: int) -> None:
    """Formats begin with 1, in a table that has nothing else unusual too."""
    with pytest.raises(FormatError, match=f"^table: format is {number}, expected a positive integer"):
        decode_compact(b'{"format":%d}' % number, FormattedTable, where="table")


def test_a_second_spelling_is_shown_with_its_place() -> None:
    """The error about canonical form names the byte where the forms part, and both spellings."""
    with pytest.raises(FormatError, match=r"at byte 10 expected b'\.0\\n}', got b'E0\\n}'") as caught:
        decode(b'{\n  "a": 1E0\n}', object, where="r")
    assert caught.value.facts == {"where": "r"}


@pytest.mark.parametrize("write", [encode, encode_compact])
def test_half_a_surrogate_pair_is_never_written(write: Callable[[object], bytes]) -> None:
    """Text that no UTF-8 can hold is a FormatError when writing, in values and keys alike."""
    for value in ({"a": "x\ud800"}, {"\udfff": 1}):
        with pytest.raises(FormatError, match="record holds text that is not valid Unicode"):
            write(value)
