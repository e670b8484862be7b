"""Which libraries a value was saved with, told where others cannot load it.

Owns ``libraries.txt``, which lies beside a pickle or a model: name and version of each library that it takes classes
or functions of. It decides nothing, since most versions load what others saved: it is read when one did not. Nothing
is imported to find a version out.
"""

import sys
from collections.abc import Iterable

from ledger.materializers.files import Files

FILE = "libraries.txt"

_READ_LIMIT = 1 << 14
_LONGEST_VERSION = 100


def versions_here(modules: Iterable[str]) -> dict[str, str]:
    """The versions of the libraries that loaded modules are part of, by name, as far as these tell one."""
    names = sorted({module.partition(".")[0] for module in modules} - sys.stdlib_module_names)
    found: dict[str, object] = {name: getattr(sys.modules.get(name), "__version__", None) for name in names}
    return {name: version for name, version in found.items() if isinstance(version, str) and _is_legible(version)}


def write_libraries(files: Files, modules: Iterable[str]) -> None:
    """Write ``libraries.txt`` for a value that uses some modules; no file where none of them is a library's."""
    versions = versions_here(modules)
    if versions:
        with files.open(FILE, "w") as file:
            file.writelines(f"{name} {version}\n" for name, version in versions.items())


def differing_libraries(files: Files) -> str:
    """Which libraries are loaded here in other versions than the value was saved with, as a hint; else empty."""
    if FILE not in files.paths():
        return ""
    with files.open(FILE, "rb") as file:
        text = file.read(_READ_LIMIT).decode(errors="replace")  # a damaged one is no reason to hide what failed
    saved = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    here = versions_here(saved)
    differing = [name for name, version in here.items() if version != saved[name]]
    if not differing:
        return ""
    needed = ", ".join(f"{name} {saved[name]}" for name in differing)
    return f"it was saved with {needed}; here is {', '.join(f'{name} {here[name]}' for name in differing)}"


def _is_legible(version: str) -> bool:
    return version.isprintable() and 0 < len(version) <= _LONGEST_VERSION
