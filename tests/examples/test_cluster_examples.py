"""The cluster's examples are what the tools expect, as far as that can be told without them, and their command runs."""

import asyncio
import importlib.util
import os
import py_compile
import re
import sys
from contextlib import AsyncExitStack

import pytest
import yaml
from typer.main import get_command

from asyncscribe.batch.journal.postgres.connection import PostgresStore
from asyncscribe.cli.app import app
from asyncscribe.server import LocalServer, SimulatedEngine
from asyncscribe.settings import ADDRESS_NAME, KEY_NAME
from tests.batch.postgres import started
from tests.support import EXAMPLES, KEY, ROOT, plain_environment

FOLDER = EXAMPLES / "cluster"
COMPOSE = yaml.safe_load((FOLDER / "docker-compose.yml").read_text())
JOB = yaml.safe_load((FOLDER / "kubernetes-job.yaml").read_text())
README = (FOLDER / "README.md").read_text()
#: What the program reads, and what obstore does.
READ = {KEY_NAME, ADDRESS_NAME, "ASYNCSCRIBE_JOURNAL"}
STORES = {"AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def parsed(arguments):
    """The parameters of a command line; there is such a command, and it has these options."""
    assert arguments[0] == "asyncscribe"
    command, names = get_command(app), list(arguments[1:])
    while hasattr(command, "commands"):
        # `batch` is short for `batch run`.
        command = command.commands[names.pop(0) if names[0] in command.commands else "run"]
    return command.make_context("asyncscribe", names).params


def lines_of(text):
    """The command lines of a shell's examples, without comments."""
    text = re.sub(r"\\\n\s*", "", text)
    return [line.split("#")[0].split() for line in re.findall(r"^    (asyncscribe .*)$", text, re.MULTILINE)]


def test_the_services_of_the_compose_file_wait_for_one_another():
    services = COMPOSE["services"]
    assert set(services) == {"journal", "store", "bucket", "worker"}
    assert set(COMPOSE["volumes"]) == {"journal", "store"}
    for service in services.values():
        assert ("image" in service) != ("build" in service)
        for name, needed in service.get("depends_on", {}).items():
            healthy = needed["condition"] == "service_healthy"
            assert healthy or needed["condition"] == "service_completed_successfully"
            assert not healthy or services[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert set(services["worker"]["depends_on"]) == {"journal", "bucket"}
    assert services["worker"]["deploy"]["replicas"] == 3


def test_the_compose_files_worker_is_told_what_the_program_reads():
    worker, store, journal = (COMPOSE["services"][name] for name in ("worker", "store", "journal"))
    environment = worker["environment"]
    assert set(environment) == READ | STORES
    given = journal["environment"]
    address = f"postgresql://{given['POSTGRES_USER']}:{given['POSTGRES_PASSWORD']}@journal/{given['POSTGRES_DB']}"
    assert environment["ASYNCSCRIBE_JOURNAL"] == address
    assert PostgresStore(address).place == "postgresql://journal/asyncscribe"
    assert environment["AWS_SECRET_ACCESS_KEY"] == store["environment"]["MINIO_ROOT_PASSWORD"]
    parameters = parsed(worker["command"])
    assert parameters["shared_files"]
    assert parameters["output"].split("/")[2] in COMPOSE["services"]["bucket"]["entrypoint"][-1]
    (folder,) = parameters["sources"]
    assert any(volume.split(":")[1] == folder for volume in worker["volumes"])


def test_the_kubernetes_job_has_all_that_it_needs():
    assert (JOB["apiVersion"], JOB["kind"]) == ("batch/v1", "Job")
    spec, pod = JOB["spec"], JOB["spec"]["template"]["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"]
    # With this policy there may be no `podFailurePolicy` and no `backoffLimitPerIndex`.
    assert pod["restartPolicy"] == "OnFailure"
    assert not {"podFailurePolicy", "backoffLimitPerIndex"} & set(spec)
    assert pod["terminationGracePeriodSeconds"] >= 30
    (container,) = pod["containers"]
    assert {"name", "image", "command", "env", "resources"} <= set(container)
    variables = {one["name"]: one for one in container["env"]}
    assert set(variables) <= READ | STORES
    for name in (KEY_NAME, "ASYNCSCRIBE_JOURNAL"):
        secret = variables[name]["valueFrom"]["secretKeyRef"]
        assert f"--from-literal={secret['key']}=" in (FOLDER / "kubernetes-job.yaml").read_text()
        assert secret["name"] == "asyncscribe"
    assert parsed(container["command"])["formats"]


def test_the_commands_of_the_readme_exist():
    commands = lines_of(README)
    assert commands
    for command in commands:
        assert parsed(command)


def test_every_file_is_described_and_python_compiles(tmp_path):
    for path in FOLDER.iterdir():
        if path.is_file() and path.name != "README.md":
            assert f"({path.name})" in README
    for path in FOLDER.glob("*.py"):
        py_compile.compile(str(path), cfile=str(tmp_path / "compiled"), doraise=True)


def test_the_command_of_the_dag_exists():
    (command,) = re.findall(r'^COMMAND = "exec (.*)"$', (FOLDER / "airflow_dag.py").read_text(), re.MULTILINE)
    assert parsed(command.split())["output"] == "s3://bucket/text"


def test_the_dag_has_its_workers():
    pytest.importorskip("airflow.sdk", reason="Airflow is not installed")
    spec = importlib.util.spec_from_file_location("airflow_dag", FOLDER / "airflow_dag.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert len(module.dag.tasks) == module.WORKERS


def test_the_job_for_ray_becomes_a_command_that_exists(monkeypatch):
    spec = importlib.util.spec_from_file_location("ray_job", FOLDER / "ray_job.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    became = []
    monkeypatch.setattr(os, "execv", lambda program, command: became.append(command))
    module.main("s3://bucket/calls", "s3://bucket/text", "8")
    ((python, _, name, *rest),) = became
    assert (python, name) == (sys.executable, "asyncscribe")
    parameters = parsed([name, *rest])
    assert (parameters["ray"], parameters["workers"]) == ("auto", 8)


@pytest.fixture
def database():
    for server in started():
        yield server.database()


@pytest.fixture
def store():
    moto = pytest.importorskip("moto.server", reason="moto's server is not installed")
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.long
async def test_three_of_the_compose_files_workers_share_the_work(database, store, tmp_path):
    """Without containers: the same command and variables, with other addresses."""
    import boto3

    worker = COMPOSE["services"]["worker"]
    addresses = {"ASYNCSCRIBE_JOURNAL": database, "AWS_ENDPOINT_URL": store, KEY_NAME: KEY}
    keys = {"aws_access_key_id": "asyncscribe", "aws_secret_access_key": "transcripts", "region_name": "us-east-1"}
    s3 = boto3.client("s3", endpoint_url=store, **keys)
    s3.create_bucket(Bucket="transcripts")
    for number in range(9):
        (tmp_path / f"{number}.wav").write_bytes(bytes([number]) * 3_200)
    command = [sys.executable, "-m", *(str(tmp_path) if part == "/recordings" else part for part in worker["command"])]
    async with LocalServer(SimulatedEngine(speed=0), limit=3, api_key=KEY) as server, AsyncExitStack():
        environment = {**plain_environment(), **worker["environment"], **addresses, ADDRESS_NAME: server.base_url}
        environment["PYTHONPATH"] = str(ROOT)
        workers = [await asyncio.create_subprocess_exec(*command, env=environment) for _ in range(3)]
        assert [await one.wait() for one in workers] == [0, 0, 0]
        assert len(server.records) == 9
    listed = s3.list_objects_v2(Bucket="transcripts")["Contents"]
    assert [one["Key"] for one in listed] == [f"first/{number}.wav.json" for number in range(9)]
