"""Estimators of scikit-learn, by skops.

skops rebuilds objects from an allow-list of types. A model of scikit-learn's own types loads without further ado; one
with others asks for trust and says which they are. Whether an estimator comes back is tried when it is saved. It is
left to the last resort, with its warning, if skops cannot take it apart, makes something else of it, or names classes
that only this program has. No safe loader ever falls back to an unsafe one.
"""

import io
import json
import pickle
import zipfile
from collections import deque
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, ClassVar

from ledger.enums import ArtifactType, TrustClass
from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.libraries import write_libraries
from ledger.materializers.programs import is_of_program
from ledger.materializers.registry import LAST_RESORT, materializer_named, qualified_name
from ledger.notices import warn_if_done

_SHOWN = 5
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})
_RANDOM = ("numpy.random.mtrand.RandomState", "numpy.random._generator.Generator")


class SklearnMaterializer(BaseMaterializer):
    """Any scikit-learn estimator, pipelines included."""

    REGISTRY_KEY: ClassVar[str] = "sklearn.skops/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = ("sklearn.base.BaseEstimator",)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL
    TRUST: ClassVar[TrustClass] = TrustClass.RESTRICTED
    EXTRA: ClassVar[str] = "sklearn"

    def save(self, value: Any) -> None:
        """Write ``model.skops`` and ``libraries.txt``."""
        try:
            from skops.io import dumps, get_untrusted_types, loads
        except ImportError as error:
            warn_if_done(
                f"{error.name or 'skops'} cannot be imported, which would save a value of type "
                f"{qualified_name(type(value))} as data: pip install 'ledger[{self.EXTRA}]'"
            )
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        try:
            data = dumps(value)
            types = get_untrusted_types(data=data)
            # Functions and local classes are written without complaint and fail only here.
            loaded = loads(data, trusted=types)
            schema = _schema(data)
            is_back = (
                not any(map(is_of_program, types))
                and _schema(dumps(loaded)) == schema
                and all(new == old for new, old in zip_longest(_parts(loaded), _parts(value)))
            )
        except Exception:  # noqa: BLE001  # skops raises what the object raises; the last resort warns and may raise better
            is_back = False
        if not is_back:
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        with self.open("model.skops", "wb") as file:
            file.write(data)
        write_libraries(self.files, ("skops", *_modules(schema)))

    def load(self, data_type: type | None) -> Any:
        """The estimator; asks for trust where it holds types beyond skops' own list."""
        from skops.io import get_untrusted_types, loads

        with self.open("model.skops", "rb") as file:
            data = file.read()
        _check_stored(data)
        types = get_untrusted_types(data=data)
        if types:
            more = f" and {len(types) - _SHOWN} more" if len(types) > _SHOWN else ""
            self.files.require_trust(f"{self.key} makes objects of the types {', '.join(types[:_SHOWN])}{more}")
        return loads(data, trusted=types)

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``estimator``, the name of its class."""
        return {"estimator": type(value).__name__}


def _check_stored(data: bytes) -> None:
    """Refuse what is compressed inside, which skops never writes: it could take any memory."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        packed = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise MaterializerError(f"model.skops: its part {packed[0]!r} is compressed", path="model.skops")


def _schema(data: bytes) -> Json:
    """What skops says an estimator is made of, without the addresses and file names that are new each time."""

    def plain(node: Json) -> Json:
        if isinstance(node, dict):
            return {name: plain(held) for name, held in node.items() if name not in ("__id__", "file")}
        return [plain(held) for held in node] if isinstance(node, list) else node

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return plain(json.loads(archive.read("schema.json")))


def _modules(schema: Json) -> Iterator[str]:
    """The modules whose classes and functions a schema names."""
    if isinstance(schema, dict):
        if isinstance(schema.get("__module__"), str):
            yield schema["__module__"]
        schema = list(schema.values())
    for node in schema if isinstance(schema, list) else ():
        yield from _modules(node)


def _parts(value: Any, above: tuple[int, ...] = ()) -> Iterator[object]:
    """The types of all that an object holds, in order, and each value in it, since a schema does not tell them all."""
    yield type(value)
    if type(value) in _PLAIN:
        yield repr(value)
        return
    if id(value) in above:
        return
    held = _held(value)
    if held is None:
        yield _pickled(value)
    for element in held or ():
        yield from _parts(element, (*above, id(value)))


def _held(value: Any) -> list[Any] | None:
    """What an object holds that skops may lose; ``None`` where only a pickle could tell."""
    name = qualified_name(type(value))
    if hasattr(value, "__name__"):  # a class or function: skops writes just the name
        return []
    if name == "numpy.ndarray" or name.startswith("scipy.sparse."):  # skops keeps its numbers
        return [str(value.dtype), value.shape, *(value.ravel().tolist() if value.dtype == object else ())]
    if name in _RANDOM:  # skops does not keep where the seed came from
        return [value._bit_generator.state]  # noqa: SLF001  # both have it
    state = value.__getstate__()
    elements = _elements(value)
    is_compiled = state is None and elements is None and not name.startswith("sklearn.")  # skops knows those
    return None if is_compiled else [*(elements or ()), state]


def _elements(value: Any) -> list[Any] | None:
    """The elements of a container, in an order that is always the same."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    return list(value) if isinstance(value, (list, tuple, deque)) else None


def _pickled(value: object) -> bytes:
    """A pickle that does not say which of its parts are one object."""
    file = io.BytesIO()
    pickler = pickle.Pickler(file, protocol=4)
    pickler.fast = True
    pickler.dump(value)
    return file.getvalue()
