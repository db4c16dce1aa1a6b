"""One batch on any number of machines: `joined` takes part in the batch of a PostgreSQL journal."""

from asyncscribe.batch.cluster.crew import Crew, joined
from asyncscribe.batch.cluster.leases import Worker

__all__ = ["Crew", "Worker", "joined"]
