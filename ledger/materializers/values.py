"""Save a value through the materializer in charge, and load it again.

Owns what happens around a materializer: which one is chosen, in which words its failures reach the caller, what of its
metadata is kept, and that trust is asked for before code runs, here and nowhere else. Elements of containers come
through here as well, so that no depth of nesting gets around it. Knows no store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ledger.enums import ArtifactType, TrustClass, VisualizationType
from ledger.errors import (
    LedgerError,
    MaterializerError,
    MaterializerInterfaceError,
    MaterializerTypeError,
    MetadataError,
    StorageError,
)
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.files import Files
from ledger.materializers.known_types import loaded_class, subclass_named, unknown_type
from ledger.materializers.libraries import differing_libraries, versions_here
from ledger.materializers.missing import missing
from ledger.materializers.registry import is_built_in, materializer_for, materializer_named, qualified_name
from ledger.notices import WarningsIfDone, warn_user
from ledger.records import encode_compact, encode_values, normalise, raw_value
from ledger.system_errors import raise_if_machine_failed
from ledger.wording import shown

_REASON_LIMIT = 300

_METADATA_LIMIT = 1 << 18
"""Most bytes of automatic metadata: a record holds four times that, and the user's own comes first."""


@dataclass(frozen=True, kw_only=True)
class SavedValue:
    """What a record says about a value whose files have been written."""

    key: str
    data_type: str
    artifact_type: ArtifactType
    trust: TrustClass
    metadata: dict[str, Any]
    visualizations: dict[str, VisualizationType]


def save_value(
    value: object,
    files: Files,
    *,
    materializer: type[BaseMaterializer] | None = None,
    extract_metadata: bool = True,
    visualizations: Files | None = None,
) -> SavedValue:
    """Write a value to ``files`` and say how it is to be read; an entry of metadata is saved as what was logged.

    Raises `MaterializerTypeError` where an explicit materializer is not made for the type,
    `MissingDependencyError` where a library that it needs is not there, and `MaterializerError` where saving fails;
    whatever has been written then is to be thrown away. Metadata and visualizations that fail cost a warning only.
    """
    value = raw_value(value)
    chosen = materializer or materializer_for(type(value))
    if materializer is not None:
        _check_type(value, materializer)
    writer = chosen(files)
    try:
        with WarningsIfDone():
            writer.save(value)
    except (LedgerError, Warning):  # a warning is only raised where the caller asked for that
        raise
    except ImportError as error:
        raise missing("save", writer.at_work(), qualified_name(type(value)), error) from error
    except Exception as error:  # whatever a library or a user's materializer raises
        raise_if_machine_failed(error, "write", f"the temporary files of a value of type {qualified_name(type(value))}")
        raise _failure("save", chosen, qualified_name(type(value)), error, _way_out(chosen)) from error
    return SavedValue(
        key=writer.key,
        data_type=qualified_name(type(value)),
        artifact_type=chosen.ASSOCIATED_ARTIFACT_TYPE,
        trust=writer.trust,
        metadata=_metadata(writer, value) if extract_metadata else {},
        visualizations=_visualizations(writer, value, visualizations) if visualizations is not None else {},
    )


def load_value(
    key: str,
    data_type_name: str,
    files: Files,
    *,
    data_type: type | None = None,
    mmap: bool = False,
) -> Any:
    """The value that files hold, read by the materializer of that key.

    Asks for trust before code can run. ``data_type_name`` is what the record calls the class;
    it is compared, never imported. With ``mmap`` an array is mapped from its file where the
    format allows. Raises `UnknownMaterializerError`, `UntrustedArtifactError`,
    `UnknownTypeError`, `MissingDependencyError` or `MaterializerError`.
    """
    chosen = materializer_named(key)
    if chosen.TRUST is TrustClass.CODE:
        files.require_trust(f"{key} runs the code that rebuilds a value of type {data_type_name}")
    kind = _class_for(chosen, data_type_name, data_type)
    reader = chosen(files)
    reader.mmap = mmap
    try:
        return reader.load(kind)
    except (LedgerError, Warning):  # a warning is only raised where the caller asked for that
        raise
    except ImportError as error:
        raise missing("load", chosen, data_type_name, error, hint=differing_libraries(files)) from error
    except Exception as error:  # whatever a library or a user's materializer raises
        raise_if_machine_failed(error, "read", f"the local files of a value of type {data_type_name}")
        hint = differing_libraries(files) or _hint_of_library(chosen)
        raise _failure("load", chosen, data_type_name, error, hint) from error


def _check_type(value: object, materializer: type[BaseMaterializer]) -> None:
    """Refuse a value that an explicitly named materializer is not made for; one without types takes all.

    A base that is not finished takes none.
    """
    if materializer.save is BaseMaterializer.save:
        raise MaterializerInterfaceError(
            f"materializer {qualified_name(materializer)} has no save method of its own",
            hint="give a subclass that has one",
            materializer=qualified_name(materializer),
        )
    names = {qualified_name(kind) for kind in materializer.ASSOCIATED_TYPES} | {*materializer.ASSOCIATED_TYPE_NAMES}
    if not names or isinstance(value, materializer.ASSOCIATED_TYPES):
        return
    if not any(qualified_name(base) in names for base in type(value).__mro__):
        raise MaterializerTypeError(
            f"materializer {materializer.REGISTRY_KEY} saves {' or '.join(sorted(names))}, "
            f"got a value of type {qualified_name(type(value))}",
            hint="leave materializer= out to have it chosen by the type",
            materializer=materializer.REGISTRY_KEY,
            expected=tuple(sorted(names)),
            got=qualified_name(type(value)),
        )


def _class_for(chosen: type[BaseMaterializer], name: str, passed: type | None) -> type | None:
    """The class a record names, where this process has defined it; else what the caller passed."""
    by_name = (loaded_class(root) for root in chosen.ASSOCIATED_TYPE_NAMES)
    roots = (root for root in chain((passed, *chosen.ASSOCIATED_TYPES), by_name) if root is not None)
    kind = subclass_named(name, roots) or passed
    if kind is None and chosen.NEEDS_TYPE:
        raise unknown_type(name)
    return kind


def _metadata(writer: BaseMaterializer, value: object) -> dict[str, Any]:
    """What the materializer notes about the value, each key in the one form of metadata."""
    try:
        found = dict(_dict_of(writer, "extract_metadata", writer.extract_metadata(value)))
    except Exception as error:  # noqa: BLE001  # metadata is a courtesy: no failure of it costs the value
        warn_user(f"no metadata of the {qualified_name(type(value))}: {_reason(error)}")
        return {}
    kept: dict[str, Any] = {}
    left = _METADATA_LIMIT
    for key, noted in found.items():
        try:
            plain = normalise({key: noted})
            size = len(encode_compact(encode_values(plain)))
            if size > left:
                raise MetadataError(f"{size} bytes, over what is left of {_METADATA_LIMIT}")  # noqa: TRY301  # one way to leave out
            kept.update(plain)
            left -= size
        except Exception as error:  # noqa: BLE001  # what a user's dict or key raises costs no more than what is no metadata
            warn_user(f"metadata {shown(key)} of the {qualified_name(type(value))} is left out: {_reason(error)}")
    return kept


def _visualizations(writer: BaseMaterializer, value: object, files: Files) -> dict[str, VisualizationType]:
    """The visualizations that a materializer has written; if it fails, none, with a warning."""
    writer.files = files
    try:
        written = _dict_of(writer, "save_visualizations", writer.save_visualizations(value))
        return {writer.relative(path): VisualizationType(kind) for path, kind in written.items()}
    except StorageError:
        raise  # nothing more can be written, and the value cannot be finished either
    except Exception as error:  # noqa: BLE001  # a picture is a courtesy: no failure of it costs the value
        warn_user(f"no visualization of the {qualified_name(type(value))}: {_reason(error)}")
        return {}


def _dict_of(writer: BaseMaterializer, method: str, given: object) -> Mapping[Any, Any]:
    """What a user's method gave, where it is a dict as it should be."""
    if not isinstance(given, Mapping):
        raise MaterializerTypeError(f"{method} of materializer {writer.key} gives a dict, got {type(given).__name__}")
    return given


def _failure(doing: str, chosen: type[BaseMaterializer], name: str, error: Exception, hint: str) -> MaterializerError:
    return MaterializerError(
        f"materializer {chosen.REGISTRY_KEY} cannot {doing} a value of type {name}: {_reason(error)}",
        hint=hint,
        materializer=chosen.REGISTRY_KEY,
        data_type=name,
    )


def _way_out(chosen: type[BaseMaterializer]) -> str:
    """What to do about a value that could not be saved: where the user's own materializer failed, look at that one."""
    if not is_built_in(chosen):
        return f"the traceback shows where {chosen.__qualname__}.save failed"
    return "save the plain values that it holds, or give a materializer of your own for this type"


def _hint_of_library(chosen: type[BaseMaterializer]) -> str:
    """The hint with the version of the library that failed here; empty where a class of the user's may be at fault."""
    versions = versions_here([chosen.REGISTRY_KEY]) if chosen.EXTRA and not chosen.NEEDS_TYPE else {}
    return " ".join(
        f"here is {library} {version}; a newer one may have written it, and "
        "`ledger get NAME@VERSION -o PATH` gives the files as they are"
        for library, version in versions.items()
    )


def _reason(error: Exception) -> str:
    """The first line of an error, behind its class where it is not one of ours."""
    first = (str(error).splitlines() or [""])[0][:_REASON_LIMIT]
    return first if isinstance(error, LedgerError) else f"{type(error).__name__}: {first}".removesuffix(": ")
