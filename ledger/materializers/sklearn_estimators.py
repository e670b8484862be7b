"""Estimators of scikit-learn, by skops.

skops rebuilds objects from an allow-list of types. A model of scikit-learn's own types
loads without further ado; one with others asks for trust and says which they are. What
skops cannot take apart is left to the last resort, with its warning; no safe loader
ever falls back to an unsafe one.
"""

from typing import Any, ClassVar

from ledger.enums import ArtifactType, TrustClass
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.registry import LAST_RESORT, materializer_named

_SHOWN = 5


class SklearnMaterializer(BaseMaterializer):
    """Any scikit-learn estimator, pipelines included."""

    REGISTRY_KEY: ClassVar[str] = "sklearn.skops/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = ("sklearn.base.BaseEstimator",)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL
    TRUST: ClassVar[TrustClass] = TrustClass.RESTRICTED
    EXTRA: ClassVar[str] = "sklearn"

    def save(self, value: Any) -> None:
        """Write ``model.skops``."""
        try:
            from skops import io

            data = io.dumps(value)
            # Functions and local classes are written without complaint and fail only here.
            io.loads(data, trusted=io.get_untrusted_types(data=data))
        except Exception:  # noqa: BLE001  # skops raises what the object raises; the last resort warns and may raise better
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        with self.open("model.skops", "wb") as file:
            file.write(data)

    def load(self, data_type: type | None) -> Any:  # noqa: ARG002
        """The estimator; asks for trust where it holds types beyond skops' own list."""
        from skops import io

        with self.open("model.skops", "rb") as file:
            data = file.read()
        types = io.get_untrusted_types(data=data)
        if types:
            more = f" and {len(types) - _SHOWN} more" if len(types) > _SHOWN else ""
            self.files.require_trust(f"{self.key} makes objects of the types {', '.join(types[:_SHOWN])}{more}")
        return io.loads(data, trusted=types)

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``estimator``, the name of its class."""
        return {"estimator": type(value).__name__}
