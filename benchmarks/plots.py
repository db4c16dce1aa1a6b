"""Figures as pictures for the README."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

IMAGES = Path(__file__).parent.parent / "docs" / "images"
BARS = {
    "makespan_over_ideal": "makespan / ideal",
    "requests_per_job": "requests per job",
    "cpu_ms_per_job": "CPU per job, ms",
    "peak_mib": "peak memory, MiB",
    "median_lag_percent": "detection lag, % of a job",
}


def draw(results: dict[str, Any]) -> list[Path]:
    """Draw what was measured; return the files."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    drawers: dict[str, Callable[[Any], Any]] = {
        "throughput": _peers,
        "concurrency": _concurrency,
        "many": _many,
        "faults": _faults,
        "steps": _steps,
        "shares": _shares,
        "cluster": _cluster,
        "soak": _soak,
    }
    return [_save(name, drawers[name](results[name])) for name in drawers if name in results]


def _save(name: str, figure: Any) -> Path:
    path = IMAGES / f"{name}.png"
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path


def _peers(rows: list[dict[str, Any]]) -> Any:
    figure, axes = pyplot.subplots(1, len(BARS), figsize=(15, 2.6), sharey=True)
    rows = [*reversed(rows)]
    for axis, (key, title) in zip(axes, BARS.items(), strict=True):
        values = [row.get(key) or 0 for row in rows]
        bars = axis.barh([row["peer"] for row in rows], values, color=["#999999"] * (len(rows) - 1) + ["#1f77b4"])
        axis.bar_label(bars, [f"{value:.3g}" if value else "not done" for value in values], padding=2, fontsize=8)
        axis.set_title(title, fontsize=10)
        axis.set_xlim(0, 1.25 * max([*values, 1e-9]))
    return figure


def _concurrency(rows: list[dict[str, Any]]) -> Any:
    figure, axis = pyplot.subplots(figsize=(7, 3.2))
    _lines(axis, rows, "limit", "makespan_over_ideal")
    axis.set(xlabel="the account's limit, which asyncscribe is not told", ylabel="makespan / ideal", xscale="log")
    axis.axhline(1, color="#999999", linewidth=0.8)
    axis.legend(fontsize=8)
    return figure


def _many(rows: list[dict[str, Any]]) -> Any:
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.2))
    for axis, key in zip(axes, ("peak_mib", "cpu_ms_per_job"), strict=True):
        _lines(axis, rows, "jobs", key)
        axis.set(xlabel="jobs", ylabel=BARS[key], xscale="log", ylim=(0, 1.1 * max(row.get(key, 0) for row in rows)))
    axes[0].legend(fontsize=8)
    return figure


def _lines(axis: Any, rows: list[dict[str, Any]], x: str, y: str) -> None:
    for peer in dict.fromkeys(row["peer"] for row in rows):
        points = [(row[x], row[y]) for row in rows if row["peer"] == peer and y in row]
        axis.plot(*zip(*points, strict=True), "o-", label=peer)


def _faults(rows: list[dict[str, Any]]) -> Any:
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 3.4))
    worlds = list(dict.fromkeys(row["world"] for row in rows))
    for axis, key in zip(axes, ("lost", "paid_twice"), strict=True):
        for number, peer in enumerate(dict.fromkeys(row["peer"] for row in rows)):
            share = {row["world"]: 100 * row[key] / row["jobs"] for row in rows if row["peer"] == peer}
            axis.bar([worlds.index(world) + 0.2 * number for world in share], list(share.values()), 0.2, label=peer)
        axis.set_xticks([n + 0.3 for n in range(len(worlds))], worlds, fontsize=7)
        axis.set_title(f"jobs {key.replace('_', ' ')}, %", fontsize=10)
    axes[0].legend(fontsize=7)
    return figure


def _steps(result: dict[str, Any]) -> Any:
    figure, axis = pyplot.subplots(figsize=(9, 3.2))
    axis.plot(result["seconds"], result["in_flight"], label="at the service", linewidth=1)
    axis.plot(result["seconds"], result["running"], label="of these, running", linewidth=1)
    axis.step(*zip(*result["our_limit"], strict=True), where="post", label="our limit", linewidth=1)
    axis.set(xlabel="seconds", ylabel="jobs", ylim=(0, 2 * result["limit"]))
    axis.legend(fontsize=8)
    return figure


def _cluster(rows: list[dict[str, Any]]) -> Any:
    figure, axes = pyplot.subplots(1, 3, figsize=(11, 2.6))
    for axis, key in zip(axes, ("makespan_over_ideal", "mean_queue", "requests_per_job"), strict=True):
        axis.bar([str(row["workers"]) for row in rows], [row[key] for row in rows])
        axis.set_title(key.replace("_", " "), fontsize=10)
        axis.set_xlabel("workers")
    return figure


def _shares(result: dict[str, Any]) -> Any:
    figure, axis = pyplot.subplots(figsize=(9, 3))
    axis.stackplot(result["seconds"], *result["running"].values(), labels=list(result["running"]))
    axis.set(xlabel="seconds", ylabel="running jobs", title=f"Jain's index {result['jain']}")
    axis.legend(fontsize=8, loc="lower right")
    return figure


def _soak(result: dict[str, Any]) -> Any:
    figure, axes = pyplot.subplots(3, 1, figsize=(9, 5.4), sharex=True)
    minutes = [sample["seconds"] / 60 for sample in result["samples"]]
    for axis, name, title in zip(
        axes, ("memory_mib", "sockets", "tasks"), ("memory, MiB", "open sockets", "tasks"), strict=True
    ):
        values = [sample[name] for sample in result["samples"]]
        axis.plot(minutes, values, linewidth=0.8)
        if name != "memory_mib":
            quiet = result["quiet"]
            axis.plot([one["seconds"] / 60 for one in quiet], [one[name] for one in quiet], "o", label="nothing to do")
            axis.legend(fontsize=8, loc="upper right")
        axis.set(ylabel=title, ylim=(0, 1.3 * max(values)))
    axes[-1].set_xlabel("minutes")
    return figure
