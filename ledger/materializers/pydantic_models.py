"""Models of pydantic, as the JSON that pydantic itself writes and validates.

A model is read by its class, which must be defined where it is loaded. Whether it comes
back is tried when it is saved: a model that leaves out or changes what it holds on its way
through JSON is noticed then, and not when it is needed.
"""

from typing import Any, ClassVar

from ledger.enums import ArtifactType
from ledger.errors import UnknownTypeError
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.registry import LAST_RESORT, materializer_named, qualified_name
from ledger.notices import warn_user


class PydanticMaterializer(BaseMaterializer):
    """A pydantic model; validators of its class run when it is loaded."""

    REGISTRY_KEY: ClassVar[str] = "pydantic.json/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = ("pydantic.main.BaseModel",)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    NEEDS_TYPE: ClassVar[bool] = True
    EXTRA: ClassVar[str] = "pydantic"

    def save(self, value: Any) -> None:
        """Write ``data.json``; a model that JSON cannot bring back is left to the last resort."""
        from pydantic import ValidationError
        from pydantic_core import PydanticSerializationError

        try:
            text = value.model_dump_json(round_trip=True)
            is_back = _is_same(type(value).model_validate_json(text), value)
        except (PydanticSerializationError, ValidationError):
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        if not is_back:
            warn_user(f"a {qualified_name(type(value))} comes back different from JSON: check its private attributes")
        with self.open("data.json", "w") as file:
            file.write(text)

    def load(self, data_type: type | None) -> Any:
        """The model, validated by its class."""
        kind: Any = data_type
        if kind is None or not hasattr(kind, "model_validate_json"):
            raise UnknownTypeError(
                f"a pydantic model cannot be loaded as a {kind!r}", hint="pass the model's class as data_type="
            )
        with self.open("data.json") as file:
            return kind.model_validate_json(file.read())

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``schema``, the JSON schema of the model."""
        return {"schema": type(value).model_json_schema()}


def _is_same(left: Any, right: Any) -> bool:
    try:
        return bool(left == right)
    except (ValueError, TypeError):  # arrays and the like have no single truth value
        return True
