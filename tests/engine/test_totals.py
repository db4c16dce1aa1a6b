import pytest

from asyncscribe import TranscriptionFailed
from tests.support import recording


async def test_the_totals_say_what_became_of_all_jobs(server, client):
    await client.transcribe(recording(duration=30))
    await client.transcribe(recording("b", duration=12, server_errors=1))
    with pytest.raises(TranscriptionFailed):
        await client.transcribe(
            recording("c", error="language_detection cannot be performed on files with no spoken audio.")
        )
    left = client.start(recording("d", seconds=100))
    await left.submitted()
    left.cancel()
    with pytest.raises(Exception, match="given up"):
        await left.wait()
    totals = client.stats.totals
    assert (totals.started, totals.completed, totals.failed, totals.abandoned) == (4, 2, 1, 1)
    assert (totals.submissions, totals.resubmissions) == (5, 1)
    assert totals.audio_seconds == 42
