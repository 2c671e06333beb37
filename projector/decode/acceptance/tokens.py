"""What responses cost and which limits hold, as Codex decodes it. Pure."""

from __future__ import annotations

from typing import Final

from projector.decode.shapes import (
    boolean,
    i64,
    more_than_type,
    number,
    obj,
    string,
    thread_id,
    word,
)

_USAGE: Final = obj(
    {
        "input_tokens": i64,
        "cached_input_tokens": i64,
        "output_tokens": i64,
        "reasoning_output_tokens": i64,
        "total_tokens": i64,
    },
    None,
    {"cache_write_input_tokens": i64},
)
USAGE_RECORD: Final = obj(
    {
        "thread_id": thread_id,
        "turn_id": string,
        "session_id": thread_id,
        "root_turn_id": string,
        "response_id": string,
        "usage": _USAGE,
        "turn_token_usage": _USAGE,
        "thread_token_usage": _USAGE,
    }
)
_RATE: Final = obj({"used_percent": number}, {"window_minutes": i64, "resets_at": i64})

TOKEN_COUNT: Final = obj(
    {},
    {
        "info": obj(
            {"total_token_usage": _USAGE, "last_token_usage": _USAGE},
            {"model_context_window": i64, "last_usage_includes_reasoning": boolean},
        ),
        "rate_limits": obj(
            {},
            {
                "limit_id": string,
                "limit_name": string,
                "primary": _RATE,
                "secondary": _RATE,
                "credits": obj({"has_credits": boolean, "unlimited": boolean}, {"balance": string}),
                "individual_limit": more_than_type,
                "spend_control_reached": boolean,
                "plan_type": string,
                "rate_limit_reached_type": word(
                    "rate_limit_reached",
                    "workspace_owner_credits_depleted",
                    "workspace_member_credits_depleted",
                    "workspace_owner_usage_limit_reached",
                    "workspace_member_usage_limit_reached",
                ),
                "normal_model_slug": string,
            },
        ),
    },
)
