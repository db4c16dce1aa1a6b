import io
import os
import signal
import wave

import av
import pytest
from aiohttp import web

from asyncscribe import TranscriptionFailed
from asyncscribe.server import LocalServer, PocketSphinxEngine, Recording
from asyncscribe.server.engines.base import EngineError
from tests.support import EXAMPLES, open_client

OFFICE = "please call the office before noon and ask for the new report"


def wav(seconds: float, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(b"\0\0" * int(seconds * rate))
    return file.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    picture = folder / "picture.mp4"
    with av.open(str(picture), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 16
        for _ in range(5):
            frame = av.VideoFrame(16, 16, "yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (folder / "text.mp3").write_text("Not a recording.")
    (folder / "page.wav").write_text("<!DOCTYPE html><p>Sign in</p>")
    (folder / "error.wav").write_text('{"error": "no"}')
    (folder / "bits.wav").write_bytes(bytes(range(256)) * 9)
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 99)
    (folder / "short.wav").write_bytes(wav(0.1))
    return folder


async def test_speech_becomes_words_with_times_and_confidences(nothing_left):
    async with PocketSphinxEngine(workers=1) as engine:
        heard = await engine.transcribe(Recording("", EXAMPLES / "audio" / "office.wav"))
    assert " ".join(word.text for word in heard.words) == OFFICE
    assert heard.duration == pytest.approx(3.915, abs=0.01)
    assert heard.model == "pocketsphinx"
    assert all(0 <= word.confidence <= 1 for word in heard.words)
    ends = [0, *(word.end for word in heard.words)]
    assert all(end <= word.start < word.end for end, word in zip(ends, heard.words, strict=False))
    assert ends[-1] <= 3_915


@pytest.mark.long
async def test_long_audio_is_recognised_piece_by_piece(tmp_path):
    with wave.open(str(EXAMPLES / "audio" / "office.wav")) as sound:
        spoken = sound.readframes(sound.getnframes())
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        for _ in range(9):
            sound.writeframes(spoken + b"\0\0" * 8_000)
    async with PocketSphinxEngine(workers=1) as engine:
        heard = await engine.transcribe(Recording("", path))
        part = await engine.transcribe(Recording("", path, {"audio_start_from": 4_400, "audio_end_at": 8_600}))
    text = " ".join(word.text for word in heard.words)
    assert text.count("ask for the new report") >= 7
    starts = [word.start for word in heard.words]
    assert starts == sorted(starts)
    assert heard.duration == pytest.approx(9 * (3.915 + 0.5), abs=0.1)
    assert OFFICE.split()[-1] in [word.text for word in part.words]
    assert 4_400 <= part.words[0].start < part.words[-1].end <= 8_600


async def test_the_engine_through_the_server(files, nothing_left):
    async def page(request):
        if request.path == "/gone":
            raise web.HTTPGone
        return web.FileResponse(EXAMPLES / "audio" / "office.wav")

    site = web.AppRunner(web.Application(), shutdown_timeout=0)
    site.app.router.add_get("/{name}", page)
    await site.setup()
    await web.TCPSite(site, "127.0.0.1", 0).start()
    elsewhere = f"http://127.0.0.1:{site.addresses[0][1]}"
    async with LocalServer(PocketSphinxEngine(workers=1)) as server, open_client(server) as client:
        assert (await client.transcribe(EXAMPLES / "audio" / "office.wav")).text == OFFICE
        assert (await client.transcribe(f"{elsewhere}/office.wav")).text == OFFICE
        for source, text in [
            (files / "short.wav", "Audio duration is too short."),
            (files / "text.mp3", "does not appear to contain audio"),
            (f"{elsewhere}/gone", "Download error to .* 410 Client Error"),
            ("http://127.0.0.1:1/nobody", "Download error, unable to download"),
        ]:
            with pytest.raises(TranscriptionFailed, match=text):
                await client.transcribe(source)
        assert len(list(server._storage.folder.iterdir())) == 3
    await site.cleanup()


async def test_a_worker_that_dies_costs_a_resubmission_and_not_the_server(nothing_left):
    engine = PocketSphinxEngine(workers=1)
    async with engine:
        path = EXAMPLES / "audio" / "office.wav"
        await engine.transcribe(Recording("", path))
        (worker,) = engine._pool._processes.values()
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        with pytest.raises(EngineError, match="Internal server error"):
            await engine.transcribe(Recording("", path))
        assert (await engine.transcribe(Recording("", path))).words


async def test_an_engine_that_is_not_running_says_so():
    with pytest.raises(RuntimeError, match="not running"):
        await PocketSphinxEngine().transcribe(Recording("", None))
