import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from asyncscribe import AuthenticationError, BadRequest, ConnectFailed, SubmissionInDoubt, SubmissionPolicy
from asyncscribe.engine.lookup import Lookout
from asyncscribe.engine.submission import Submitter
from asyncscribe.models.config import TranscriptionConfig
from asyncscribe.server import LocalServer, faults
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
    return Submitter(client._transport, POLICY)


async def test_a_submission_is_accepted(server, submitter):
    accepted = await submitter.submit(URL, CONFIG)
    assert [record.id for record in server.records] == [accepted.id]
    assert accepted.status == "processing"
    assert not accepted.found


@pytest.mark.parametrize("fault", LOST_ANSWERS)
async def test_a_lost_answer_is_looked_up_and_not_paid_twice(server, submitter, fault):
    server.faults.script(*POST, fault)
    accepted = await submitter.submit(URL, CONFIG)
    assert [record.id for record in server.records] == [accepted.id]
    assert accepted.found


@pytest.mark.parametrize("fault", NEVER_ACTED)
async def test_what_is_not_listed_is_submitted_again_only_after_the_quiet_time(server, submitter, fault):
    server.faults.script(*POST, fault)
    begun = asyncio.get_running_loop().time()
    accepted = await submitter.submit(URL, CONFIG)
    assert asyncio.get_running_loop().time() - begun >= POLICY.quiet
    assert [record.id for record in server.records] == [accepted.id]
    assert server.requests["GET /v2/transcript"] == 4


async def test_a_refused_submission_is_raised_without_a_look(server, submitter):
    server.faults.script(*POST, faults.Answer(400, '{"error": "no"}'))
    with pytest.raises(BadRequest):
        await submitter.submit(URL, CONFIG)
    assert server.requests["GET /v2/transcript"] == 0


async def test_a_wrong_key_is_raised_at_once(server):
    async with open_client(server) as client:
        server.faults.script(*POST, faults.Answer(401, '{"error": "no"}'))
        with pytest.raises(AuthenticationError):
            await Submitter(client._transport, POLICY).submit(URL, CONFIG)


async def test_what_never_left_is_repeated_without_a_look(nothing_left):
    async with LocalServer(api_key=KEY) as gone:
        client = open_client(gone)
    async with client:
        with pytest.raises(ConnectFailed):
            await Submitter(client._transport, POLICY).submit(URL, CONFIG)
        assert client.stats.transport.requests == 4


async def test_a_rate_limited_submission_is_repeated(server, submitter):
    server.faults.script(*POST, faults.Answer(429, '{"error": "Too Many Requests"}', {"Retry-After": "3"}))
    accepted = await submitter.submit(URL, CONFIG)
    assert [record.id for record in server.records] == [accepted.id]


async def test_what_stays_in_doubt_is_said(server, submitter):
    server.faults.script(*POST, *[faults.Drop()] * 9)
    with pytest.raises(SubmissionInDoubt, match="may exist") as raised:
        await submitter.submit(URL, CONFIG)
    assert raised.value.audio_url == URL
    assert server.requests["POST /v2/transcript"] == POLICY.attempts


async def test_without_a_look_at_the_end_it_stays_in_doubt(server, submitter):
    server.faults.script(*POST, faults.Drop(When.AFTER))
    server.faults.script(*LIST, *[faults.Answer(500)] * 99)
    with pytest.raises(SubmissionInDoubt, match="may exist"):
        await submitter.submit(URL, CONFIG)
    assert len(server.records) == 1


async def test_older_jobs_of_the_same_url_are_not_taken_for_the_lost_one(server, submitter):
    first = await submitter.submit(URL, CONFIG)
    server.faults.script(*POST, faults.Drop())
    second = await submitter.submit(URL, CONFIG)
    assert first.id != second.id
    assert len(server.records) == 2


async def test_a_foreign_job_from_before_is_not_taken_either(server, submitter, client):
    stranger = await Submitter(client._transport).submit(URL, CONFIG)
    earlier = datetime.now(UTC) - timedelta(minutes=1)
    server.records[0].created = earlier.replace(tzinfo=None).isoformat()
    server.faults.script(*POST, faults.Drop())
    accepted = await submitter.submit(URL, CONFIG)
    assert accepted.id != stranger.id


async def test_the_look_goes_through_all_newer_pages(server, submitter, client):
    server.faults.script(*POST, faults.Drop(When.AFTER))
    task = asyncio.create_task(submitter.submit(URL, CONFIG))
    while not server.records:
        await asyncio.sleep(0.01)
    other = Submitter(client._transport)
    for number in range(450):
        await other.submit(recording(str(number)), CONFIG)
    accepted = await task
    assert accepted.id == server.records[0].id
    assert server.requests["GET /v2/transcript"] >= 3


async def test_submissions_of_one_url_are_told_apart_when_some_are_lost(server, submitter):
    server.faults.script(*POST, *[faults.Drop(When.AFTER), faults.Drop()] * 3)
    accepted = await asyncio.gather(*(submitter.submit(URL, CONFIG) for _ in range(12)))
    assert len({job.id for job in accepted}) == 12
    assert {job.id for job in accepted} == {record.id for record in server.records}


async def test_other_urls_go_on_while_one_is_in_doubt(server, submitter):
    server.faults.script(*POST, faults.Drop())
    doubtful = asyncio.create_task(submitter.submit(URL, CONFIG))
    await asyncio.sleep(0.5)
    begun = asyncio.get_running_loop().time()
    await submitter.submit(recording("other"), CONFIG)
    assert asyncio.get_running_loop().time() - begun < 1
    await doubtful


async def test_a_cancelled_doubt_frees_the_url(server, submitter):
    server.faults.script(*POST, faults.Drop())
    doubtful = asyncio.create_task(submitter.submit(URL, CONFIG))
    await asyncio.sleep(5)
    doubtful.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doubtful
    await submitter.submit(URL, CONFIG)
    assert not submitter._addresses


async def test_a_job_that_is_listed_late_is_found_after_the_second_attempt_too(server, submitter, monkeypatch):
    server.faults.script(*POST, faults.Drop(When.AFTER), faults.Drop())
    pages = 0
    send = submitter._transport.send

    async def lagging(request, *arguments, **options):
        nonlocal pages
        answer = await send(request, *arguments, **options)
        if request.method == "GET" and request.path == "/v2/transcript":
            pages += 1
            return answer if pages > 4 else []
        return answer

    monkeypatch.setattr(submitter._transport, "send", lagging)
    accepted = await submitter.submit(URL, CONFIG)
    assert [record.id for record in server.records] == [accepted.id]


async def test_an_answer_without_a_list_is_no_proof_that_there_is_no_job(server, submitter):
    server.faults.script(*POST, faults.Drop(When.AFTER))
    server.faults.script(*LIST, *[faults.Answer(200, '{"message": "ok"}')] * 3)
    accepted = await submitter.submit(URL, CONFIG)
    assert [record.id for record in server.records] == [accepted.id]


async def test_a_refusal_after_a_doubt_does_not_end_the_doubt(server, submitter):
    server.faults.script(*POST, faults.Drop(), faults.Answer(401, '{"error": "no"}'))
    with pytest.raises(SubmissionInDoubt, match="then POST /v2/transcript: 401"):
        await submitter.submit(URL, CONFIG)


def test_the_url_that_is_looked_for_is_the_one_that_was_sent():
    with pytest.raises(ValueError, match="audio_url"):
        TranscriptionConfig(extra={"audio_url": "https://elsewhere.test/b.mp3"})


async def test_what_an_earlier_process_submitted_is_found_at_once(server, submitter, client):
    earlier = await Submitter(client._transport).submit(URL, CONFIG)
    begun = asyncio.get_running_loop().time()
    found = await submitter.find(URL, datetime.now(UTC))
    assert (found.id, found.found) == (earlier.id, True)
    assert asyncio.get_running_loop().time() - begun < 1
    assert server.requests["GET /v2/transcript"] == 1


@pytest.mark.parametrize(("age", "looks"), [(timedelta(), 5), (timedelta(seconds=POLICY.settled + 1), 1)])
async def test_what_an_earlier_process_never_submitted_takes_the_quiet_time_unless_it_is_long_ago(
    server, submitter, age, looks
):
    begun = asyncio.get_running_loop().time()
    assert await submitter.find(URL, datetime.now(UTC) - age) is None
    assert (asyncio.get_running_loop().time() - begun >= POLICY.quiet) == (not age)
    assert server.requests["GET /v2/transcript"] == looks


async def test_many_in_doubt_share_their_looks(server, submitter, client):
    other = Submitter(client._transport)
    urls = [recording(str(number)) for number in range(450)]
    jobs = {url: (await other.submit(url, CONFIG)).id for url in urls[:300]}
    found = await asyncio.gather(*(submitter.find(url, datetime.now(UTC)) for url in urls))
    assert [one and one.id for one in found] == [jobs.get(url) for url in urls]
    # A round of looks takes two passes at most, the second for those who asked during the first; a pass, two pages.
    assert server.requests["GET /v2/transcript"] <= 5 * 2 * 2


async def test_a_shared_look_goes_on_when_the_one_who_made_it_is_cancelled(server, submitter, client):
    await submitter.submit(URL, CONFIG)
    server.faults.script(*LIST, faults.Hang(), faults.Hang())
    lookout = Lookout(client._transport)
    tasks = []
    for url in ["http://first.test", "http://second.test", URL]:
        tasks.append(asyncio.create_task(lookout.look(url, datetime.now(UTC))))
        while server.requests["GET /v2/transcript"] < 1:
            await asyncio.sleep(0.01)
    # The second and the third wait for the first, and then share a pass.
    tasks[0].cancel()
    while server.requests["GET /v2/transcript"] < 2:
        await asyncio.sleep(0.01)
    tasks[1].cancel()
    assert [item.id for item in await tasks[2]] == [record.id for record in server.records]


async def test_a_shared_look_that_fails_fails_for_all_and_is_made_again(server, submitter, client):
    await Submitter(client._transport).submit(URL, CONFIG)
    server.faults.script(*LIST, *[faults.Answer(500)] * 12)
    found = await asyncio.gather(*(submitter.find(url, datetime.now(UTC)) for url in ["http://a.test", URL]))
    assert found[0] is None
    assert found[1].found
