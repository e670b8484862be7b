"""What artifacts, versions, commits and reports look like as JSON objects.

Pure but for reading the records behind a handle. The keys are a promise (specs/command-line.md): keys are added, never
renamed. A list leaves out, with a warning, what has a damaged record, and shows the rest; only an artifact stays in,
without what the record would say.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ledger.cli.printing import Shape
from ledger.errors import FormatError, IntegrityError
from ledger.history import Commit, time_of
from ledger.lookup import Artifact, ArtifactVersion, PipelineRun, StepRun
from ledger.notices import warn_of_record
from ledger.records import FileEntry, encode_values, format_time

_Thing = TypeVar("_Thing")
_Shaped = TypeVar("_Shaped")


def label_of(version: ArtifactVersion) -> str:
    """How a version is called: ``iris@3``."""
    return version.claim.label


def readable(
    things: Iterable[_Thing], shape: Callable[[_Thing], _Shaped], name: Callable[[_Thing], str]
) -> Iterator[_Shaped]:
    """The shapes of things, without those whose record is damaged, which are warned of."""
    for thing in things:
        try:
            yield shape(thing)
        except (FormatError, IntegrityError) as error:
            warn_of_record(f"{name(thing)} is left out", error)


def listed_artifact_shape(artifact: Artifact) -> Shape:
    """An artifact in a list, also where the record of its latest version is damaged, which is warned of."""
    try:
        return artifact_shape(artifact)
    except (FormatError, IntegrityError) as error:
        warn_of_record(f"{label_of(artifact.latest)} is listed without type and time", error)
        return {**_named(artifact), "type": None, "created_at": None}


def artifact_shape(artifact: Artifact) -> Shape:
    """What a list says of an artifact."""
    latest = artifact.latest
    return {**_named(artifact), "type": latest.type.value, "created_at": format_time(latest.created_at)}


def _named(artifact: Artifact) -> Shape:
    """What is known of an artifact without its records; the position of the latest version counts the versions."""
    latest = artifact.latest
    return {"name": artifact.name, "latest": latest.version, "versions": latest.position}


def full_artifact_shape(artifact: Artifact) -> Shape:
    """An artifact by itself: also what its latest version says."""
    latest = artifact.latest
    return {
        **artifact_shape(artifact),
        "id": str(latest.id),
        "tags": list(latest.tags),
        "created_by": latest.created_by,
        "metadata": encode_values(latest.metadata),
    }


def version_shape(version: ArtifactVersion) -> Shape:
    """A version in a list."""
    return {
        "name": version.name,
        "version": version.version,
        "position": version.position,
        "id": str(version.id),
        "type": version.type.value,
        "size": version.size,
        "tags": list(version.tags),
        "created_at": format_time(version.created_at),
        "created_by": version.created_by,
    }


def full_version_shape(version: ArtifactVersion) -> Shape:
    """A version by itself: everything that is known about it."""
    producer = version.producer
    return {
        **version_shape(version),
        "save_type": version.save_type,
        "digest": version.digest,
        "uri": version.uri,
        "data_type": version.data_type,
        "materializer": version.materializer,
        "trust_class": version.trust_class,
        "published": version.published,
        "run": producer.run if producer is not None else None,
        "step": producer.step if producer is not None else None,
        "metadata": encode_values(version.metadata),
        "files": [file_shape(file) for file in version.files()],
        "visualizations": [{"path": path, "type": kind.value} for path, kind in version.visualizations.items()],
    }


def commit_shape(commit: Commit) -> Shape:
    """A commit of the history, with the versions that its trailers name."""
    return {
        "commit": commit.id,
        "time": format_time(time_of(commit)),
        "author": commit.author,
        "subject": commit.message.partition("\n")[0],
        "artifacts": labels_in(commit.message),
    }


def labels_in(message: str) -> list[str]:
    """The versions that a commit message's trailers name, as they were called then: ``["iris@3"]``."""
    return _trailers(message, "Artifact")


def ids_in(message: str) -> list[str]:
    """The ids of the versions that a commit message's trailers name."""
    return _trailers(message, "Id")


def _trailers(message: str, key: str) -> list[str]:
    lines = message.rstrip().rpartition("\n\n")[2].splitlines()
    return [line.removeprefix(f"{key}: ") for line in lines if line.startswith(f"{key}: ")]


def file_shape(file: FileEntry) -> Shape:
    """A file of a version."""
    return {"path": file.path, "size": file.size, "kind": file.kind}


def run_shape(run: PipelineRun) -> Shape:
    """A run in a list."""
    return {
        "id": str(run.id),
        "pipeline": run.name,
        "status": run.status,
        "started_at": format_time(run.started_at),
        "ended_at": format_time(run.ended_at) if run.ended_at is not None else None,
        "created_by": run.created_by,
        "steps": list(run.planned_steps),
    }


def full_run_shape(run: PipelineRun) -> Shape:
    """A run by itself: also its parameters, the code around it, and what each step took and gave."""
    project = run.project
    return {
        **run_shape(run),
        "parameters": encode_values(run.parameters),
        "project": {"commit": project.commit, "dirty": project.dirty} if project is not None else None,
        "planned_steps": list(run.planned_steps),
        "steps": [_step_shape(step) for step in run.steps.values()],
    }


def _step_shape(step: StepRun) -> Shape:
    return {
        "name": step.name,
        "status": step.status,
        "started_at": format_time(step.started_at),
        "ended_at": format_time(step.ended_at),
        "parameters": encode_values(step.parameters),
        "inputs": {argument: label_of(version) for argument, version in step.inputs.items()},
        "outputs": {output: label_of(version) for output, version in step.outputs.items()},
        "loaded": [label_of(version) for version in step.loaded],
        "saved": [label_of(version) for version in step.saved],
        "cached_from": str(step.cached_from) if step.cached_from is not None else None,
        "error": step.error,
    }
