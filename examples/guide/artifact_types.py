"""An artifact type says what a value is; without one, the materializer's counts."""

from typing import Annotated

from ledger import ArtifactConfig, save_artifact, step
from ledger.client import Client
from ledger.enums import ArtifactType
from ledger.materializers import BaseMaterializer


class MyCustomModel:
    """Adds a constant."""

    def __init__(self, constant: int) -> None:
        self.constant = constant

    def predict(self, x: int) -> int:
        return x + self.constant


class MyCustomModelMaterializer(BaseMaterializer):
    """Keeps the constant as text. Defining the class is enough."""

    ASSOCIATED_TYPES = (MyCustomModel,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.DATA
    REGISTRY_KEY = "guide.my_custom_model/1"

    def save(self, data: MyCustomModel) -> None:
        with self.open("constant.txt", "w") as file:
            file.write(str(data.constant))

    def load(self, data_type: type[MyCustomModel]) -> MyCustomModel:
        with self.open("constant.txt", "r") as file:
            return MyCustomModel(int(file.read()))


@step
def trainer() -> Annotated[MyCustomModel, ArtifactConfig(artifact_type=ArtifactType.MODEL)]:
    return MyCustomModel(1)


if __name__ == "__main__":
    model = trainer()
    assert model.predict(1) == 2
    by_hand = save_artifact(model, name="model", artifact_type=ArtifactType.MODEL)
    by_default = save_artifact(model, name="model")
    assert (by_hand.type, by_default.type) == (ArtifactType.MODEL, ArtifactType.DATA)
    assert Client().get_artifact_version("trainer::trainer::output").type == ArtifactType.MODEL
    models = Client().list_artifact_versions(type=ArtifactType.MODEL)
    print([f"{version.name}@{version.version}" for version in models])
    assert {version.name for version in models} >= {"trainer::trainer::output", "model"}
