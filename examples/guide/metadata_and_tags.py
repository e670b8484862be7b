"""Metadata and tags of an output come from its annotation, from the step while it runs, or from both."""

from typing import Annotated

from ledger import ArtifactConfig, get_step_context, step
from ledger.client import Client


@step
def annotation_approach() -> Annotated[
    str, ArtifactConfig(name="artifact_name", run_metadata={"metadata_key": "metadata_value"}, tags=["tag_name"])
]:
    return "string"


@step
def functional_approach() -> Annotated[str, "artifact_name"]:
    context = get_step_context()
    context.add_output_metadata(output_name="artifact_name", metadata={"metadata_key": "metadata_value"})
    context.add_output_tags(output_name="artifact_name", tags=["tag_name"])
    return "string"


@step
def combined_approach() -> Annotated[
    str, ArtifactConfig(name="artifact_name", run_metadata={"metadata_key": "metadata_value"}, tags=["tag_name"])
]:
    context = get_step_context()
    context.add_output_metadata(output_name="artifact_name", metadata={"metadata_key2": "metadata_value2"})
    context.add_output_tags(output_name="artifact_name", tags=["tag_name2"])
    return "string"


if __name__ == "__main__":
    for approach in (annotation_approach, functional_approach, combined_approach):
        assert approach() == "string"
    one, two, both = Client().get_artifact("artifact_name").versions
    assert one.metadata["metadata_key"] == two.metadata["metadata_key"] == "metadata_value"
    assert one.tags == two.tags == ("tag_name",)
    assert both.metadata["metadata_key"] == "metadata_value"
    assert both.metadata["metadata_key2"] == "metadata_value2"
    assert both.tags == ("tag_name", "tag_name2")
    for version in (one, two, both):
        print(version.version, version.tags, version.metadata)
