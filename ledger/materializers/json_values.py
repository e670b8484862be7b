"""Numbers, texts, truth values, None, containers, enum members, times, UUIDs, bytes and dataclasses.

Owns the materializers of what Python itself brings, most of which share the tree of
``data.json``. A subclass of these that adds something of its own has no form here and
is left to the last resort, rather than come back as its base class.
"""

import datetime as dt
import os
import uuid
from collections import deque
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, ClassVar

from ledger.enums import ArtifactType
from ledger.errors import MaterializerError
from ledger.materializers.atoms import DECIMAL_BITS
from ledger.materializers.base import BaseMaterializer, highest_trust
from ledger.materializers.decoding import TreeDecoder
from ledger.materializers.encoding import TreeEncoder, can_encode
from ledger.materializers.registry import DATACLASS, JSON, LAST_RESORT, TENSORS, materializer_named, qualified_name
from ledger.materializers.state_dicts import is_state_dict
from ledger.materializers.tree_files import write_tree

_NUMBERS = (int, float, complex)
_CONTAINERS = (list, dict, tuple, set, frozenset, deque)
_SIMPLE = (type(None), type(...), range, PurePosixPath, PureWindowsPath)


class _TreeMaterializer(BaseMaterializer):
    """A value as the tree in ``data.json``."""

    SKIP_REGISTRATION: ClassVar[bool] = True
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def save(self, value: Any) -> None:
        """Write ``data.json`` and the sub folders of elements without a JSON form."""
        if not can_encode(value):
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        encoder = TreeEncoder(self.files)
        write_tree(self.files, encoder.encode(value))
        self.trust = highest_trust(self.trust, encoder.trust)

    def load(self, data_type: type | None) -> Any:
        """The value, with the types it had."""
        with self.open("data.json", "r") as file:
            text = file.read()
        return TreeDecoder(self.files, passed=data_type).decode_text(text)


class JsonMaterializer(_TreeMaterializer):
    """Numbers, texts, None, ``...``, ranges, paths that are only names, and containers of anything."""

    REGISTRY_KEY: ClassVar[str] = JSON
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (*_NUMBERS, bool, str, *_CONTAINERS, *_SIMPLE)
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = (
        "numpy.generic",
        "numpy.bytes_",  # nearer than bytes, which it derives from
        "pandas.api.typing.NAType",
        "pandas._libs.missing.NAType",
        "decimal.Decimal",
        "fractions.Fraction",
    )

    def save(self, value: Any) -> None:
        """Write ``data.json``; a state dict of tensors becomes one safetensors file."""
        if is_state_dict(value):
            self.save_as(materializer_named(TENSORS), value)
        else:
            super().save(value)

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``string_representation`` of a number, ``length`` of a container, ``parameters`` of a state dict as well."""
        if is_state_dict(value):
            return materializer_named(TENSORS)(self.files).extract_metadata(value)
        if isinstance(value, _CONTAINERS):
            return {"length": len(value)}
        is_number = isinstance(value, _NUMBERS) or qualified_name(type(value)).startswith("numpy.")
        if isinstance(value, int) and value.bit_length() > DECIMAL_BITS:
            return {}
        return {"string_representation": str(value)} if is_number else {}


class _LegibleMaterializer(_TreeMaterializer):
    """A value whose text says all of it."""

    SKIP_REGISTRATION: ClassVar[bool] = True

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``string_representation``."""
        return {"string_representation": str(value)}


class UuidMaterializer(_LegibleMaterializer):
    """A UUID."""

    REGISTRY_KEY: ClassVar[str] = "builtin.uuid/1"
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (uuid.UUID,)


class DatetimeMaterializer(_LegibleMaterializer):
    """Dates, times, both together with their time zone, and spans of time."""

    REGISTRY_KEY: ClassVar[str] = "builtin.datetime/1"
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (dt.datetime, dt.date, dt.time, dt.timedelta)


class EnumMaterializer(_LegibleMaterializer):
    """An enum member, by its name."""

    REGISTRY_KEY: ClassVar[str] = "builtin.enum/1"
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (Enum, IntEnum, StrEnum, Flag, IntFlag)


class DataclassMaterializer(_TreeMaterializer):
    """A dataclass instance: its attributes, filled in again without running its class."""

    REGISTRY_KEY: ClassVar[str] = DATACLASS
    SKIP_REGISTRATION: ClassVar[bool] = True


class BytesMaterializer(BaseMaterializer):
    """Bytes as they are; a bytearray and a memoryview of bytes come back as what they were."""

    REGISTRY_KEY: ClassVar[str] = "builtin.bytes/1"
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (bytes, bytearray, memoryview)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def save(self, value: bytes | bytearray | memoryview) -> None:
        """Write ``data.bin``, and beside it ``kind.txt`` where it is not bytes; an enum member by its name."""
        if type(value) not in (bytes, bytearray, memoryview):
            self.save_as(EnumMaterializer if isinstance(value, Enum) else materializer_named(LAST_RESORT), value)
            return
        if isinstance(value, memoryview) and (value.format != "B" or value.ndim != 1):
            # By the last resort it would come back as bytes.
            raise MaterializerError(
                f"a memoryview of format {value.format!r} and shape {value.shape} would come back as plain bytes",
                hint="save numpy.asarray(view), or bytes(view)",
            )
        is_strided = isinstance(value, memoryview) and not value.c_contiguous
        with self.open("data.bin", "wb") as file:
            file.write(bytes(value) if is_strided else value)
        if not isinstance(value, bytes):
            with self.open("kind.txt", "w") as file:
                file.write(type(value).__name__)

    def load(self, data_type: type | None) -> bytes | bytearray | memoryview:
        """The bytes."""
        kind = ""
        if "kind.txt" in self.files.paths():
            with self.open("kind.txt") as file:
                kind = file.read()
        with self.open("data.bin", "rb") as file:
            if kind != "bytearray":
                data: bytes = file.read()
                return memoryview(data) if kind == "memoryview" else data
            array = bytearray(file.seek(0, os.SEEK_END))  # filled in place: a copy would take the memory twice
            file.seek(0)
            file.readinto(array)  # type: ignore[attr-defined]  # every binary stream has it
            return array

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``length`` in bytes."""
        return {"length": len(value)}
