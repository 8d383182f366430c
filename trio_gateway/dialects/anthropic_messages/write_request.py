"""A Conversation, written as a request to Anthropic: version 2023-06-01 of the API.

This module writes the fields around the conversation, `turns` the messages and `blocks` their content. Cache marks are
settled last, when their order in the prompt is known.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trio_gateway.dialects.anthropic_messages.blocks import BlockWriter
from trio_gateway.dialects.anthropic_messages.caching import CacheMarks
from trio_gateway.dialects.anthropic_messages.schemas import fit
from trio_gateway.dialects.anthropic_messages.thinking import why_no_thought, write_thinking
from trio_gateway.dialects.anthropic_messages.tools import write_stand_ins, write_tool_choice, write_tools
from trio_gateway.dialects.anthropic_messages.turns import write_turns
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Conversation, Loss, Losses
from trio_gateway.dialects.end_user import hashed_id, is_personal
from trio_gateway.dialects.members import as_written, member

USER_ID_LENGTH_MAX = 256

_encode = msgspec.json.Encoder().encode

# Fields without a counterpart, and the values that ask for nothing.
_NO_COUNTERPART: dict[str, tuple[object, ...]] = {
    "min_p": (0.0,),
    "seed": (),
    "presence_penalty": (0.0,),
    "frequency_penalty": (0.0,),
    "n": (1,),
    "logit_bias": (msgspec.Raw(b"{}"),),
    "logprobs": (False,),
    "top_logprobs": (),
    "verbosity": ("medium",),
    "metadata": (msgspec.Raw(b"{}"),),
    "store": (False,),
    "cache_key": (),
    "keep_alive": (),
}
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


def encode_request(conversation: Conversation, model: str, capabilities: Capabilities) -> tuple[bytes, Losses]:
    """Write the body, and list what it could not carry.

    Raises InvalidRequest where there is no user message to begin with, a last assistant message that the model does
    not continue, a media type it does not take, or a tool's name that will not fit.
    """
    losses = list(conversation.unread)
    marks = CacheMarks(losses)
    body: dict[str, Any] = {"model": model, "max_tokens": _max_tokens(conversation, capabilities, losses)}
    tools = write_tools(conversation, capabilities, marks, losses)
    thinking = write_thinking(conversation, capabilities, body, losses)
    blocks = BlockWriter(conversation.source, capabilities, marks, losses)
    system, messages = write_turns(conversation, capabilities, blocks, losses)
    if thinking == "enabled" and (why := why_no_thought(messages)) is not None:
        assert conversation.reasoning is not None, "it asked for thought"
        losses.append(Loss(conversation.reasoning.at, why))
        del body["thinking"]
        thinking = None
    if system:
        body["system"] = system
    body["messages"] = messages
    if tools:
        body["tools"] = tools
    write_tool_choice(conversation, body, bool(tools), thinking == "enabled", losses)
    if not tools:
        write_stand_ins(messages, body)
    _write_output(conversation, capabilities, body, losses)
    _write_sampling(conversation, capabilities, body, thinking in ("enabled", "adaptive"), losses)
    _write_stop(conversation, body, losses)
    _write_rest(conversation, body, losses)
    marks.settle(body, conversation)
    return _encode(body), as_written(conversation, losses)


def _max_tokens(conversation: Conversation, capabilities: Capabilities, losses: Losses) -> int:
    """Return the limit: Anthropic cannot do without one.

    A default in the place of none is no loss: nothing that the client wrote is left out.
    """
    wanted, cap = conversation.max_output_tokens, capabilities.max_output_tokens
    if wanted is None:
        return capabilities.default_max_output_tokens
    if cap is not None and wanted > cap:
        pointer = conversation.pointer("max_output_tokens")
        losses.append(Loss(pointer, f"lowered to {cap}, the most that this model writes"))
        return cap
    return wanted


def _write_output(conversation: Conversation, capabilities: Capabilities, body: dict[str, Any], losses: Losses) -> None:
    output = conversation.output
    if output is None or output.kind == "text":
        return
    if output.kind == "json_object":
        losses.append(Loss(output.at, "the provider has no JSON mode without a schema"))
        return
    if not capabilities.structured_output or output.schema is None:
        losses.append(Loss(output.at, "this model takes no schema for its answer"))
        return
    if body["messages"][-1]["role"] == "assistant":
        losses.append(Loss(output.at, "the provider keeps to no schema while it continues a message"))
        return
    schema_at = _said(conversation, "schema")
    text, dropped, refusal = fit(output.schema)
    if refusal is not None:
        losses.append(Loss(output.at, refusal))
        return
    losses += [Loss(schema_at + pointer, reason) for pointer, reason in dropped]
    schema = output.schema if text is None else msgspec.Raw(text)
    body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": schema}
    if output.description is not None:
        losses.append(Loss(_said(conversation, "description"), "the provider's format has no description"))
    if output.name is not None and output.name not in _FORMAT_NAMES:
        losses.append(Loss(_said(conversation, "name"), "the provider's format has no name"))
    if output.strict is False:
        losses.append(Loss(_said(conversation, "strict"), "the provider always enforces the schema"))


def _said(conversation: Conversation, name: str) -> str:
    assert conversation.output is not None
    return member(conversation.source, conversation.output.at, f"output.{name}")


# What translators call a format that has no name: losing it loses nothing.
_FORMAT_NAMES = frozenset({"response", "output", "answer"})


def _write_sampling(
    conversation: Conversation, capabilities: Capabilities, body: dict[str, Any], thinks: bool, losses: Losses
) -> None:
    """Write temperature, top_p and top_k as far as the model takes them. 1.0 is the default of the first two."""
    temperature, top_p, top_k = conversation.temperature, conversation.top_p, conversation.top_k
    if temperature is not None:
        if capabilities.sampling == "none" or (thinks and temperature != 1.0):
            if temperature != 1.0:
                why = "while it thinks" if capabilities.sampling != "none" else "at all"
                losses.append(Loss(conversation.pointer("temperature"), f"this model takes no temperature {why}"))
        elif temperature > 1.0:
            body["temperature"] = 1.0
            losses.append(Loss(conversation.pointer("temperature"), "lowered to 1, the provider's highest"))
        else:
            body["temperature"] = temperature
    if top_p is not None:
        refused = _why_no_top_p(capabilities, top_p, thinks, "temperature" in body)
        if refused is None:
            body["top_p"] = top_p
        elif top_p != 1.0:
            losses.append(Loss(conversation.pointer("top_p"), refused))
    if top_k is not None:
        if capabilities.sampling == "none" or thinks:
            why = "while it thinks" if capabilities.sampling != "none" else "at all"
            losses.append(Loss(conversation.pointer("top_k"), f"this model takes no top_k {why}"))
        else:
            body["top_k"] = top_k


def _why_no_top_p(capabilities: Capabilities, top_p: float, thinks: bool, has_temperature: bool) -> str | None:
    if capabilities.sampling == "none":
        return "this model takes no top_p at all"
    if capabilities.sampling == "one" and has_temperature:
        return "this model takes either temperature or top_p"
    if thinks and top_p < _THINKING_TOP_P_MIN:
        return f"this model takes no top_p below {_THINKING_TOP_P_MIN} while it thinks"
    return None


_THINKING_TOP_P_MIN = 0.95


def _write_stop(conversation: Conversation, body: dict[str, Any], losses: Losses) -> None:
    stop = []
    for i, sequence in enumerate(conversation.stop or ()):
        if sequence.strip():
            stop.append(sequence)
        else:
            losses.append(Loss(conversation.stop_pointer(i), "the provider takes no stop sequence of white space"))
    if stop:
        body["stop_sequences"] = stop


def _user_id(conversation: Conversation, user: str, losses: Losses) -> str:
    if is_personal(user):
        reason = "the provider takes no e-mail addresses: a hash of it is sent"
    elif len(user) > USER_ID_LENGTH_MAX:
        reason = f"longer than {USER_ID_LENGTH_MAX} characters: a hash of it is sent"
    else:
        return user
    losses.append(Loss(conversation.pointer("user"), reason))
    return hashed_id(user)


def _write_rest(conversation: Conversation, body: dict[str, Any], losses: Losses) -> None:
    if conversation.user is not None:
        body["metadata"] = {"user_id": _user_id(conversation, conversation.user, losses)}
    if conversation.service_tier is not None:
        if (tier := _TIERS.get(conversation.service_tier)) is not None:
            body["service_tier"] = tier
        else:
            losses.append(Loss(conversation.pointer("service_tier"), "the provider has no such tier"))
    if conversation.stream:
        body["stream"] = True
    for field, nothing in _NO_COUNTERPART.items():
        value = getattr(conversation, field)
        if value is not None and value not in nothing:
            losses.append(Loss(conversation.pointer(field), "the provider has no counterpart"))
