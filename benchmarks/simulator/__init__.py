"""A model of the service's queue, to judge limits in virtual time: `python -m benchmarks.simulator [--quick]`.

The account has a number of slots that can change while it runs, and one queue for all clients, first come, first
served. Each client has work without end and a `Limit` of its own. It looks at its jobs every half second, at a phase of
its own; ends are noticed then, and the free slots are refilled at once. No sockets, no event loop: an hour of four
clients with 200 jobs in flight takes less than a second, and the same seed gives the same figures.
"""
