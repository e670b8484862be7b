"""Manifests and events, against golden records made without the program."""

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import FormatError, UnsupportedFormatError
from ledger.records import MetadataEvent, TagsEvent, decode_event, decode_manifest, encode
from ledger.records.versions import UnknownEvent

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "records.json").read_text(encoding="utf-8"))
MANIFEST = "\n".join(GOLDEN["manifest"]).encode()
EVENTS = ["\n".join(lines).encode() for lines in GOLDEN["events"]]


def changed(**fields: object) -> bytes:
    """The golden manifest with other fields, canonical all the same."""
    return encode({**json.loads(MANIFEST), **fields})


def with_content(**fields: object) -> bytes:
    return changed(content={**json.loads(MANIFEST)["content"], **fields})


@pytest.mark.parametrize("key", ["manifest", "manifest_with_table"])
def test_a_golden_manifest_is_read_and_written_byte_for_byte(key: str) -> None:
    """The struct holds every field of the format, and its bytes are the golden ones."""
    data = "\n".join(GOLDEN[key]).encode()
    assert data == encode(decode_manifest(data, where="iris"))


@pytest.mark.parametrize("data", EVENTS[:2], ids=["tags", "metadata"])
def test_golden_events_are_read_and_written_byte_for_byte(data: bytes) -> None:
    """Both kinds of event have exactly the golden bytes."""
    event = decode_event(data, where="iris")
    assert isinstance(event, (TagsEvent, MetadataEvent))
    assert data == encode(event)


def test_an_event_of_a_later_kind_is_known_by_its_id() -> None:
    """An unknown kind is no error: the event is kept in its place and skipped."""
    expected = UnknownEvent(id=json.loads(EVENTS[2])["id"], kind="retired", format=1)
    assert expected == decode_event(EVENTS[2], where="iris")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": "iris"}, "id 'iris' is not a UUID"),
        ({"id": "019A5D0C-3A7E-7CC2-9D3F-1C0E6B8A4D21"}, "is not a UUID"),
        ({"kind": "tags"}, "Invalid enum value 'tags'"),
        ({"name": None}, "Expected `str`, got `null`"),
        ({"tags": "best"}, "Expected `array`, got `str`"),
        ({"tags": [1]}, "Expected `str`, got `int`"),
        ({"metadata": {"a": {"$later": 1}}}, "unknown encoding '\\$later'"),
        ({"metadata": {"a": {"$int": "5"}}}, "integer 5 encoded as a large one"),
        ({"metadata": []}, "Expected `object`, got `array`"),
        ({"format": 0}, "format is 0, expected a positive integer"),
        ({"format": True}, "Expected `int`, got `bool`"),
        ({"format": 1.0}, "Expected `int`, got `float`"),
        ({"content": None}, "Expected `object`, got `null`"),
    ],
)
def test_a_manifest_with_a_wrong_field_is_refused(fields: dict[str, object], reason: str) -> None:
    """Every field has its type and form; the error names the record."""
    with pytest.raises(FormatError, match=f"^iris@1: .*{reason}"):
        decode_manifest(changed(**fields), where="iris@1")


@pytest.mark.parametrize("field", ["kind", "format"])
def test_what_every_writer_states_every_reader_wants(field: str) -> None:
    """A record that does not say what it is, or in which format, is taken for nothing."""
    record = json.loads(MANIFEST)
    del record[field]
    with pytest.raises(FormatError, match=f"^iris@1: .*missing required field `{field}`"):
        decode_manifest(encode(record), where="iris@1")


DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"digest": "md5:1"}, "malformed digest"),
        ({"chunks": [["sha256:x", 13]]}, "malformed digest"),
        ({"chunks": []}, "0 chunks of 0 bytes in a content of 13"),
        ({"chunks": [[DIGEST, 12]]}, "1 chunks of 12 bytes in a content of 13"),
        ({"chunks": [[DIGEST, 6], [DIGEST, 7]]}, "2 chunks"),
        ({"chunks": [[DIGEST, 14], [DIGEST, -1]]}, "2 chunks"),
        ({"size": 12}, "files of 13 bytes in a content of 12"),
        ({"files": [{"path": "a", "size": 14}, {"path": "b", "size": -1}]}, "files of 13 bytes"),
        ({"files": [{"path": "a", "size": 13, "kind": "socket"}]}, "Invalid enum value 'socket'"),
        ({"files": None, "chunks": None}, "lists no files and does not count them"),
        ({"size": 0, "files": [], "chunks": [[DIGEST, 0]]}, "1 chunks of 0 bytes"),
    ],
)
def test_a_content_that_contradicts_itself_is_refused(fields: dict[str, object], reason: str) -> None:
    """Sizes add up, digests are digests, and a content is whole or counted: judged before anything is read."""
    with pytest.raises(FormatError, match=reason):
        decode_manifest(with_content(**fields), where="iris@1")


def test_a_manifest_of_a_later_format_says_so() -> None:
    """A future format is its own error, whatever else the manifest holds."""
    with pytest.raises(UnsupportedFormatError, match="iris@1: format 2, this program reads up to format 1"):
        decode_manifest(changed(format=2, content=None), where="iris@1")


@pytest.mark.parametrize("data", EVENTS, ids=["tags", "metadata", "unknown"])
def test_an_event_whose_id_is_no_uuid_is_refused(data: bytes) -> None:
    """Events sort by their ids, so an id has one form."""
    with pytest.raises(FormatError, match="iris@1: id 'x' is not a UUID"):
        decode_event(encode({**json.loads(data), "id": "x"}), where="iris@1")


def test_unknown_fields_of_a_manifest_are_passed_over() -> None:
    """A manifest with a field of a later program is read like any other."""
    known = decode_manifest(MANIFEST, where="iris")
    assert known == decode_manifest(changed(later={"a": 1}), where="iris")
