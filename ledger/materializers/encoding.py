"""Values with elements as a tree of JSON that keeps every type.

Owns the form of ``data.json`` (specs/materializers.md, 3) on the way out. What JSON holds
exactly is plain JSON; everything else is an object of one member whose name begins with
``$``. An element with no such form is saved by its own materializer in a sub folder and
named in its place. A container that holds itself is an error, and so is anything that
could come back as something else.
"""

import json
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from types import MemberDescriptorType
from typing import Any

from ledger.enums import TrustClass
from ledger.errors import MaterializerError
from ledger.materializers.atoms import ATOM_ENCODERS, Json, are_plain, encode_text
from ledger.materializers.base import BaseMaterializer, highest_trust
from ledger.materializers.files import Files
from ledger.materializers.known_types import FACTORIES, fields_of, is_named_tuple, is_plain_dataclass, slots_of
from ledger.materializers.leaves import encode_leaf
from ledger.materializers.places import tell_place
from ledger.materializers.registry import DATACLASS, is_built_in, materializer_for, qualified_name
from ledger.materializers.values import save_value
from ledger.records import MetadataEntry

_SEQUENCES: dict[type, str] = {tuple: "$tuple", set: "$set", frozenset: "$frozenset"}
_PAIRED: dict[type, str] = {OrderedDict: "$ordereddict", Counter: "$counter"}
_CONTAINERS = frozenset({list, dict, tuple, set, frozenset, deque, OrderedDict, Counter, defaultdict})
_ORIGIN = "__orig_class__"  # what typing notes on what a parametrised class made, and only code could tell
_ATTRS_HASH = "_attrs_cached_hash"  # another one in every process; attrs computes what is None
_DEPTH_LIMIT = 200  # a reader takes three or four of the thousand frames Python has for a level
_BLOCK = 1 << 18  # characters
_ELEMENTS = 1 << 10
_AROUND = 20  # characters
_to_text = json.JSONEncoder().encode
_FACTORY_NAMES: dict[type | None, str | None] = {None: None, **{kind: kind.__name__ for kind in FACTORIES}}


class TreeEncoder:
    """Turns one value into JSON; elements without a JSON form go to sub folders of ``files``.

    Without ``files`` there is nowhere for them to go, and they are an error. One that has failed is of no more use.
    ``trust`` is the highest trust class that reading the elements asks for.
    """

    def __init__(self, files: Files | None) -> None:
        self._files = files
        self._saved = 0
        self._above: set[int] = set()
        self._chain: list[object] = []  # what is being written, each held by the one before
        self.trust = TrustClass.DATA
        # Remembered by class: a value may have very many elements of few classes.
        self._materializer_for: Callable[[type], type[BaseMaterializer]] = cache(materializer_for)
        self._slots_of: Callable[[type], Mapping[str, MemberDescriptorType]] = cache(slots_of)
        self._fields_of: Callable[[type], list[str]] = cache(fields_of)
        self._name_of: Callable[[type], str] = cache(qualified_name)
        self._forms: dict[type, Callable[[Any], Json]] = {
            list: self._list,
            dict: self._dict,
            **dict.fromkeys(_SEQUENCES, self._sequence),
            deque: lambda held: {"$deque": [held.maxlen, self._list([*held])]},
            **dict.fromkeys(_PAIRED, self._special_dict),
            defaultdict: lambda held: {"$defaultdict": [_FACTORY_NAMES[held.default_factory], self._pairs(held)]},
            MetadataEntry: lambda entry: self._encode(entry.value),
        }

    def encode(self, value: Any) -> Json:
        """The JSON of a value; `MaterializerError`, which says where, if it holds itself or what cannot be saved."""
        try:
            return self._encode(value)
        except MaterializerError as error:
            tell_place(error, self._chain)
            raise

    def _encode(self, value: Any) -> Json:
        if value is None:
            return None
        kind = type(value)
        encode_atom = ATOM_ENCODERS.get(kind)
        if encode_atom is not None:
            return encode_atom(value)
        if kind not in _CONTAINERS and is_built_in(self._materializer_for(kind)):
            leaf = encode_leaf(value)
            if leaf is not None:
                return leaf
        form = self._form_of(value)
        if form is None:
            return self._save_element(value)
        self._enter(value)
        tree = form(value)
        self._leave(value)
        return tree

    def _form_of(self, value: object) -> Callable[[Any], Json] | None:
        """How a value with elements is written, or ``None`` if its materializer writes it."""
        kind = type(value)
        if kind is defaultdict and not _can_hold_factory(value):
            return None
        if kind in (dict, OrderedDict) and self._files and is_state_dict(value):
            return None
        form = self._forms.get(kind)
        if form is not None:
            return form
        handler = self._materializer_for(kind)
        if is_named_tuple(kind):
            form = self._named_tuple
        elif handler.REGISTRY_KEY == DATACLASS and is_plain_dataclass(kind):
            form = self._dataclass
        else:
            return self._object_array if is_object_array(value) and is_built_in(handler) else None
        self._forms[kind] = form
        return form

    def _enter(self, value: object) -> None:
        """Note a container while its elements are written, so that meeting it again is noticed."""
        self._chain.append(value)
        if id(value) in self._above:
            raise MaterializerError(
                f"a value of type {qualified_name(type(value))} that contains itself cannot be saved",
                hint="save its parts without the reference back",
            )
        if len(self._above) >= _DEPTH_LIMIT:
            raise MaterializerError(
                f"a value nested over {_DEPTH_LIMIT} deep cannot be saved", hint="save its parts in a flat list or dict"
            )
        self._above.add(id(value))

    def _leave(self, value: object) -> None:
        self._chain.pop()
        self._above.remove(id(value))

    def _list(self, value: list[Any]) -> Json:
        return value if are_plain(value) else [self._encode(element) for element in value]

    def _dict(self, value: dict[Any, Any]) -> Json:
        if {str}.issuperset(map(type, value)) and (are_plain(value) or all(map(_is_plain_text, value))):
            return {f"${key}" if key.startswith("$") else key: self._encode(held) for key, held in value.items()}
        return {"$dict": self._pairs(value)}

    def _pairs(self, value: dict[Any, Any]) -> Json:
        pairs = []
        for key, held in value.items():  # no comprehension, which would be one frame more for a level of nesting
            pairs.append([self._encode(key), self._encode(held)])
        return pairs

    def _sequence(self, value: Any) -> Json:
        elements = self._list([*value])
        if type(value) is not tuple:  # equal sets give equal bytes
            elements.sort(key=_text_of)
        return {_SEQUENCES[type(value)]: elements}

    def _special_dict(self, value: Any) -> Json:
        tree = {_PAIRED[type(value)]: self._pairs(value)}
        # In such attributes a state dict of torch has the versions of its modules.
        attributes = {name: held for name, held in vars(value).items() if name != _ORIGIN}
        return {"$attributed": [tree, self._dict(attributes)]} if attributes else tree

    def _named_tuple(self, value: Any) -> Json:
        names = vars(type(value))["_fields"]
        fields = [[name, self._encode(held)] for name, held in zip(names, tuple.__iter__(value), strict=True)]
        return {"$namedtuple": [self._name_of(type(value)), fields]}

    def _dataclass(self, value: Any) -> Json:
        kind = type(value)
        held_by_name = _attributes(value, self._fields_of(kind), self._slots_of(kind))
        fields = {name: self._encode(held) for name, held in held_by_name.items()}
        return {"$dataclass": [self._name_of(kind), fields]}

    def _object_array(self, value: Any) -> Json:
        elements = [self._data_only(element) for element in value.ravel(order="C").tolist()]
        options: dict[str, Json] = {}
        if value.dtype.kind == "T":
            if hasattr(value.dtype, "na_object"):
                options = {"coerce": value.dtype.coerce, "missing": self._data_only(value.dtype.na_object)}
            elif not value.dtype.coerce:
                options = {"coerce": False}
        if value.flags.fnc:
            options["order"] = "F"
        kind = "texts" if value.dtype.kind == "T" else None
        return {"$ndarray": [kind, list(value.shape), elements, *((options,) if options else ())]}

    def _data_only(self, element: Any) -> Json:
        """An element of an array of objects, which is never pickled, not even as a last resort."""
        before, self.trust = self.trust, TrustClass.DATA
        encoded = self._encode(element)
        if self.trust is TrustClass.CODE:
            self._chain.append(element)
            raise MaterializerError(
                f"an array of objects holds a value of type {qualified_name(type(element))}, "
                "which only pickle could save",
                hint="convert the array to a dtype of numbers or texts, or to a list",
                data_type=qualified_name(type(element)),
            )
        self.trust = highest_trust(before, self.trust)
        return encoded

    def _save_element(self, value: Any) -> Json:
        """Leave an element to its own materializer, in the next sub folder."""
        self._enter(value)
        if self._files is None:
            raise MaterializerError(
                f"a value of type {qualified_name(type(value))} has no form in JSON",
                hint="labels and what stands beside data are numbers, texts, times, or lists and dicts of them",
                data_type=qualified_name(type(value)),
            )
        name = str(self._saved)
        self._saved += 1
        saved = save_value(value, self._files.below(name), extract_metadata=False)
        self._leave(value)
        self.trust = highest_trust(self.trust, saved.trust)
        return {"$item": name, "materializer": saved.key, "type": saved.data_type}


def _attributes(value: Any, fields: list[str], slots: Mapping[str, MemberDescriptorType]) -> dict[str, Any]:
    """All that an instance holds: its fields, slots of any class it derives from, and what else was set."""
    held = {name: getattr(value, name) for name in fields if hasattr(value, name)}
    for name, slot in slots.items():
        with suppress(AttributeError):  # a slot that nothing was put into
            held[name] = slot.__get__(value)
    held |= getattr(value, "__dict__", {})
    held.pop(_ORIGIN, None)
    if _ATTRS_HASH in held:
        held[_ATTRS_HASH] = None
    return held


def can_encode(value: object) -> bool:
    """Whether a value itself has a form in the tree, whatever its elements are."""
    kind = type(value)
    if value is None or kind in ATOM_ENCODERS:
        return True
    if kind in _CONTAINERS:
        return _can_hold_factory(value)
    return is_named_tuple(kind) or is_plain_dataclass(kind) or is_object_array(value) or encode_leaf(value) is not None


def write_tree(files: Files, tree: Json) -> None:
    """Write ``data.json``."""
    try:
        with files.open("data.json", "w") as file:
            for piece in _pieces(tree):
                file.write(piece)
    except UnicodeEncodeError as error:
        raise _lone_surrogate(error) from error


def _pieces(tree: Json) -> Iterator[str]:
    """The JSON of a tree in pieces; that of a text or a list is never there as a whole, beside the value itself."""
    if type(tree) is str:
        yield '"'
        yield from (_dumps(block)[1:-1] for block in _blocks(tree))
        yield '"'
    elif type(tree) is list:
        elements = [*tree]  # it may be the user's own list, which another thread changes meanwhile
        yield "["
        for start in range(0, len(elements), _ELEMENTS):
            yield ", " if start else ""
            yield from _blocks(_dumps(elements[start : start + _ELEMENTS])[1:-1])
        yield "]"
    else:
        yield from _blocks(_dumps(tree))  # all of it at once would be encoded beside itself


def _blocks(text: str) -> Iterator[str]:
    return (text[start : start + _BLOCK] for start in range(0, len(text), _BLOCK))


def _lone_surrogate(error: UnicodeEncodeError) -> MaterializerError:
    """The error of a name that UTF-8 cannot write; texts that are values are escaped."""
    around = error.object[max(0, error.start - _AROUND) : error.end + _AROUND]
    return MaterializerError(
        "the name of a class, an attribute or an enum member holds half a surrogate pair, "
        f"{error.object[error.start : error.end]!r}, which UTF-8 cannot write: {around!r}",
        hint="rename it; only texts that are values may hold such a half",
    )


def _dumps(tree: Json) -> str:
    try:
        return json.dumps(tree, ensure_ascii=False, allow_nan=False, check_circular=False)
    except RecursionError as error:
        raise MaterializerError("a value nested too deeply for JSON cannot be saved") from error


@lru_cache(maxsize=1024)  # a value may have very many dicts of the same keys
def _is_plain_text(text: str) -> bool:
    """Whether JSON holds a text as it is."""
    return encode_text(text) is text


def _text_of(tree: Json) -> str:
    """The JSON of a tree, for which an encoder takes longest where it is a whole number."""
    return repr(tree) if type(tree) is int else _to_text(tree)


def _can_hold_factory(value: Any) -> bool:
    """Whether a default dict's factory can be named."""
    return type(value) is not defaultdict or value.default_factory in _FACTORY_NAMES


def is_object_array(value: Any) -> bool:
    """Whether a value is an array whose elements are Python objects or texts of any length, which npy cannot hold."""
    return qualified_name(type(value)) == "numpy.ndarray" and value.dtype.kind in "OT"


def is_state_dict(value: object) -> bool:
    """Whether a value is what a torch module's ``state_dict()`` gives: names and nothing but tensors.

    But for a name that safetensors keeps for itself or cannot write, and attributes that torch does not give one.
    """
    if "torch" not in sys.modules:  # as for most of very many dicts
        return False
    if not isinstance(value, dict) or type(value) not in (dict, OrderedDict) or not value or "__metadata__" in value:
        return False
    if not {"_metadata", _ORIGIN}.issuperset(getattr(value, "__dict__", ())):
        return False
    return all(type(name) is str and _is_tensor(type(held)) and _is_plain_text(name) for name, held in value.items())


def _is_tensor(kind: type) -> bool:
    return kind.__name__ == "Tensor" and qualified_name(kind) == "torch.Tensor"
