"""Everything that no other materializer is made for, by cloudpickle.

Owns the only place where this package pickles a value whole. Reading it back runs what
its author wrote, so the trust class is code, and the person who saves is told that, and
what would be better. Nothing falls back to it silently.
"""

import io
import types
from typing import Any, ClassVar

from ledger.enums import ArtifactType, TrustClass
from ledger.errors import MaterializerTypeError, MissingDependencyError
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.libraries import differing_libraries
from ledger.materializers.named_files import named_file
from ledger.materializers.pickles import Unpickler, pickler_class, read_python, write_versions
from ledger.materializers.registry import LAST_RESORT, qualified_name
from ledger.notices import warn_if_done

_OPEN_FILES = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)


class CloudpickleMaterializer(BaseMaterializer):
    """Any object that cloudpickle takes: functions, instances of arbitrary classes."""

    REGISTRY_KEY: ClassVar[str] = LAST_RESORT
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    TRUST: ClassVar[TrustClass] = TrustClass.CODE
    SKIP_REGISTRATION: ClassVar[bool] = True

    def save(self, value: Any) -> None:
        """Write ``value.pkl``, ``python.txt`` and ``libraries.txt``, with a warning."""
        if isinstance(value, _OPEN_FILES):
            # Of an open text file cloudpickle would keep only the text that is still to be read.
            raise MaterializerTypeError(
                f"an open file is no value to save: {value!r}",
                hint="save pathlib.Path(file.name), or what file.read() gives",
            )
        if isinstance(value, types.GeneratorType):
            raise MaterializerTypeError(
                f"a generator is no value to save: {value!r}", hint="save list(...) of it, or an artifact of each part"
            )
        with self.open("value.pkl", "wb") as file:
            pickler = pickler_class()(file)
            pickler.dump(value)
            named = named_file(pickler, file.tell())
        only_named = f"; it names {named!r} without holding it: if it needs that, load that first" if named else ""
        warn_if_done(
            f"a value of type {qualified_name(type(value))} is saved by cloudpickle: others can load it only "
            "if they trust it as code; use a dataclass, a known format or a materializer of your own instead"
            f"{only_named}"
        )
        write_versions(self, pickler.modules)

    def load(self, data_type: type | None) -> Any:
        """The object; warns where another Python has written it, and refuses what that one alone can run."""
        python = read_python(self)
        with self.open("value.pkl", "rb") as file:
            try:
                return Unpickler(file, python).load()  # trust has been asked for: `load_value`
            except ImportError as error:
                raise MissingDependencyError(
                    f"a pickled value needs {error.name or str(error)!r}, which cannot be imported",
                    hint=differing_libraries(self.files)
                    or "make the module importable that defined it when it was saved",
                    name=error.name,
                ) from error
