"""The simulated OpenAI's legacy completions: a text goes on. A choice for each prompt, of which all say the same.

A list of token numbers stands for one prompt. `echo` repeats the prompt before the answer, and `logprobs` gives one
token for each piece of text.

Sources: OpenAI's API reference (2026-08), and what vLLM and llama.cpp answer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trio_gateway.simulator.decide import Asked, decide, remembered
from trio_gateway.simulator.openai_chat import error_body, error_event, headers_of, usage_json
from trio_gateway.simulator.reading import read_object, required
from trio_gateway.simulator.reply import EVENT_STREAM, Frame, Reply, Request, Setting, scripted_plain, scripted_stream
from trio_gateway.simulator.script import Rejected, Script, cut

_encode = msgspec.json.Encoder().encode

PROMPTS_MAX = 2048


class CompletionAsked(Asked, kw_only=True):
    """`echoes` is what each choice begins with."""

    echoes: tuple[str, ...] = ()
    logprobs: bool = False
    include_usage: bool = False


def completions(request: Request, setting: Setting) -> Reply:
    """POST /v1/completions."""
    asked, script = _understand(request.body, setting.script)
    headers = headers_of(setting)
    if asked.stream:
        return scripted_stream(script, EVENT_STREAM, headers, lambda: _chunks(asked, script, setting), error_event)
    return scripted_plain(script, headers, lambda: _completion(asked, script, setting), error_body)


@remembered
def _understand(body: bytes, defaults: Script) -> tuple[CompletionAsked, Script]:
    request = read_object(body)
    required(request, "model", str, "you must provide a model parameter")
    prompts = _prompts(request.get("prompt"))
    suffix, logprobs = request.get("suffix"), request.get("logprobs")
    if not isinstance(suffix, str | None):
        raise Rejected(400, "Invalid type for 'suffix': expected a string.", param="suffix")
    if logprobs is not None and (type(logprobs) is not int or logprobs < 0):
        raise Rejected(400, "Invalid type for 'logprobs': expected an integer.", param="logprobs")
    answers, options = request.get("n"), request.get("stream_options")
    echoes = prompts if request.get("echo") is True else [""] * len(prompts)
    asked = CompletionAsked(
        model=request["model"],
        stream=request.get("stream") is True,
        user_text="\n".join(prompts),
        characters=sum(map(len, prompts)),
        echoes=tuple(echo for echo in echoes for _ in range(answers if type(answers) is int and answers > 0 else 1)),
        logprobs=logprobs is not None,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )
    return asked, decide(asked, defaults)


def _prompts(given: Any) -> list[str]:
    """Return the texts to go on with."""
    if isinstance(given, str) or (isinstance(given, list) and given and all(type(one) is int for one in given)):
        given = [given]
    if not isinstance(given, list) or not 1 <= len(given) <= PROMPTS_MAX:
        raise Rejected(400, f"Invalid 'prompt': expected a string or an array of 1 to {PROMPTS_MAX}.", param="prompt")
    texts = [one if isinstance(one, str) else " ".join(map(str, one)) for one in given if isinstance(one, str | list)]
    if len(texts) != len(given):
        raise Rejected(400, "Invalid 'prompt': expected texts, or arrays of tokens.", param="prompt")
    return texts


def _choice(asked: CompletionAsked, at: int, text: str, finish: str | None) -> bytes:
    logprobs = None
    if asked.logprobs and text:
        logprobs = {"tokens": [text], "token_logprobs": [-0.25], "top_logprobs": [{text: -0.25}], "text_offset": [0]}
    return _encode({"text": text, "index": at, "logprobs": logprobs, "finish_reason": finish})


def _text(script: Script) -> str:
    return script.refusal or script.text or ""


def _head(asked: CompletionAsked, setting: Setting) -> bytes:
    return (
        b'{"id":"cmpl-%08d","object":"text_completion","created":%d,"model":%b,"system_fingerprint":"fp_simulated"'
        % (
            setting.number,
            setting.now_s,
            _encode(asked.model),
        )
    )


def _completion(asked: CompletionAsked, script: Script, setting: Setting) -> bytes:
    choices = [_choice(asked, at, echo + _text(script), script.finish_word) for at, echo in enumerate(asked.echoes)]
    return b'%b,"choices":[%b],"usage":%b}' % (_head(asked, setting), b",".join(choices), usage_json(script))


def _chunks(asked: CompletionAsked, script: Script, setting: Setting) -> list[Frame]:
    frame = b"data: %b" % _head(asked, setting) + b',"choices":[%b]%b}\n\n'
    usage = b',"usage":null' if asked.include_usage else b""
    frames: list[Frame] = []
    for at, echo in enumerate(asked.echoes):
        pieces = [*([echo] if echo else []), *cut(_text(script), script.chunks)]
        frames += [(frame % (_choice(asked, at, piece, None), usage), True) for piece in pieces]
        frames.append((frame % (_choice(asked, at, "", script.finish_word), usage), False))
    if asked.include_usage:
        frames.append((frame % (b"", b',"usage":' + usage_json(script)), False))
    frames.append((b"data: [DONE]\n\n", False))
    return frames
