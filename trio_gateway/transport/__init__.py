"""Requests to providers, and what comes back: `upstream.Upstream` is the way in, and `httpx_seam` the one for httpx."""
