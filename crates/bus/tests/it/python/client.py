"""Takes part in what is said on the bus at the address that it is given, as a program of somebody else would."""

import asyncio
import sys

import nats
from nats.errors import MaxPayloadError, NoRespondersError, TimeoutError


async def main():
    bus = await nats.connect(sys.argv[1], allow_reconnect=False)
    assert bus.max_payload == 1024 * 1024

    # It asks what is answered in the process, with headers.
    answer = await bus.request("rust.echo", b"x" * 1000, timeout=10, headers={"Trace": "17"})
    assert answer.data == b"x" * 1000 and answer.headers == {"Trace": "17"}, answer
    answer = await bus.request("rust.echo", b"old", timeout=10, old_style=True)
    assert answer.data == b"old" and not answer.headers, answer
    answers = await asyncio.gather(*(bus.request("rust.echo", b"%d" % n, timeout=10) for n in range(200)))
    assert [answer.data for answer in answers] == [b"%d" % n for n in range(200)]

    # It knows at once that nobody listens.
    for old_style in (False, True):
        try:
            await bus.request("nobody.listens", b"", timeout=30, old_style=old_style)
            raise AssertionError("somebody answered")
        except NoRespondersError:
            pass

    # It hears patterns, shares work in a group, and has had enough after some messages.
    every = await bus.subscribe("said.>")
    group = [await bus.subscribe("said.*", queue="workers") for _ in range(2)]
    few = await bus.subscribe("said.a")
    await few.unsubscribe(limit=3)
    for n in range(10):
        await bus.publish("said.a", b"%d" % n)
    await bus.flush()
    assert [(await every.next_msg(timeout=10)).data for _ in range(10)] == [b"%d" % n for n in range(10)]
    assert [(await few.next_msg(timeout=10)).data for _ in range(3)] == [b"0", b"1", b"2"]
    assert sum(member.pending_msgs for member in group) == 10
    for member in group:
        while member.pending_msgs:
            await member.next_msg(timeout=10)
    await every.unsubscribe()

    # The largest message, and one byte more.
    large = await bus.subscribe("large")
    await bus.publish("large", b"y" * bus.max_payload)
    assert (await large.next_msg(timeout=10)).data == b"y" * bus.max_payload
    try:
        await bus.publish("large", b"y" * (bus.max_payload + 1))
        raise AssertionError("it was taken")
    except MaxPayloadError:
        pass

    # It answers what the process asks.
    asked = asyncio.Event()

    async def echo(question):
        await question.respond(question.data + b", said python")
        asked.set()

    await bus.subscribe("python.echo", cb=echo)
    await bus.flush()
    while not asked.is_set():
        await bus.publish("python.ready", b"")
        try:
            await asyncio.wait_for(asked.wait(), 0.05)
        except (TimeoutError, asyncio.TimeoutError):
            pass
    await bus.drain()
    print("all is well")


asyncio.run(main())
