import pytest

from asyncscribe import AsyncClient, ConfigurationError, MissingApiKey, Region
from asyncscribe.settings import resolve
from tests.support import KEY


def test_arguments_come_before_the_environment_and_that_before_the_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ASSEMBLYAI_API_KEY=from-file\nASSEMBLYAI_BASE_URL=eu\n")
    assert resolve().api_key.get_secret_value() == "from-file"
    assert resolve().base_url == "https://api.eu.assemblyai.com"
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "from-environment")
    assert resolve().api_key.get_secret_value() == "from-environment"
    assert resolve("argument", "us").api_key.get_secret_value() == "argument"
    assert resolve("argument", "us").base_url == "https://api.assemblyai.com"


def test_without_a_key_the_error_says_how_to_set_one():
    with pytest.raises(MissingApiKey, match="ASSEMBLYAI_API_KEY"):
        AsyncClient()
    with pytest.raises(MissingApiKey):
        AsyncClient("  ")


def test_a_key_that_no_header_can_carry_is_refused_and_not_shown():
    with pytest.raises(ConfigurationError) as raised:
        AsyncClient("sécret\n1")
    assert "cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (None, "https://api.assemblyai.com"),
        (Region.EU, "https://api.eu.assemblyai.com"),
        ("EU", "https://api.eu.assemblyai.com"),
        ("https://proxy.test/assembly/", "https://proxy.test/assembly"),
        ("https://api.assemblyai.com/v2", "https://api.assemblyai.com"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.2:1/", "http://127.0.0.2:1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses_and_names_of_regions(given, used):
    assert AsyncClient(KEY, given).base_url == used


@pytest.mark.parametrize(
    "given",
    [
        "api.assemblyai.com",
        "ftp://x",
        "https://",
        "https://user:pw@x.test",
        "https://x.test/?a=b",
        "http://[::1",
        "asia",
    ],
)
def test_what_is_no_address_is_refused(given):
    with pytest.raises(ConfigurationError) as raised:
        AsyncClient(KEY, given)
    assert "pw" not in str(raised.value)


def test_the_key_is_not_sent_unencrypted_unless_told():
    with pytest.raises(ConfigurationError, match="unencrypted"):
        AsyncClient(KEY, "http://far.test")
    assert AsyncClient(KEY, "http://far.test", allow_http=True).base_url == "http://far.test"


def test_the_key_is_in_no_repr():
    client = AsyncClient(KEY)
    connection = client._parts.transport._connection
    parts = [
        client,
        client._parts.transport,
        connection._settings,
        vars(connection),
        client._parts.runner,
        client._parts.watcher,
    ]
    assert not [part for part in parts if KEY in repr(part)]


def test_an_unreadable_file_of_settings_is_named_and_not_shown(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"ASSEMBLYAI_API_KEY=sekret\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"\.env") as raised:
        AsyncClient()
    assert "sekret" not in str(raised.value)


def test_an_address_of_a_file_counts_only_for_a_key_of_that_file(monkeypatch, tmp_path, caplog):
    """E18: a `.env` in an untrusted folder could lead the environment's key to another host."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ASSEMBLYAI_BASE_URL=https://evil.test\n")
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "from-environment")
    assert resolve().base_url == "https://api.assemblyai.com"
    assert resolve("argument").base_url == "https://api.assemblyai.com"
    assert "is ignored" in caplog.text
    assert resolve("argument", "https://mine.test").base_url == "https://mine.test"
    (tmp_path / ".env").write_text("ASSEMBLYAI_BASE_URL=https://mine.test\nASSEMBLYAI_API_KEY=from-environment\n")
    assert resolve().base_url == "https://mine.test"
    monkeypatch.delenv("ASSEMBLYAI_API_KEY")
    assert resolve().base_url == "https://mine.test"
    monkeypatch.setenv("ASSEMBLYAI_BASE_URL", "eu")
    assert resolve().base_url == "https://api.eu.assemblyai.com"


def test_the_names_of_the_regions_count_from_wherever_they_are(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ASSEMBLYAI_BASE_URL=EU\n")
    assert resolve("argument").base_url == "https://api.eu.assemblyai.com"


def test_an_unreadable_file_of_settings_does_not_matter_where_it_is_not_needed(monkeypatch, tmp_path, caplog):
    """E20: it broke the constructor even with explicit arguments."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"ASSEMBLYAI_API_KEY=sekret\xff\xfe\n")
    assert AsyncClient(KEY, "us").base_url == "https://api.assemblyai.com"
    assert not caplog.text
    assert AsyncClient(KEY).base_url == "https://api.assemblyai.com"
    assert "is ignored" in caplog.text
    assert "sekret" not in caplog.text
