"""A process that is as good as dead from its k-th effect on: on the journal, the service, or the output folder."""

from asyncscribe import ServiceError
from asyncscribe.batch import Batch


class Crash(ServiceError):
    """What every effect raises once the process is dead. For the parts that are still alive in the test it looks like
    a request of which nothing more is known, so that each of them ends soon."""

    transient = False

    def __init__(self):
        super().__init__("any", "the process is dead")


class Effects:
    """Numbers the effects; from the k-th on none happens, or is heard of, any more."""

    def __init__(self, crash_at):
        self.crash_at = crash_at
        self.count = 0

    def pass_by(self):
        self.count += 1
        if self.crash_at is not None and self.count >= self.crash_at:
            raise Crash

    def around(self, function):
        async def call(*args, **options):
            self.pass_by()
            result = await function(*args, **options)
            self.pass_by()
            return result

        return call


class Crashing:
    """A journal whose writes are effects."""

    WRITES = frozenset(
        "keep_fact name name_apart take_over assign keep uploaded submitting refused submitted rewriting completed "
        "failed begin_again limit timed problem".split()
    )

    def __init__(self, journal, effects):
        self._journal = journal
        self._effects = effects

    def __getattr__(self, name):
        method = getattr(self._journal, name)
        return self._effects.around(method) if name in self.WRITES else method


async def run_batch(client, output, journal, sources, effects, **options):
    """The outcomes of a run whose every effect counts; None counts nothing."""
    if effects is not None:
        client._parts.transport.send = effects.around(client._parts.transport.send)
        journal = Crashing(journal, effects)
    async with Batch(client, output, journal=journal, **options) as batch:
        if effects is not None:
            batch._outputs.write = effects.around(batch._outputs.write)
        return [outcome async for outcome in batch.run(sources)]
