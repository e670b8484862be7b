"""`Client`: the look-ups of the public contract, a thin face over `Ledger`."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, cast
from uuid import UUID

import msgspec

from ledger.core import Artifact, ArtifactVersion, Ledger, PipelineRun, ledger_for_reading, ledger_for_writing
from ledger.enums import ArtifactType
from ledger.errors import ArgumentTypeError
from ledger.runtime import current_recording, current_step, lazy_lookup
from ledger.wording import shown_with_type


class ArtifactStore(msgspec.Struct, frozen=True):
    """Where bytes are; data below ``path`` can be registered without copying it."""

    path: str


class Stack(msgspec.Struct, frozen=True):
    """What a pipeline framework calls its active stack, as far as a ledger has one: the store."""

    artifact_store: ArtifactStore


class Client:
    """Look-ups in a given ledger, or in the default ledger, which each call finds anew.

    The default is the ledger of the running step's run, else that of ``LEDGER_DIR``, else the nearest ``.ledger`` in
    the working directory or above it. Look-ups raise `LedgerNotFoundError` if there is none.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        if ledger is not None and not isinstance(ledger, Ledger):
            raise ArgumentTypeError(f"a client is given a Ledger, got {shown_with_type(ledger)}")
        self._given = ledger

    def __repr__(self) -> str:
        return f"<Client of {self._given or 'the default ledger'}>"

    @property
    def active_stack(self) -> Stack:
        """The stack with the artifact store; asking makes a ledger where there is none."""
        store = (self._given or ledger_for_writing()).store
        return Stack(ArtifactStore(path=store.url.removeprefix("file://")))

    def get_artifact(self, name_or_id: str | UUID) -> Artifact:
        """The artifact of a name, or of a version's id. In a step, its latest version is recorded as an input.

        Raises `ArtifactNotFoundError`.
        """
        found = self._ledger().artifact(name_or_id)
        self._note(found.latest)
        return found

    def get_artifact_version(
        self, name_id_or_prefix: str | UUID, version: str | int | None = None, *, tag: str | None = None
    ) -> ArtifactVersion:
        """The version of an id, a name (by default its latest) or an id prefix; with ``tag`` the newest that has it.

        In a pipeline's body, the result is a placeholder, looked up when the step that takes it starts. In a step, the
        version is recorded as an input. A client of a given ledger looks the version up at once and records nothing,
        because a run is recorded in the default ledger.
        Raises `VersionNotFoundError` if the artifact has no such version, and `ArtifactNotFoundError` if there is no
        such artifact.
        """
        if current_recording() is not None and self._given is None:
            return cast("ArtifactVersion", lazy_lookup(name_id_or_prefix, version, tag))
        found = self._ledger().get(name_id_or_prefix, version, tag=tag)
        self._note(found)
        return found

    def list_artifacts(self, name: str | None = None, tag: str | Iterable[str] | None = None) -> list[Artifact]:
        """The artifacts, sorted by name; ``name`` is exact, and a version has ``tag``, or all of several tags."""
        return self._ledger().artifacts(name=name, tag=tag)

    def list_artifact_versions(
        self,
        name: str | None = None,
        version: str | int | None = None,
        tag: str | Iterable[str] | None = None,
        type: ArtifactType | str | None = None,
        run_metadata: Mapping[str, Any] | None = None,
        created_after: dt.datetime | None = None,
        limit: int | None = None,
    ) -> list[ArtifactVersion]:
        """The versions that match all arguments, oldest first; ``limit`` keeps the newest.

        The arguments are those of `Ledger.search`, and so are the errors.
        """
        return self._ledger().search(
            name=name,
            version=version,
            tag=tag,
            type=type,
            run_metadata=run_metadata,
            created_after=created_after,
            limit=limit,
        )

    def update_artifact_version(
        self,
        name_id_or_prefix: str | UUID,
        version: str | int | None = None,
        *,
        add_tags: Iterable[str] | None = None,
        remove_tags: Iterable[str] | None = None,
        exclusive: bool = False,
    ) -> ArtifactVersion:
        """Put tags on a version and take others off, in one commit; returns the version as it is then.

        ``exclusive`` takes the added tags off all other versions of the name as well.
        Raises what `get_artifact_version` raises, and `InvalidTagError` for a tag that is invalid, or that is to be put
        on and taken off at once.
        """
        ledger = self._ledger()
        found = ledger.get(name_id_or_prefix, version)
        added = add_tags if add_tags is not None else ()
        ledger.tag(found, added, remove=remove_tags, exclusive=exclusive)
        return ledger.get(found.id)

    def get_pipeline_run(self, id: str | UUID) -> PipelineRun:
        """The run of an id, or of the beginning of one; raises `RunNotFoundError` (a ``KeyError``).

        In a step, this also finds the run that the step is part of, with the steps before it.
        """
        if (context := current_step()) is not None:
            context.show_run()
        return self._ledger().run(id)

    def list_pipeline_runs(
        self,
        pipeline_name: str | None = None,
        limit: int | None = None,
        *,
        status: str | None = None,
        using: ArtifactVersion | None = None,
    ) -> list[PipelineRun]:
        """The runs, oldest first; ``limit`` keeps the newest.

        ``pipeline_name`` is a pipeline's exact name, ``status`` one of ``completed``, ``failed`` and ``running``,
        ``using`` a version that one of its steps took as an argument or loaded.
        Raises `ArgumentError` (a ``ValueError``) for any other status, and for an invalid limit.
        """
        return self._ledger().runs(pipeline=pipeline_name, status=status, using=using, limit=limit)

    def _note(self, version: ArtifactVersion) -> None:
        """Record a version as an input of the step that is running."""
        context = current_step()
        if context is not None and self._given is None:
            context.note_loaded(version)

    def _ledger(self) -> Ledger:
        return self._given or ledger_for_reading()
