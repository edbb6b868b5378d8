"""Hooks of schemathesis: what a run must not destroy, and requests that chance does not find.

FUZZ is JSON. `kept`: for an operation (`DELETE /api/v1/nodes/{node}`) and a parameter of its path, the values that are
not sent. `inputs`: for a model, the `inputs` that it takes. `uploads`: uploads that wait for their bytes.
"""

import json
import os
import zlib

import schemathesis

FUZZ = json.loads(os.environ["FUZZ"])


@schemathesis.hook
def before_call(context, case, kwargs):
    """The run's own key, a node and the models under test stay; everything else may be changed and deleted."""
    for name, values in FUZZ["kept"].get(f"{case.method} {case.path}", {}).items():
        if case.path_parameters.get(name) in values:
            case.path_parameters[name] = "kept"


@schemathesis.hook
def map_case(context, case):
    """Two of three requests get what makes them fit: tensors of their model, the name that is in the path, an upload."""
    chance = zlib.crc32(repr((case.path_parameters, case.headers, case.body)).encode(errors="replace"))
    if chance % 3 == 0:
        return case
    path = case.path_parameters or {}
    if case.path.endswith("/infer") and isinstance(case.body, dict) and path.get("model") in FUZZ["inputs"]:
        case.body = {**case.body, "inputs": FUZZ["inputs"][path["model"]]}
    if case.path == "/api/v1/deployments/{deployment}" and isinstance(case.body, dict):
        case.path_parameters = {**path, "deployment": "spare"}
        case.body = {**case.body, "name": "spare", "model": "spare", "version": 1}
    if "upload" in path:
        case.path_parameters = {**path, "upload": FUZZ["uploads"][chance % len(FUZZ["uploads"])]}
    return case
