"""Teach the ledger a type of your own: how it becomes files, and how files become it again."""

import itertools
import math
from typing import Any

from ledger import load_artifact, save_artifact
from ledger.enums import ArtifactType, VisualizationType
from ledger.materializers import BaseMaterializer


class Route:
    """A line through points."""

    def __init__(self, points: list[tuple[float, float]]) -> None:
        self.points = points

    def length(self) -> float:
        return sum(math.dist(here, there) for here, there in itertools.pairwise(self.points))


class RouteMaterializer(BaseMaterializer):
    """A route as one line of text per point. Defining the class registers it."""

    ASSOCIATED_TYPES = (Route,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.DATA
    REGISTRY_KEY = "example.route/1"

    def save(self, value: Route) -> None:
        with self.open("route.txt", "w") as file:
            file.writelines(f"{x!r} {y!r}\n" for x, y in value.points)

    def load(self, data_type: type[Route]) -> Route:
        with self.open("route.txt", "r") as file:
            points = [line.split() for line in file]
        return Route([(float(x), float(y)) for x, y in points])

    def extract_metadata(self, value: Route) -> dict[str, Any]:
        return {"points": len(value.points), "length": value.length()}

    def save_visualizations(self, value: Route) -> dict[str, VisualizationType]:
        rows = "".join(f"| {x} | {y} |\n" for x, y in value.points)
        with self.open("route.md", "w") as file:
            file.write(f"| x | y |\n|---|---|\n{rows}")
        return {"route.md": VisualizationType.MARKDOWN}


def main() -> None:
    version = save_artifact(Route([(0, 0), (3, 4), (3, 8)]), "way_home")
    print(f"{version.name}@{version.version} by {version.materializer}: {version.metadata}")
    assert load_artifact("way_home").length() == 9.0
    print(version.visualize())


if __name__ == "__main__":
    main()
