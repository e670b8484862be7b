"""What a user says about outputs and values from outside: `ArtifactConfig` and `ExternalArtifact`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.core import check_options
from ledger.enums import ArtifactType
from ledger.errors import ArgumentTypeError
from ledger.materializers import BaseMaterializer
from ledger.records import (
    check_name,
    check_switches,
    check_tags,
    check_type,
    check_version,
    encode_compact,
    encode_values,
    merge,
    normalise,
)
from ledger.wording import shown_with_type


@dataclass(frozen=True, eq=False)
class ArtifactConfig:
    """How an output is saved; stands beside its type: ``Annotated[T, ArtifactConfig(name="iris", tags=["raw"])]``.

    ``name`` may hold the templates ``{date}`` and ``{time}`` and your own (``substitutions`` of `step`). ``version`` is
    a custom version, or a number to take instead of the next one. ``run_metadata`` is a dict of plain values, and
    ``artifact_type`` wins over the materializer's. Every field is checked when the configuration is made; an unknown
    one is a ``TypeError``.
    """

    name: str | None = None
    version: str | int | None = None
    tags: Iterable[str] | None = None
    run_metadata: Mapping[str, Any] | None = None
    artifact_type: ArtifactType | str | None = None

    def __post_init__(self) -> None:
        if self.name is not None and not isinstance(self.name, str):
            raise ArgumentTypeError(f"the name of an output is a str, got {shown_with_type(self.name)}")
        if self.name is not None and "{" not in self.name:
            check_name(self.name)  # one with templates is judged when they are filled in
        checked = {
            "version": check_version(self.version) if self.version is not None else None,
            "tags": check_tags(self.tags),
            "run_metadata": normalise(self.run_metadata),
            "artifact_type": check_type(self.artifact_type),
        }
        for field, value in checked.items():
            object.__setattr__(self, field, value)

    # `typing` keeps one of two equal annotations. So configurations are not equal where their metadata differ only as
    # `1`, `True` and `1.0` do, which Python calls equal.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArtifactConfig) and self._encoded() == other._encoded()

    def __hash__(self) -> int:
        return hash(self._encoded())

    def _encoded(self) -> bytes:
        return encode_compact(encode_values(self.as_values()))

    def joined_with(self, later: "ArtifactConfig") -> "ArtifactConfig":
        """This configuration under a later one: name, version and type replace, tags and metadata join."""
        return ArtifactConfig(
            name=later.name if later.name is not None else self.name,
            version=later.version if later.version is not None else self.version,
            tags=(*(self.tags or ()), *(later.tags or ())),
            run_metadata=merge(self.run_metadata or {}, later.run_metadata or {}),
            artifact_type=later.artifact_type or self.artifact_type,
        )

    def as_values(self) -> dict[str, Any]:
        """The configuration as plain values, for cache keys and records."""
        return {
            "name": self.name,
            "version": self.version,
            "tags": list(self.tags or ()),
            "run_metadata": self.run_metadata,
            "artifact_type": str(self.artifact_type) if self.artifact_type is not None else None,
        }


@dataclass(frozen=True, eq=False)
class ExternalArtifact:
    """A value from outside the pipeline, saved when the run starts and handed to a step.

    The step that takes it is never served from the cache. ``materializer`` is a class to use instead of the one chosen
    by the value's type; the switches say whether it notes metadata about the value and draws visualizations of it.
    """

    value: Any
    materializer: type[BaseMaterializer] | None = None
    store_artifact_metadata: bool = True
    store_artifact_visualizations: bool = True

    def __post_init__(self) -> None:
        check_switches(
            store_artifact_metadata=self.store_artifact_metadata,
            store_artifact_visualizations=self.store_artifact_visualizations,
        )
        check_options(
            self.materializer,
            extract_metadata=self.store_artifact_metadata,
            include_visualizations=self.store_artifact_visualizations,
        )
