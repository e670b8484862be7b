"""Who shares which stored bytes."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.blobs import Extent
from ledger.core.shares import Share, shares


@st.composite
def extents(draw: st.DrawFn) -> Extent:
    start = draw(st.integers(0, 20))
    return Extent(draw(st.sampled_from(["packs/a", "packs/b"])), start, start + draw(st.integers(0, 10)))


@given(st.dictionaries(st.sampled_from("vwxyz"), st.lists(extents(), max_size=6), max_size=5))
def test_shares_are_those_of_counting_bytes(held: dict[str, list[Extent]]) -> None:
    """Stored is each byte once; shared are those that are in another's stretches too."""
    as_bytes = {
        holder: {(key, at) for key, start, stop in spans for at in range(start, stop)} for holder, spans in held.items()
    }
    expected = {}
    for holder, own in as_bytes.items():
        others = set().union(*(bytes_ for other, bytes_ in as_bytes.items() if other != holder))
        expected[holder] = Share(stored=len(own), shared=len(own & others))
    assert expected == shares(held)
