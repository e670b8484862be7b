"""Enum members as JSON, by class and name; flags also by their bits.

A class is compared by its name with those that this process has defined, and none of its code runs. A member's name is
read from ``_name_``, because ``name`` may belong to a class that is mixed in, such as a path's.
"""

import functools
import operator
from enum import Enum, Flag
from typing import Any

from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json, encode_text
from ledger.materializers.registry import qualified_name


def encode_enum(member: Enum) -> Json:
    """The class, the name and the value of a member, the last for people and for flags without a name."""
    return {"$enum": [qualified_name(type(member)), member._name_, _member_value(member)]}


def decode_enum(held: Json, kind: Any) -> Enum:
    """The enum member of ``[class, name, value]``, of the class that was found for it."""
    class_name, name, value = held
    members: dict[str, Enum] = kind._member_map_
    if name in members:
        return members[name]
    if issubclass(kind, Flag) and isinstance(value, int):
        parts = [] if name is None else name.split("|")
        if parts and all(part in members for part in parts):
            return functools.reduce(operator.or_, (members[part] for part in parts))
        bits = _flag_of_bits(kind, value)
        # A member's own name may contain the sign that stands between names.
        if bits is not None and (bits._name_ == name or all(_is_of_bits(part, members, value) for part in parts)):
            return bits
    raise MaterializerError(
        f"enum {class_name} has no member {name!r}, the value was saved as one",
        hint="its members now are " + ", ".join(members),
        data_type=class_name,
        member=name,
    )


def _flag_of_bits(kind: Any, value: int) -> Enum | None:
    """The flag with exactly these bits, named or not; ``None`` where its class does not allow them."""
    if value in kind._value2member_map_:
        return kind._value2member_map_[value]  # type: ignore[no-any-return]
    missing: Any = Flag._missing_  # past an override of it, which would be code run on data
    try:
        found = missing.__func__(kind, value)
    except ValueError:
        return None
    return found if isinstance(found, Enum) and found._value_ == value else None


def _is_of_bits(part: str, members: dict[str, Enum], value: int) -> bool:
    """Whether a part of a flag's name is a member that is in its bits, or bits without a name."""
    member = members.get(part)
    return part.isdecimal() or (member is not None and member._value_ & value == member._value_)


def is_enum(kind: type) -> bool:
    """Whether a class is one of enum members."""
    return issubclass(kind, Enum)


def _member_value(member: Enum) -> Json:
    """For people, and for the composite members of flags; a member is found by its name."""
    value = member._value_
    if type(value) is str:
        return encode_text(value)
    return value if type(value) is int else None
