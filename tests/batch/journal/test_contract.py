"""What every journal promises, whatever keeps it."""

import asyncio

import pytest

from asyncscribe import JournalError
from asyncscribe.batch import Newcomer, Recording, SavedState, SqliteJournal
from asyncscribe.batch.journal.postgres import PostgresJournal

SERVICE = "https://service.test"
TIMES = {"found": 1.0}


class Kind:
    """One kind of journal: opened in one place again and again. Jobs of the shared one are claimed first."""

    def __init__(self, opened, shared):
        self.opened = opened
        self.shared = shared

    async def take(self, journal, *keys):
        if self.shared:
            await journal.join("test", "here", 30.0)
            assert len(await journal.claim_keys(keys)) == len(keys)


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request, tmp_path):
    if request.param == "sqlite":
        return Kind(lambda **options: SqliteJournal(tmp_path, **options), shared=False)
    dsn = request.getfixturevalue("empty")
    return Kind(lambda **options: PostgresJournal(dsn, **options), shared=True)


@pytest.fixture
async def journal(kind):
    async with kind.opened() as opened:
        await opened.bind(SERVICE, lasting=True)
        yield opened


def newcomer(number, name=None):
    return Newcomer(f"https://a.test/{number}", f"https://a.test/{number}?***", name or f"a/{number}.mp3")


async def found(journal, number, content=None, config="c", **known):
    entry = (await journal.entries([newcomer(number).identity])).get(newcomer(number).identity)
    if entry is None:
        (entry,) = await journal.name([newcomer(number)])
    r = entry.recording
    recording = Recording(r.identity, r.name, r.source, content=content or f"url:{number}", **known)
    (job,) = await journal.assign([recording], config)
    return recording, job


async def job_of(journal, recording):
    return (await journal.entries([recording.identity]))[recording.identity].job


async def test_what_is_not_known_is_not_there(journal):
    assert await journal.entries(["https://a.test/1"]) == {}
    assert await journal.fact("salt") is None
    assert await journal.latest_ids(SERVICE, 3) == []
    assert [entry async for entry in journal.all()] == []


async def test_a_fact_is_kept_and_replaced(kind):
    for value in ("1", "2"):
        async with kind.opened() as journal:
            await journal.keep_fact("salt", value)
    async with kind.opened(read_only=True) as journal:
        assert await journal.fact("salt") == "2"


async def test_a_newcomer_gets_its_name_once(journal):
    first, second = await journal.name([newcomer(1), newcomer(2)])
    assert (first.recording.name, second.recording.name) == ("a/1.mp3", "a/2.mp3")
    assert await journal.name([newcomer(1, "b.mp3")]) == [first]
    assert (first.job, first.files, first.problem) == (None, {}, None)


async def test_a_name_that_is_taken_is_given_to_nobody_else(journal):
    named = await journal.name([newcomer(1, "Straße.mp3"), newcomer(2, "STRASSE.MP3"), newcomer(3, "b.mp3")])
    assert [entry and entry.recording.name for entry in named] == ["Straße.mp3", None, "b.mp3"]
    for _ in range(2):
        apart = await journal.name_apart(newcomer(2, "STRASSE.MP3"))
        assert apart.recording.name == "STRASSE~2.MP3"
    alike = await journal.alike(newcomer(4, "strasse.mp3"))
    assert sorted(entry.recording.name for entry in alike) == ["STRASSE~2.MP3", "Straße.mp3"]


async def test_a_recording_that_has_moved_keeps_its_name(journal):
    await journal.name([newcomer(1)])
    for _ in range(2):
        entry = await journal.take_over(newcomer(1).identity, newcomer(7))
        assert (entry.recording.identity, entry.recording.name) == (newcomer(7).identity, "a/1.mp3")
    assert await journal.entries([newcomer(1).identity]) == {}


async def test_the_same_content_and_configuration_are_one_job(journal):
    _, first = await found(journal, 1, "sha256:x")
    _, second = await found(journal, 2, "sha256:x")
    _, other = await found(journal, 3, "sha256:x", config="d")
    assert first.key == second.key != other.key
    assert (first.service, first.content, first.config, first.step) == (SERVICE, "sha256:x", "c", SavedState.FOUND)
    await journal.bind("https://other.test", lasting=True)
    _, elsewhere = await found(journal, 4, "sha256:x")
    assert elsewhere.key not in {first.key, other.key}


async def test_jobs_of_many_recordings_come_in_their_order(journal):
    entries = await journal.name([newcomer(number) for number in range(50)])
    recordings = [
        Recording(e.recording.identity, e.recording.name, e.recording.source, content=f"url:{number % 7}")
        for number, e in enumerate(entries)
    ]
    jobs = await journal.assign(recordings, "c")
    assert [job.content for job in jobs] == [recording.content for recording in recordings]
    assert len({job.key for job in jobs}) == 7


async def test_what_is_known_of_a_recording_is_kept(journal):
    recording, job = await found(journal, 1, size=5, modified=1795297043411151821, seconds=2.5)
    await found(journal, 1, size=6)
    entry = (await journal.entries([recording.identity]))[recording.identity]
    assert (entry.recording.size, entry.recording.modified, entry.recording.seconds) == (6, None, 2.5)
    await journal.keep(recording)
    entry = (await journal.entries([recording.identity]))[recording.identity]
    assert entry.recording == recording
    assert entry.job.key == job.key


async def test_all_are_told_by_name_a_page_at_a_time(journal, kind, monkeypatch):
    monkeypatch.setattr(f"{type(journal).all.__module__}.PAGE", 3)
    names = ["Z", "a", "b", "é", "~", "a b", "a/b", "日本"]
    await journal.name([newcomer(number, name) for number, name in enumerate(names)])
    assert [entry.recording.name async for entry in journal.all()] == sorted(names)


async def test_a_job_goes_from_step_to_step(journal, kind):
    recording, job = await found(journal, 1)
    await kind.take(journal, job.key)
    await journal.uploaded(job.key, "https://u.test/1", TIMES)
    now = await job_of(journal, recording)
    assert (now.step, now.audio_url, now.times) == (SavedState.UPLOADED, "https://u.test/1", TIMES)
    assert now.uploaded == pytest.approx(1.8e9, rel=0.2)
    await journal.submitting(job.key, "https://u.test/1", 1700000000.25, TIMES | {"submitting": 2.0})
    now = await job_of(journal, recording)
    assert (now.step, now.doubtful_url, now.doubtful_since) == (
        SavedState.SUBMITTING,
        "https://u.test/1",
        1700000000.25,
    )
    assert now.resume.in_doubt_since.timestamp() == 1700000000.25
    await journal.submitted(job.key, "t-1", TIMES)
    now = await job_of(journal, recording)
    assert (now.step, now.ids, now.doubtful_url, now.doubtful_since) == (SavedState.SUBMITTED, ("t-1",), None, None)
    await journal.completed(job.key, {recording.identity: ["json", "srt"]}, 2.5, TIMES | {"completed": 3.0})
    await journal.timed(job.key, {"ended": 4.0})
    entry = (await journal.entries([recording.identity]))[recording.identity]
    assert (entry.job.step, entry.job.audio_seconds, entry.job.times) == (SavedState.COMPLETED, 2.5, {"ended": 4.0})
    assert entry.files == {"json": job.key, "srt": job.key}
    assert entry.written


async def test_a_refused_submission_leaves_the_job_where_it_was(journal, kind):
    (one, first), (two, second), (three, third) = [await found(journal, number) for number in range(3)]
    await kind.take(journal, first.key, second.key, third.key)
    await journal.uploaded(second.key, "u", TIMES)
    await journal.submitted(third.key, "t-1", TIMES)
    for job in (first, second, third):
        await journal.submitting(job.key, "u", 1.0, TIMES)
        await journal.refused(job.key)
    jobs = [await job_of(journal, recording) for recording in (one, two, three)]
    assert [job.step for job in jobs] == [SavedState.FOUND, SavedState.UPLOADED, SavedState.SUBMITTED]
    assert [job.doubtful_url for job in jobs] == [None] * 3


async def test_ids_are_kept_in_their_order_and_the_newest_is_told(journal, kind):
    (one, first), (_, second) = await found(journal, 1), await found(journal, 2)
    await kind.take(journal, first.key, second.key)
    for key, transcript_id in ((first.key, "t-1"), (first.key, 't-"2"'), (second.key, "t-3")):
        await journal.submitted(key, transcript_id, TIMES)
    assert (await job_of(journal, one)).ids == ("t-1", 't-"2"')
    assert await journal.latest_ids(SERVICE, 5) == ["t-3", 't-"2"']
    assert await journal.latest_ids(SERVICE, 1) == ["t-3"]
    assert await journal.latest_ids("https://other.test", 5) == []


async def test_a_job_that_failed_can_be_begun_again(journal, kind):
    recording, job = await found(journal, 1)
    await kind.take(journal, job.key)
    await journal.submitted(job.key, "t-1", TIMES)
    await journal.failed(job.key, "too quiet", "input", TIMES)
    now = await job_of(journal, recording)
    assert (now.step, now.reason, now.category) == (SavedState.FAILED, "too quiet", "input")
    if kind.shared:
        assert len(await journal.claim_keys([job.key])) == 1
    again = await journal.begin_again(job.key)
    assert (again.step, again.ids, again.reason, again.audio_url) == (SavedState.FOUND, (), None, None)


async def test_files_that_are_written_over_are_not_trusted_meanwhile(journal, kind):
    recording, job = await found(journal, 1)
    await kind.take(journal, job.key)
    await journal.completed(job.key, {recording.identity: ["json", "srt"]}, None, TIMES)
    await journal.rewriting(recording.identity, ["json", "vtt"])
    entry = (await journal.entries([recording.identity]))[recording.identity]
    assert entry.files == {"srt": job.key}


async def test_a_problem_is_kept_until_there_is_a_transcript(journal, kind):
    recording, job = await found(journal, 1)
    await kind.take(journal, job.key)
    await journal.problem(recording, "it is empty")
    assert (await journal.entries([recording.identity]))[recording.identity].reason == "it is empty"
    await journal.completed(job.key, {recording.identity: ["json"]}, None, TIMES)
    assert (await journal.entries([recording.identity]))[recording.identity].reason is None


async def test_a_job_of_the_services_is_adopted(journal, kind):
    recording, job = await found(journal, 1)
    await kind.take(journal, job.key)
    await journal.adopt(job.key, "t-1", "https://u.test/1")
    now = await job_of(journal, recording)
    assert (now.step, now.ids, now.audio_url) == (SavedState.SUBMITTED, ("t-1",), "https://u.test/1")


async def test_what_an_ended_service_had_is_forgotten(journal, kind):
    (one, first), (two, second) = await found(journal, 1), await found(journal, 2)
    await kind.take(journal, first.key, second.key)
    await journal.submitted(first.key, "t-1", TIMES)
    await journal.completed(second.key, {two.identity: ["json"]}, 1.0, TIMES)
    await journal.bind(SERVICE, lasting=False)
    assert ((await job_of(journal, one)).step, (await job_of(journal, one)).ids) == (SavedState.FOUND, ())
    entry = (await journal.entries([two.identity]))[two.identity]
    assert (entry.job.step, entry.job.ids, entry.written) == (SavedState.COMPLETED, (), True)


async def test_limits_are_kept_in_their_order(journal):
    await journal.limit(2.0, 20)
    await journal.limit(1.0, 10)
    assert await journal.limits() == [(1.0, 10), (2.0, 20)]


async def test_all_is_there_when_it_is_opened_again(kind):
    async with kind.opened() as journal:
        await journal.bind(SERVICE, lasting=True)
        recording, job = await found(journal, 1)
        await kind.take(journal, job.key)
        await journal.submitting(job.key, "u", 1.0, TIMES)
        await journal.problem(recording, "noted last")
    async with kind.opened(read_only=True) as journal:
        (entry,) = [entry async for entry in journal.all()]
    assert (entry.job.step, entry.problem) == (SavedState.SUBMITTING, "noted last")


async def test_who_only_looks_can_not_write(kind):
    with pytest.raises(JournalError, match="there is no journal"):
        async with kind.opened(read_only=True):
            pass
    async with kind.opened():
        pass
    async with kind.opened(read_only=True) as journal:
        with pytest.raises(JournalError, match=r"read-?only"):
            await journal.keep_fact("a", "b")


async def test_many_steps_at_once_are_all_kept(journal, kind):
    recordings = [await found(journal, number) for number in range(40)]
    await kind.take(journal, *[job.key for _, job in recordings])

    async def run(recording, job):
        await journal.submitting(job.key, "u", 1.0, TIMES)
        await journal.submitted(job.key, f"t-{job.key}", TIMES)
        await journal.completed(job.key, {recording.identity: ["json"]}, 1.0, TIMES)

    await asyncio.gather(*[run(*one) for one in recordings])
    async for entry in journal.all():
        assert (entry.job.step, entry.job.ids) == (SavedState.COMPLETED, (f"t-{entry.job.key}",))
        assert entry.written
