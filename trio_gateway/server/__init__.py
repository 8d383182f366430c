"""The gateway's HTTP server: an ASGI server on trio whose exchanges end the moment their client is gone.

Hypercorn's sockets, TLS settings and HTTP/2 are used as they are; the HTTP/1.1 connection is ours. Modules, from
the inside out: `request_head`, `request_body`, `request_parser` and `response` decide, without I/O; `streams`,
`connection` and `exchange` do; `listeners`, `lifespan` and `serve` hold it together; `supervisor` runs several.
"""
