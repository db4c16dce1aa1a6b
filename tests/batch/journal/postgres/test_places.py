"""What local files are called in a journal that many machines share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncscribe.batch import Entry, Newcomer, Recording
from asyncscribe.batch.journal.postgres.places import Places

paths = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).map("/{}".format)
hosts = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True)


@given(hosts, paths.filter(lambda path: "://" not in path))
def test_a_path_comes_back_as_it_went_in(host, path):
    places = Places(host)
    assert places.outward(places.inward(path)) == path


@given(hosts, hosts, paths.filter(lambda path: "://" not in path))
def test_a_path_of_another_host_stays_an_address(here, there, path):
    inward = Places(there).inward(path)
    assert (Places(here).outward(inward) == path) == (here == there)
    assert "://" in inward


@given(st.none() | hosts, st.text(), st.text())
def test_an_address_is_the_same_everywhere(host, scheme, rest):
    address = f"{scheme}://{rest}"
    assert Places(host).inward(address) == address


@given(paths)
def test_where_all_machines_see_the_same_files_a_path_is_a_path(path):
    places = Places(None)
    assert places.outward(places.inward(path)) == path == places.inward(path)


def test_a_host_whose_name_begins_alike_is_another_one():
    assert Places("node").outward("file://node1/in/a.wav") == "file://node1/in/a.wav"
    assert Places("node1").outward("file://node1/in/a.wav") == "/in/a.wav"


@pytest.mark.parametrize("host", [None, "here"])
def test_only_the_identity_is_translated(host):
    places = Places(host)
    recording = Recording("/in/a.wav", "a.wav", "in/a.wav", 3, 5, "sha256:x", 7.0)
    inward = places.recording(recording)
    assert inward.identity == ("/in/a.wav" if host is None else "file://here/in/a.wav")
    assert places.entry(Entry(inward, None, {"json": 1}, "gone")) == Entry(recording, None, {"json": 1}, "gone")
    newcomer = places.newcomer(Newcomer("/in/a.wav", "in/a.wav", "a.wav"))
    assert (newcomer.identity, newcomer.source, newcomer.name) == (inward.identity, "in/a.wav", "a.wav")
    assert places.keys({"/in/a.wav": ["json"]}) == {inward.identity: ["json"]}
