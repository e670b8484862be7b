"""Tensors of torch, and named groups of them, as safetensors.

One file, ``tensors.safetensors``, that every reader of the format opens. Names that share
one tensor, or all of its memory, share it again afterwards; other views, strides and
devices are not kept: tensors come back contiguous and on the CPU. Complex numbers of a
width that safetensors lacks are pairs of real ones. What safetensors cannot say is JSON in
its header, under ``ledger``.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar

from ledger.enums import ArtifactType
from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.decoding import TreeDecoder
from ledger.materializers.encoding import TreeEncoder
from ledger.materializers.files import Files
from ledger.materializers.places import tell_place
from ledger.materializers.registry import LAST_RESORT, TENSORS, materializer_named, qualified_name

FILE = "tensors.safetensors"

_SINGLE = "tensor"
_KNOWN = ("torch.Tensor", "torch.nn.parameter.Parameter")


class TorchTensorMaterializer(BaseMaterializer):
    """A tensor or parameter, or a state dict: a dict of names and nothing but tensors."""

    REGISTRY_KEY: ClassVar[str] = TENSORS
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = ("torch.Tensor",)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    EXTRA: ClassVar[str] = "torch"

    def save(self, value: Any) -> None:
        """Write the tensors."""
        if not isinstance(value, dict) and qualified_name(type(value)) not in _KNOWN:
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        for tensor in value.values() if isinstance(value, dict) else [value]:
            try:
                _check_tensor(tensor)
            except MaterializerError as error:
                tell_place(error, [value, tensor])
                raise
        if isinstance(value, dict):
            facts: dict[str, Json] = {"kind": type(value).__name__, "order": list(value)}
            modules = getattr(value, "_metadata", None)  # versions of the modules that made a state dict
            if modules is not None:
                facts["modules"] = TreeEncoder(None).encode(modules)
            write_tensors(self.files, value, facts)
        else:
            write_tensors(self.files, {_SINGLE: value}, {"kind": type(value).__name__})

    def load(self, data_type: type | None) -> Any:
        """The tensor or the dict of tensors, on the CPU."""
        tensors, facts = read_tensors(self.files)
        if facts["kind"] not in ("dict", "OrderedDict"):
            return tensors[_SINGLE]
        pairs = ((name, tensors[name]) for name in facts["order"])
        if facts["kind"] == "dict":
            return dict(pairs)
        state: Any = OrderedDict(pairs)
        if "modules" in facts:
            state._metadata = TreeDecoder(None).decode(facts["modules"])  # noqa: SLF001  # where torch looks for it
        return state

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``shape`` and ``dtype`` of a tensor, ``length`` and ``parameters`` of a state dict."""
        if isinstance(value, dict):
            return {"length": len(value), "parameters": sum(tensor.numel() for tensor in value.values())}
        return {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}


def write_tensors(files: Files, tensors: Mapping[str, Any], facts: Mapping[str, Json]) -> None:
    """Write named tensors into one safetensors file; one that stands under two names is written once."""
    import torch
    from safetensors.torch import save_file

    first_names: dict[object, str] = {}
    aliases: dict[str, str] = {}
    distinct: dict[str, Any] = {}
    flags: dict[str, list[bool]] = {}
    for name, tensor in tensors.items():
        first = first_names.setdefault(_identity(tensor), name)
        if first != name:
            aliases[name] = first
            continue
        flags[name] = [type(tensor) is torch.nn.Parameter, bool(tensor.requires_grad)]
        distinct[name] = tensor
    held = _contiguous(distinct)
    pairs = [name for name, tensor in held.items() if tensor.dtype in (torch.complex32, torch.complex128)]
    held |= {name: torch.view_as_real(held[name]) for name in pairs}
    noted = {**facts, "aliases": aliases, "flags": flags, **({"pairs": pairs} if pairs else {})}
    header = json.dumps(noted, sort_keys=True)
    try:
        save_file(held, files.folder() / FILE, metadata={"ledger": header})
    except KeyError as unknown:  # in its table of dtypes
        raise _no_dtype(unknown.args[0]) from unknown


def read_tensors(files: Files) -> tuple[dict[str, Any], dict[str, Json]]:
    """The tensors by name, parameters as such, and the facts that were written with them."""
    import torch
    from safetensors import safe_open
    from torch.nn import Parameter

    with safe_open(files.folder() / FILE, framework="pt") as file:
        facts = json.loads((file.metadata() or {}).get("ledger", "null"))
        if not isinstance(facts, dict):
            raise MaterializerError(f"{FILE} does not say what it holds", path=FILE)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    # Copies: safetensors aligns numbers alone, and torch ends the process over a pair that is not.
    tensors |= {name: torch.view_as_complex(tensors[name].clone()) for name in facts.get("pairs", ())}
    files.drop_folder()  # the tensors stay mapped from its files, which need no names for that
    for name, (is_one, requires_grad) in facts["flags"].items():
        if is_one:
            tensors[name] = Parameter(tensors[name], requires_grad=requires_grad)
        elif requires_grad:
            tensors[name].requires_grad_()
    tensors |= {name: tensors[first] for name, first in facts["aliases"].items()}
    return tensors, facts


def _identity(tensor: Any) -> object:
    """What two names have in common that stand for one tensor.

    A module gives a new object for each name in its state dict: tied weights are those that see the same memory in the
    same way. Parameters, and what may differ in its gradient or attributes, are told apart as objects.
    """
    import torch

    is_plain = type(tensor) is torch.Tensor and not (tensor.requires_grad or vars(tensor))
    if not (is_plain and tensor.numel()):
        return id(tensor)
    memory = tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
    return *memory, tensor.is_conj(), tensor.is_neg()


def _contiguous(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Each tensor contiguous on the CPU: copied only where it is not, or where it overlaps another one.

    safetensors refuses tensors that overlap in memory, but not neighbours in one memory.
    """
    rows = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().resolve_conj().resolve_neg().cpu()
        rows[name] = plain if plain.is_contiguous() else _copied(plain)
    end = 0
    for name, row in sorted(rows.items(), key=lambda pair: (pair[1].data_ptr(), -pair[1].numel())):
        if row.data_ptr() < end:
            rows[name] = _copied(row)
        else:
            end = row.data_ptr() + row.numel() * row.element_size()
    return rows


def _copied(tensor: Any) -> Any:
    """A contiguous copy."""
    import torch

    try:
        return tensor.clone(memory_format=torch.contiguous_format)
    except NotImplementedError as unable:  # for a dtype that torch itself can do little with
        raise _no_dtype(tensor.dtype) from unable


def _no_dtype(dtype: Any) -> MaterializerError:
    return MaterializerError(
        f"a tensor of dtype {dtype} is nothing that safetensors can hold",
        hint="save tensor.view(torch.uint8), and the dtype beside it",
    )


def can_hold(tensor: Any) -> bool:
    """Whether safetensors can say everything about a tensor but its device and strides."""
    import torch

    is_known = type(tensor) in (torch.Tensor, torch.nn.Parameter)
    is_plain = not (tensor.is_quantized or tensor.is_meta or tensor.is_nested)
    return is_known and is_plain and tensor.layout is torch.strided


def _check_tensor(tensor: Any) -> None:
    """Raise `MaterializerError` for a tensor that safetensors cannot hold, with what to save instead."""
    if can_hold(tensor):
        return
    if tensor.is_meta:
        what, hint = "on the device meta", "it has no numbers: load or make them first"
    elif tensor.is_quantized:
        what, hint = "that is quantized", "save tensor.dequantize() instead"
    elif tensor.is_nested:
        what, hint = "that is nested", "save tensor.unbind(), its parts, instead"
    else:
        what, hint = f"of layout {tensor.layout}", "save tensor.to_dense() instead"
    raise MaterializerError(
        f"a tensor of type {type(tensor).__module__}.{type(tensor).__qualname__} {what} is no plain tensor", hint=hint
    )
