"""Estimators are read by an allow-list; what is beyond it asks for trust."""

import collections
import enum
import io
import sys
import types
import zipfile
from typing import Any

import pytest

from ledger.enums import ArtifactType, TrustClass
from ledger.errors import MaterializerError, MissingDependencyError, UntrustedArtifactError
from tests.kit.materializing import Bench, MaterializerContract

np = pytest.importorskip("numpy")
pytest.importorskip("skops")
base = pytest.importorskip("sklearn.base")
random = pytest.importorskip("numpy.random")
linear = pytest.importorskip("sklearn.linear_model")
pipelines = pytest.importorskip("sklearn.pipeline")
preprocessing = pytest.importorskip("sklearn.preprocessing")


class Doubler(base.BaseEstimator):  # type: ignore[misc, name-defined]
    def __init__(self, factor: int = 2) -> None:
        self.factor = factor


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


def test_an_estimator_of_known_types_needs_no_trust(bench: Bench) -> None:
    """An estimator of scikit-learn's own loads without being asked for."""
    assert bench.round_trip(linear.Ridge(alpha=2)).alpha == 2


def test_a_type_beyond_the_allow_list_asks_for_trust(bench: Bench) -> None:
    """An estimator of the user's own is named when trust is asked for."""
    saved, held = bench.save(Doubler(3))
    with pytest.raises(UntrustedArtifactError, match="Doubler"):
        bench.load(saved, held)
    assert bench.load(saved, held, trusted=True).factor == 3


def test_an_array_of_estimators_says_how_they_are_read(bench: Bench) -> None:
    """An array of objects has the highest trust class of what is in it, whatever comes last."""
    array = np.array([linear.Ridge(alpha=2), 1], dtype=object)
    saved, held = bench.save(array)
    assert (TrustClass.RESTRICTED, 2) == (saved.trust, bench.load(saved, held)[0].alpha)


def test_a_module_of_somebody_elses_is_no_library_to_install(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the class of an estimator cannot be imported, the hint names its module, and no extra of ours."""
    module: Any = types.ModuleType("somebodys")
    module.Doubler = type("Doubler", (Doubler,), {"__module__": "somebodys"})
    monkeypatch.setitem(sys.modules, "somebodys", module)
    saved, held = bench.save(module.Doubler(3))
    monkeypatch.delitem(sys.modules, "somebodys")
    with pytest.raises(MissingDependencyError, match="somebodys") as caught:
        bench.load(saved, held, trusted=True)
    assert "make 'somebodys' importable" == caught.value.hint


def test_without_skops_an_estimator_says_what_to_install(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where skops is not installed an estimator is pickled, and the warning names the extra that would spare that."""
    monkeypatch.setitem(sys.modules, "skops.io", None)
    wanted = r"would save a value of type sklearn\S+Ridge as data: pip install 'ledger\[sklearn\]'"
    with pytest.warns(UserWarning, match="by cloudpickle"), pytest.warns(UserWarning, match=wanted):
        saved, _ = bench.save(linear.Ridge())
    assert saved.key == "builtin.cloudpickle/1"


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


class Kind(enum.StrEnum):
    PLAIN = "plain"


@pytest.mark.parametrize(
    "factor",
    [
        {False: 1.0, True: 50.0},
        {1: "a", "1": "b"},
        Kind.PLAIN,
        [Kind.PLAIN],
        random.SeedSequence(5),
        {"seed": random.SeedSequence(5)},
        collections.deque([1], maxlen=2),
    ],
    ids=repr,
)
def test_a_parameter_that_skops_changes_is_left_to_the_last_resort(bench: Bench, factor: Any) -> None:
    """Keys that skops merges, members it makes texts and contents it drops are pickled with a warning, at any depth."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(Doubler(factor))
    loaded = bench.load(saved, held, trusted=True).factor
    assert (saved.key, type(factor), repr(factor)) == ("builtin.cloudpickle/1", type(loaded), repr(loaded))


def test_keys_that_skops_keeps_do_not_ask_for_code(bench: Bench) -> None:
    """Weights by whole numbers are kept by skops."""
    saved, held = bench.save(linear.LogisticRegression(class_weight={0: 1.0, 1: 50.0}))
    assert saved.trust is TrustClass.RESTRICTED
    assert bench.load(saved, held).class_weight == {0: 1.0, 1: 50.0}


def test_broken_files_are_errors_of_ours(bench: Bench) -> None:
    """No error of the library reaches the caller."""
    for value in (linear.Ridge(),):
        saved, held = bench.save(value)
        with pytest.raises(MaterializerError):
            bench.load(saved, dict.fromkeys(held, b"broken"))


def test_a_model_takes_no_more_memory_than_its_file_has_bytes(bench: Bench) -> None:
    """A model whose parts are compressed inside, and could be of any size, is refused before one is read."""
    saved, held = bench.save(linear.Ridge())
    packed = io.BytesIO()
    parts = zipfile.ZipFile(io.BytesIO(held["model.skops"]))
    with parts, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in parts.namelist():
            archive.writestr(name, parts.read(name))
    with pytest.raises(MaterializerError, match=r"its part 'schema\.json' is compressed"):
        bench.load(saved, {**held, "model.skops": packed.getvalue()})
