"""A load on an OpenAI-compatible endpoint, and what it felt: the client half of the benchmarks."""
