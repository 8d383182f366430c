"""Trio Gateway: one endpoint for every model.

As a library it translates between the providers' wire formats, purely: see `trio_gateway.translate`. Importing this
package is cheap; what it exports is imported when first asked for, and brings no server with it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from trio_gateway._version import __version__

if TYPE_CHECKING:
    from trio_gateway.translate import AnswerTranslator, Loss, OwnName, Translated, translate_answer, translate_request

__all__ = ["AnswerTranslator", "Loss", "OwnName", "Translated", "__version__", "translate_answer", "translate_request"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(importlib.import_module("trio_gateway.translate"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
