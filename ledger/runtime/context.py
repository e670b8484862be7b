"""What a running step knows of itself, and what it says about its outputs while it runs.

Which body runs is a context variable of `ledger.core`, so that code anywhere below it can ask. What it says is only
kept here: `runtime.runner` publishes it with the outputs when the body is over.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any
from uuid import UUID

from ledger.core import ArtifactVersion, running
from ledger.errors import StepContextError
from ledger.forks import ThreadLock
from ledger.records import Producer, StepInput, VersionRef, check_given_tags, merge, normalise_given
from ledger.wording import shown


class StepContext:
    """The step that is running: ``pipeline_name``, ``run_id``, ``step_name``, and ``inputs``, its versions by argument.

    Metadata and tags given here are published with its outputs; threads may share it.
    """

    def __init__(
        self,
        *,
        pipeline: str,
        run: str,
        step: str,
        inputs: Mapping[str, ArtifactVersion],
        outputs: Mapping[str, Iterable[str]],
        publish_run: Callable[[], None],
    ) -> None:
        """``outputs`` has the other names of each output: the artifact's, and the key as the code has it."""
        self.pipeline_name = pipeline
        self.run_id = UUID(run)
        self.step_name = step
        self.inputs = dict(inputs)
        """The versions that the step took, by argument."""
        self._metadata: dict[str, list[dict[str, Any]]] = {output: [] for output in outputs}
        self._tags: dict[str, set[str]] = {output: set() for output in self._metadata}
        others = {name: output for output, names in outputs.items() for name in names}
        self._outputs: dict[str, str] = {**others, **{output: output for output in outputs}}
        self.loaded: dict[StepInput, None] = {}
        """What the body loaded by itself, each once, in order."""
        self.saved: list[VersionRef] = []
        self._publish_run = publish_run
        self._process = os.getpid()
        self._is_over = False
        self._lock = ThreadLock()

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs of the step."""
        return tuple(self._metadata)

    def output_meant_by(self, name: object) -> str | None:
        """The output that a name means: its key, filled in or as the code has it, or the name of its artifact.

        Without a name it is the only output. ``None`` where the name is no output's, or no name is given for several.
        """
        if name is None:
            return self.output_names[0] if len(self.output_names) == 1 else None
        return self._outputs.get(name) if isinstance(name, str) else None

    def add_output_metadata(self, metadata: Mapping[str, Any], output_name: str | None = None) -> None:
        """Add metadata to an output; a step with a single output needs no name. Later calls win, groups merge.

        Raises `MetadataError` for a value that cannot be recorded, and `StepContextError` for a name that no output
        has, or that is missing where there are several.
        """
        name, given = self._output(output_name), normalise_given(metadata)
        with self._lock:
            self._refuse_lost()
            self._metadata[name].append(given)

    def add_output_tags(self, tags: Iterable[str], output_name: str | None = None) -> None:
        """Add tags to an output; a step with a single output needs no name.

        Raises `InvalidTagError` for an invalid tag, and `StepContextError` as `add_output_metadata` does.
        """
        checked = check_given_tags(tags)
        name = self._output(output_name)
        with self._lock:
            self._refuse_lost()
            self._tags[name].update(checked)

    def get_output_metadata(self, output_name: str | None = None) -> dict[str, Any]:
        """The metadata given for an output so far."""
        return self.metadata_after({}, self._output(output_name))

    def metadata_after(self, first: Mapping[str, Any], output: str) -> dict[str, Any]:
        """The metadata of an output: ``first``, then what the body has given so far, call by call."""
        return reduce(merge, self._metadata[output], dict(first))

    def get_output_tags(self, output_name: str | None = None) -> list[str]:
        """The tags given for an output so far, sorted."""
        return sorted(self._tags[self._output(output_name)])

    def producer(self, output: str) -> Producer:
        """What a version of an output of this step says about where it comes from."""
        return Producer(run=str(self.run_id), step=self.step_name, output=output)

    def note_saved(self, version: ArtifactVersion) -> None:
        """Tie a version that the body saved to this step."""
        self.saved.append(VersionRef(name=version.name, id=version.claim_id))

    def note_loaded(self, version: ArtifactVersion) -> None:
        """Record that the body loaded a version."""
        found = StepInput(argument="", name=version.name, id=version.claim_id, kind="manual")
        with self._lock:
            self.loaded[found] = None

    def show_run(self) -> None:
        """Publish the records of the run that still wait, for a body that looks at the run or saves something."""
        with self._lock:
            if not self._is_over:
                self._publish_run()

    def end(self) -> None:
        """Note that the body is over: what is said about its outputs from now on would be lost, and is refused."""
        with self._lock:
            self._is_over = True

    def _refuse_lost(self) -> None:
        """Raise for what is said about an output where no record would hold it: in a fork, or too late."""
        if self._process != os.getpid():
            raise StepContextError(
                f"step {self.step_name!r} is run by process {self._process}, "
                f"so what its fork {os.getpid()} says of outputs would be lost",
                hint="let the fork return it, and say it in the step's own process",
                step=self.step_name,
            )
        if self._is_over:
            raise StepContextError(
                f"step {self.step_name!r} is over, its outputs can no longer be described from its body",
                hint="join threads before the body returns, or log on the version by its name and number afterwards",
                step=self.step_name,
            )

    def __repr__(self) -> str:
        outputs = list(self.output_names)
        return f"<StepContext {self.step_name} of {self.pipeline_name} run={self.run_id} outputs={outputs}>"

    def _output(self, name: str | None) -> str:
        """The output that a name means; raises `StepContextError` where it means none."""
        meant, outputs = self.output_meant_by(name), self.output_names
        if meant is not None:
            return meant
        if not outputs:
            hint = "let the step return a value, or log on an artifact by its name"
            raise StepContextError(
                f"step {self.step_name!r} has no outputs to describe", hint=hint, step=self.step_name
            )
        if name is None:
            message = f"step {self.step_name!r} has the outputs {', '.join(outputs)}: say which one is meant"
            raise StepContextError(message, hint="pass output_name=...", step=self.step_name)
        raise StepContextError(
            f"step {self.step_name!r} has no output {shown(name)}; it has {', '.join(outputs)}",
            step=self.step_name,
            output=name,
        )


def get_step_context() -> StepContext:
    """The context of the step that is running; raises `StepContextError` (a ``RuntimeError``) outside a step."""
    context = current_step()
    if context is None:
        raise StepContextError(
            "the step context is only available inside a step",
            hint="call it in the body of a function decorated with @step; "
            "a thread that the body starts has it if it runs contextvars.copy_context().run",
        )
    return context


def current_step() -> StepContext | None:
    """The context of the step that is running, or ``None``."""
    now = running()
    return now.body if now is not None and isinstance(now.body, StepContext) else None
