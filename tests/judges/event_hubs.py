"""Judges a running simulator of Event Hubs with the vendor's own SDK.

    event_hubs.py --endpoint amqp://127.0.0.1:PORT --control http://127.0.0.1:PORT --key KEY

One line for each rule; exit status 1 with the list of those that do not hold. The simulator must have, for the policy
RootManageSharedAccessKey with that key, the empty hubs `judged` (4 partitions, consumer group `second`) and `short`
(1 partition, retention 10), and the policy `reader` (key `reader-key`) that only listens. It must draw no faults.
"""

import argparse
import datetime
import json
import threading
import time
import urllib.request
import uuid

from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
from azure.eventhub._buffered_producer._partition_resolver import PartitionResolver
from azure.eventhub.exceptions import AuthenticationError, EventHubError

from judging import expect, judge, rule, until


def refused(call, *words, kind=EventHubError):
    """The call must fail with an error of this kind that says one of these words, or was caused by one that does."""
    try:
        answer = call()
    except kind as error:
        said, cause = [], error
        while cause is not None:
            said.append(str(cause))
            cause = cause.__context__
        if not any(word in text for word in words for text in said):
            raise AssertionError(f"refused with {said}, wanted {words}") from error
        return error
    raise AssertionError(f"accepted with {answer!r}")


class Reader:
    """A consumer on a thread of its own."""

    def __init__(self, stage, hub, partition, start, group="$Default", retry_total=3, **more):
        self.events, self.errors = [], []
        self.client = stage.consumer(hub, group, retry_total=retry_total)
        options = {"partition_id": partition, "starting_position": start, "on_error": self.fail, **more}
        self.thread = threading.Thread(target=self.run, args=(options,), daemon=True)
        self.thread.start()

    def run(self, options):
        try:
            self.client.receive(on_event=self.take, **options)
        except Exception as error:  # kept for whoever judges
            self.errors.append(error)

    def take(self, _, event):
        if event is not None:
            self.events.append(event)

    def fail(self, _, error):
        self.errors.append(error)

    def bodies(self):
        return [event.body_as_str() for event in self.events]

    def stop(self):
        self.client.close()
        self.thread.join(5)


class Stage:
    def __init__(self, arguments):
        self.control, self.key = arguments.control, arguments.key
        self.host = arguments.endpoint.removeprefix("amqp://").replace("127.0.0.1", "localhost")

    def text(self, key=None, policy="RootManageSharedAccessKey"):
        return (
            f"Endpoint=sb://{self.host};SharedAccessKeyName={policy};SharedAccessKey={key or self.key};"
            "UseDevelopmentEmulator=true;"
        )

    def producer(self, hub, **more):
        text = self.text(more.pop("key", None), more.pop("policy", "RootManageSharedAccessKey"))
        return EventHubProducerClient.from_connection_string(text, eventhub_name=hub, **more)

    def consumer(self, hub, group="$Default", **more):
        text = self.text(more.pop("key", None), more.pop("policy", "RootManageSharedAccessKey"))
        return EventHubConsumerClient.from_connection_string(text, group, eventhub_name=hub, **more)

    def send(self, hub, bodies, **where):
        with self.producer(hub) as producer:
            batch = producer.create_batch(**where)
            for body in bodies:
                batch.add(EventData(body))
            producer.send_batch(batch)

    def read(self, hub, partition, start, count, **more):
        reader = Reader(self, hub, partition, start, **more)
        try:
            until(lambda: len(reader.events) >= count or reader.errors)
            time.sleep(0.1)
            expect(reader.errors, [])
            return reader.events
        finally:
            reader.stop()

    def http(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data=data, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    def disturb(self, what, **more):
        self.http("/sim/event-hubs/disturb", {"what": what, **more})

    def stored(self, hub, partition):
        return [json.loads(line) for line in self.http(f"/sim/event-hubs/{hub}/{partition}").splitlines()]

    def where(self, body):
        """The partitions of `judged` that hold an event with this body."""
        return [id for id in "0123" if any(event.get("body") == body for event in self.stored("judged", id))]

    def last(self, hub, partition):
        return json.loads(self.http("/sim/event-hubs"))["hubs"][0 if hub == "judged" else 1]["partitions"][
            int(partition)
        ]["last"]


@rule("a hub tells its name, its age and its partitions")
def hub_properties(stage):
    with stage.producer("judged") as producer:
        told = producer.get_eventhub_properties()
    expect((told["eventhub_name"], told["partition_ids"]), ("judged", ["0", "1", "2", "3"]))
    age = datetime.datetime.now(datetime.timezone.utc) - told["created_at"]
    expect(age < datetime.timedelta(hours=1), True)


@rule("a partition tells where it begins and ends")
def partition_properties(stage):
    with stage.producer("judged") as producer:
        told = producer.get_partition_properties("3")
        expect((told["is_empty"], told["last_enqueued_sequence_number"]), (True, -1))
        stage.send("judged", ["a", "b"], partition_id="3")
        told = producer.get_partition_properties("3")
    last = stage.stored("judged", "3")[-1]
    expect((told["id"], told["is_empty"], told["beginning_sequence_number"]), ("3", False, 0))
    expect((told["last_enqueued_sequence_number"], told["last_enqueued_offset"]), (1, last["offset"]))


@rule("the properties of a partition that does not exist are refused")
def missing_partition_properties(stage):
    with stage.producer("judged", retry_total=0) as producer:
        refused(lambda: producer.get_partition_properties("9"), "404")


@rule("events without key and partition go round the partitions")
def round_robin(stage):
    bodies = [str(uuid.uuid4()) for _ in range(4)]
    with stage.producer("judged") as producer:
        for body in bodies:
            producer.send_event(EventData(body))
    expect(sorted(stage.where(body)[0] for body in bodies), ["0", "1", "2", "3"])


@rule("a key goes where the SDK's own hash says, single and in a batch")
def keyed(stage):
    resolver = PartitionResolver(["0", "1", "2", "3"])
    with stage.producer("judged") as producer:
        for number in range(12):
            key, one, two = f"thread-{number}", str(uuid.uuid4()), str(uuid.uuid4())
            producer.send_event(EventData(one), partition_key=key)
            batch = producer.create_batch(partition_key=key)
            batch.add(EventData(two))
            producer.send_batch(batch)
            expect((stage.where(one), stage.where(two)), (stage.where(one), stage.where(one)))
            if hash_is_positive(key):
                expect(stage.where(one), [resolver.get_partition_id_by_partition_key(key)])
            expect([e["partition_key"] for e in stage.stored("judged", stage.where(one)[0])][-2:], [key, key])


def hash_is_positive(key):
    """The SDKs disagree about the remainder of a negative number; the service's own is that of C#."""
    from azure.eventhub._buffered_producer._partition_resolver import generate_hash_code

    return generate_hash_code(key) >= 0


@rule("a batch for one partition is stored whole and in order")
def batch_in_order(stage):
    before = stage.last("judged", "1")
    stage.send("judged", [f"in order {n}" for n in range(50)], partition_id="1")
    stored = [event for event in stage.stored("judged", "1") if event["sequence"] > before]
    expect([event["body"] for event in stored], [f"in order {n}" for n in range(50)])
    expect([event["sequence"] for event in stored], list(range(before + 1, before + 51)))


@rule("everything that an event carries comes back")
def fields(stage):
    before = stage.last("judged", "2")
    event = EventData(b"\x00\xff bytes")
    event.properties = {"text": "ä", "number": 7, "flag": True}
    event.message_id, event.correlation_id, event.content_type = "m-1", "c-1", "application/octet-stream"
    with stage.producer("judged") as producer:
        batch = producer.create_batch(partition_id="2")
        batch.add(event)
        producer.send_batch(batch)
    (back,) = stage.read("judged", "2", before, 1)
    expect(b"".join(back.body), b"\x00\xff bytes")
    expect({k.decode(): v.decode() if isinstance(v, bytes) else v for k, v in back.properties.items()}, event.properties)
    expect((back.message_id, back.correlation_id, back.content_type), ("m-1", "c-1", "application/octet-stream"))
    expect(back.sequence_number, before + 1)
    expect(stage.stored("judged", "2")[-1]["message_id"], "m-1")


@rule("a reader starts wherever it wants to")
def positions(stage):
    stage.send("judged", [f"position {n}" for n in range(3)], partition_id="0")
    time.sleep(0.05)
    between = datetime.datetime.now(datetime.timezone.utc)
    stage.send("judged", ["position 3", "position 4"], partition_id="0")
    stored = stage.stored("judged", "0")
    third = stored[-3]
    for start, inclusive, first in [
        ("-1", False, stored[0]["sequence"]),
        (third["offset"], False, third["sequence"] + 1),
        (third["offset"], True, third["sequence"]),
        (third["sequence"], False, third["sequence"] + 1),
        (third["sequence"], True, third["sequence"]),
        (between, False, third["sequence"] + 1),
    ]:
        count = stored[-1]["sequence"] - first + 1
        events = stage.read("judged", "0", start, count, starting_position_inclusive=inclusive)
        found = [event.sequence_number for event in events]
        expect((start, inclusive, found), (start, inclusive, list(range(first, first + count))))


@rule("a reader of the latest gets only what comes after it, and waits for it")
def latest(stage):
    reader = Reader(stage, "judged", "0", "@latest")
    attached(stage, "judged", "0", 1)
    stage.send("judged", ["just now"], partition_id="0")
    until(lambda: reader.events)
    expect(reader.bodies(), ["just now"])
    reader.stop()


def attached(stage, hub, partition, count, group="$Default"):
    def look():
        told = json.loads(stage.http("/sim/event-hubs"))["hubs"]
        (hub_told,) = [one for one in told if one["name"] == hub]
        readers = [r for r in hub_told["partitions"][int(partition)]["readers"] if r["group"] == group]
        return len(readers) == count

    until(look)


@rule("a reader that starts after the end is refused")
def after_the_end(stage):
    reader = Reader(stage, "judged", "0", 1_000_000, retry_total=0)
    until(lambda: reader.errors)
    expect("after the last one" in str(reader.errors[0]), True)
    reader.stop()


@rule("of a short retention the beginning moves, and an older start begins there")
def retention(stage):
    stage.send("short", [f"old {n}" for n in range(25)])
    with stage.producer("short") as producer:
        told = producer.get_partition_properties("0")
    expect((told["beginning_sequence_number"], told["last_enqueued_sequence_number"]), (15, 24))
    for start in ["-1", 3, "41"]:
        events = stage.read("short", "0", start, 10)
        expect((start, events[0].sequence_number, len(events)), (start, 15, 10))


@rule("a higher epoch takes the place, an equal one too, a lower one is refused")
def epochs(stage):
    first = Reader(stage, "judged", "1", "@latest", group="second", retry_total=0, owner_level=1)
    attached(stage, "judged", "1", 1, "second")
    second = Reader(stage, "judged", "1", "@latest", group="second", retry_total=0, owner_level=1)
    until(lambda: first.errors)
    expect("amqp:link:stolen" in str(first.errors[0]) or "in place of" in str(first.errors[0]), True)
    first.stop()
    third = Reader(stage, "judged", "1", "@latest", group="second", retry_total=0, owner_level=5)
    until(lambda: second.errors)
    second.stop()
    lower = Reader(stage, "judged", "1", "@latest", group="second", retry_total=0, owner_level=2)
    plain = Reader(stage, "judged", "1", "@latest", group="second", retry_total=0)
    until(lambda: lower.errors and plain.errors)
    expect(third.errors, [])
    for reader in (third, lower, plain):
        reader.stop()


@rule("five readers without an epoch read beside each other, the sixth is refused")
def five_readers(stage):
    attached(stage, "judged", "2", 0, "second")
    readers = []
    for number in range(5):
        readers.append(Reader(stage, "judged", "2", "@latest", group="second"))
        attached(stage, "judged", "2", number + 1, "second")
    sixth = Reader(stage, "judged", "2", "@latest", group="second", retry_total=0)
    until(lambda: sixth.errors)
    expect("five read" in str(sixth.errors[0]), True)
    for reader in [*readers, sixth]:
        reader.stop()


@rule("a wrong key is not authentic")
def wrong_key(stage):
    with stage.producer("judged", key="wrong", retry_total=0) as producer:
        refused(producer.get_eventhub_properties, "401", kind=AuthenticationError)
        refused(lambda: producer.send_event(EventData("x")), "401", kind=AuthenticationError)


@rule("a policy that only listens cannot send")
def no_right(stage):
    with stage.producer("judged", key="reader-key", policy="reader", retry_total=0) as producer:
        producer.get_eventhub_properties()
        refused(lambda: producer.send_event(EventData("x")), "unauthorized", "no token of this connection allows")


@rule("a hub, a consumer group and a partition that do not exist are refused")
def missing(stage):
    with stage.producer("nowhere", retry_total=0) as producer:
        refused(lambda: producer.send_event(EventData("x")), "404", "there is no hub")
    with stage.producer("judged", retry_total=0) as producer:
        batch = producer.create_batch(partition_id="7")
        batch.add(EventData("x"))
        refused(lambda: producer.send_batch(batch), "argument-out-of-range", "Invalid partition")
    reader = Reader(stage, "judged", "0", "@latest", group="nobody", retry_total=0)
    until(lambda: reader.errors)
    expect("does not exist" in str(reader.errors[0]), True)
    reader.stop()


@rule("an event that is too large is refused by the SDK, which knows the limit")
def too_large(stage):
    with stage.producer("judged", retry_total=0) as producer:
        batch = producer.create_batch()
        expect(batch.max_size_in_bytes, 1 << 20)
        refused(lambda: batch.add(EventData("x" * (1 << 20))), "", kind=ValueError)
        refused(lambda: producer.send_event(EventData("x" * (1 << 20))), "")


@rule("a batch of nearly a mebibyte goes there and back")
def large(stage):
    before = stage.last("judged", "3")
    stage.send("judged", ["x" * 200_000 for _ in range(5)], partition_id="3")
    events = stage.read("judged", "3", before, 5)
    expect([len(event.body_as_str()) for event in events], [200_000] * 5)


@rule("thousands of events are read without a gap")
def many(stage):
    before = stage.last("judged", "3")
    with stage.producer("judged") as producer:
        for page in range(10):
            batch = producer.create_batch(partition_id="3")
            for number in range(500):
                batch.add(EventData(f"many {page * 500 + number}"))
            producer.send_batch(batch)
    events = stage.read("judged", "3", before, 5_000)
    expect([event.body_as_str() for event in events], [f"many {n}" for n in range(5_000)])


@rule("sockets that are cut cost a sender nothing, and a reader neither gap nor double")
def cut(stage):
    across(stage, "cut")


@rule("connections that are closed by force cost neither")
def force_closed(stage):
    across(stage, "force_close")


@rule("links that are detached cost neither")
def detached(stage):
    across(stage, "detach")


def across(stage, what):
    reader = Reader(stage, "judged", "1", "@latest", retry_total=5, retry_backoff_factor=0.1)
    attached(stage, "judged", "1", 1)
    with stage.producer("judged", retry_total=5, retry_backoff_factor=0.1) as producer:

        def send(number):
            batch = producer.create_batch(partition_id="1")
            batch.add(EventData(f"{what} {number}"))
            producer.send_batch(batch)

        for number in range(3):
            send(number)
        until(lambda: len(reader.events) == 3)
        stage.disturb(what)
        for number in range(3, 6):
            try:
                send(number)
            except EventHubError:
                # The SDK notices that an idle link was detached when it sends, and leaves it to the caller.
                expect(what, "detach")
                send(number)
    until(lambda: len(reader.events) >= 6, 20)
    time.sleep(0.1)
    expect(reader.bodies(), [f"{what} {n}" for n in range(6)])
    reader.stop()


@rule("a detach with a transfer in flight is told, and the SDK sends again")
def detach_in_flight(stage):
    body = str(uuid.uuid4())
    with stage.producer("judged", retry_total=3, retry_backoff_factor=0.1) as producer:
        producer.send_event(EventData("warm"))
        stage.disturb("detach_in_flight", hub="judged")
        producer.send_event(EventData(body))
    expect(len(stage.where(body)), 2)


@rule("a busy namespace says so")
def busy(stage):
    with stage.producer("judged", retry_total=0) as producer:
        # Whatever is said, this SDK sends a single event twice.
        stage.disturb("busy", hub="judged", times=2)
        refused(lambda: producer.send_event(EventData("x")), "server-busy", "busy")
        producer.send_event(EventData("x"))


@rule("properties that are not to be had for a moment are asked for again")
def unavailable(stage):
    with stage.producer("judged", retry_total=3, retry_backoff_factor=0.1) as producer:
        stage.disturb("unavailable", hub="judged", times=2)
        expect(len(producer.get_eventhub_properties()["partition_ids"]), 4)


@rule("what Event Grid delivers arrives with its headers")
def injected(stage):
    before = stage.last("judged", "0")
    event = {"id": "e-1", "eventType": "Microsoft.Communication.ChatMessageReceivedInThread", "subject": "s",
             "eventTime": "2026-01-01T00:00:00Z", "data": {}, "dataVersion": "1.0", "metadataVersion": "1"}
    stage.http("/sim/event-hubs/judged/inject", {"events": [event], "partition": "0", "as_array": True})
    (back,) = stage.read("judged", "0", before, 1)
    expect(json.loads(back.body_as_str()), [event])
    headers = {name.decode(): value.decode() for name, value in back.properties.items()}
    expect((headers["aeg-output-event-id"], headers["aeg-event-type"]), ("e-1", "Notification"))


@rule("who is refused for a while comes back by itself")
def refused_for_a_while(stage):
    stage.disturb("refuse", for_ms=800)
    time.sleep(0.1)
    began = time.monotonic()
    with stage.producer("judged", retry_total=5, retry_backoff_factor=0.2) as producer:
        producer.send_event(EventData("back"))
    expect(time.monotonic() - began > 0.5, True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, help="amqp://127.0.0.1:PORT")
    parser.add_argument("--control", required=True, help="http://127.0.0.1:PORT")
    parser.add_argument("--key", required=True, help="the key of RootManageSharedAccessKey")
    parser.add_argument("--only", default="", help="judge only rules whose sentence has this in it")
    arguments = parser.parse_args()
    judge(Stage(arguments), arguments.only)


if __name__ == "__main__":
    main()
