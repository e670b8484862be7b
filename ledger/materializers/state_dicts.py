"""Which dicts are state dicts of torch, whose materializer writes them as safetensors."""

import sys
from collections import OrderedDict

from ledger.materializers.atoms import is_plain_text
from ledger.materializers.known_types import ORIGIN
from ledger.materializers.registry import qualified_name

_TAKEN_NAME = "__metadata__"  # safetensors keeps it for itself
_ATTRIBUTES = frozenset({"_metadata", ORIGIN})  # the versions of modules, which torch adds


def is_state_dict(value: object) -> bool:
    """Whether a value is what a torch module's ``state_dict()`` gives.

    It is a dict or an `OrderedDict`, not empty; it holds tensors and nothing else, under names that safetensors can
    write; and it has no attributes but those that torch gives one.
    """
    if "torch" not in sys.modules:  # a quick answer, since a value may hold very many dicts
        return False
    if not isinstance(value, dict) or type(value) not in (dict, OrderedDict) or not value or _TAKEN_NAME in value:
        return False
    if not _ATTRIBUTES.issuperset(getattr(value, "__dict__", ())):
        return False
    return all(type(name) is str and _is_tensor(type(held)) and is_plain_text(name) for name, held in value.items())


def _is_tensor(kind: type) -> bool:
    return kind.__name__ == "Tensor" and qualified_name(kind) == "torch.Tensor"
