"""msgspec structs and bound codecs for the wire formats of LLM providers. Imports msgspec and nothing else.

One module a dialect: import the one you need, for example `from gateway_schemas import openai_chat`.
"""
