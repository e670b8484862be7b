"""What to do where a value needs a library that cannot be imported.

Owns the error that names the library, and its hint: the extra of this program that brings it, wherever one does.
"""

import re
from typing import Final, Literal

from ledger.enums import TrustClass
from ledger.errors import MissingDependencyError
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.libraries import versions_here

_OF_FORMATS: Final = frozenset({"pyarrow", "safetensors", "skops"})
"""Libraries that values are written with, and that the libraries of the values do not bring themselves."""


def missing(
    doing: Literal["save", "load"], chosen: type[BaseMaterializer], name: str, error: ImportError, *, hint: str = ""
) -> MissingDependencyError:
    """The error of a materializer that fails with an ``ImportError`` at a value of the class ``name``.

    ``hint`` is what is known to help; without one it is made of what cannot be imported.
    """
    module = error.name or str(error)
    return MissingDependencyError(
        f"materializer {chosen.REGISTRY_KEY} needs {module!r} to {doing} a value of type {name}",
        hint=hint or _hint(doing, chosen, module),
        materializer=chosen.REGISTRY_KEY,
        name=module,
    )


def _hint(doing: str, chosen: type[BaseMaterializer], module: str) -> str:
    library, dot, _ = module.partition(".")
    if chosen.EXTRA and (library in _OF_FORMATS or _is_of_values(chosen, library)):
        return f"pip install 'ledger[{chosen.EXTRA}]'"
    here = versions_here([library]).get(library)
    if doing == "load" and dot and here:
        return f"here is {library} {here}, and another version of it wrote the value"
    return f"make {module!r} importable"


def _is_of_values(chosen: type[BaseMaterializer], library: str) -> bool:
    """Whether a materializer is made for the values of a library.

    A materializer that makes objects of other people's classes may miss any library; its own is named in its key.
    """
    return chosen.TRUST is TrustClass.DATA or library in re.split(r"[./]", chosen.REGISTRY_KEY)
