"""What decorators and `with_options` say: the switches that pipelines and steps share, and the options of a step.

Owns which of several settings of one switch wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ledger.errors import ArgumentTypeError
from ledger.materializers import BaseMaterializer
from ledger.wording import shown_with_type


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Switches, where ``None`` leaves one to weaker settings, and ``substitutions`` for name templates."""

    enable_cache: bool | None = None
    enable_artifact_metadata: bool | None = None
    enable_artifact_visualization: bool | None = None
    substitutions: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            switch = getattr(self, each.name)
            if each.name != "substitutions" and not (switch is None or isinstance(switch, bool)):
                raise ArgumentTypeError(f"{each.name} is True, False or None, got {shown_with_type(switch)}")
        given = self.substitutions
        if not isinstance(given, Mapping | None):
            raise ArgumentTypeError(f"substitutions are a dict of str, got {shown_with_type(given)}")

    def under(self, stronger: "Settings") -> "Settings":
        """Both merged: each switch as ``stronger`` sets it, or as these do where it leaves it open."""
        switches = {
            each.name: getattr(self if getattr(stronger, each.name) is None else stronger, each.name)
            for each in fields(self)
            if each.name != "substitutions"
        }
        return Settings(**switches, substitutions={**(self.substitutions or {}), **(stronger.substitutions or {})})


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    """What a decorator or `with_options` says about a step."""

    settings: Settings = field(default_factory=Settings)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    materializers: Mapping[str, tuple[type[BaseMaterializer], ...]] = field(default_factory=dict)
