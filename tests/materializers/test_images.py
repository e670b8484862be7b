"""Images keep mode and pixels; figures are kept as what they look like."""

import io
import math
from typing import Any

import pytest

from ledger.enums import ArtifactType, VisualizationType
from ledger.errors import MaterializerError
from ledger.materializers import load_value
from tests.kit.materializing import Bench, MaterializerContract

np = pytest.importorskip("numpy")
images = pytest.importorskip("PIL.Image")
figures = pytest.importorskip("matplotlib.figure")


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


def test_an_image_that_pillow_would_take_for_an_attack_comes_back(bench: Bench) -> None:
    """More pixels than pillow reads from a PNG are kept beside it, with palette and transparency."""
    for image in (images.new("1", (12_000, 8_000), 255), images.new("P", (12_000, 8_000), 1)):
        if image.mode == "P":
            image.putpalette([0, 0, 0, 255, 0, 0])
            image.info["transparency"] = b"\x00\x80"
        saved, held = bench.save(image)
        loaded = bench.load(saved, held)
        assert sorted(held) == ["image.json", "image.raw"]
        assert (loaded.mode, loaded.size, loaded.getpixel((7, 7))) == (image.mode, image.size, image.getpixel((7, 7)))
        assert (loaded.getpalette(None), loaded.info) == (image.getpalette(None), image.info)


def test_an_image_that_says_it_is_larger_than_its_bytes_takes_no_memory(bench: Bench) -> None:
    """A size that the pixels stored cannot fill is an error with both, before an image of it is made."""
    forged = {"image.raw": b"\0" * 100, "image.json": b'{"mode":"F","size":[100000,100000]}'}
    with pytest.raises(MaterializerError, match="100 bytes, too few for 100000 x 100000 pixels"):
        load_value("pillow.image/1", "PIL.Image.Image", bench.files(forged))


def test_pixels_beyond_the_palette_are_kept(bench: Bench) -> None:
    """An image that points beyond its palette, which PNG does not allow, has the same pixels again."""
    image = images.new("P", (2, 2), 200)
    loaded = bench.round_trip(image)
    assert (image.tobytes(), image.getpalette()) == (loaded.tobytes(), loaded.getpalette())


def test_a_palette_with_alpha_is_kept(bench: Bench) -> None:
    """An image of mode PA has its colours again."""
    image = images.fromarray(np.arange(48, dtype="u1").reshape(4, 4, 3)).convert("P").convert("PA")
    loaded = bench.round_trip(image)
    assert (image.mode, image.getpalette(), image.tobytes()) == (loaded.mode, loaded.getpalette(), loaded.tobytes())


@pytest.mark.parametrize("colors", [1, 16, 256])
def test_a_palette_of_colours_with_alpha_stays_one(bench: Bench, colors: int) -> None:
    """An image of mode P whose palette has an alpha for each colour is not given another palette."""
    image = images.new("P", (2, 2), colors - 1)
    image.putpalette([number % 251 for number in range(4 * colors)], "RGBA")
    loaded = bench.round_trip(image)
    assert ("RGBA", image.getpalette(None)) == (loaded.palette.mode, loaded.getpalette(None))
    assert (image.tobytes(), image.info) == (loaded.tobytes(), loaded.info)


@pytest.mark.parametrize(
    ("mode", "color"), [("RGBA", (1, 2, 3)), ("LA", 7), ("P", 200), ("1", 1), ("L", b"\0\1"), ("RGB", (1, 2, 3))]
)
def test_a_transparent_colour_that_png_does_not_bring_back_is_kept(bench: Bench, mode: str, color: Any) -> None:
    """An image of alpha keeps the colour that was transparent before, and so does one that PNG has no place for."""
    image = images.new(mode, (2, 2))
    image.info["transparency"] = color
    loaded = bench.round_trip(image)
    assert (image.mode, image.tobytes(), image.info) == (loaded.mode, loaded.tobytes(), loaded.info)


def test_an_image_that_was_given_alpha_is_shown(bench: Bench) -> None:
    """That a colour of it was transparent before does not cost the picture of it."""
    image = images.new("RGB", (2, 2))
    image.info["transparency"] = (0, 0, 0)
    image.putalpha(images.new("L", (2, 2), 128))
    saved, _ = bench.save(image, visualizations=bench.files())
    assert saved.visualizations == {"image.png": VisualizationType.IMAGE}


def test_frames_that_are_left_out_are_told(bench: Bench) -> None:
    """Of an animation the picture at hand is saved, with a warning."""
    file = io.BytesIO()
    pictures = [images.new("L", (2, 2), 50 * number) for number in range(3)]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:])
    animation = images.open(file)
    animation.seek(1)
    with pytest.warns(UserWarning, match="of the 3 frames"):
        loaded = bench.round_trip(animation)
    assert 50 == loaded.convert("L").getpixel((0, 0))


def test_a_resolution_that_is_none_does_not_cost_the_image(bench: Bench) -> None:
    """A scan may say 0/0 dots per inch, which PNG has no place for: the pixels are kept, with a warning."""
    image = images.new("RGB", (2, 2), "red")
    image.info["dpi"] = (math.nan, math.nan)
    with pytest.warns(UserWarning, match="dpi of an image is left out"):
        saved, held = bench.save(image)
    assert image.tobytes() == bench.load(saved, held).tobytes()


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "F"])
def test_what_is_noted_beside_the_pixels_comes_back(bench: Bench, mode: str) -> None:
    """EXIF data, ICC profile and resolution of an image are kept, whether PNG holds its mode or not."""
    image = images.new(mode, (2, 2))
    image.info |= {"exif": b"Exif\0\0MM\0*", "icc_profile": bytes(100_000), "dpi": (254, 508)}
    assert image.info == bench.round_trip(image).info


def test_what_is_noted_and_is_none_does_not_cost_an_image_without_png(bench: Bench) -> None:
    """What stands in the place of a resolution is left out with a warning, and the pixels are kept."""
    image = images.new("CMYK", (2, 2), "red")
    image.info["dpi"] = 254
    with pytest.warns(UserWarning, match="dpi of an image is left out"):
        loaded = bench.round_trip(image)
    assert (image.tobytes(), {}) == (loaded.tobytes(), loaded.info)


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


def test_a_picture_is_drawn_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved as PNG is shown as the same bytes, which take long to make of a large image."""
    drawn = []

    def counting(what: str, draw: Any) -> Any:
        def counted(*given: Any, **options: Any) -> Any:
            drawn.append(f"{what} {options['format']}")
            return draw(*given, **options)

        return counted

    monkeypatch.setattr(images.Image, "save", counting("image", images.Image.save))
    monkeypatch.setattr(figures.Figure, "savefig", counting("figure", figures.Figure.savefig))
    for value, name in ((images.new("L", (3, 2)), "image.png"), (figures.Figure((1, 1)), "figure.png")):
        shown = bench.files()
        _, held = bench.save(value, visualizations=shown)
        assert shown.held == {name: held[name]}
    assert [drawn.count("image PNG"), drawn.count("figure png")] == [1, 1]


def test_broken_files_are_errors_of_ours(bench: Bench) -> None:
    """No error of the library reaches the caller."""
    for value in (images.new("L", (1, 1)), images.new("F", (1, 1))):
        saved, held = bench.save(value)
        with pytest.raises(MaterializerError):
            bench.load(saved, dict.fromkeys(held, b"broken"))
