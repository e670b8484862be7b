"""Enum members that are something else as well stay data, and are found by the name that their class gave them."""

import enum
import json
from pathlib import PurePosixPath

import pytest

from ledger.enums import TrustClass
from tests.kit.materializing import Bench


class Mark(bytes, enum.Enum):
    PNG = b"\x89PNG"


class Buffer(bytearray, enum.Enum):  # type: ignore[misc]  # each base has a hash of its own
    EMPTY = b""


class Place(PurePosixPath, enum.Enum):
    HERE = "data/raw"


class Half(enum.Enum):
    LEFT = "\ud800"


class Told(enum.Flag):
    ONE = 1
    TWO = 2

    @property
    def name(self) -> str:
        raise AssertionError("code of the class has run")

    @property
    def value(self) -> int:
        raise AssertionError("code of the class has run")


MEMBERS = [Mark.PNG, Buffer.EMPTY, Place.HERE, Half.LEFT, Told.ONE, Told.ONE | Told.TWO]


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: f"{type(member).__name__}-{member._name_}")
def test_a_member_comes_back_by_its_own_name(bench: Bench, member: enum.Enum) -> None:
    """The name is the member's, whatever its class calls ``name``, and reading it asks for no trust."""
    saved, held = bench.save(member)
    assert TrustClass.DATA == saved.trust
    assert member._name_ == json.loads(held["data.json"])["$enum"][1]
    assert bench.load(saved, held) is member
    assert bench.round_trip([member])[0] is member
