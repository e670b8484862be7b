"""Models of pydantic, as the JSON that pydantic itself writes and validates.

A model is read by its class, which must be defined where it is loaded. Saving tries whether the model comes back. A
model that loses or changes what it holds on its way through JSON, both under the names of its fields and under their
aliases, is left to the last resort. JSON does not tell which fields were set and which have their defaults: that is in
a file of its own, where it matters.
"""

import datetime as dt
import decimal
import functools
import inspect
import json
import operator
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar

from ledger.enums import ArtifactType
from ledger.errors import MaterializerError, UnknownTypeError
from ledger.materializers.atoms import Json
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.known_types import fields_of
from ledger.materializers.registry import LAST_RESORT, declares_fields, materializer_named, qualified_name
from ledger.wording import bounded, one_line

_ATOMS = frozenset({type(None), bool, int, str, bytes})
_WITHOUT_MODELS = _ATOMS | {float}
_MOST_TOLD = 5
_PARTS = ("__dict__", "__pydantic_extra__", "__pydantic_private__")


class PydanticMaterializer(BaseMaterializer):
    """A pydantic model; validators of its class run when it is loaded."""

    REGISTRY_KEY: ClassVar[str] = "pydantic.json/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = ("pydantic.main.BaseModel",)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    NEEDS_TYPE: ClassVar[bool] = True
    EXTRA: ClassVar[str] = "pydantic"

    def save(self, value: Any) -> None:
        """Write ``data.json``, and ``set.json`` where fields have their defaults.

        A model that JSON cannot bring back is left to the last resort.
        """
        ways = (_dumped(value, by_alias=by_alias) for by_alias in (False, True))
        way = next((way for way in ways if way is not None), None)
        if way is None:
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        text, loaded = way
        with self.open("data.json", "w") as file:
            file.write(text)
        fields = _set_fields(value)
        if fields != _set_fields(loaded):
            with self.open("set.json", "w") as file:
                json.dump(fields, file)

    def load(self, data_type: type | None) -> Any:
        """The model, validated by its class."""
        from pydantic import ValidationError

        kind: Any = data_type
        if kind is None or not hasattr(kind, "model_validate_json"):
            raise UnknownTypeError(
                f"a pydantic model cannot be loaded as a {kind!r}", hint="pass the model's class as data_type="
            )
        with self.open("data.json") as file:
            text = file.read()
        try:
            model = _by_either_name(kind, text)
        except ValidationError as error:
            raise MaterializerError(
                f"{qualified_name(kind)} does not take what was saved: {_told(error)}", data_type=qualified_name(kind)
            ) from error
        if "set.json" in self.files.paths():
            with self.open("set.json") as file:
                _note_set_fields(model, json.load(file))
        return model

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``schema``, the JSON schema of the model, unless its class has none, as one with an array in a field."""
        from pydantic.errors import PydanticInvalidForJsonSchema

        with suppress(PydanticInvalidForJsonSchema):
            return {"schema": type(value).model_json_schema()}
        return {}


def _dumped(value: Any, *, by_alias: bool) -> tuple[str, Any] | None:
    """A model's JSON and what its class reads from it, if both are the same value."""
    try:
        # Pydantic warns of what may come back different, and that is compared.
        text: str = value.model_dump_json(round_trip=True, by_alias=by_alias, warnings=False)
        loaded = [type(value).model_validate_json(text), _by_either_name(type(value), text)]
        is_back = all(_is_same(model, value) for model in loaded)
    except Exception:  # noqa: BLE001  # what a validator, a serializer or a comparison of the user's raises
        return None
    return (text, loaded[-1]) if is_back else None


def _by_either_name(kind: Any, text: str) -> Any:
    """A model from JSON whose fields stand under their aliases or, from pydantic 2.11 on, under their names."""
    names = {"by_alias": True, "by_name": True} if _knows_names(kind) else {}
    return kind.model_validate_json(text, **names)


@functools.lru_cache(maxsize=256)
def _knows_names(kind: Any) -> bool:
    """Whether a class can be told to go by the names of its fields; a list may hold very many models of it."""
    return "by_name" in inspect.signature(kind.model_validate_json).parameters


def _told(error: Any) -> str:
    """What a class has against some JSON: the first of its fields that do not fit, and why."""
    found = [f"{'.'.join(map(str, each['loc'])) or 'data.json'}: {each['msg']}" for each in error.errors()]
    return bounded(one_line("; ".join(found[:_MOST_TOLD])))


def _set_fields(value: Any) -> list[list[str]]:
    """The names of the fields that were set, for each model that a value is or holds."""
    return [sorted(model.model_fields_set) for model in _models(value)]


def _note_set_fields(value: Any, fields: Json) -> None:
    """Note in each model which of its fields were set; in none, if the classes now make another number of models."""
    models = list(_models(value))
    if len(models) == len(fields):
        for model, names in zip(models, fields, strict=True):
            known = model.model_fields_set.union(vars(model))
            object.__setattr__(model, "__pydantic_fields_set__", known.intersection(names))


def _models(value: Any) -> Iterator[Any]:
    """The models that a value is or holds, in an order that is always the same."""
    if _is_model(value):
        yield value
    for element in _elements(value) or ():
        if type(element) not in _WITHOUT_MODELS:
            yield from _models(element)


def _is_same(left: Any, right: Any) -> bool:
    """Whether two values are equal and of the same types, and so is all they hold; False where nobody can tell."""
    if type(left) is not type(right):
        return False
    if type(left) in _ATOMS:
        return bool(left == right)
    elements, others = _elements(left), _elements(right)
    if elements is not None and others is not None:
        return len(elements) == len(others) and _are_same(elements, others)
    try:
        return bool(_comparable(left) == _comparable(right))
    except (ValueError, TypeError):  # frames and the like have no single truth value
        return False


def _are_same(elements: list[Any], others: list[Any]) -> bool:
    """Whether two lists of one length hold the same values, pair by pair; values of one type are compared at once."""
    kinds = set(map(type, elements))
    if kinds == set(map(type, others)) and len(kinds) == 1:
        if kinds <= _ATOMS:
            return elements == others
        if float in kinds:
            return all(map(operator.eq, map(repr, elements), map(repr, others)))
    return all(map(_is_same, elements, others))


def _elements(value: Any) -> list[Any] | None:
    """What a model or container holds, in an order that is always the same; ``None`` for any other value.

    With it comes what a `defaultdict` or a `deque` does with more elements: its factory, its greatest length.
    """
    if type(value) in (list, tuple):
        return list(value)
    if _is_model(value):
        parts = [getattr(value, part, None) or {} for part in _PARTS]
        return [pair for part in parts for pair in sorted(part.items())]
    if declares_fields(type(value)):
        held = {name: getattr(value, name) for name in fields_of(type(value)) if hasattr(value, name)}
        return sorted((held | getattr(value, "__dict__", {})).items())
    if isinstance(value, dict):
        return [*value.items(), *([value.default_factory] if isinstance(value, defaultdict) else ())]
    if isinstance(value, deque):
        return [*value, value.maxlen]
    return list(value) if isinstance(value, (list, tuple)) else None


def _is_model(value: Any) -> bool:
    return hasattr(type(value), "model_validate_json")


def _comparable(value: Any) -> Any:
    """Something that is equal only for values of one type that nobody can tell apart."""
    if isinstance(value, (float, complex, decimal.Decimal)):  # 1.5 and 1.50 are equal decimals, and not the same
        return repr(value)
    if isinstance(value, (set, frozenset, tuple)):  # a tuple here is in a set, which has no order to compare it by
        elements = ((type(element), _comparable(element)) for element in value)
        return tuple(elements) if isinstance(value, tuple) else frozenset(elements)
    if isinstance(value, (dt.datetime, dt.time)):
        return value, value.fold, _zone_name(value.tzinfo)
    if qualified_name(type(value)) == "numpy.ndarray":
        return value.dtype, value.shape, value.tolist() if value.dtype.hasobject else value.tobytes()
    return value


def _zone_name(zone: dt.tzinfo | None) -> str | None:
    """What a zone is called, unless that is no more than its offset, for which pydantic has zones of its own."""
    if isinstance(zone, dt.timezone):
        name = zone.tzname(None)
        return None if name == dt.timezone(zone.utcoffset(None)).tzname(None) else name
    return getattr(zone, "key", None)
