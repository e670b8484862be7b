"""The bytes of versions, as handles ask for them: files, values, zips and folders.

Every byte comes through a `ContentReader`, which checks it. An error about damage, or about a value that cannot be
made, names the version. Code of a version runs only where the user trusts it.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ledger.blobs import ContentReader, LocalStore, linked_path, listed_chunks, listed_files, whole_files
from ledger.core.downloads import download_zip
from ledger.core.files import ContentPaths, LoadingFiles, local_copy
from ledger.core.links import is_wrapped
from ledger.core.restoring import restore, restore_part
from ledger.errors import (
    IntegrityError,
    MaterializerError,
    MissingDependencyError,
    StoreLostError,
    StoreMismatchError,
    UntrustedArtifactError,
)
from ledger.ids import Digest
from ledger.lookup import Facts, Part
from ledger.materializers import load_value
from ledger.meters import task
from ledger.records import Content, FileEntry, Manifest

if TYPE_CHECKING:
    from ledger.core.workspace import Workspace


class VersionAccess:
    """What handles do with bytes, by the stores, the mapped copies and the trust of a workspace."""

    def __init__(self, workspace: "Workspace") -> None:
        self._workspace = workspace

    def reader(self, facts: Facts) -> ContentReader:
        """The files of a version."""
        content = facts.manifest.content
        with self._naming(facts):
            return ContentReader(self._workspace.store_holding(content), content, label=facts.claim.label)

    def files(self, facts: Facts) -> tuple[FileEntry, ...]:
        """The files of a version, as its manifest or its table lists them."""
        content, label = facts.manifest.content, facts.claim.label
        with self._naming(facts):
            if content.has_table:
                return listed_files(self._workspace.all_stores, content, label=label)
            return whole_files(content, label=label)

    def chunks(self, facts: Facts) -> Sequence[tuple[Digest, int]]:
        """The chunks of a stored version, as its manifest, or its table and the indexes of packs, list them."""
        with self._naming(facts):
            return listed_chunks(self._workspace.all_stores, facts.manifest.content, label=facts.claim.label)

    def load(self, facts: Facts, *, trust: bool, mmap: bool, data_type: type | None) -> Any:
        """The value of a version, its bytes verified."""
        content = facts.manifest.content
        with self._naming(facts), task(f"load {facts.claim.label}", content.size):
            if content.linked is not None:
                return self._load_linked(content, facts.claim.label)
            return self._load_stored(facts, trust=trust, mmap=mmap, data_type=data_type)

    def download(self, facts: Facts, path: str | Path, *, overwrite: bool) -> Path:
        """Write the files of a version into one zip; returns its path."""
        with self._naming(facts), task(f"get {facts.claim.label}", facts.manifest.content.size):
            reader = self.reader(facts)
            return download_zip(reader, path, is_wrapped=is_wrapped(facts.manifest), overwrite=overwrite)

    def restore(self, facts: Facts, path: str | Path, *, only: Part | None, overwrite: bool) -> Path:
        """Put the files of a version, without its visualizations, at ``path``, or ``only`` a file or folder of them."""
        manifest = facts.manifest
        size = manifest.content.size if only is None else only.size
        with self._naming(facts), task(f"get {facts.claim.label}", size):
            reader = self.reader(facts)
            if only is not None:
                return restore_part(reader, only, path, overwrite=overwrite)
            return restore(
                reader,
                path,
                without=_visualizations(manifest),
                is_wrapped=is_wrapped(manifest),
                has_own_folder=manifest.content.linked is not None and not reader.is_one,
                overwrite=overwrite,
            )

    @contextmanager
    def _naming(self, facts: Facts) -> Iterator[None]:
        """A block whose errors of damage, or of a value that cannot be made, name the version.

        An error that names a version already is about another one, which was loaded on the way.
        """
        claim = facts.claim
        named = {"name": claim.name, "version": claim.version, "digest": facts.manifest.content.digest}
        try:
            yield
        except (MaterializerError, MissingDependencyError) as error:
            if "version" not in error.facts:
                error.args = (f"{claim.label}: {error}",)
                error.hint = error.hint.replace("NAME@VERSION", claim.label)
                # If a library is missing, the fact `name` stays the library's name.
                error.add_facts(**{"name": claim.name, **error.facts, "version": claim.version})
            raise
        except StoreLostError:
            raise
        except StoreMismatchError as error:
            raise self._store_lost(error, claim.label, named) from error
        except IntegrityError as error:
            gone = self._workspace.store_mismatch()
            if gone is not None:
                raise self._store_lost(gone, claim.label, named) from error
            own_facts = {fact: value for fact, value in error.facts.items() if value is not None}
            error.add_facts(**{**named, "location": self._workspace.store.url, **own_facts})
            raise

    def _store_lost(self, error: StoreMismatchError, label: str, named: dict[str, Any]) -> StoreLostError:
        facts = {**error.facts, **named, "location": self._workspace.unchecked_store().url}
        return StoreLostError(f"{label}: {error}", hint=error.hint, **facts)

    def _load_linked(self, content: Content, label: str) -> Path:
        """The path of registered data, checked; that of a checked copy if the data lies in an object store."""
        store = self._workspace.store_holding(content)
        if isinstance(store, LocalStore):
            return linked_path(store, content, label=label)
        reader = ContentReader(store, content, label=label)
        reader.check_listing()
        return local_copy(reader, PurePosixPath(content.linked or "").name)

    def _load_stored(self, facts: Facts, *, trust: bool, mmap: bool, data_type: type | None) -> Any:
        manifest = facts.manifest
        reader = self.reader(facts)
        visualizations = _visualizations(manifest)
        paths = tuple(entry.path for entry in reader.files if entry.path not in visualizations)
        ask = functools.partial(self._ask_trust, facts, trust=trust)
        local = functools.partial(self._workspace.mapped.open, manifest.content.digest, reader)
        files = LoadingFiles(reader, ContentPaths(paths), ask=ask, local_of=local)
        return load_value(manifest.materializer, manifest.data_type, files, data_type=data_type, mmap=mmap)

    def _ask_trust(self, facts: Facts, what: str, *, trust: bool) -> None:
        """Deny by default: only this call's word or the local trust file lets code run."""
        claim, digest = facts.claim, facts.manifest.content.digest
        if trust is True or self._workspace.trust.holds(digest):  # not any true value: a text such as 'no' is one
            return
        raise UntrustedArtifactError(
            f"loading {claim.label} would run code that {facts.manifest.created_by} saved: {what} ({digest})",
            hint=f"if you trust them, run `ledger trust {claim.label}` or pass trust=True; "
            f"`ledger get {claim.label} -o PATH` gives the files without running anything",
            name=claim.name,
            version=claim.version,
            digest=digest,
            saved_by=facts.manifest.created_by,
        )


def _visualizations(manifest: Manifest) -> set[str]:
    """The paths of the files that show the value, and are no part of it."""
    return {visualization.path for visualization in manifest.visualizations}
