"""Tokens of other providers' in a history that comes home to a provider of the client's own dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trio_gateway.dialects.anthropic_messages.thinking import NO_THOUGHT_IN_LOOP
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Loss
from trio_gateway.dialects.homecoming import UNSIGNED, without_foreign_tokens

IN_BASE64 = "dHJpbzphbnRocm9waWNfbWVzc2FnZXM6U0lH"  # trio:anthropic_messages:SIG
FOREIGN = "only gemini can read it"


def cut(dialect: str, body: str, *, model: str = "claude-x", can: Capabilities | None = None) -> tuple[str, list[Loss]]:
    written, losses = without_foreign_tokens(body.encode(), dialect, model, can or Capabilities())
    return written.decode(), losses


def blocks(*content: str) -> str:
    body = '{"model": "m",\n "messages": [ {"role":"user","content":"hi"} , {"content":[?], "role":"assistant"} ] }'
    return body.replace("?", " , ".join(content))


def thought(signature: str) -> str:
    return f'{{"type":"thinking", "thinking":"hm", "signature": "{signature}"}}'


SAID = '{ "type":"text","text":"trio:gemini:A=" }'


@pytest.mark.parametrize(
    "foreign", [thought("trio:gemini:A="), '{"data":"trio:gemini:A=","type":"redacted_thinking"}'], ids=["shown", "not"]
)
def test_a_foreign_thought_goes_from_a_message_to_anthropic_and_no_other_byte(foreign: str) -> None:
    assert cut("anthropic_messages", blocks(foreign, SAID)) == (blocks(SAID), [Loss("/messages/1/content/0", FOREIGN)])
    assert cut("anthropic_messages", blocks(SAID, foreign)) == (blocks(SAID), [Loss("/messages/1/content/1", FOREIGN)])
    own = thought("RXJv")
    assert cut("anthropic_messages", blocks(own, foreign, SAID))[0] == blocks(own, SAID)


def test_a_message_with_nothing_but_foreign_thoughts_is_left_out() -> None:
    body = blocks(thought("trio:gemini:A="), thought("trio:gemini:B="))
    written, losses = cut("anthropic_messages", body)
    assert written == '{"model": "m",\n "messages": [ {"role":"user","content":"hi"} ] }'
    assert [loss.pointer for loss in losses] == ["/messages/1/content/0", "/messages/1/content/1", "/messages/1"]


def test_claude_is_sent_no_unsigned_thought_and_a_model_that_may_not_sign_is() -> None:
    body = blocks(thought(""), SAID)
    assert cut("anthropic_messages", body) == (blocks(SAID), [Loss("/messages/1/content/0", UNSIGNED)])
    assert cut("anthropic_messages", body, model="deepseek-chat") == (body, [])


CALL = '{"type":"tool_use","id":"t","name":"f","input":{"signature":"trio:gemini:A="}}'
LOOP = (
    '{"thinking":{"type":"enabled","budget_tokens":2000}, "max_tokens":9000,"messages":[{"role":"user","content":"x"},'
    '{"role":"assistant","content":[%s]},'
    '{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"trio:gemini:"}]}]}'
)


def test_a_loop_whose_thought_goes_is_not_thought_about_by_a_budget() -> None:
    written, losses = cut("anthropic_messages", LOOP % f"{thought('trio:gemini:A=')},{CALL}")
    assert written == (LOOP % CALL).replace('"thinking":{"type":"enabled","budget_tokens":2000}, ', "")
    assert losses == [Loss("/messages/1/content/0", FOREIGN), Loss("/thinking", NO_THOUGHT_IN_LOOP)]
    kept, losses = cut("anthropic_messages", LOOP % f"{thought('RXJv')},{thought('trio:gemini:A=')},{CALL}")
    assert kept == LOOP % f"{thought('RXJv')},{CALL}"
    assert losses == [Loss("/messages/1/content/1", FOREIGN)]
    adaptive = LOOP.replace("enabled", "adaptive")
    assert cut("anthropic_messages", adaptive % f"{thought('trio:gemini:A=')},{CALL}")[0] == adaptive % CALL


def test_an_empty_message_before_a_result_holds_no_thought() -> None:
    _, losses = cut("anthropic_messages", LOOP.replace('"x"', f"[{thought('trio:gemini:A=')},{CALL}]", 1) % "")
    assert losses == [Loss("/messages/0/content/0", FOREIGN), Loss("/thinking", NO_THOUGHT_IN_LOOP)]


def test_a_foreign_reasoning_item_goes_from_the_input_of_responses() -> None:
    own = '{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA"}'
    foreign = '{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"trio:gemini:A="}'
    said = '{"role":"assistant","content":"trio:gemini:A=","encrypted_content":"trio:gemini:A="}'
    body = '{"input":[%s]}'
    assert cut("openai_responses", body % f"{own}, {foreign}, {said}") == (
        body % f"{own}, {said}",
        [Loss("/input/1", FOREIGN)],
    )


def test_foreign_tokens_go_from_a_message_of_chat_and_the_text_of_its_thoughts_stays() -> None:
    detail = '{"type":"reasoning.text","text":"hm","signature":"trio:gemini:A="}'
    encrypted = '{"type":"reasoning.encrypted","data":"trio:gemini:A="}'
    own = '{"type":"reasoning.text","text":"hm","signature":"c2ln"}'
    message = '{"messages":[{"role":"assistant","content":"trio:gemini:","reasoning_content":"hm"%s}]}'
    body = message % f',"reasoning_details":[{detail},{own},{encrypted}]'
    written, losses = cut("openai_chat", body)
    assert written == message % f',"reasoning_details":[{own}]'
    assert losses == [Loss(f"/messages/0/reasoning_details/{place}", FOREIGN) for place in (0, 2)]
    assert cut("openai_chat", message % f',"reasoning_details":[{detail}]')[0] == message % ""


@pytest.mark.parametrize(
    ("extra", "left"),
    [
        ('"extra_content":{"google":{"thought_signature":"trio:gemini:A="}},', ""),
        (
            '"extra_content":{"google":{"thought_signature":"trio:gemini:A=","x":1}},',
            '"extra_content":{"google":{"x":1}},',
        ),
        ('"extra_content":{"google":{"thought_signature":"trio:gemini:A="},"x":{}},', '"extra_content":{"x":{}},'),
    ],
)
def test_a_foreign_token_goes_from_a_call_of_chat(extra: str, left: str) -> None:
    body = '{"messages":[{"role":"assistant","tool_calls":[{%s"id":"trio:gemini:"}]}]}'
    at = "/messages/0/tool_calls/0/extra_content/google/thought_signature"
    assert cut("openai_chat", body % extra) == (body % left, [Loss(at, FOREIGN)])


def gemini(*parts: str) -> str:
    body = '{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[?]}]}'
    return body.replace("?", ",".join(parts))


ANTHROPIC = "only anthropic_messages can read it"


@pytest.mark.parametrize("name", ["thoughtSignature", "thought_signature"])
def test_a_foreign_signature_goes_from_a_part_of_geminis(name: str) -> None:
    signed = f',"{name}":"{IN_BASE64}"'
    at = f"/contents/1/parts/0/{name}"
    for part in ('{"text":"hm","thought":true%s}', '{"text":"hi"%s}', '{"functionCall":{"name":"f"}%s}'):
        assert cut("gemini", gemini(part % signed)) == (gemini(part % ""), [Loss(at, ANTHROPIC)])
    empty = f'{{"text":"","thought":true{signed}}}'
    spoken = f'{{"text":"{IN_BASE64}"}}'
    assert cut("gemini", gemini(empty, spoken)) == (gemini(spoken), [Loss("/contents/1/parts/0", ANTHROPIC)])
    written, losses = cut("gemini", gemini(empty))
    assert written == '{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'
    assert [loss.pointer for loss in losses] == ["/contents/1/parts/0", "/contents/1"]


def test_a_model_that_wants_its_calls_signed_is_told_that_the_first_one_never_was() -> None:
    call = '{"functionCall":{"name":"f"}%s}'
    signed = call % f',"thoughtSignature":"{IN_BASE64}"'
    skip = call % ',"thoughtSignature":"skip_thought_signature_validator"'
    written, losses = cut("gemini", gemini(signed, signed), can=Capabilities(thought_signatures=True))
    assert written == gemini(skip, call % "")
    assert [loss.pointer for loss in losses] == [f"/contents/1/parts/{place}/thoughtSignature" for place in (0, 1)]


OWN: dict[str, Any] = {
    "anthropic_messages": json.loads(blocks(thought("RXJv"), SAID)),
    "openai_responses": {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}, "trio:x:y"]},
    "openai_chat": {"messages": [{"role": "user", "content": "trio:gemini:A=", "reasoning_details": [{"data": "x"}]}]},
    "gemini": json.loads(gemini(f'{{"text":"{IN_BASE64}","thoughtSignature":"dHJpbW0="}}')),
    "ollama": {"messages": [{"role": "assistant", "content": "trio:gemini:A=", "thinking": "trio:gemini:A="}]},
}


@pytest.mark.parametrize("dialect", OWN)
def test_own_tokens_and_texts_that_look_like_foreign_ones_pass_byte_for_byte(dialect: str) -> None:
    body = json.dumps(OWN[dialect], indent=1)
    assert cut(dialect, body) == (body, [])


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("anthropic_messages", '{"messages":[{"content":[{"type":"thinking","signature":"trio:gemini:A="'),
        ("anthropic_messages", '[{"signature":"trio:gemini:A="}]'),
        ("anthropic_messages", '{"messages":[{"content":[{"type":1,"signature":"trio:gemini:A="}]}]}'),
        ("anthropic_messages", '{"messages":"trio:gemini:A="}'),
        ("openai_responses", '{"input":"trio:gemini:A="}'),
        ("openai_chat", '{"messages":[{"reasoning_details":{"data":"trio:gemini:A="}}]}'),
        ("gemini", f'{{"contents":[{{"parts":[{{"text":3,"thoughtSignature":"{IN_BASE64}"}}]}}]}}'),
    ],
)
def test_a_body_that_is_none_of_its_dialect_passes_as_it_is(dialect: str, body: str) -> None:
    assert cut(dialect, body) == (body, [])
