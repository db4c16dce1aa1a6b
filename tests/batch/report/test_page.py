"""The report: what is written, and what a browser makes of it."""

import base64
import hashlib
import json
import re
import shutil
import wave
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from asyncscribe.batch.report import ReportJob, ReportSummary, write_report
from asyncscribe.models.transcript import Transcript

SUMMARY = ReportSummary(
    "Batch <b>&amp;", datetime(2026, 11, 20, tzinfo=UTC), {"completed": "3"}, [(100.0, 5), (130.0, 9)]
)
HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'><!--"


def spoken(text, speakers=True):
    words = [
        {"text": word, "start": 500 * place, "end": 500 * place + 400, "confidence": 0.9, "speaker": "A"}
        for place, word in enumerate(text.split())
    ]
    half = len(words) // 2
    utterances = [
        {"speaker": who, "text": "", "start": 0, "end": 1, "confidence": 1, "words": some}
        for who, some in (("A", words[:half]), ("B", words[half:]))
    ]
    document = {"id": "x", "status": "completed", "text": text, "words": words, "audio_url": "u"}
    return Transcript.model_validate_json(json.dumps({**document, "utterances": utterances if speakers else None}))


def job(number, text="the garden was green", **fields):
    begun = 100.0 + number % 50
    times = {
        "uploading": begun,
        "waiting": begun + 2,
        "queued": begun + 3,
        "processing": begun + 5,
        "ended": begun + 18,
        "completed": begun + 20,
    }
    values = {
        "name": f"calls/{number:04}.wav",
        "state": "completed",
        "reason": None,
        "audio": [],
        "seconds": 12.5,
        "submissions": 1,
        "transcript_id": "x",
        "times": times,
        "transcript": spoken(text),
    }
    return ReportJob(**{**values, **fields})


async def each(jobs):
    for one in jobs:
        yield one


async def page(tmp_path, jobs):
    path = tmp_path / "report.html"
    assert await write_report(path, SUMMARY, each(jobs)) == len(jobs)
    return path


async def test_it_is_one_page_and_no_text_can_break_out(tmp_path):
    jobs = [job(0, HOSTILE, name=HOSTILE, reason=HOSTILE), job(1)]
    text = (await page(tmp_path, jobs)).read_text()
    assert "Batch &lt;b&gt;&amp;amp;" in text
    assert not re.search(r"""(?:src|href)=["'](?!x\b)""", text.split('<script type="application/json"')[0])
    assert "http" not in text.replace("http-equiv", "")
    blocks = re.findall(r'<script type="application/json" id="(\w+)">(.*?)</script>', text, re.DOTALL)
    assert [name for name, _ in blocks] == ["limits", "j0", "t0", "j1", "t1"]
    assert json.loads(dict(blocks)["j0"])["name"] == HOSTILE
    assert HOSTILE not in text


async def test_jobs_are_taken_one_at_a_time_and_a_failure_leaves_nothing(tmp_path):
    path = tmp_path / "report.html"

    async def failing():
        yield job(0)
        assert len(list(tmp_path.iterdir())) == 1
        raise RuntimeError("the journal broke")

    with pytest.raises(RuntimeError):
        await write_report(path, SUMMARY, failing())
    assert list(tmp_path.iterdir()) == []


async def test_only_the_script_of_the_page_may_run_and_titles_are_not_filled_in(tmp_path):
    title = "/* style */ {script} <!-- totals -->"
    path = tmp_path / ("x" * 250 + ".html")
    assert await write_report(path, replace(SUMMARY, title=title), each([job(0)])) == 1
    text = path.read_text()
    assert text.count("/* style */ {script} &lt;!-- totals --&gt;") == 2
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in text
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
async def browser():
    api = pytest.importorskip("playwright.async_api", reason="Playwright is not installed")
    async with api.async_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        try:
            # The browser of the system, if there is one, else Playwright's own.
            chromium = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"there is no browser: {str(error).splitlines()[0]}")
        yield chromium
        await chromium.close()


async def opened(browser, path, **options):
    tab = await browser.new_page(**options)
    problems = []
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: problems.append(str(error)))
    await tab.goto(path.as_uri())
    return tab, problems


async def test_in_a_browser_it_is_searched_read_and_heard(browser, tmp_path):
    with wave.open(str(tmp_path / "a b.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(2 * 8_000 * 4))
    failed = job(2, state="failed", reason="Transcoding failed", transcript=None)
    jobs = [
        job(0, audio=["a%20b.wav", "file:///missing.wav"]),
        job(1, "another text"),
        failed,
        job(3, HOSTILE, name=HOSTILE),
    ]
    # Waiting for a function evaluates a text, which the page's policy forbids.
    tab, problems = await opened(browser, await page(tmp_path, jobs), bypass_csp=True)
    assert await tab.locator(".row").count() == 4
    assert await tab.locator("summary").inner_text() == "1 \u00d7 Transcoding failed"
    await tab.fill("#query", "garden")
    await tab.wait_for_function("document.querySelectorAll('.row').length === 1")
    assert await tab.locator("#found").inner_text() == "1 of 4"
    await tab.locator(".row").click()
    assert await tab.locator(".passage > div:first-child").all_inner_texts() == [
        "Speaker A · 00:00",
        "Speaker B · 00:01",
    ]
    await tab.get_by_text("was", exact=True).click()
    await tab.wait_for_function("document.querySelector('audio').currentTime >= 1")
    await tab.wait_for_function("document.querySelector('.word.now') !== null")
    assert await tab.evaluate("document.querySelector('audio').paused") is False
    await tab.keyboard.press("ArrowLeft")
    assert await tab.evaluate("document.activeElement.textContent") == "garden"
    await tab.evaluate("document.querySelector('audio').pause()")
    await tab.keyboard.press("Enter")
    await tab.wait_for_function("document.querySelector('audio').currentTime < 1")
    await tab.fill("#query", "window.hacked")
    await tab.locator(".row", has_text="script").click()
    assert HOSTILE.split()[0] in await tab.locator("#reader").inner_text()
    assert await tab.evaluate("window.hacked") is None
    assert problems == []


async def test_phrases_are_marked_and_long_transcripts_get_elements_where_they_are_read(browser, tmp_path):
    text = " ".join(["filler"] * 20_000 + ["the", "garden", "was", "green"] + ["filler"] * 20_000)
    jobs = [job(0, transcript=spoken(text, speakers=False)), job(1, transcript=spoken(text))]
    tab, problems = await opened(browser, await page(tmp_path, jobs))
    await tab.fill("#query", " garden   WAS ")
    await tab.get_by_text("2 of 2").wait_for()
    for row in range(2):
        await tab.locator(".row").nth(row).click()
        await tab.get_by_text("green", exact=True).wait_for()
        assert await tab.locator(".word.found").all_inner_texts() == ["garden", "was"]
        assert await tab.get_by_text("garden", exact=True).is_visible()
        assert 100 < await tab.locator(".word").count() < 10_000
    await tab.fill("#query", "")
    await tab.locator(".word.found").first.wait_for(state="detached")
    # What was not near before is filled when it is scrolled to.
    await tab.locator("#reader").evaluate("reader => reader.scrollTo(0, 0)")
    await tab.locator(".passage").first.locator(".word").first.wait_for()
    speakers = [who for who in await tab.locator(".passage > div:first-child").all_text_contents() if "Speaker" in who]
    assert speakers == ["Speaker A · 00:00", "Speaker B · 02:46:41"]
    assert problems == []


async def test_10_000_jobs_stay_few_rows_and_can_be_walked_by_keys(browser, tmp_path):
    tab, problems = await opened(browser, await page(tmp_path, [job(number) for number in range(10_000)]))
    assert 5 < await tab.locator(".row").count() < 200
    await tab.locator("#list").evaluate("list => list.scrollTo(0, 48 * 9990)")
    await tab.get_by_text("calls/9995.wav").wait_for()
    assert await tab.locator(".row").count() < 200
    await tab.fill("#query", "calls/4321")
    await tab.get_by_text("1 of 10000").wait_for()
    assert await tab.locator(".row").count() == 1
    await tab.focus("#list")
    await tab.keyboard.press("ArrowDown")
    assert await tab.locator("#reader h3").inner_text() == "calls/4321.wav"
    # Colours other than the background's: the timeline was drawn, and is after zooming.
    colours = (
        "() => new Set(document.querySelector('#timeline').getContext('2d').getImageData(0, 0, 400, 200).data).size"
    )
    assert await tab.evaluate(colours) > 5
    await tab.focus("#timeline")
    await tab.keyboard.press("+")
    assert await tab.evaluate(colours) > 5
    assert problems == []


async def test_few_jobs_are_lines_and_many_are_counts_until_zoomed(browser, tmp_path):
    running = {"uploading": 100.0, "waiting": 101.0, "queued": 102.0}
    jobs = [job(number) for number in range(500)]
    jobs[0] = job(0, state="submitted", times=running, transcript=None)
    jobs.append(job(500, state="failed", times={"uploading": 900.0, "failed": 1000.0}, transcript=None))
    tab, problems = await opened(browser, await page(tmp_path, jobs))
    assert "Jobs at once" in await tab.locator("#moment").inner_text()
    # One that has not ended lasts as long as anything is known.
    assert await tab.evaluate("lines.find(({ number }) => number === 0).spans.at(-1).to") == 1000
    assert await tab.evaluate("lines.find(({ number }) => number === 1).spans.at(-1)") == {
        "from": 119,
        "to": 121,
        "color": "detection",
    }
    counts = "countsOf('queued', lines, 900).reduce((sum, count) => sum + count, 0)"
    assert await tab.evaluate(counts) == pytest.approx(898 + 499 * 2)
    await tab.evaluate("setView(890, 1000)")
    await tab.get_by_text("A line is a job").wait_for()
    assert await tab.evaluate("rowsInSight.map(({ number }) => number)") == [0, 500]
    # Not beyond what there is, however far.
    await tab.evaluate("zoom(1000, 0.5)")
    assert await tab.evaluate("[view.from, view.to]") == [100, 1000]
    assert problems == []


async def test_long_groups_of_failures_are_shown_in_parts(browser, tmp_path):
    jobs = [job(number, state="failed", reason="No speech", transcript=None) for number in range(250)]
    tab, problems = await opened(browser, await page(tmp_path, jobs))
    await tab.locator("summary").click()
    buttons = tab.locator("#reasons button")
    await tab.get_by_text("… 150 more").click()
    assert await buttons.count() == 201
    await tab.get_by_text("… 50 more").click()
    assert await buttons.count() == 250
    await buttons.last.click()
    assert await tab.locator("#reader h3").inner_text() == "calls/0249.wav"
    assert problems == []
