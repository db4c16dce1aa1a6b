"""What a run takes up."""

import pytest

from asyncscribe import TranscriptionConfig
from asyncscribe.batch import SqliteJournal
from asyncscribe.batch.allowance import Allowance
from asyncscribe.batch.claims import Alone
from asyncscribe.batch.intake import Assignment, Intake
from asyncscribe.batch.outputs import FolderOutputs
from asyncscribe.batch.under_way import UnderWay

SERVICE = "https://service.test"


class Others(Alone):
    """Others have every job until `free` is set; each pause frees it."""

    def __init__(self, journal) -> None:
        super().__init__(journal)
        self.free = False
        self.pauses = 0

    async def claim(self, find) -> bool:
        return self.free

    async def pause(self) -> None:
        self.pauses += 1
        self.free = True


@pytest.fixture
async def journal(tmp_path):
    async with SqliteJournal(tmp_path) as opened:
        await opened.bind(SERVICE, lasting=True)
        yield opened


def intake(journal, tmp_path, claims=None, *, stopped=lambda: False, seconds=None):
    output = tmp_path / "out"
    outputs = FolderOutputs(output, ["json"])
    assignment = Assignment(outputs, output, output / "journal", SERVICE, TranscriptionConfig(), retry_failed=False)
    claims = claims or Alone(journal)
    return Intake(assignment, journal, claims, Allowance(seconds), UnderWay(), stopped, lambda: None)


async def names(taken, folder):
    return [work.candidates[0].name async for work in taken.works([str(folder)])]


async def test_each_recording_is_a_work_with_its_job(journal, tmp_path, folder):
    taken = intake(journal, tmp_path)
    works = [work async for work in taken.works([str(folder)])]
    assert len(works) == len({work.job.key for work in works}) == 5
    assert (taken.skipped, taken.left) == (0, 0)


async def test_what_has_the_same_content_joins_the_work_that_is_under_way(journal, tmp_path, folder):
    (folder / "copy.wav").write_bytes((folder / "a.wav").read_bytes())
    works = [work async for work in intake(journal, tmp_path).works([str(folder)])]
    assert sorted(len(work.candidates) for work in works) == [1, 1, 1, 1, 2]


async def test_nothing_is_taken_up_once_it_is_stopped(journal, tmp_path, folder):
    stopped = []
    taken = intake(journal, tmp_path, stopped=lambda: bool(stopped))
    async for _ in taken.works([str(folder)]):
        stopped.append(True)  # noqa: PERF401 - what is taken up decides on the next
    assert len(stopped) == 1


async def test_what_others_have_is_looked_at_again_until_somebody_has_done_it(journal, tmp_path, folder):
    claims = Others(journal)
    assert len(await names(intake(journal, tmp_path, claims), folder)) == 5
    assert claims.pauses == 1


async def test_what_can_not_be_read_is_a_work_without_a_job(journal, tmp_path):
    works = [work async for work in intake(journal, tmp_path).works([str(tmp_path / "missing.wav")])]
    assert [work.job for work in works] == [None]


async def test_of_unknown_length_nothing_is_admitted_beside_another(journal, tmp_path, folder):
    """One at a time: the second one waits for the end of the first."""
    taken = intake(journal, tmp_path, seconds=3600.0)
    works = taken.works([str(folder)])
    first = await anext(works)
    assert first.length is None
    await works.aclose()
