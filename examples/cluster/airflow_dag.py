"""A batch every night, by four workers at once: put this file into Airflow's folder of DAGs.

A task is a worker, and every worker runs the same command: a task that is killed, or whose machine is lost, is retried
and resumes the batch. The connection `asyncscribe_journal` is the PostgreSQL database, the variable
`assemblyai_api_key` the key; Airflow masks both in its logs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

COMMAND = "exec asyncscribe batch run s3://bucket/calls --output s3://bucket/text --quiet"
WORKERS = 4

with DAG(
    "asyncscribe",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - in Airflow's time zone
    catchup=False,
    # Two runs at once would do no harm: they would share the work.
    max_active_runs=1,
) as dag:
    for number in range(WORKERS):
        BashOperator(
            task_id=f"worker_{number}",
            bash_command=COMMAND,
            append_env=True,
            env={
                # Airflow says postgres://, which the driver takes as well.
                "ASYNCSCRIBE_JOURNAL": "{{ conn.asyncscribe_journal.get_uri() }}",
                "ASSEMBLYAI_API_KEY": "{{ var.value.assemblyai_api_key }}",
            },
            # Exit code 1 is also "some recordings failed": a retry reports it again, at no cost.
            retries=5,
            retry_delay=timedelta(minutes=1),
        )
