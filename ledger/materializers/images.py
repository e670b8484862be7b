"""Pictures: images of pillow, and figures of matplotlib.

An image is PNG where PNG holds its mode exactly and pillow reads it without taking it for
an attack; its raw bytes otherwise. Either way mode, pixels and palette come back as they
were. A figure is what it looks like, as PNG and SVG:
it comes back as an image, because only pickle could bring back the figure.
"""

import io
import json
import struct
from typing import Any, ClassVar

from ledger.enums import ArtifactType, VisualizationType
from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json, from_base64, to_base64
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.decoding import TreeDecoder
from ledger.materializers.encoding import TreeEncoder
from ledger.notices import warn_if_done

_PNG_PIXELS = 89_478_485  # pillow warns of a larger PNG, and refuses one of twice as many
_NOTED = ("exif", "icc_profile", "dpi")
_NOT_WRITTEN = (OSError, ValueError, TypeError, struct.error)
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


class PillowMaterializer(BaseMaterializer):
    """An image of any mode; what was opened from a file of some format comes back as a plain image."""

    REGISTRY_KEY: ClassVar[str] = "pillow.image/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = ("PIL.Image.Image",)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    EXTRA: ClassVar[str] = "images"

    _picture: bytes | None = None  # what `save` has drawn, for `save_visualizations`

    def save(self, value: Any) -> None:
        """Write ``image.png``, or ``image.raw`` with ``image.json``; warns where there are more pictures than one."""
        frames = getattr(value, "n_frames", 1)
        if frames > 1:
            warn_if_done(f"of the {frames} frames of an image only the one at hand is saved; save its file, or a list")
        if _is_for_png(value):
            self._picture = _png(value)
            with self.open("image.png", "wb") as file:
                file.write(self._picture)
            return
        with self.open("image.raw", "wb") as file:
            file.write(value.tobytes())
        with self.open("image.json", "w") as file:
            json.dump(_facts(value), file)

    def load(self, data_type: type | None) -> Any:
        """The image."""
        from PIL import Image

        if "image.png" in self.files.paths():
            with self.open("image.png", "rb") as file, Image.open(file, formats=["PNG"]) as image:
                return image.copy()
        with self.open("image.json") as file:
            facts = json.load(file)
        with self.open("image.raw", "rb") as file:
            data = file.read()
        width, height = facts["size"]
        if width * height > 8 * len(data):  # pillow makes the whole image before it looks for the pixels
            raise MaterializerError(
                f"image.raw holds {len(data)} bytes, too few for {width} x {height} pixels", path="image.raw"
            )
        value = Image.frombytes(facts["mode"], (width, height), data)
        if "palette" in facts:
            value.putpalette(facts["palette"]["colors"], facts["palette"]["mode"])
        if "transparency" in facts:
            value.info["transparency"] = TreeDecoder(None).decode(facts["transparency"])
        noted = facts.get("noted", {})
        value.info |= {name: tuple(held) if name == "dpi" else from_base64(held) for name, held in noted.items()}
        return value

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``width``, ``height`` and ``mode``."""
        return {"width": value.width, "height": value.height, "mode": value.mode}

    def save_visualizations(self, value: Any) -> dict[str, VisualizationType]:
        """``image.png``, in colours a browser knows."""
        with self.open("image.png", "wb") as file:
            file.write(self._picture or _png(value if value.mode in _PNG_MODES else value.convert("RGB")))
        return {"image.png": VisualizationType.IMAGE}


class FigureMaterializer(BaseMaterializer):
    """What a matplotlib figure looks like."""

    REGISTRY_KEY: ClassVar[str] = "matplotlib.figure/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = ("matplotlib.figure.Figure",)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA_ANALYSIS
    EXTRA: ClassVar[str] = "images"

    _picture: bytes | None = None  # what `save` has drawn, for `save_visualizations`

    def save(self, value: Any) -> None:
        """Write ``figure.png`` and ``figure.svg``, without the time of drawing in them."""
        import matplotlib as mpl

        self._picture = _drawn(value, "png")
        with self.open("figure.png", "wb") as file:
            file.write(self._picture)
        with mpl.rc_context({"svg.hashsalt": "ledger"}), self.open("figure.svg", "wb") as file:
            file.write(_drawn(value, "svg"))

    def load(self, data_type: type | None) -> Any:
        """The figure's picture: a pillow image, or the bytes of the PNG where pillow is missing."""
        with self.open("figure.png", "rb") as file:
            data: bytes = file.read()
        try:
            from PIL import Image
        except ModuleNotFoundError:
            return data
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            return image.copy()

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``width`` and ``height`` in inches, and the number of ``axes``."""
        width, height = value.get_size_inches()
        return {"width": float(width), "height": float(height), "axes": len(value.axes)}

    def save_visualizations(self, value: Any) -> dict[str, VisualizationType]:
        """``figure.png``."""
        with self.open("figure.png", "wb") as file:
            file.write(self._picture or _drawn(value, "png"))
        return {"figure.png": VisualizationType.IMAGE}


def _is_for_png(image: Any) -> bool:
    """Whether PNG holds an image exactly, and pillow reads it."""
    if image.mode not in _PNG_MODES or not 0 < image.width * image.height <= _PNG_PIXELS:
        return False
    if not _keeps_transparency(image):
        return False
    if image.mode != "P":
        return True
    has_every_color = bool(image.getextrema()[1] < len(image.getpalette() or ()) // 3)
    return has_every_color and image.palette.mode == "RGB"  # PNG drops the alpha of a palette


def _keeps_transparency(image: Any) -> bool:
    """Whether PNG brings back which colour of an image is transparent; tried on one pixel, since only some have one."""
    from PIL import Image

    color = image.info.get("transparency")
    if color is None:
        return True
    try:
        with Image.open(io.BytesIO(_written(image.crop((0, 0, 1, 1)), {})), formats=["PNG"]) as read:
            return bool(read.info.get("transparency") == color)
    except _NOT_WRITTEN:
        return False


def _facts(image: Any) -> dict[str, Json]:
    """What the raw bytes of an image do not say."""
    facts: dict[str, Json] = {"mode": image.mode, "size": list(image.size)}
    colors = image.getpalette(None)
    if colors is not None:
        facts["palette"] = {"mode": image.palette.mode, "colors": colors}
    if "transparency" in image.info:
        facts["transparency"] = TreeEncoder(None).encode(image.info["transparency"])
    noted = _noted(image)
    try:
        held = {name: list(map(float, fact)) if name == "dpi" else to_base64(fact) for name, fact in noted.items()}
    except _NOT_WRITTEN as error:
        _warn_left_out(noted, error)
        return facts
    return {**facts, "noted": held} if held else facts


def _noted(image: Any) -> dict[str, Any]:
    """What is kept of what an image says beside its pixels."""
    return {name: image.info[name] for name in _NOTED if name in image.info}


def _warn_left_out(noted: dict[str, Any], error: Exception) -> None:
    warn_if_done(f"{', '.join(noted)} of an image is left out, its file cannot hold it: {error}")


def _png(image: Any) -> bytes:
    """An image as PNG, with what is noted beside its pixels; with none of that if PNG cannot hold all."""
    noted = _noted(image)
    try:
        return _written(image, noted)
    except _NOT_WRITTEN as error:
        unusable = error
    try:
        plain = _written(image, {})
    except _NOT_WRITTEN as error:
        raise MaterializerError(f"an image of mode {image.mode} cannot be written as PNG: {error}") from error
    _warn_left_out(noted, unusable)  # such as a resolution of 0/0, which scanners write
    return plain


def _written(image: Any, noted: dict[str, Any]) -> bytes:
    """The bytes of a PNG; pillow wants a stream that can seek."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **noted)
    return buffer.getvalue()


def _drawn(figure: Any, kind: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return buffer.getvalue()
