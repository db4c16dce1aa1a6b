from asyncscribe.policies.evidence import FORGOTTEN, Sightings
from asyncscribe.policies.limits import Evidence, Others

RUNS, WAITS, DONE = "processing", "queued", "completed"


def seen(**statuses) -> Sightings:
    sightings = Sightings()
    for name, status in statuses.items():
        sightings.joined(name, 0.0)
        sightings.seen(name, status)
    return sightings


def test_what_was_seen_is_counted():
    sightings = seen(a=RUNS, b=RUNS, c=DONE)
    assert sightings.take(1) == Evidence(1, processing=2, queued=0, ended=1)
    assert sightings.count(RUNS) == 2
    sightings.left("a")
    assert len(sightings) == 2


def test_only_a_job_that_was_there_before_counts_as_queued():
    """The answer to a submission says `queued` on an idle account too."""
    sightings = seen(a=WAITS)
    assert sightings.take(1).queued == 0
    assert sightings.take(2).queued == 1
    sightings.joined("b", 2.5)
    sightings.seen("b", WAITS)
    assert sightings.take(3).queued == 1
    assert sightings.take(4).queued == 2
    assert sightings.queued_checks == 4


def test_a_status_is_news_once():
    sightings = seen(a=RUNS)
    assert not sightings.seen("a", RUNS)
    assert sightings.seen("a", WAITS)
    assert not sightings.seen("nobody", RUNS)


def test_others_count_from_the_second_look_on():
    """An own job may be listed before its submission is answered."""
    sightings = seen(a=RUNS)
    sightings.listed({"x": RUNS, "y": WAITS, "b": RUNS}, 1)
    assert sightings.take(1).others == Others(0, 0)
    sightings.joined("b", 1.5)
    sightings.listed({"x": RUNS, "y": WAITS, "b": RUNS}, 2)
    assert sightings.take(2).others == Others(1, 1)
    assert sightings.others == 2


def test_what_the_list_said_of_others_is_forgotten_after_a_while():
    sightings = seen(a=RUNS)
    sightings.listed({}, 0)
    sightings.unlisted(FORGOTTEN)
    assert sightings.take(1).others == Others()
    sightings.unlisted(FORGOTTEN + 1)
    assert sightings.take(2).others is None


def test_the_mean_duration_follows_what_jobs_take_lately():
    sightings = Sightings()
    assert sightings.duration is None
    sightings.took(10)
    assert sightings.duration == 10
    for _ in range(200):
        sightings.took(20)
    assert 19 < sightings.duration < 20
