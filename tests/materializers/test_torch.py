"""Tensors, state dicts and modules of torch keep their numbers; only a module's structure is code."""

import re
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.enums import ArtifactType, TrustClass
from ledger.errors import MaterializerError, UntrustedArtifactError
from ledger.materializers import load_value
from ledger.materializers.registry import materializer_named
from tests.kit.materializing import Bench, MaterializerContract, Watch

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")


def _equal(left: Any, right: Any) -> bool:
    same = left.dtype == right.dtype and left.shape == right.shape and left.requires_grad == right.requires_grad
    return bool(same and type(left) is type(right) and torch.equal(left.detach(), right.detach()))


class TestTensor(MaterializerContract):
    """Tensors of many kinds."""

    key = "torch.safetensors/1"

    def values(self) -> list[Any]:
        return [
            torch.arange(6).reshape(2, 3),
            torch.arange(6).reshape(2, 3).T,
            torch.tensor(1.5, requires_grad=True),
            torch.ones(3, dtype=torch.bfloat16)[::2],
            torch.tensor([True, False]),
            torch.tensor([1 + 2j]).conj().imag,  # which knows only by a mark that its sign is another one
            torch.tensor([1 + 2j, -0.5j]),
            torch.tensor([[1 + 2j], [3j]], dtype=torch.complex128).T.conj(),
            torch.tensor(1j, dtype=torch.complex128, requires_grad=True),
            torch.empty(0, 2, dtype=torch.complex128),
            torch.empty(0, 3),
            torch.nn.Parameter(torch.zeros(2), requires_grad=False),
        ]

    def same(self, left: Any, right: Any) -> bool:
        return _equal(left, right)


class TestStateDict(MaterializerContract):
    """Dicts of nothing but tensors are one file."""

    key = "torch.safetensors/1"

    def values(self) -> list[Any]:
        shared = torch.ones(2)
        base = torch.arange(4.0)
        return [
            {"b": torch.zeros(1), "a": torch.ones(2, dtype=torch.complex128)},
            OrderedDict(z=shared, a=shared),
            {"left": base[:2], "right": base[1:]},
            {"left": base, "right": base.view(2, 2), "half": base[:2]},
            {"last": base[3:], "none": base[2:2], "first": base[:2], "turned": base.view(2, 2).T},
            torch.nn.BatchNorm1d(2).state_dict(),
        ]

    def same(self, left: Any, right: Any) -> bool:
        same = list(left) == list(right) and all(_equal(left[name], right[name]) for name in left)
        return same and getattr(left, "_metadata", None) == getattr(right, "_metadata", None)


def test_a_state_dict_keeps_what_torch_does_not_give_one(bench: Bench) -> None:
    """An attribute of the user's own on a dict of tensors comes back."""
    state: Any = OrderedDict(a=torch.ones(1))
    state.epoch = 3
    assert vars(bench.round_trip(state)) == {"epoch": 3}


def test_tied_weights_of_a_state_dict_stay_tied(bench: Bench) -> None:
    """They are written once and share their memory again, though torch gives a tensor for each of their names."""
    module = torch.nn.Sequential(torch.nn.Linear(64, 64, bias=False), torch.nn.Linear(64, 64, bias=False))
    module[1].weight = module[0].weight
    saved, held = bench.save(module.state_dict())
    assert len(held["tensors.safetensors"]) < 2 * module[0].weight.nbytes
    loaded = bench.load(saved, held)
    assert loaded["0.weight"].data_ptr() == loaded["1.weight"].data_ptr()
    assert torch.equal(module[1].weight, loaded["1.weight"])


def test_parameters_on_one_memory_stay_two(bench: Bench) -> None:
    """Each of them has a gradient of its own, and so has a tensor that needs one."""
    memory = torch.zeros(2)
    values = {name: torch.nn.Parameter(memory, requires_grad=False) for name in "ab"}
    values |= {name: memory.view(2).requires_grad_() for name in "cd"}
    loaded = bench.round_trip(values)
    assert len(values) == len({id(tensor) for tensor in loaded.values()})


def test_a_state_dict_notes_how_many_numbers_it_has(bench: Bench) -> None:
    """Its length is that of the dict; an optimizer's state and the like are no state dicts."""
    noted = bench.save(torch.nn.Linear(3, 2).state_dict())[0].metadata
    assert {"length": 2, "parameters": 8} == noted
    assert {"length": 2} == bench.save({"weight": torch.ones(2), "epoch": 3})[0].metadata


_Marked: Any = type("_Marked", (torch.Tensor,), {})


def test_a_derived_tensor_stays_one(bench: Bench) -> None:
    """It is not made its base class, alone or in a list."""
    value = torch.ones(2).as_subclass(_Marked)
    value.unit = "cm"
    for held in (value, [value]):
        with pytest.warns(UserWarning, match="_Marked is saved by cloudpickle"):
            back = bench.round_trip(held, trusted=True)
        [one] = back if isinstance(held, list) else [back]
        assert (_Marked, "cm", [1.0, 1.0]) == (type(one), one.unit, one.tolist())


def test_pairs_of_numbers_lie_where_torch_may_read_them(bench: Bench) -> None:
    """Complex numbers of 128 bits lie at a multiple of 16 bytes, wherever the header of their file has put them."""
    for name in ("a", "aa", "aaa", "aaaa"):
        loaded = bench.round_trip({name: torch.ones(2, dtype=torch.complex128)})
        assert loaded[name].data_ptr() % 16 == 0


def _module() -> Any:
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 3, bias=False))
    module[2].weight = torch.nn.Parameter(torch.eye(3), requires_grad=False)
    module.also = module[2]
    module.plain = torch.arange(3)
    module.plain.unit = "cm"
    return module


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for the peak of the memory")
@pytest.mark.parametrize("is_one_memory", [False, True])
def test_tensors_are_written_without_a_copy(bench: Bench, *, is_one_memory: bool) -> None:
    """Saving a state dict takes no memory for a second one, where its tensors are parts of one memory as well."""
    value = {name: torch.ones(8 << 20) for name in "ab"}  # 64 MiB
    if is_one_memory:
        value = dict(zip("ab", torch.ones(2, 8 << 20), strict=True))

    def told(what: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(what))

    materializer = materializer_named(TestStateDict.key)(bench.files())
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    before = told("VmRSS")
    materializer.save(value)
    assert told("VmHWM") - before < 32 << 10


class TestModule(MaterializerContract):
    """Modules, whose structure is code."""

    key = "torch.module/1"
    artifact_type = ArtifactType.MODEL
    trust = TrustClass.CODE
    warns = True

    def values(self) -> list[Any]:
        return [_module()]

    def same(self, left: Any, right: Any) -> bool:
        states = left.state_dict(), right.state_dict()
        plain = torch.equal(left.plain, right.plain) and vars(left.plain) == vars(right.plain)
        tied = right.also.weight is right[2].weight and plain
        same = list(states[0]) == list(states[1]) and all(map(torch.equal, states[0].values(), states[1].values()))
        grads = [[parameter.requires_grad for parameter in module.parameters()] for module in (left, right)]
        return tied and same and grads[0] == grads[1] and left.training == right.training


def test_the_numbers_of_a_module_are_data(bench: Bench) -> None:
    """The tensors of a module can be read without running its code."""
    from safetensors.torch import load

    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(_module())
    assert sorted(held) == ["libraries.txt", "module.pkl", "python.txt", "tensors.safetensors"]
    assert "0.weight" in load(held["tensors.safetensors"])
    assert saved.metadata == {"parameters": 24, "trainable_parameters": 15}


def test_a_checkpoint_keeps_its_shape(bench: Bench) -> None:
    """A checkpoint of a state dict, an optimizer's state and numbers is data as a whole."""
    module = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    checkpoint = {"epoch": 3, "model": module.state_dict(), "optimizer": optimizer.state_dict()}
    saved, held = bench.save(checkpoint)
    assert saved.trust is TrustClass.DATA
    loaded = bench.load(saved, held)
    assert loaded["epoch"] == 3
    assert loaded["optimizer"]["param_groups"] == checkpoint["optimizer"]["param_groups"]
    assert torch.equal(loaded["model"]["weight"], module.weight)
    assert list(loaded["optimizer"]["state"]) == [0, 1]


@pytest.mark.parametrize("name", ["__metadata__", "\ud800"], ids=["taken", "no text"])
def test_a_tensor_of_a_name_that_safetensors_cannot_give_it_comes_back(bench: Bench, name: str) -> None:
    """A dict with the name of safetensors' own notes, or with half a surrogate pair, is one like any other."""
    loaded = bench.round_trip({name: torch.arange(3), "a": torch.arange(2)})
    assert {name: [0, 1, 2], "a": [0, 1]} == {name: tensor.tolist() for name, tensor in loaded.items()}


def test_code_in_a_list_is_not_run_without_trust(bench: Bench) -> None:
    """A module inside a list asks for trust as well, and nothing is unpickled before."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save([1, _module()])
    assert saved.trust is TrustClass.CODE
    with Watch() as seen, pytest.raises(UntrustedArtifactError):
        bench.load(saved, held)
    assert not [event for event in seen if event.startswith("pickle")]


@pytest.mark.parametrize(
    ("value", "what", "instead"),
    [
        (lambda: torch.eye(2).to_sparse(), "of layout torch.sparse_coo", "tensor.to_dense()"),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8), "quantized", "tensor.dequantize()"),
        (lambda: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]), "nested", "tensor.unbind()"),
        (lambda: torch.ones(2, device="meta"), "on the device meta", "no numbers"),
        (lambda: torch.zeros(2, dtype=torch.uint8).view(torch.bits8), "dtype torch.bits8", "view(torch.uint8)"),
        (lambda: torch.empty(4, dtype=torch.uint4)[::2], "dtype torch.uint4", "view(torch.uint8)"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(prototype|deprecated)", "ignore:the structure of a")
def test_a_tensor_that_safetensors_cannot_hold_is_refused_with_a_hint(
    bench: Bench, value: Callable[[], Any], what: str, instead: str
) -> None:
    """The error says what the tensor is and what to save instead, also in a state dict."""
    tensor = value()
    for refused in (tensor, {"weight": tensor}):
        with pytest.raises(MaterializerError, match=re.escape(what)) as caught:
            bench.save(refused)
        assert instead in caught.value.hint


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (lambda: torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(1, 1)), "ParametrizedLinear cannot be"),
        (lambda: object.__new__(torch.export.ExportedProgram), "a program that torch has exported"),
    ],
)
def test_a_module_that_torch_does_not_pickle_is_refused_with_a_hint(
    bench: Bench, value: Callable[[], Any], what: str
) -> None:
    """The error says what to save instead, before a version is made that nobody could load."""
    with pytest.raises(MaterializerError, match=what) as caught:
        bench.save(value())
    assert "torch.export.save" in caught.value.hint


def test_a_broken_file_is_an_error_of_ours(bench: Bench) -> None:
    """Errors of safetensors do not reach the caller."""
    with pytest.raises(MaterializerError):
        load_value("torch.safetensors/1", "torch.Tensor", bench.files({"tensors.safetensors": b"\x00" * 9}))


def test_plain_tensors_and_parameters_keep_apart(ledger: Ledger) -> None:
    """A module called ``other`` keeps its numbers, though tensors without a name are saved beside them."""
    module = torch.nn.Module()
    module.first = torch.nn.Module()
    module.first.plain = torch.arange(3)
    module.other = torch.nn.ParameterList([torch.ones(2)])
    with pytest.warns(UserWarning, match="cloudpickle"):
        ledger.save(module, "net")
    loaded = ledger.load("net")
    assert [0, 1, 2] == loaded.first.plain.tolist()
    assert [1.0, 1.0] == loaded.other[0].tolist()
