"""A check a part at a time comes to a whole one."""

import itertools
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Ledger
from ledger.core import Piece, Report
from ledger.errors import ArgumentError
from ledger.maintenance import Part, rotation, verify_part
from ledger.maintenance.rotation import choose
from tests.kit.contents import noise
from tests.kit.ledgers import damage, lie, objects_of, store_of


def pieces(count: int) -> list[Piece]:
    return [Piece("object", str(number)) for number in range(count)]


@given(count=st.integers(1, 40), share=st.floats(0.01, 1))
def test_runs_that_come_to_the_whole_see_everything(count: int, share: float) -> None:
    """As many runs as the share goes into the whole choose every piece, and none twice before its turn."""
    behind, seen = "", []
    for _ in range(math.ceil(count / math.ceil(share * count))):
        chosen = choose(pieces(count), behind=behind, share=share)
        behind = chosen[-1].key
        seen += chosen
    assert set(pieces(count)) == set(seen)
    assert count == len(set(seen[:count]))


@given(count=st.integers(1, 40), behind=st.text(alphabet="0123456789abcdef", max_size=64))
def test_any_position_will_do(count: int, behind: str) -> None:
    """A position behind a piece that is gone by now goes on with what comes next."""
    assert sorted(pieces(count)) == sorted(choose(pieces(count), behind=behind, share=1.0))


@pytest.fixture
def twenty(ledger: Ledger) -> Ledger:
    """Twenty versions, one of them damaged."""
    with ledger.transaction() as transaction:
        for number in range(20):
            transaction.save({"number": number}, "x")
    damage(sorted(path for path in store_of(ledger).rglob("chunks/*/*") if path.is_file())[7])
    return ledger


def problems_in(reports: list[Report]) -> set[str]:
    return {problem.message for report in reports for problem in report.problems}


def test_a_run_goes_on_behind_what_the_last_one_found(twenty: Ledger) -> None:
    """The position is that of the last piece that was done, also where something was wrong among them."""
    position, every = twenty.path / "cache" / "verify.json", twenty.checking().pieces()
    reports = [verify_part(twenty, Part(share=0.5))]
    for _ in range(2):
        behind = json.loads(position.read_bytes())["deep"]
        reports.append(verify_part(twenty, Part(share=0.5)))
        assert choose(every, behind=behind, share=0.5)[-1].key == json.loads(position.read_bytes())["deep"]
    assert problems_in(reports)


def test_five_samples_of_a_fifth_find_what_a_whole_check_finds(twenty: Ledger) -> None:
    """Each run checks the next fifth, in a new process as well; together they find the damage."""
    totals: list[int] = []
    reports = [
        verify_part(Ledger.open(twenty.path), Part(share=0.2), on_progress=lambda _, total: totals.append(total))
        for _ in range(5)
    ]
    assert problems_in([twenty.verify()]) == problems_in(reports)
    assert not any(report.is_whole for report in reports)
    assert 1 == len(set(totals))
    assert 20 <= sum(report.objects for report in reports) <= 25


def test_parts_find_what_a_record_says_falsely_of_an_object(ledger: Ledger) -> None:
    """Where a version and the chunk that it names are checked in two runs, one of them compares their sizes."""
    small, large = ledger.save({"rows": 1}, "iris"), ledger.save(noise(300_000), "weights")
    lie(ledger, "chunk", small, large)
    every = len(ledger.checking().pieces())
    reports = [verify_part(ledger, Part(share=0.5 / every)) for _ in range(every)]
    assert [("iris@2",)] == [problem.versions for problem in ledger.verify().problems]
    assert problems_in([ledger.verify()]) == problems_in(reports)


def ticking(step: float) -> Callable[[], float]:
    """A clock that goes on by a step whenever it is looked at."""
    moments = itertools.count(step=step)
    return lambda: next(moments)


def test_a_time_box_stops_and_the_next_goes_on(twenty: Ledger) -> None:
    """What there is no time for is checked by the next run, and the one after that, until the damage is found."""
    with twenty.transaction() as transaction:
        for number in range(100):
            transaction.save({"more": number}, "y")
    reports = [verify_part(twenty, Part(seconds=0.5), clock=ticking(1)) for _ in range(3)]
    assert not reports[0].is_whole
    assert problems_in([twenty.verify()]) == problems_in(reports)


def test_what_an_interrupted_run_has_found_is_found_again(ledger: Ledger) -> None:
    """It has told nobody, so the next run does not go on behind it."""
    with ledger.transaction() as transaction:
        for number in range(200):
            transaction.save({"number": number}, "x")
    ledger.save(noise(300_000), "weights")
    [pack] = objects_of(ledger, "packs")
    damage(pack)
    position = ledger.path / "cache" / "verify.json"
    position.parent.mkdir(exist_ok=True)
    first = Piece("object", pack.relative_to(store_of(ledger)).as_posix()).key
    position.write_text(json.dumps({"deep": first[:-1]}))

    def interrupt(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_part(ledger, Part(), on_progress=interrupt)
    [problem] = verify_part(ledger, Part(seconds=0.5), clock=ticking(1)).problems
    assert ("weights@1",) == problem.versions
    assert verify_part(ledger, Part(seconds=0.5), clock=ticking(1)).ok


def test_without_records_there_is_nothing_to_go_through(twenty: Ledger) -> None:
    """Where the branch cannot be read, a quick part says so, as a quick check of the whole does."""
    branch = twenty.git_dir / "refs" / "heads" / "main"
    tip = branch.read_text()
    branch.write_text("nowhere")
    for report in (verify_part(twenty, Part(share=0.5), deep=False), twenty.verify(deep=False)):
        assert ["history"] == [problem.label for problem in report.problems]
    branch.write_text(tip)


def test_with_time_enough_a_part_is_the_whole(twenty: Ledger) -> None:
    """A check that got through everything says so, and names what belongs to no version."""
    report = verify_part(twenty, Part(seconds=600))
    assert (True, 20, 20) == (report.is_whole, report.versions, report.objects)
    assert twenty.verify().problems == report.problems


def test_a_lost_position_starts_over(twenty: Ledger) -> None:
    """The position is derived: damaged or gone, the next run begins somewhere and finds the same."""
    path = twenty.path / "cache" / "verify.json"
    verify_part(twenty, Part(share=0.3))
    for lose in (
        lambda: path.write_bytes(b"{"),
        lambda: path.write_bytes(b'{"deep":"\xff"}'),
        lambda: shutil.rmtree(path.parent),
    ):
        lose()
        reports = [verify_part(twenty, Part(share=0.5)) for _ in range(2)]
        assert problems_in([twenty.verify()]) == problems_in(reports)


def test_quick_and_deep_checks_keep_their_own_positions(ledger: Ledger) -> None:
    """A quick sample does not make the next deep one leave anything out."""
    for number in range(4):
        ledger.save(number, f"x{number}")
    every = len(ledger.checking(deep=True).pieces())
    objects = 0
    for pieces in (every // 2, every - every // 2):
        verify_part(ledger, Part(share=0.3), deep=False)
        objects += verify_part(ledger, Part(share=(pieces - 0.5) / every)).objects
    assert 4 == objects


@pytest.mark.parametrize("part", [Part(share=0.0), Part(share=1.5), Part(share=math.nan), Part(seconds=0)])
def test_a_part_that_is_none_is_refused(ledger: Ledger, part: Part) -> None:
    """A share above the whole, or no time, is an error before anything is read."""
    with pytest.raises(ArgumentError, match="cannot check a share"):
        verify_part(ledger, part)


def test_a_ledger_that_cannot_be_written_can_be_checked(
    twenty: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the position cannot be kept, a check says so once, and each begins elsewhere: none leaves out the same."""
    monkeypatch.setattr(rotation, "_WINDOW", 1)
    (twenty.path / "cache").rename(tmp_path / "aside")
    (twenty.path / "cache").write_text("in the way")
    with pytest.warns(UserWarning, match="begin anywhere") as warned:
        assert verify_part(twenty, Part()).is_whole
    assert 1 == len(warned)
    with pytest.warns(UserWarning, match="begin anywhere"):
        reports = [verify_part(twenty, Part(share=0.01)) for _ in range(40)]
    assert {0, 1} == {report.objects for report in reports}


def test_the_position_is_not_kept_behind_a_link(ledger: Ledger, tmp_path: Path) -> None:
    """A ledger may come from anybody: the user's own file of that name, where the link leads, stays as it is."""
    (own := tmp_path / "own").mkdir()
    (own / "verify.json").write_text("mine")
    (ledger.path / "cache").rmdir()
    (ledger.path / "cache").symlink_to(own)
    with pytest.warns(UserWarning, match="it is a link"):
        verify_part(ledger, Part(share=0.5))
    assert "mine" == (own / "verify.json").read_text()
