from asyncscribe.policies.pauses import PAUSES, Pauses


def test_a_pause_that_names_its_time_is_kept_and_never_shortened():
    pauses = Pauses()
    assert pauses.refused(0, 0, 20) == 20
    assert pauses.refused(1, 0, 5) == 20
    assert not pauses.is_probing


def test_pauses_without_a_time_grow_until_the_services_window_has_passed():
    pauses, now, total = Pauses(), 0.0, []
    for _ in PAUSES:
        until = pauses.refused(now, now, None)
        # What was under way when the pause began says nothing new.
        assert pauses.refused(now + 1, now - 1, None) == until
        total.append(until - now)
        now = until
    assert total == list(PAUSES)
    assert sum(total) > 300
    assert pauses.is_probing
    pauses.succeeded(now - 1)
    assert pauses.is_probing
    pauses.succeeded(now)
    assert not pauses.is_probing
