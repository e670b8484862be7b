"""Values to files and back: one class per format, chosen by the type of the value.

Knows no store, and imports a library only when a value of it is met. Reading data never
runs code; where only code can rebuild a value, trust is asked first.
"""

from ledger.materializers.arrow_tables import ArrowMaterializer, PolarsMaterializer
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.files import Files
from ledger.materializers.images import FigureMaterializer, PillowMaterializer
from ledger.materializers.json_values import (
    BytesMaterializer,
    DataclassMaterializer,
    DatetimeMaterializer,
    EnumMaterializer,
    JsonMaterializer,
    UuidMaterializer,
)
from ledger.materializers.last_resort import CloudpickleMaterializer
from ledger.materializers.numpy_arrays import NumpyMaterializer
from ledger.materializers.pandas_tables import PandasMaterializer
from ledger.materializers.paths import PathMaterializer
from ledger.materializers.pydantic_models import PydanticMaterializer
from ledger.materializers.registry import is_called, materializer_for, materializer_named, qualified_name
from ledger.materializers.scipy_matrices import ScipySparseMaterializer
from ledger.materializers.sklearn_estimators import SklearnMaterializer
from ledger.materializers.texts import CsvMaterializer, HtmlMaterializer, JsonTextMaterializer, MarkdownMaterializer
from ledger.materializers.torch_modules import TorchModuleMaterializer
from ledger.materializers.torch_tensors import TorchTensorMaterializer
from ledger.materializers.values import SavedValue, load_value, save_value

BUILT_IN = (
    ArrowMaterializer,
    BytesMaterializer,
    CloudpickleMaterializer,
    CsvMaterializer,
    DataclassMaterializer,
    DatetimeMaterializer,
    EnumMaterializer,
    FigureMaterializer,
    HtmlMaterializer,
    JsonMaterializer,
    JsonTextMaterializer,
    MarkdownMaterializer,
    NumpyMaterializer,
    PandasMaterializer,
    PathMaterializer,
    PillowMaterializer,
    PolarsMaterializer,
    PydanticMaterializer,
    ScipySparseMaterializer,
    SklearnMaterializer,
    TorchModuleMaterializer,
    TorchTensorMaterializer,
    UuidMaterializer,
)
"""Each is registered when its class is defined. Naming all of them here makes sure that they are defined, also where
Python imports lazily, as 3.15 can be told to."""

__all__ = [
    "BUILT_IN",
    "ArrowMaterializer",
    "BaseMaterializer",
    "BytesMaterializer",
    "CloudpickleMaterializer",
    "CsvMaterializer",
    "DataclassMaterializer",
    "DatetimeMaterializer",
    "EnumMaterializer",
    "FigureMaterializer",
    "Files",
    "HtmlMaterializer",
    "JsonMaterializer",
    "JsonTextMaterializer",
    "MarkdownMaterializer",
    "NumpyMaterializer",
    "PandasMaterializer",
    "PathMaterializer",
    "PillowMaterializer",
    "PolarsMaterializer",
    "PydanticMaterializer",
    "SavedValue",
    "ScipySparseMaterializer",
    "SklearnMaterializer",
    "TorchModuleMaterializer",
    "TorchTensorMaterializer",
    "UuidMaterializer",
    "is_called",
    "load_value",
    "materializer_for",
    "materializer_named",
    "qualified_name",
    "save_value",
]
