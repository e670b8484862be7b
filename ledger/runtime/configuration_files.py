"""A run's configuration, read from a YAML file.

Every key is known or an error that names the file, the line and the nearest right key. The
layout: ``parameters``, ``enable_cache`` and ``steps.<step>`` with ``parameters``,
``enable_cache`` and ``outputs.<output>.artifact_config``.
"""

import math
import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

from ledger.disk import given_path
from ledger.errors import ArgumentTypeError, ConfigError, LedgerError, SourceNotFoundError
from ledger.runtime.configuration import ArtifactConfig
from ledger.runtime.run_configuration import Place, RunConfiguration, StepConfiguration
from ledger.system_errors import storage_error
from ledger.wording import shown

_TOP = ("parameters", "enable_cache", "steps")
_STEP = ("parameters", "enable_cache", "outputs")
_OUTPUT = ("artifact_config",)
_CONFIG = ("name", "version", "tags", "run_metadata", "artifact_type")
_MOST_NODES = 1_000_000
_MERGE = "tag:yaml.org,2002:merge"
_POWER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


def read_run_configuration(config_path: object) -> RunConfiguration:
    """The configuration in the YAML file at a path; raises `ConfigError` with file and line."""
    import yaml

    path = given_path(config_path, "config_path")
    try:
        text = path.read_bytes().decode()  # a pipe of the shell's will do
    except FileNotFoundError as error:
        raise SourceNotFoundError(
            f"no run configuration at {path}", hint="check config_path", path=str(path)
        ) from error
    except OSError as error:
        raise storage_error(error, path, "read") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8: {error}", hint="save that file as UTF-8", path=str(path)) from error
    try:
        node = yaml.compose(text, Loader=_loader())
        if node is not None and _count(node, {}) > _MOST_NODES:
            raise ConfigError(f"{path}: aliases make more than {_MOST_NODES} values of it", path=str(path))
        return _run(_Node(node, Place(file=str(path), line=1))) if node is not None else RunConfiguration()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise Place(file=str(path), line=line).error(f"not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise ConfigError(f"{path}: not YAML: {reason}", path=str(path)) from error


def _reason(error: Exception) -> str:
    """Why the plain value of a node could not be made; PyYAML's own slips in doing so are nothing to be told."""
    if isinstance(error, ValueError):
        return str(error)
    return str(getattr(error, "problem", None) or "a value is not what its tag says")


def _count(node: Any, known: dict[int, float]) -> float:
    """How many values there are at a node and below, each as often as aliases name it; infinite if one holds itself."""
    if id(node) not in known:
        known[id(node)] = math.inf
        parts = chain.from_iterable(node.value) if node.id == "mapping" else node.value if node.id == "sequence" else ()
        known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    return known[id(node)]


def _loader() -> Any:
    """The safe loader, to which ``1e-3`` is a number and a key that stands twice an error, as YAML 1.2 says.

    PyYAML's own makes a text of the one, and of the other takes the last.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            words: set[str] = set()
            for key, _ in node.value:
                if key.id != "scalar" or key.tag == _MERGE:
                    continue
                if key.value in words:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} stands twice", problem_mark=key.start_mark)
                words.add(key.value)
            return node

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _POWER, list("-+.0123456789"))
    return Loader


class _Node:
    """A YAML node with its place."""

    def __init__(self, node: Any, place: Place) -> None:
        self.node = node
        self.place = place

    def members(self, what: str) -> dict[str, "_Node"]:
        """The members of a mapping, with those that ``<<`` takes from others."""
        if self.node.tag == "tag:yaml.org,2002:null":
            return {}
        if (self.node.id, self.node.tag) != ("mapping", "tag:yaml.org,2002:map"):
            got = {"scalar": shown(self.node.value), "sequence": "a sequence"}.get(self.node.id, self.node.tag)
            raise self.place.error(f"{what} is a mapping, got {got}")
        members: dict[str, _Node] = {}
        taken: list[_Node] = []
        for key, value in self.node.value:
            place = Place(file=self.place.file, line=key.start_mark.line + 1)
            if key.id != "scalar":
                raise place.error(f"a key of {what} is a word, got a {key.id}")
            if key.tag == _MERGE:
                taken += [_Node(each, place) for each in (value.value if value.id == "sequence" else [value])]
                continue
            members[str(key.value)] = _Node(value, place)
        for other in taken:
            members = {**other.members(what), **members}
        return members

    def known_members(self, what: str, known: tuple[str, ...]) -> dict[str, "_Node"]:
        """The members of a mapping whose keys are fixed."""
        members = self.members(what)
        for key, member in members.items():
            if key not in known:
                raise member.place.unknown(f"unknown key {key!r} in {what}", key, known)
        return members

    def value(self) -> Any:
        """The plain value."""
        import yaml

        loader = yaml.SafeLoader("")
        try:
            return loader.construct_document(self.node)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
            # For a date that the calendar does not have, or a text whose tag calls it a truth value or a moment.
            raise self.place.error(f"cannot be read: {_reason(error)}") from error
        finally:
            loader.dispose()

    def version(self) -> Any:
        """A version as it is written; a number that YAML writes otherwise would be another version."""
        value = self.value()
        written = self.node.value
        if self.node.id == "scalar" and value is not None and str(value) != written:
            raise self.place.error(
                f"version {written} is read as {value!r} where it has no quotes", hint=f"write version: '{written}'"
            )
        return value

    def in_quotes(self, key: str) -> str:
        """What stands here, in quotes as a name, a version or tags take them; an example in place of a mapping."""
        words = [self.node] if self.node.id == "scalar" else self.node.value if self.node.id == "sequence" else []
        texts = [word.value for word in words if word.id == "scalar"] or ["approved"]
        quoted = ["'" + text.replace("'", "''") + "'" for text in texts]  # as YAML quotes, not Python
        return f"[{', '.join(quoted)}]" if key == "tags" else quoted[0]


def _run(node: _Node) -> RunConfiguration:
    top = node.known_members("a run configuration", _TOP)
    parameters, steps = _section(top, "parameters"), _section(top, "steps")
    return RunConfiguration(
        parameters={key: member.value() for key, member in parameters.items()},
        enable_cache=_enable_cache(top),
        steps={name: _step(name, member) for name, member in steps.items()},
        places=_places(parameters=parameters, steps=steps),
    )


def _step(name: str, node: _Node) -> StepConfiguration:
    members = node.known_members(f"step {name!r}", _STEP)
    parameters, outputs = _section(members, "parameters"), _section(members, "outputs")
    return StepConfiguration(
        name=name,
        enable_cache=_enable_cache(members),
        parameters={key: member.value() for key, member in parameters.items()},
        outputs={key: _output(key, member) for key, member in outputs.items()},
        places=_places(parameters=parameters, outputs=outputs),
    )


def _section(members: Mapping[str, _Node], key: str) -> dict[str, _Node]:
    """The members of the mapping under a key; none where the key is left out."""
    return members[key].members(key) if key in members else {}


def _enable_cache(members: Mapping[str, _Node]) -> bool | None:
    """The switch of that name; ``None`` where it is left out."""
    if "enable_cache" not in members:
        return None
    value = members["enable_cache"].value()
    if not isinstance(value, bool):
        raise members["enable_cache"].place.error(f"enable_cache is true or false, got {shown(value)}")
    return value


def _places(**sections: Mapping[str, _Node]) -> dict[str, Place]:
    """Where each member of some sections stands, by the section's key and its own."""
    return {
        f"{section}.{key}": member.place for section, members in sections.items() for key, member in members.items()
    }


def _output(name: str, node: _Node) -> ArtifactConfig:
    members = node.known_members(f"output {name!r}", _OUTPUT)
    if "artifact_config" not in members:
        return ArtifactConfig()
    config = members["artifact_config"].known_members("artifact_config", _CONFIG)
    values = {key: member.version() if key == "version" else member.value() for key, member in config.items()}
    for key, value in values.items():
        try:
            ArtifactConfig(**{key: value})
        except LedgerError as error:
            is_unquoted = isinstance(error, ArgumentTypeError) and key in ("name", "version", "tags")
            hint = f"write {key}: {config[key].in_quotes(key)}" if is_unquoted else error.hint
            raise config[key].place.error(str(error), hint=hint) from error
    return ArtifactConfig(**values)
