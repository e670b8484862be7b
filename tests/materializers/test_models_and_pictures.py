"""Estimators, pydantic models, polars, Arrow, images and figures."""

import decimal
from typing import Any

import pytest

from ledger.enums import ArtifactType, TrustClass, VisualizationType
from ledger.errors import MaterializerError, MaterializerTypeError, UnknownTypeError, UntrustedArtifactError
from ledger.materializers import load_value
from tests.kit.materializing import Bench, MaterializerContract

np = pytest.importorskip("numpy")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
pydantic = pytest.importorskip("pydantic")
images = pytest.importorskip("PIL.Image")
figures = pytest.importorskip("matplotlib.figure")
pytest.importorskip("skops")
base = pytest.importorskip("sklearn.base")
linear = pytest.importorskip("sklearn.linear_model")
pipelines = pytest.importorskip("sklearn.pipeline")
preprocessing = pytest.importorskip("sklearn.preprocessing")


class Doubler(base.BaseEstimator):  # type: ignore[misc, name-defined]
    def __init__(self, factor: int = 2) -> None:
        self.factor = factor


class Inner(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    values: tuple[int, ...]


class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    name: str
    price: decimal.Decimal
    inner: Inner | None = None


class Hiding(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    secret: int = pydantic.Field(exclude=True)


class TestEstimators(MaterializerContract):
    """Estimators are models, read by an allow-list."""

    key = "sklearn.skops/1"
    artifact_type = ArtifactType.MODEL
    trust = TrustClass.RESTRICTED

    def values(self) -> list[Any]:
        steps = pipelines.make_pipeline(preprocessing.StandardScaler(), linear.LogisticRegression(C=0.5))
        return [steps.fit([[0.0], [1.0], [2.0]], [0, 1, 1]), linear.Ridge()]

    def same(self, left: Any, right: Any) -> bool:
        if isinstance(left, linear.Ridge):
            return bool(left.get_params() == right.get_params())
        return bool((left.predict_proba([[0.3]]) == right.predict_proba([[0.3]])).all())


class TestPydantic(MaterializerContract):
    """Models are JSON, read by their class."""

    key = "pydantic.json/1"

    def values(self) -> list[Any]:
        return [Model(name="é", price=decimal.Decimal("1.10"), inner=Inner(values=(1, 2)))]


class TestPolars(MaterializerContract):
    """Frames and series of polars."""

    key = "polars.parquet/1"

    def values(self) -> list[Any]:
        frame = pl.DataFrame({"a": [1, None], "b": ["x", None], "c": [[1], [2, 3]], "d": [{"k": 1}, {"k": 2}]})
        kinds = pl.Enum(["low", "high"])
        typed = frame.select(
            pl.lit("low").cast(kinds).alias("e"),
            pl.lit("x").cast(pl.Categorical).alias("c"),
            pl.lit(None).alias("n"),
            pl.datetime(2020, 1, 1, time_zone="Europe/Paris").alias("t"),
            pl.lit(1, pl.Int8).alias("i"),
        )
        return [frame, typed, pl.DataFrame(), pl.Series("s", [1.5, None]), pl.Series([True])]

    def same(self, left: Any, right: Any) -> bool:
        names = (getattr(left, "name", None), getattr(right, "name", None))
        types = [value.dtype if isinstance(value, pl.Series) else value.schema for value in (left, right)]
        return bool(left.equals(right)) and names[0] == names[1] and types[0] == types[1]


class TestArrow(MaterializerContract):
    """Tables of Arrow, with every type and the schema's metadata."""

    key = "pyarrow.ipc/1"

    def values(self) -> list[Any]:
        table = pa.table({"a": pa.array([1, None], pa.uint16()), "d": pa.array(["x", "y"]).dictionary_encode()})
        return [table, table.replace_schema_metadata({"unit": "m"}), pa.table({})]

    def same(self, left: Any, right: Any) -> bool:
        return bool(left.equals(right, check_metadata=True))


class TestImages(MaterializerContract):
    """Images of every mode, pixel by pixel."""

    key = "pillow.image/1"

    def values(self) -> list[Any]:
        picture = images.fromarray(np.arange(48, dtype="u1").reshape(4, 4, 3))
        modes = ("RGB", "1", "L", "LA", "P", "RGBA", "I", "F", "CMYK", "YCbCr", "HSV", "LAB")
        return [*(picture.convert(mode) for mode in modes), images.new("I;16", (2, 2), 40_000)]

    def same(self, left: Any, right: Any) -> bool:
        pixels = left.mode == right.mode and left.tobytes() == right.tobytes()
        if left.mode == "LAB":  # which pillow does not convert
            return bool(pixels)
        return bool(pixels and left.convert("RGB").tobytes() == right.convert("RGB").tobytes())


def test_an_estimator_of_known_types_needs_no_trust(bench: Bench) -> None:
    """An estimator of scikit-learn's own loads without being asked for."""
    assert bench.round_trip(linear.Ridge(alpha=2)).alpha == 2


def test_a_type_beyond_the_allow_list_asks_for_trust(bench: Bench) -> None:
    """An estimator of the user's own is named when trust is asked for."""
    saved, held = bench.save(Doubler(3))
    with pytest.raises(UntrustedArtifactError, match="Doubler"):
        bench.load(saved, held)
    assert bench.load(saved, held, trusted=True).factor == 3


def test_an_estimator_that_skops_cannot_keep_is_left_to_the_last_resort(bench: Bench) -> None:
    """A function inside an estimator is pickled with a warning, and the record says so."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(preprocessing.FunctionTransformer(lambda x: x + 1))
    assert (saved.key, saved.trust, saved.artifact_type) == (
        "builtin.cloudpickle/1",
        TrustClass.CODE,
        ArtifactType.MODEL,
    )
    assert bench.load(saved, held, trusted=True).transform([1, 2][0]) == 2


def test_a_model_whose_class_is_unknown_is_named(bench: Bench) -> None:
    """Without its class a pydantic model is an error that says what to do."""
    saved, held = bench.save(Inner(values=(1,)))
    with pytest.raises(UnknownTypeError, match="elsewhere"):
        load_value(saved.key, "elsewhere.Inner", bench.files(held))
    assert load_value(saved.key, "elsewhere.Inner", bench.files(held), data_type=Inner) == Inner(values=(1,))
    assert saved.metadata["schema"]["title"] == "Inner"


def test_a_model_that_json_cannot_bring_back_is_noticed_when_it_is_saved(bench: Bench) -> None:
    """A model that leaves out a required field is not saved as JSON."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        assert bench.save(Hiding(secret=1))[0].key == "builtin.cloudpickle/1"


def test_a_lazy_frame_is_refused(bench: Bench) -> None:
    """A polars plan is no data, and the hint says what to save."""
    with pytest.raises(MaterializerTypeError) as caught:
        bench.save(pl.LazyFrame({"a": [1]}))
    assert caught.value.hint == "save value.collect() instead"


def test_objects_in_polars_are_named(bench: Bench) -> None:
    """A polars column of objects is an error that names the column."""
    with pytest.raises(MaterializerError, match="column 'o'"):
        bench.save(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}))


def test_an_image_notes_its_size_and_shows_itself(bench: Bench) -> None:
    """Width, height and mode are noted; any mode is shown."""
    shown = bench.files()
    saved, _ = bench.save(images.new("F", (3, 2)), visualizations=shown)
    assert saved.metadata == {"width": 3, "height": 2, "mode": "F"}
    assert saved.visualizations == {"image.png": VisualizationType.IMAGE}


def test_a_figure_comes_back_as_a_picture(bench: Bench) -> None:
    """A figure is saved as what it looks like, the same bytes each time, and loads as an image."""
    figure = figures.Figure((2, 1))
    figure.subplots().plot([1, 2])
    shown = bench.files()
    saved, held = bench.save(figure, visualizations=shown)
    assert sorted(held) == ["figure.png", "figure.svg"]
    assert held == bench.save(figure)[1]
    assert saved.artifact_type is ArtifactType.DATA_ANALYSIS
    assert bench.load(saved, held).size == (200, 100)
    assert shown.paths() == ("figure.png",)


def test_broken_files_are_errors_of_ours(bench: Bench) -> None:
    """No error of a library reaches the caller."""
    for value in (pl.DataFrame({"a": [1]}), pa.table({"a": [1]}), images.new("L", (1, 1)), linear.Ridge()):
        saved, held = bench.save(value)
        with pytest.raises(MaterializerError):
            bench.load(saved, dict.fromkeys(held, b"broken"))
