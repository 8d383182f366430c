import pydantic
from openai.types import Model

from gateway_schemas import openai_models as models


def test_a_list_goes_there_and_back() -> None:
    listed = models.ModelList([models.Model("gpt-x", 1, "openai"), models.Model("claude", shutdown_date=None)])
    assert models.model_list_decoder.decode(models.encode(listed)) == listed


def test_a_model_is_what_the_sdk_takes() -> None:
    model = pydantic.TypeAdapter(Model).validate_json(models.encode(models.Model("gpt-x", 1, "openai")))
    assert (model.id, model.object) == ("gpt-x", "model")


def test_what_a_server_leaves_out_has_a_default() -> None:
    assert models.model_decoder.decode(b'{"id":"local"}') == models.Model("local")
