"""What stands here for functions of other programs: MLflow's, W&B's and ZenML's.

Imported only when the package is asked for a name that it does not have, so that the error says what to use instead.
"""

from typing import Final

_SAVING = "save_artifact(value, name) saves a value"
_LOADING = "load_artifact(name) loads the latest version, load_artifact(name, version) another"
_METADATA = "log_artifact_metadata({'accuracy': 0.97}, name) logs metrics and other metadata on a version"
_PARAMETERS = "the arguments of a @pipeline and of its steps are recorded as its parameters"
_MAKING = "nothing needs to be started; the first save makes a ledger, Ledger.init(path) one at a path"
_RUNNING = "nothing needs to be started; each call of a function decorated with @pipeline is a run"

_HERE: Final = {
    "get_artifact": _LOADING,
    "init": _MAKING,
    "load": _LOADING,
    "load_model": _LOADING,
    "log": _METADATA,
    "log_artifact": _SAVING,
    "log_artifacts": _SAVING,
    "log_metadata": _METADATA,
    "log_metric": _METADATA,
    "log_metrics": _METADATA,
    "log_model": _SAVING,
    "log_model_metadata": _METADATA,
    "log_param": _PARAMETERS,
    "log_params": _PARAMETERS,
    "save": _SAVING,
    "start_run": _RUNNING,
    "use_artifact": _LOADING,
}


def no_attribute(module: str, name: str) -> AttributeError:
    """The error of a name that a module lacks; it says what to use here for a name that other programs have."""
    here = _HERE.get(name)
    return AttributeError(f"module {module!r} has no attribute {name!r}" + (f": {here}" if here else ""))
