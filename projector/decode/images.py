"""Convert generated and viewed images to `ThreadItem`s. Pure.

As in `tools`. Source: docs on paginated rollouts, 2.4.
"""

from __future__ import annotations

from projector.decode import paths
from projector.decode.errors import DecodeError
from projector.decode.fields import (
    I64_MAX,
    I64_MIN,
    Object,
    items,
    obj,
    opt_bool,
    opt_integer,
    opt_text,
    text,
)


def generated(item: Object) -> Object:
    """Return the Extension of kind `image_gen.generation`."""
    get = item.get
    shown: Object = {
        "type": "imageGeneration",
        "id": item["id"],
        "status": text(item, "status"),
        "revisedPrompt": opt_text(item, "revisedPrompt"),
    }
    if type(get("fileId")) is str:
        shown["fileId"] = get("fileId")
    else:
        shown["result"] = text(item, "result")
    shown["transparentBackground"] = opt_bool(item, "transparentBackground")
    failure = get("failure")
    if failure is not None:
        failure = obj(failure, "failure")
        if failure.get("type") != "usageLimitExceeded":
            raise DecodeError("failure.type")
        failure = {
            "type": "usageLimitExceeded",
            "limitId": text(failure, "limitId"),
            "resetsAt": opt_integer(failure, "resetsAt", I64_MIN, I64_MAX),
        }
    shown["failure"] = failure
    saved = opt_text(item, "savedPath")
    if saved is not None:
        shown["savedPath"] = _absolute(saved)
    inputs = [obj(each, "inputImages") for each in items(get("inputImages", []), "inputImages")]
    if inputs:
        shown["inputImages"] = [
            {"path": _absolute(text(each, "path")), "sha256": text(each, "sha256")}
            for each in inputs
        ]
    shown["generationId"] = opt_text(item, "generationId")
    return shown


def image_generation(item: Object) -> Object:
    """Return an ImageGeneration."""
    saved = opt_text(item, "saved_path")
    shown: Object = {
        "type": "imageGeneration",
        "id": item["id"],
        "status": text(item, "status"),
        "revisedPrompt": opt_text(item, "revised_prompt"),
        "result": text(item, "result"),
        "transparentBackground": None,
        "failure": None,
    }
    if saved is not None:
        shown["savedPath"] = _absolute(saved)
    shown["generationId"] = None
    return shown


def _absolute(path: str) -> str:
    found = paths.saved_path(path)
    if found is None:
        raise DecodeError("path")
    return found


def image_view(item: Object) -> Object:
    """Return an ImageView."""
    return {"type": "imageView", "id": item["id"], "path": paths.from_uri(text(item, "path"))}
