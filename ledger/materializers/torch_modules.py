"""Modules of torch: the numbers as safetensors, the rest as code.

``tensors.safetensors`` holds every parameter and buffer under its name in the state dict
and can be read as data without trusting anybody. ``module.pkl`` is the module with a
reference in the place of each tensor, pickled by cloudpickle: loading it runs what its
author wrote, so it asks for trust. Tied weights are tied again.
"""

from typing import Any, ClassVar

from ledger.enums import ArtifactType, TrustClass
from ledger.errors import MaterializerError, MaterializerTypeError
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.pickles import Unpickler, pickler_class, read_python, write_versions
from ledger.materializers.registry import qualified_name
from ledger.materializers.torch_tensors import can_hold, read_tensors, write_tensors
from ledger.notices import warn_if_done
from ledger.wording import one_line

_AS_FILE = "save module.state_dict(), or a file that torch.jit.save or torch.export.save writes, as pathlib.Path(file)"


class TorchModuleMaterializer(BaseMaterializer):
    """A ``torch.nn.Module``, on the CPU when it comes back."""

    REGISTRY_KEY: ClassVar[str] = "torch.module/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = (
        "torch.nn.modules.module.Module",
        "torch.export.exported_program.ExportedProgram",
    )
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL
    TRUST: ClassVar[TrustClass] = TrustClass.CODE
    EXTRA: ClassVar[str] = "torch"

    def save(self, value: Any) -> None:
        """Write ``module.pkl``, the tensors, and which Python and libraries it was, with a warning about the code."""
        import torch

        if not isinstance(value, torch.nn.Module):
            raise MaterializerTypeError(
                "a program that torch has exported cannot be saved: torch does not read a pickle of one", hint=_AS_FILE
            )
        warn_if_done(
            f"the structure of a value of type {qualified_name(type(value))} is saved by cloudpickle: others "
            "can load it only if they trust it as code; save module.state_dict() for numbers that anybody can load"
        )
        names = {id(tensor): name for name, tensor in _named_tensors(value)}
        tensors: dict[str, Any] = {}
        with self.open("module.pkl", "wb") as file:
            pickler = _pickler(file, names, tensors)
            try:
                pickler.dump(value)
            except (RuntimeError, TypeError) as unable:
                what = f"a module of type {qualified_name(type(value))} cannot be pickled"
                raise MaterializerError(f"{what}: {one_line(str(unable))}", hint=_AS_FILE) from unable
        write_tensors(self.files, tensors, {"kind": "module"})
        write_versions(self, pickler.modules)

    def load(self, data_type: type | None) -> Any:
        """The module with its numbers in place."""
        python = read_python(self)
        tensors, _ = read_tensors(self.files)
        with self.open("module.pkl", "rb") as file:
            return _ModuleUnpickler(file, python, tensors).load()

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``parameters`` and ``trainable_parameters``, counted."""
        parameters = list(value.parameters())
        trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
        return {"parameters": sum(parameter.numel() for parameter in parameters), "trainable_parameters": trainable}


class _ModuleUnpickler(Unpickler):
    """Puts tensors where references to them were pickled."""

    def __init__(self, file: Any, python: str, tensors: dict[str, Any]) -> None:
        super().__init__(file, python)
        self._tensors = tensors

    def persistent_load(self, reference: Any) -> Any:
        """The tensor of that name, with the attributes that it was given."""
        name, attributes = reference if isinstance(reference, tuple) else (reference, {})
        if name not in self._tensors:
            raise MaterializerError(f"module.pkl refers to the tensor {name!r}, which is not saved")
        vars(self._tensors[name]).update(attributes)
        return self._tensors[name]


def _named_tensors(module: Any) -> list[tuple[str, Any]]:
    """Parameters and buffers by name, the last first; a tied one is there twice, and its first name wins in a dict."""
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    return named[::-1]


def _pickler(file: Any, names: dict[int, str], tensors: dict[str, Any]) -> Any:
    """A pickler that collects plain tensors into ``tensors`` and leaves a name in their place."""
    import torch

    class Pickler(pickler_class()):  # type: ignore[misc]
        def persistent_id(self, held: Any) -> str | tuple[str, dict[str, Any]] | None:
            if not isinstance(held, torch.Tensor) or not can_hold(held):
                return None
            # Tensors outside of the state dict, such as plain attributes, are numbered:
            # no name there has an empty part.
            name = names.setdefault(id(held), f".other.{len(tensors)}")
            tensors[name] = held
            return (name, vars(held)) if vars(held) else name

    return Pickler(file)
