"""The records of runs, steps and cached outputs."""

from typing import Any

import pytest

from ledger.errors import FormatError
from ledger.ids import VersionId
from ledger.records import (
    CacheRecord,
    EndRecord,
    Project,
    RunRecord,
    StepInput,
    StepOutput,
    StepRecord,
    VersionRef,
    decode_cache,
    decode_end,
    decode_run,
    decode_step,
    encode,
)

RUN = "019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21"
ID = VersionId("019a5d0c-3a7f-7000-8000-000000000001")
TIME = "2026-11-23T10:00:00.000000Z"
OUTPUT = StepOutput(output="output", name="model", id=ID)

RUN_RECORD = RunRecord(
    id=RUN,
    pipeline="training",
    started_at=TIME,
    created_by="Ada <ada@example.com>",
    parameters={"rate": {"$float": "nan"}},
    steps=("load", "fit"),
    project=Project(commit="a" * 40, dirty=True),
)
STEP_RECORD = StepRecord(
    run=RUN,
    name="fit",
    status="completed",
    started_at=TIME,
    ended_at=TIME,
    parameters={"depth": 3},
    inputs=(StepInput(argument="data", name="iris", id=ID, kind="step"),),
    outputs=(OUTPUT,),
    saved=(VersionRef(name="notes", id=ID),),
    source="sha256:" + "a" * 64,
    cache_key="b" * 64,
    cached_from=None,
    error=None,
)
END_RECORD = EndRecord(run=RUN, status="failed", ended_at=TIME)
CACHE_RECORD = CacheRecord(key="b" * 64, run=RUN, step="fit", outputs=(OUTPUT,))

RECORDS: list[tuple[Any, Any]] = [
    (RUN_RECORD, decode_run),
    (STEP_RECORD, decode_step),
    (END_RECORD, decode_end),
    (CACHE_RECORD, decode_cache),
]
KINDS = ["run", "step", "end", "cache"]


@pytest.mark.parametrize(("record", "decode"), RECORDS, ids=KINDS)
def test_decoding_gives_the_record_back(record: Any, decode: Any) -> None:
    """Each kind of record is written and read without loss."""
    assert record == decode(encode(record), where="run")


@pytest.mark.parametrize("other", range(4), ids=KINDS)
@pytest.mark.parametrize(("record", "decode"), RECORDS, ids=KINDS)
def test_a_record_is_never_taken_for_another_kind(record: Any, decode: Any, other: int) -> None:
    """A record of another kind in a file is a FormatError that names the file."""
    data = encode(RECORDS[other][0])
    if RECORDS[other][0] != record:
        with pytest.raises(FormatError, match=r"^runs/x: "):
            decode(data, where="runs/x")


@pytest.mark.parametrize(
    ("old", "new", "decode"),
    [
        (encode(RUN_RECORD), (f'"id": "{RUN}"', '"id": "x"'), decode_run),
        (encode(RUN_RECORD), ('"$float": "nan"', '"$float": "x"'), decode_run),
        (encode(STEP_RECORD), ('"depth": 3', '"$later": 3'), decode_step),
        (encode(STEP_RECORD), ('"status": "completed"', '"status": "fine"'), decode_step),
        (encode(STEP_RECORD), ('"cached_from": null', '"cached_from": "x"'), decode_step),
        (encode(STEP_RECORD), ('"kind": "step"', '"kind": "other"'), decode_step),
        (encode(END_RECORD), ('"status": "failed"', '"status": 1'), decode_end),
    ],
)
def test_a_record_with_a_wrong_field_is_refused(old: bytes, new: tuple[str, str], decode: Any) -> None:
    """Ids, values, states and kinds have their forms."""
    data = old.replace(new[0].encode(), new[1].encode())
    assert data != old
    with pytest.raises(FormatError, match=r"^runs/x: "):
        decode(data, where="runs/x")
