"""Time stamps and spans of pandas, by themselves and in containers, keep their unit and zone."""

import struct
import zoneinfo
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import MaterializerError
from ledger.materializers.pandas_dtypes import decode_dtype
from tests.kit.materializing import Bench

pd = pytest.importorskip("pandas")


def test_stamps_in_containers_keep_their_unit_and_zone(bench: Bench) -> None:
    """Time stamps and spans of pandas in a dict are neither cut to microseconds nor made Python's."""
    value = [pd.Timestamp("2020-01-01 00:00:00.123456789", tz="Europe/Paris"), pd.Timedelta(5, "ns"), pd.NaT, pd.NA]
    loaded = bench.round_trip({"when": value})["when"]
    assert list(map(repr, loaded)) == list(map(repr, value))
    assert loaded[0].unit == value[0].unit


def test_a_stamp_in_any_utc_is_data(bench: Bench) -> None:
    """All zones that are UTC are one to pandas, in a stamp as in a column: none of them asks for trust."""
    stamp = pd.Timestamp("2020", tz=zoneinfo.ZoneInfo("UTC"))
    saved, held = bench.save(stamp)
    loaded = bench.load(saved, held)
    assert ("builtin.datetime/1", stamp, "UTC") == (saved.key, loaded, str(loaded.tz))
    column = pd.Series([stamp, "x"])
    pd.testing.assert_series_equal(column, bench.round_trip(column))


def test_a_stamp_in_a_zone_without_a_name_is_left_to_the_last_resort(bench: Bench) -> None:
    """A zone that pandas does not find by its text does not keep a time stamp from being saved."""
    zones = pytest.importorskip("dateutil.tz")
    stamp = pd.Timestamp("2020", tz=zones.gettz("Europe/Berlin"))
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(stamp)
    loaded = bench.load(saved, held, trusted=True)
    assert (saved.key, stamp, stamp.tzinfo) == ("builtin.cloudpickle/1", loaded, loaded.tzinfo)


def test_no_zone_is_read_from_a_file_that_a_record_names(bench: Bench, tmp_path: Path) -> None:
    """Whoever wrote the ledger may name any file of this machine, which pandas takes for a zone as well."""
    (tmp_path / "zone").write_bytes(b"TZif" + struct.pack(">16x6llbb4s", 0, 0, 0, 0, 1, 4, 0, 0, 0, b"UTC"))
    file = f"dateutil/{tmp_path}/zone"
    saved, held = bench.save(pd.Timestamp("2020", tz="Asia/Tokyo"))
    forged = {name: data.replace(b"Asia/Tokyo", file.encode()) for name, data in held.items()}
    with pytest.raises(MaterializerError, match="names the file of a time zone"):
        bench.load(saved, forged)
    with pytest.raises(MaterializerError, match="names the file of a time zone"):
        decode_dtype(f"datetime64[ns, {file}]")


def test_labels_that_are_times_of_day_lose_no_nanosecond(bench: Bench) -> None:
    """As plain values they have whole microseconds: labels with more are refused, where rows keep them."""
    pa = pytest.importorskip("pyarrow")

    def times(nanoseconds: int) -> Any:
        counts = pa.array([nanoseconds, 5000], "int64").cast(pa.time64("ns"))
        return pd.Index(pd.array(counts, dtype=pd.ArrowDtype(counts.type)))

    labelled = pd.DataFrame([[1, 2]], columns=times(2000))
    pd.testing.assert_frame_equal(labelled, bench.round_trip(labelled))
    for value in (pd.DataFrame([[1, 2]], columns=times(2001)), pd.Series(pd.Categorical(times(2001)))):
        with pytest.raises(MaterializerError, match="kept to the microsecond"):
            bench.save(value)
    rows = pd.Series([1, 2], index=times(2001))
    pd.testing.assert_series_equal(rows, bench.round_trip(rows))
