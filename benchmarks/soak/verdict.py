"""What a run found: what was lost, paid twice, or held for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from asyncscribe.engine.submission import REMEMBERED_IDS
from asyncscribe.lifecycle import JobState
from asyncscribe.policies.request_rate import PARTS
from benchmarks.soak.records import Kept, Quiet, Report, Soak

#: Part of the time that is not looked at, for caches and pools to fill; and growth of memory that is too much.
WARM_UP, GROWTH = 0.25, 0.05
#: What is said where there is no problem.
NO_PROBLEMS = "none"
#: Books that are meant to fill up, and what they hold at most.
BOUNDED = {"own": REMEMBERED_IDS, "parts": PARTS + 2, "ended": len(JobState)}


def figures(soak: Soak, report: Report, kept: Sequence[Kept]) -> dict[str, Any]:
    """What a run found, held against what the server knows."""
    # The service's own failures are not charged; whoever stays or leaves, a job has one submission that is not failed.
    paid = Counter(job.prompt for job in kept if job.status != "error")
    found: dict[str, Any] = {
        "minutes": round(soak.seconds / 60, 1),
        "faults": soak.faults,
        "jobs": len({job.prompt for job in kept}),
        "submissions": len(kept),
        **{end.replace(" ", "_"): count for end, count in sorted(report.ends.items())},
        "nobody_was_told": sum(job.id not in report.ids and job.prompt not in report.in_doubt for job in kept),
        "paid_twice": sum(count > 1 for count in paid.values()),
        "wrong_transcripts": report.wrong,
        "stuck": report.stuck,
        "failed": sum(count for end, count in report.ends.items() if end.startswith("failed")),
    }
    problems = [f"{name}: {found[name]}" for name in ("nobody_was_told", "paid_twice", "wrong_transcripts", "stuck")]
    problems = [problem for problem in (*problems, f"failed: {found['failed']}") if not problem.endswith(": 0")]
    before, after = tenths([sample.memory_mib for sample in report.samples])
    found |= {"memory_mib_first": round(before, 1), "memory_mib_last": round(after, 1)}
    found["memory_growth_percent"] = round(100 * (after / before - 1), 2)
    if after > (1 + GROWTH) * before:
        problems.append(f"memory: {before:.1f} MiB, later {after:.1f}")
    problems += grown(report.quiet)
    found["problems"] = "; ".join(problems) or NO_PROBLEMS
    return {**found, "samples": [*map(asdict, report.samples)], "quiet": [*map(asdict, report.quiet)]}


def tenths(values: Sequence[float]) -> tuple[float, float]:
    """The medians of the first tenth after the warm-up and of the last tenth."""
    warm = values[int(WARM_UP * len(values)) :]
    tenth = max(1, len(warm) // 10)
    return median(warm[:tenth]), median(warm[-tenth:])


def grown(quiet: Sequence[Quiet]) -> list[str]:
    """What is held in the last quiet time and was not before the first round."""
    first, last = quiet[0], quiet[-1]
    names = ("tasks", "sockets")
    found = [(name, getattr(first, name), getattr(last, name)) for name in names]
    # The event loop and its threads open some with the first work.
    settled = quiet[1] if len(quiet) > 2 else last
    found.append(("descriptors", settled.descriptors, last.descriptors))
    for path, size in last.books.items():
        found.append((path, max(first.books.get(path, 0), BOUNDED.get(path.rpartition(".")[2], 0)), size))
    return [f"{name}: {before} before, {after} in the end" for name, before, after in found if after > before]
