"""Values with elements as a tree of JSON that keeps every type.

Owns the form of ``data.json`` (specs/materializers.md, 3) on the way out. A value is written as the first of these
that it can be:

1. plain JSON, if JSON holds it exactly;
2. an object of one member whose name begins with ``$``: a leaf, or a container with the trees of its elements;
3. what its own materializer makes of it in a sub folder, which is named in its place.

Where a user has a materializer for a type, it comes before the forms of this tree, but not before those of Python's own
numbers, texts and containers, and of named tuples, nor before a leaf where it could write no files, as in a column of a
table. A container that holds itself is an error, and so is anything that could come back as something else.
"""

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from types import MemberDescriptorType
from typing import Any

from ledger.enums import TrustClass
from ledger.errors import MaterializerError
from ledger.materializers.atoms import ATOM_ENCODERS, Json, are_plain, is_plain_text
from ledger.materializers.base import BaseMaterializer, highest_trust
from ledger.materializers.files import Files
from ledger.materializers.known_types import FACTORIES, ORIGIN, fields_of, is_named_tuple, is_plain_dataclass, slots_of
from ledger.materializers.leaves import encode_leaf
from ledger.materializers.places import tell_place
from ledger.materializers.registry import DATACLASS, is_built_in, materializer_for, qualified_name
from ledger.materializers.state_dicts import is_state_dict
from ledger.materializers.values import save_value
from ledger.records import MetadataEntry

_SEQUENCES: dict[type, str] = {tuple: "$tuple", set: "$set", frozenset: "$frozenset"}
_PAIRED: dict[type, str] = {OrderedDict: "$ordereddict", Counter: "$counter"}
_CONTAINERS = frozenset({list, dict, tuple, set, frozenset, deque, OrderedDict, Counter, defaultdict})
_ATTRS_HASH = "_attrs_cached_hash"
_DEPTH_LIMIT = 200  # a reader takes three or four of the thousand frames Python has for a level
_to_text = json.JSONEncoder().encode
_FACTORY_NAMES: dict[type | None, str | None] = {None: None, **{kind: kind.__name__ for kind in FACTORIES}}


class TreeEncoder:
    """Turns one value into JSON; elements without a JSON form go to sub folders of ``files``.

    Without ``files`` there is nowhere for them to go, and they are an error. An encoder that has failed is not to be
    used again. ``trust`` is the highest trust class that reading the elements asks for.
    """

    def __init__(self, files: Files | None) -> None:
        self._files = files
        self._saved = 0
        self._above: set[int] = set()  # the ids of the containers whose elements are being written
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
        if kind not in _CONTAINERS and (self._files is None or is_built_in(self._materializer_for(kind))):
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
        """How a value with elements is written, or ``None`` if its materializer writes it.

        The form is that of the value's class, but for containers that are left to a materializer for what they hold.
        """
        kind = type(value)
        if kind is defaultdict and not _has_named_factory(value):
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
        """A JSON object if all keys are texts that JSON holds as they are, else pairs."""
        if {str}.issuperset(map(type, value)) and (are_plain(value) or all(map(is_plain_text, value))):
            return {f"${key}" if key.startswith("$") else key: self._encode(held) for key, held in value.items()}
        return {"$dict": self._pairs(value)}

    def _pairs(self, value: dict[Any, Any]) -> Json:
        pairs = []
        for key, held in value.items():  # no comprehension, which would be one frame more for a level of nesting
            pairs.append([self._encode(key), self._encode(held)])
        return pairs

    def _sequence(self, value: Any) -> Json:
        """The elements of a tuple in their order, those of a set sorted, so that equal sets give equal bytes."""
        elements = self._list([*value])
        if type(value) is not tuple:
            elements.sort(key=_text_of)
        return {_SEQUENCES[type(value)]: elements}

    def _special_dict(self, value: Any) -> Json:
        """Pairs, with the attributes if there are any: a state dict of torch has the versions of its modules there."""
        tree = {_PAIRED[type(value)]: self._pairs(value)}
        attributes = {name: held for name, held in vars(value).items() if name != ORIGIN}
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
        is_of_texts = value.dtype.kind == "T"
        unusual = self._text_options(value.dtype) if is_of_texts else {}
        if value.flags.fnc:
            unusual["order"] = "F"
        tree = ["texts" if is_of_texts else None, list(value.shape), elements]
        return {"$ndarray": [*tree, unusual] if unusual else tree}

    def _text_options(self, dtype: Any) -> dict[str, Json]:
        """What a dtype of texts has that is not the usual: what stands for a missing one, and no coercion to text."""
        if hasattr(dtype, "na_object"):
            return {"coerce": dtype.coerce, "missing": self._data_only(dtype.na_object)}
        return {} if dtype.coerce else {"coerce": False}

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
    held.pop(ORIGIN, None)
    if _ATTRS_HASH in held:  # differs in every process; attrs computes it anew where it is None
        held[_ATTRS_HASH] = None
    return held


def can_encode(value: object) -> bool:
    """Whether a value itself has a form in the tree, whatever its elements are."""
    kind = type(value)
    if value is None or kind in ATOM_ENCODERS:
        return True
    if kind in _CONTAINERS:
        return kind is not defaultdict or _has_named_factory(value)
    return is_named_tuple(kind) or is_plain_dataclass(kind) or is_object_array(value) or encode_leaf(value) is not None


def _text_of(tree: Json) -> str:
    """The JSON of a tree, to sort by; ``repr`` gives the same for a whole number, and faster than the encoder."""
    return repr(tree) if type(tree) is int else _to_text(tree)


def _has_named_factory(value: Any) -> bool:
    """Whether a default dict's factory is none, or one of Python's own types that the tree names."""
    return value.default_factory in _FACTORY_NAMES


def is_object_array(value: Any) -> bool:
    """Whether a value is an array whose elements are Python objects or texts of any length, which npy cannot hold."""
    return qualified_name(type(value)) == "numpy.ndarray" and value.dtype.kind in "OT"
