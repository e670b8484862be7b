"""What the file of a run's configuration says: parameters, switches and outputs, and where each of them stands.

Pure. What does not fit the pipeline or its steps is an error that names the file, the line and the nearest right key.
`configuration_files` reads the file.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import ConfigError, MetadataError
from ledger.records import normalise
from ledger.runtime.annotations import class_of, conforms, spelled
from ledger.runtime.configuration import ArtifactConfig
from ledger.wording import shown

_RECORDED = "values are str, int, float, bool, None, lists and dicts of these; a key that is a number takes quotes"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a file something stands."""

    file: str
    line: int

    def error(self, message: str, *, hint: str = "") -> ConfigError:
        """An error about what stands here."""
        return ConfigError(f"{self.file}, line {self.line}: {message}", hint=hint, path=self.file, line=self.line)

    def unknown(self, message: str, key: str, known: Iterable[str]) -> ConfigError:
        """The error of an unknown key, with the nearest known one as its hint."""
        choices = list(known)
        near = difflib.get_close_matches(key, choices, n=1)
        if near:
            return self.error(f"{message}, the nearest is {near[0]!r}", hint=f"did you mean {near[0]!r}?")
        return self.error(message, hint=f"known are: {', '.join(choices) or 'none'}")


@dataclass(frozen=True, kw_only=True)
class StepConfiguration:
    """What the file says about one step."""

    name: str
    enable_cache: bool | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, ArtifactConfig] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)

    def check_outputs(self, known: Iterable[str]) -> None:
        """Raise `ConfigError` for an output that the step does not have."""
        for output in self.outputs:
            if output not in known:
                message = f"step {self.name!r} has no output {output!r}"
                raise self.places[f"outputs.{output}"].unknown(message, output, known)

    def parameter(self, name: str, annotation: Any, default: Any) -> Any:
        """The value of a parameter of the step."""
        place, label = self.places[f"parameters.{name}"], f"parameter {name!r} of step {self.name!r}"
        value = _fitting(self.parameters[name], annotation, default, place, label)
        try:
            normalise({name: value})
        except MetadataError as error:
            raise place.error(f"{label} cannot be recorded: {error}", hint=_RECORDED) from error
        return value

    def unknown_parameter(self, parameter: str, known: Iterable[str]) -> ConfigError:
        """The error of a parameter that the step does not have."""
        message = f"step {self.name!r} has no parameter {parameter!r}"
        return self.places[f"parameters.{parameter}"].unknown(message, parameter, known)

    def refused_name(self, output: str, reason: str, hint: str) -> ConfigError:
        """The error of an output's name that cannot be used."""
        return self.places[f"outputs.{output}"].error(reason, hint=hint)

    def not_a_parameter(self, parameter: str) -> ConfigError:
        """The error of a parameter that the pipeline fills with an artifact."""
        return self.places[f"parameters.{parameter}"].error(
            f"step {self.name!r} gets {parameter!r} from an artifact, so a parameter cannot replace it"
        )


@dataclass(frozen=True, kw_only=True)
class RunConfiguration:
    """What the file says about a run; empty where there is no file."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    enable_cache: bool | None = None
    steps: Mapping[str, StepConfiguration] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)

    def step(self, name: str) -> StepConfiguration:
        """What is said about a step."""
        return self.steps.get(name, StepConfiguration(name=name))

    def check_steps(self, known: Iterable[str]) -> None:
        """Raise `ConfigError` for a step that the pipeline does not have."""
        for name in self.steps:
            if name not in known:
                raise self.places[f"steps.{name}"].unknown(f"the pipeline has no step {name!r}", name, known)

    def parameter(self, name: str, annotation: Any, default: Any) -> Any:
        """The value of a parameter of the pipeline."""
        place = self.places[f"parameters.{name}"]
        return _fitting(self.parameters[name], annotation, default, place, f"parameter {name!r} of the pipeline")

    def unknown_parameter(self, name: str, known: Iterable[str]) -> ConfigError:
        """The error of a parameter that the pipeline does not have."""
        return self.places[f"parameters.{name}"].unknown(f"the pipeline has no parameter {name!r}", name, known)


def _fitting(value: Any, annotation: Any, default: Any, place: Place, label: str) -> Any:
    """A parameter's value, as annotated or the default itself; a list is a tuple where one is asked for."""
    if class_of(annotation) is tuple and isinstance(value, list):
        value = tuple(value)  # YAML has none
    if value is not default and not conforms(value, annotation):
        raise place.error(f"{label}: expected {spelled(annotation)}, got {shown(value)}")
    return value
