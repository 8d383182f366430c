"""The table, the JSON and the plots of one run, and the targets it is held against."""

from __future__ import annotations

from pathlib import Path

import msgspec
from peers import BESIDE
from scenarios import Added, Cost, Workers
from slow_streams import SlowStreams


class Memory(msgspec.Struct):
    """Resident bytes of the gateway's process."""

    idle: int
    under_load: int
    after: int


class Machine(msgspec.Struct):
    commit: str
    command: str
    cores: int
    python: str
    generator: str


class Run(msgspec.Struct):
    """Everything one run has found out."""

    machine: Machine
    unit_us: float
    units_us: list[float]
    ceiling: dict[str, float]
    costs: list[Cost]
    logged: list[Cost]
    added: list[Added]
    first_event_ms: dict[str, dict[str, float]]
    workers: list[Workers]
    memory: Memory
    start_up_s: float
    slow: SlowStreams
    peers: list[Cost] = []
    skipped: dict[str, str] = {}


class Target(msgspec.Struct):
    what: str
    target: str
    measured: str
    met: bool | None  # None: not measured in this run


def targets(run: Run) -> list[Target]:
    by_name = {cost.name: cost for cost in run.costs}
    plain, translated = by_name["plain, same dialect"], by_name["plain, translated"]
    rows = [
        _at_most("plain request, same dialect", plain.units, 4, "units"),
        _at_most("plain request, translated", translated.units, 6, "units"),
    ]
    for how in ("events together", "each event its own write"):
        same, other = by_name[f"stream, same dialect, {how}"], by_name[f"stream, translated, {how}"]
        rows.append(_at_most(f"streamed event, same dialect, {how}", same.event_units, 0.4, "unit"))
        rows.append(_at_most(f"streamed event, translated, {how}", other.event_units, 0.9, "unit"))
    rows.append(_at_most("added p50 at concurrency 1", run.added[0].added_ms["p50"], 0.35, "ms"))
    rows.append(_at_most(f"a stream among {run.slow.streams:,}", run.slow.per_stream_bytes / 1000, 20, "kB"))
    peers = {peer.name: peer for peer in run.peers}
    for name in ("obvious", "tensorzero", "smg"):
        theirs, ours = (peers.get(f"{who}{name}: plain, same dialect") for who in ("", BESIDE))
        if theirs is None or ours is None:
            continue
        if name == "obvious":
            # Both would fill a core if the load did: what a core gives is what a request leaves of it.
            times = theirs.cpu_us / ours.cpu_us
            rows.append(Target("requests a core-second, against the obvious", "≥ 12 x", f"{times:.1f} x", times >= 12))
        else:
            rows.append(_at_most(f"plain request, against {name} beside it", ours.cpu_us, round(theirs.cpu_us), "µs"))
    return rows


def _at_most(what: str, value: float, limit: float, of: str) -> Target:
    return Target(what, f"≤ {limit:g} {of}", f"{value:.2f} {of}", value <= limit)


def as_markdown(run: Run) -> str:
    machine = run.machine
    spread = f"{min(run.units_us):.1f} to {max(run.units_us):.1f}"
    made_on = f"{machine.cores} cores, Python {machine.python}, {machine.generator}"
    parts = [
        f"`{machine.command}` at {machine.commit}; {made_on}.",
        f"The unit: **{run.unit_us:.1f} µs** of CPU a request (rounds: {spread}).",
        _table(
            ["target", "wanted", "measured", ""],
            [[t.what, t.target, t.measured, "met" if t.met else "missed"] for t in targets(run)],
        ),
        _costs("CPU of the gateway's process", run.costs),
        _costs("The same with a log line for each exchange (JSON, to a file)", run.logged),
        _costs("Other gateways, the same work", run.peers) if run.peers else "",
        "\n".join(f"- {name}: skipped, {reason}" for name, reason in run.skipped.items()),
        _latency(run),
        _rest(run),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _costs(title: str, costs: list[Cost]) -> str:
    rows = []
    for cost in costs:
        row = [cost.name, f"{cost.cpu_us:,.0f}", f"{cost.units:.1f}", f"{cost.per_second:,.0f}"]
        if cost.events > 1:
            row += [f"{cost.event_us:.1f}", f"{cost.event_units:.2f}", f"{cost.per_second * cost.events:,.0f}"]
        else:
            row += ["", "", ""]
        rows.append([*row, f"{cost.share_of_core:.0%}" + (f", {cost.failed} failed" if cost.failed else "")])
    head = [title, "µs a request", "units", "requests/s", "µs an event", "units an event", "events/s", "of a core"]
    return _table(head, rows)


def _latency(run: Run) -> str:
    names = list(run.added[0].direct_ms)
    rows = []
    for added in run.added:
        rows += [
            [str(added.concurrency), "direct", *_shown(added.direct_ms, names), f"{added.direct_per_second:,.0f}"],
            ["", "through", *_shown(added.through_ms, names), f"{added.through_per_second:,.0f}"],
            ["", "added", *_shown(added.added_ms, names), ""],
        ]
    table = _table(["at once", "latency, ms", *names, "requests/s"], rows)
    rows = [[name, *_shown(ms, names)] for name, ms in run.first_event_ms.items()]
    return table + "\n\n" + _table(["first event of a stream, ms", *names], rows)


def _shown(ms: dict[str, float], names: list[str]) -> list[str]:
    return [f"{ms[name]:.3f}" for name in names]


def _rest(run: Run) -> str:
    slow, memory = run.slow, run.memory
    rows = [
        ["start-up, from exec to the first answer", f"{run.start_up_s * 1000:.0f} ms"],
        ["memory idle / under load / after", " / ".join(map(_mb, (memory.idle, memory.under_load, memory.after)))],
        [f"{slow.streams:,} slow streams: memory before / open / after", " / ".join(
            map(_mb, (slow.memory_idle_bytes, slow.memory_open_bytes, slow.memory_after_bytes)))],
        ["memory of one of them", f"{slow.per_stream_bytes / 1000:.1f} kB"],
        ["a plain request alone, p50 / p99", f"{slow.alone_ms['p50']:.2f} / {slow.alone_ms['p99']:.2f} ms"],
        ["a plain request beside them, p50 / p99", f"{slow.beside_ms['p50']:.2f} / {slow.beside_ms['p99']:.2f} ms"],
        ["CPU for them", f"{slow.cpu_share:.1%} of a core"],
        *[[f"{one.workers} worker{'s'[: one.workers - 1]}, cores shared with load and simulator",
           f"{one.per_second:,.0f} requests/s, {one.cpu_us:.0f} µs a request"] for one in run.workers],
        *[[f"the simulator's ceiling, {name}", f"{rate:,.0f} requests/s"] for name, rate in run.ceiling.items()],
    ]  # fmt: skip
    if slow.note:
        rows.append(["note", slow.note])
    return _table(["", ""], rows)


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = [cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(
            zip(cells, widths, strict=True))]  # fmt: skip
        return "| " + " | ".join(padded) + " |"

    rule = "| " + " | ".join("-" * width if at == 0 else "-" * (width - 1) + ":" if width > 1 else "-"
                             for at, width in enumerate(widths)) + " |"  # fmt: skip
    return "\n".join([line(head), rule, *map(line, rows)])


def write(run: Run, directory: Path, name: str) -> list[Path]:
    """Write the JSON, the tables and, where matplotlib is there, the plots. Returns what was written."""
    directory.mkdir(parents=True, exist_ok=True)
    document, tables = directory / f"{name}.json", directory / f"{name}.md"
    document.write_bytes(msgspec.json.format(msgspec.json.encode(run)) + b"\n")
    tables.write_text(as_markdown(run), "utf-8")
    return [document, tables, *_plots(run, directory, name)]


def _plots(run: Run, directory: Path, name: str) -> list[Path]:
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("Agg")
    return [_cost_plot(run, directory / f"{name}-cpu.png"), _latency_plot(run, directory / f"{name}-latency.png")]


def _cost_plot(run: Run, path: Path) -> Path:
    from matplotlib import pyplot

    costs = [*run.costs, *run.peers]
    figure, axes = pyplot.subplots(figsize=(9, 1 + 0.4 * len(costs)), layout="constrained")
    bars = axes.barh([cost.name for cost in costs], [cost.cpu_us for cost in costs], color=[
        "tab:blue" if cost in run.costs else "tab:gray" for cost in costs])  # fmt: skip
    axes.bar_label(bars, [f" {cost.cpu_us:,.0f} µs, {cost.units:.1f} units" for cost in costs])
    axes.set_xscale("log")
    axes.set_xlim(right=max(cost.cpu_us for cost in costs) * 6)
    axes.invert_yaxis()
    axes.set_xlabel(f"CPU µs a request (one unit is {run.unit_us:.1f} µs)")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


def _latency_plot(run: Run, path: Path) -> Path:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for added in run.added:
        names = list(added.direct_ms)
        axes.plot(
            names, [added.through_ms[name] for name in names], "o-", label=f"through, {added.concurrency} at once"
        )
        axes.plot(names, [added.direct_ms[name] for name in names], "x--", label=f"direct, {added.concurrency} at once")
    axes.set_yscale("log")
    axes.set_ylabel("ms")
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path
