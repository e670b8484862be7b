"""Everything that no other materializer is made for, by cloudpickle.

Owns the only place where this package pickles a value whole. Reading it back runs what
its author wrote, so the trust class is code, and the person who saves is told so and
what would be better. Nothing falls back to it silently.
"""

import sys
from typing import Any, ClassVar

from ledger.enums import ArtifactType, TrustClass
from ledger.errors import MissingDependencyError
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.registry import LAST_RESORT, qualified_name
from ledger.notices import warn_if_done, warn_user


class CloudpickleMaterializer(BaseMaterializer):
    """Any object that cloudpickle takes: functions, instances of arbitrary classes."""

    REGISTRY_KEY: ClassVar[str] = LAST_RESORT
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    TRUST: ClassVar[TrustClass] = TrustClass.CODE
    SKIP_REGISTRATION: ClassVar[bool] = True

    def save(self, value: Any) -> None:
        """Write ``value.pkl`` and ``python.txt``, with a warning."""
        import cloudpickle

        warn_if_done(
            f"a {qualified_name(type(value))} is saved by cloudpickle: others can load it only "
            "if they trust it as code; use a dataclass, a known format or a materializer of your own instead"
        )
        with self.open("value.pkl", "wb") as file:
            cloudpickle.dump(value, file)
        with self.open("python.txt", "w") as file:
            file.write(python_version())

    def load(self, data_type: type | None) -> Any:  # noqa: ARG002
        """The object; warns where another Python has written it."""
        import pickle

        with self.open("python.txt") as file:
            warn_about_python(file.read(), self.key)
        with self.open("value.pkl", "rb") as file:
            try:
                return pickle.load(file)  # noqa: S301  # trust has been asked for: `load_value`
            except ImportError as error:
                raise MissingDependencyError(
                    f"a pickled value needs {error.name or str(error)!r}, which cannot be imported",
                    hint="make the module importable that defined it when it was saved",
                    name=error.name,
                ) from error


def python_version() -> str:
    """The version of this Python, as ``3.11.4``."""
    return ".".join(map(str, sys.version_info[:3]))


def warn_about_python(saved: str, key: str) -> None:
    """Warn where code was pickled by another minor version of Python than runs now."""
    if saved.split(".")[:2] != python_version().split(".")[:2]:
        warn_user(f"{key}: saved by Python {saved}, loaded by Python {python_version()}; pickled code may not work")
