"""Convert generated and viewed images to `ThreadItem`s. Pure.

As in `tools`. Source: docs on paginated rollouts, 2.4.
"""

from __future__ import annotations

from projector.decode import item_types, paths
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
    file_id = get("fileId")
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
    saved = opt_text(item, "savedPath")
    inputs = [obj(each, "inputImages") for each in items(get("inputImages", []), "inputImages")]
    return item_types.image_generation(
        item["id"],
        status=text(item, "status"),
        prompt=opt_text(item, "revisedPrompt"),
        image={"fileId": file_id} if type(file_id) is str else {"result": text(item, "result")},
        transparent=opt_bool(item, "transparentBackground"),
        failure=failure,
        saved_path=None if saved is None else _absolute(saved),
        inputs=[
            {"path": _absolute(text(each, "path")), "sha256": text(each, "sha256")}
            for each in inputs
        ],
        generation_id=opt_text(item, "generationId"),
    )


def image_generation(item: Object) -> Object:
    """Return an ImageGeneration."""
    saved = opt_text(item, "saved_path")
    return item_types.image_generation(
        item["id"],
        status=text(item, "status"),
        prompt=opt_text(item, "revised_prompt"),
        image={"result": text(item, "result")},
        saved_path=None if saved is None else _absolute(saved),
    )


def _absolute(path: str) -> str:
    found = paths.saved_path(path)
    if found is None:
        raise DecodeError("path")
    return found


def image_view(item: Object) -> Object:
    """Return an ImageView."""
    return item_types.image_view(item["id"], paths.from_uri(text(item, "path")))
