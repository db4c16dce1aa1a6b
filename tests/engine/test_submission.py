import asyncio
from datetime import UTC, datetime, timedelta

import aiohttp
import anyio
import anyio.lowlevel
import pytest

from asyncscribe import (
    AuthenticationError,
    BadRequest,
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    SubmissionInDoubt,
    SubmissionPolicy,
)
from asyncscribe.api.pages import ListPage
from asyncscribe.engine.submission import Submission, Submitter
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.server import FaultPlan, FaultRule, LocalServer, faults, listing
from asyncscribe.server.faults import When
from tests.support import KEY, open_client, recording

POST = ("POST", "/v2/transcript")
LIST = ("GET", "/v2/transcript")
CONFIG = TranscriptionConfig()
URL = recording()
POLICY = SubmissionPolicy(lookups=(1, 3, 10), quiet=20, attempts=2)
pytestmark = pytest.mark.looptime

LOST_ANSWERS = [
    faults.Drop(When.AFTER),
    faults.CutBody(),
    faults.Answer(500, when=When.AFTER),
    faults.Answer(502, "<html>Bad Gateway</html>", when=When.AFTER),
    faults.Answer(200, "{}", when=When.AFTER),
]
NEVER_ACTED = [faults.Drop(), faults.Answer(500), faults.Answer(504, "")]


@pytest.fixture
async def submitter(client):
    return Submitter(client._parts.transport, client._parts.tasks, POLICY)


def submission(url=URL, config=CONFIG, **options) -> Submission:
    return Submission(url, config, **options)


async def test_a_submission_is_accepted(server, submitter):
    accepted = await submitter.submit(submission())
    assert [record.id for record in server.records] == [accepted.id]
    assert accepted.status == "processing"
    assert not accepted.found


@pytest.mark.parametrize("fault", LOST_ANSWERS)
async def test_a_lost_answer_is_looked_up_and_not_paid_twice(server, submitter, fault):
    server.faults.script(*POST, fault)
    accepted = await submitter.submit(submission())
    assert [record.id for record in server.records] == [accepted.id]
    assert accepted.found


@pytest.mark.parametrize("fault", NEVER_ACTED)
async def test_what_is_not_listed_is_submitted_again_only_after_the_quiet_time(server, submitter, fault):
    server.faults.script(*POST, fault)
    begun = asyncio.get_running_loop().time()
    accepted = await submitter.submit(submission())
    assert asyncio.get_running_loop().time() - begun >= POLICY.quiet
    assert [record.id for record in server.records] == [accepted.id]
    assert server.requests["GET /v2/transcript"] == 4


async def test_a_refused_submission_is_raised_without_a_look(server, submitter):
    server.faults.script(*POST, faults.Answer(400, '{"error": "no"}'))
    with pytest.raises(BadRequest):
        await submitter.submit(submission())
    assert server.requests["GET /v2/transcript"] == 0


async def test_a_wrong_key_is_raised_at_once(server):
    async with open_client(server) as client:
        server.faults.script(*POST, faults.Answer(401, '{"error": "no"}'))
        with pytest.raises(AuthenticationError):
            await Submitter(client._parts.transport, client._parts.tasks, POLICY).submit(submission())


async def test_what_never_left_is_repeated_without_a_look(nothing_left):
    async with LocalServer(api_key=KEY) as gone:
        client = open_client(gone)
    async with client:
        with pytest.raises(ConnectFailed):
            await Submitter(client._parts.transport, client._parts.tasks, POLICY).submit(submission())
        assert client.stats.transport.requests == 4


async def test_a_rate_limited_submission_is_repeated(server, submitter):
    server.faults.script(*POST, faults.Answer(429, '{"error": "Too Many Requests"}', {"Retry-After": "3"}))
    accepted = await submitter.submit(submission())
    assert [record.id for record in server.records] == [accepted.id]


async def test_what_was_looked_for_and_is_not_there_is_not_called_in_doubt(server, submitter):
    """E21: after its last attempt `SubmissionInDoubt` was raised, although nothing was in doubt any more."""
    server.faults.script(*POST, *[faults.Drop()] * 9)
    wanted = submission()
    with pytest.raises(ConnectionLost):
        await submitter.submit(wanted)
    assert server.requests["POST /v2/transcript"] == POLICY.attempts
    assert not wanted.may_exist


async def test_a_refusal_after_a_doubt_that_was_settled_is_a_refusal(server, submitter):
    """E21: so was one definite refusal after a doubt that was looked up and not found."""
    server.faults.script(*POST, faults.Drop(), faults.Answer(401, '{"error": "no"}'))
    with pytest.raises(AuthenticationError):
        await submitter.submit(submission())


async def test_a_list_that_is_unavailable_for_a_while_is_waited_for(server, submitter):
    server.faults.script(*POST, faults.Drop(When.AFTER))
    server.faults.plan(FaultPlan(0, [FaultRule("GET", "/v2/", 1, faults.Answer(503))]))
    task = asyncio.create_task(submitter.submit(submission()))
    await asyncio.sleep(600)
    server.faults.plan(None)
    accepted = await task
    assert accepted.found
    assert len(server.records) == 1


async def test_without_a_list_for_half_an_hour_it_stays_in_doubt(server, submitter):
    server.faults.script(*POST, faults.Drop(When.AFTER))
    server.faults.plan(FaultPlan(0, [FaultRule("GET", "/v2/", 1, faults.Answer(500))]))
    wanted = submission("http://recordings.test/a.mp3?sig=sekret")
    with pytest.raises(SubmissionInDoubt, match="may exist") as raised:
        await submitter.submit(wanted)
    assert wanted.may_exist
    assert raised.value.audio_url == wanted.audio_url
    assert "sekret" not in str(raised.value)
    assert len(server.records) == 1
    assert submitter.in_doubt == 0


async def test_older_jobs_of_the_same_url_are_not_taken_for_the_lost_one(server, submitter):
    first = await submitter.submit(submission())
    server.faults.script(*POST, faults.Drop())
    second = await submitter.submit(submission())
    assert first.id != second.id
    assert len(server.records) == 2


async def test_a_foreign_job_from_before_is_not_taken_either(server, submitter, client):
    stranger = await Submitter(client._parts.transport, client._parts.tasks).submit(submission())
    earlier = datetime.now(UTC) - timedelta(minutes=1)
    server.records[0].created = earlier.replace(tzinfo=None).isoformat()
    server.faults.script(*POST, faults.Drop())
    accepted = await submitter.submit(submission())
    assert accepted.id != stranger.id


async def test_the_look_goes_through_all_newer_pages(server, submitter, client):
    server.faults.script(*POST, faults.Drop(When.AFTER))
    task = asyncio.create_task(submitter.submit(submission()))
    while not server.records:
        await asyncio.sleep(0.01)
    other = Submitter(client._parts.transport, client._parts.tasks)
    for number in range(450):
        await other.submit(submission(recording(str(number))))
    accepted = await task
    assert accepted.id == server.records[0].id
    assert server.requests["GET /v2/transcript"] >= 3


async def test_submissions_of_one_url_are_told_apart_when_some_are_lost(server, submitter):
    server.faults.script(*POST, *[faults.Drop(When.AFTER), faults.Drop()] * 3)
    accepted = await asyncio.gather(*(submitter.submit(submission()) for _ in range(12)))
    assert len({job.id for job in accepted}) == 12
    assert {job.id for job in accepted} == {record.id for record in server.records}


async def test_other_urls_go_on_while_one_is_in_doubt(server, submitter):
    server.faults.script(*POST, faults.Drop())
    doubtful = asyncio.create_task(submitter.submit(submission()))
    await asyncio.sleep(0.5)
    begun = asyncio.get_running_loop().time()
    await submitter.submit(submission(recording("other")))
    assert asyncio.get_running_loop().time() - begun < 1
    await doubtful


async def test_a_doubt_whose_caller_left_is_settled_and_its_url_free_again(server, submitter):
    """E4: a caller that was cancelled dropped the look-up, and the paid job with it."""
    server.faults.script(*POST, faults.Drop(When.AFTER))
    server.set_list_lag(8)
    kept = []
    doubtful = asyncio.create_task(submitter.submit(submission(keep=kept.append)))
    await asyncio.sleep(2)
    with anyio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(asyncio.CancelledError):
            await anyio.lowlevel.checkpoint()
    await doubtful
    assert [accepted.id for accepted in kept] == [record.id for record in server.records]
    assert not submitter._urls


async def test_nobody_sends_again_what_nobody_wants_any_more(server, submitter):
    server.faults.script(*POST, faults.Drop())
    wanted = True
    doubtful = asyncio.create_task(submitter.submit(submission(is_wanted=lambda: wanted)))
    await asyncio.sleep(5)
    wanted = False
    with pytest.raises(ConnectionLost):
        await doubtful
    assert server.requests["POST /v2/transcript"] == 1


async def test_a_job_that_is_listed_late_is_found_after_the_second_attempt_too(server, submitter, monkeypatch):
    server.faults.script(*POST, faults.Drop(When.AFTER), faults.Drop())
    pages = 0
    send = submitter._transport.send

    async def lagging(request, *arguments, **options):
        nonlocal pages
        answer = await send(request, *arguments, **options)
        if request.method == "GET" and request.path == "/v2/transcript":
            pages += 1
            return answer if pages > 4 else ListPage([], None)
        return answer

    monkeypatch.setattr(submitter._transport, "send", lagging)
    accepted = await submitter.submit(submission())
    assert [record.id for record in server.records] == [accepted.id]


async def test_an_answer_without_a_list_is_no_proof_that_there_is_no_job(server, submitter):
    server.faults.script(*POST, faults.Drop(When.AFTER))
    server.faults.script(*LIST, *[faults.Answer(200, '{"message": "ok"}')] * 3)
    accepted = await submitter.submit(submission())
    assert [record.id for record in server.records] == [accepted.id]


def test_the_url_that_is_looked_for_is_the_one_that_was_sent():
    with pytest.raises(ValueError, match="audio_url"):
        TranscriptionConfig(extra={"audio_url": "https://elsewhere.test/b.mp3"})


async def test_what_an_earlier_process_submitted_is_found_at_once(server, submitter, client):
    earlier = await Submitter(client._parts.transport, client._parts.tasks).submit(submission())
    begun = asyncio.get_running_loop().time()
    found = await submitter.find(URL, CONFIG, datetime.now(UTC))
    assert (found.id, found.found) == (earlier.id, True)
    assert asyncio.get_running_loop().time() - begun < 1
    assert server.requests["GET /v2/transcript"] == 1


@pytest.mark.parametrize(("age", "looks"), [(timedelta(), 6), (timedelta(seconds=POLICY.settled + 1), 2)])
async def test_what_an_earlier_process_never_submitted_takes_the_quiet_time_unless_it_is_long_ago(
    server, submitter, age, looks
):
    begun = asyncio.get_running_loop().time()
    assert await submitter.find(URL, CONFIG, datetime.now(UTC) - age) is None
    assert (asyncio.get_running_loop().time() - begun >= POLICY.quiet) == (not age)
    # One more, which asks for the service's time.
    assert server.requests["GET /v2/transcript"] == looks


async def test_many_in_doubt_share_their_looks(server, submitter, client):
    other = Submitter(client._parts.transport, client._parts.tasks)
    urls = [recording(str(number)) for number in range(450)]
    jobs = {url: (await other.submit(submission(url))).id for url in urls[:300]}
    found = await asyncio.gather(*(submitter.find(url, CONFIG, datetime.now(UTC)) for url in urls))
    assert [one and one.id for one in found] == [jobs.get(url) for url in urls]
    # A round of looks takes two passes at most, the second for those who asked during the first; a pass, two pages.
    assert server.requests["GET /v2/transcript"] <= 5 * 2 * 2


async def test_a_shared_look_that_fails_fails_for_all_and_is_made_again(server, submitter, client):
    await Submitter(client._parts.transport, client._parts.tasks).submit(submission())
    server.faults.script(*LIST, *[faults.Answer(500)] * 12)
    found = await asyncio.gather(*(submitter.find(url, CONFIG, datetime.now(UTC)) for url in ["http://a.test", URL]))
    assert found[0] is None
    assert found[1].found


async def test_a_job_of_the_same_url_with_other_options_is_not_adopted(server, submitter):
    """E7: both of two concurrent submissions, one with speaker labels, got the transcript without."""
    server.faults.script(*POST, faults.Drop(When.AFTER), faults.Drop(When.AFTER))
    labels = TranscriptionConfig(speaker_labels=True)
    plain, labelled = await asyncio.gather(submitter.submit(submission()), submitter.submit(submission(config=labels)))
    shown = {record.id: record.document["speaker_labels"] for record in server.records}
    assert (shown[plain.id], shown[labelled.id]) == (False, True)
    assert len(server.records) == 2


@pytest.mark.parametrize("own_first", [True, False])
async def test_nor_is_one_that_another_process_made_with_other_options(server, submitter, client, own_first):
    stranger = Submitter(client._parts.transport, client._parts.tasks)
    theirs = submission(config=TranscriptionConfig(speaker_labels=True))
    if not own_first:
        await stranger.submit(theirs)
    server.faults.script(*POST, faults.Drop(When.AFTER))
    task = asyncio.create_task(submitter.submit(submission()))
    await asyncio.sleep(0.5)
    if own_first:
        await stranger.submit(theirs)
    accepted = await task
    assert accepted.found
    (mine,) = [record for record in server.records if not record.document["speaker_labels"]]
    assert accepted.id == mine.id


@pytest.mark.parametrize("step", [timedelta(minutes=10), -timedelta(minutes=10)])
@pytest.mark.parametrize("skew", [0.0, 3_600.0, -3_600.0])
async def test_a_step_of_this_machines_clock_during_a_doubt_pays_nothing_twice(nothing_left, monkeypatch, step, skew):
    """E8: the time of the attempt was kept by a clock that was then set by NTP."""
    async with LocalServer(api_key=KEY, clock_ahead=skew) as server, open_client(server, submission=POLICY) as client:
        await client.transcribe(recording("before"))
        server.faults.script(*POST, faults.Drop(When.AFTER))
        server.set_list_lag(8)
        task = asyncio.create_task(client.submit(recording("doubtful", seconds=60)))
        while len(server.records) < 2:
            await asyncio.sleep(0.01)

        class Stepped(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + step

        for module in ("lookup", "jobs", "submission"):
            monkeypatch.setattr(f"asyncscribe.engine.{module}.datetime", Stepped, raising=False)
        job = await task
        assert job.id == server.records[1].id
        assert len(server.records) == 2


async def test_pages_of_any_length_are_looked_through_to_the_end(server, submitter, client, monkeypatch):
    """E9: a page of fewer than 200 was taken for the end of the list, and the job behind it paid twice."""
    full_page = listing.page

    def short(service, request):
        return full_page(service, request.clone(rel_url=request.rel_url.update_query(limit="100")))

    monkeypatch.setattr(listing, "page", short)
    server.faults.script(*POST, faults.Drop(When.AFTER))
    task = asyncio.create_task(submitter.submit(submission()))
    while not server.records:
        await asyncio.sleep(0.01)
    other = Submitter(client._parts.transport, client._parts.tasks)
    for number in range(150):
        await other.submit(submission(recording(str(number))))
    assert (await task).id == server.records[0].id
    assert len(server.records) == 151


async def test_the_id_is_kept_the_moment_that_the_answer_is_read(server, submitter):
    """E4: cancelled in what came between, the id was lost, and the URL blocked for ever."""
    kept = []

    async def submit():
        await submitter.submit(submission(keep=kept.append))

    for steps in range(1, 60):
        task = asyncio.create_task(submit())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    while server.requests["POST /v2/transcript"] > len(server.records):
        await asyncio.sleep(0.01)
    # A task that is cancelled natively in the middle of a request can't read its answer; what was read is kept.
    assert len({accepted.id for accepted in kept}) == len(kept)
    assert not submitter._urls
    await submit()


async def test_a_permit_that_is_refused_sends_nothing_and_leaves_no_doubt(server, client):
    def refuse():
        raise ConfigurationError("the lease is lost")

    wanted = submission(permit=refuse)
    with pytest.raises(ConfigurationError, match="lease"):
        await client._parts.submitter.submit(wanted)
    assert not wanted.may_exist
    assert not server.records
    assert not server.requests["POST /v2/transcript"]


async def test_nothing_comes_between_the_permit_and_the_write(server, client, monkeypatch):
    """A process may be stopped after it has a connection, and go on when its lease is over."""
    is_held = True
    write_bytes = aiohttp.ClientRequest.write_bytes

    async def written_late(*arguments):
        nonlocal is_held
        is_held = False
        await write_bytes(*arguments)

    def permit():
        if not is_held:
            raise ConfigurationError("the lease is lost")

    monkeypatch.setattr(aiohttp.ClientRequest, "write_bytes", written_late)
    wanted = submission(permit=permit)
    with pytest.raises(ConfigurationError, match="lease"):
        await client._parts.submitter.submit(wanted)
    assert not wanted.may_exist
    assert not server.requests["POST /v2/transcript"]
