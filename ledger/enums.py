"""The closed sets of words that users and records share."""

from enum import StrEnum
from typing import Literal

FaultKind = Literal["missing", "corrupt"]
"""What is wrong with something: it is not there, or it is not what it should be."""


class ArtifactType(StrEnum):
    """What kind of thing an artifact version is; the value is what records hold."""

    DATA = "DataArtifact"
    MODEL = "ModelArtifact"
    DATA_ANALYSIS = "DataAnalysisArtifact"
    SERVICE = "ServiceArtifact"
    STATISTICS = "StatisticsArtifact"
    SCHEMA = "SchemaArtifact"
    BASE = "BaseArtifact"


class VisualizationType(StrEnum):
    """How a visualization that lies beside a value is to be shown."""

    CSV = "csv"
    HTML = "html"
    IMAGE = "image"
    MARKDOWN = "markdown"
    JSON = "json"


class SaveType(StrEnum):
    """How a version came to be."""

    STEP_OUTPUT = "step_output"
    MANUAL = "manual"
    PREEXISTING = "preexisting"
    EXTERNAL = "external"


class TrustClass(StrEnum):
    """What reading a format can do to the reader (specs/trust.md).

    ``DATA`` is parsed as data; ``RESTRICTED`` rebuilds objects from an allow-list;
    ``CODE`` runs whatever its author wrote.
    """

    DATA = "data"
    RESTRICTED = "restricted"
    CODE = "code"


class Durability(StrEnum):
    """What a save survives once it has returned (specs/concurrency.md, 4): ``FULL`` a power cut, ``RELAXED`` a kill."""

    FULL = "full"
    RELAXED = "relaxed"
