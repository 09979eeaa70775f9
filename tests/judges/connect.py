"""Judges a running simulator of Amazon Connect chat with the vendor's own SDK.

    connect.py --endpoint https://127.0.0.1:PORT --ca ca.pem --key-id ID --secret SECRET --instance UUID --flow UUID
               --queue UUID --agent UUID --agent UUID --topic ARN [--region R] [--time-scale N]

One line for each documented rule; exit status 1 with the list of those that do not hold. The simulator must run the
flow that ships (config/aws/tandem-chat-flow.json), enforce the documented rates and draw no faults. Its agents must
have the queue and take nothing by themselves; --time-scale is the factor by which its documented times are divided.
"""

import argparse
import datetime
import json
import ssl
import time
import urllib.error
import urllib.request
import uuid

import boto3
import botocore.auth
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from judging import expect, judge, rule, until

EVENT = "application/vnd.amazonaws.connect.event."
NOT_ESTABLISHED = "CUSTOMER_CONNECTION_NOT_ESTABLISHED"


def refused(status, code, call):
    """The call must be answered with this status and error code."""
    try:
        answer = call()
    except ClientError as error:
        expect((error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]), (status, code))
        return
    raise AssertionError(f"accepted with {answer!r}, wanted {status} {code}")


def patient(call):
    """Calls again while the rate is used up: for what is not under judgement."""
    for _ in range(100):
        try:
            return call()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 429:
                raise
            time.sleep(0.2)
    raise AssertionError("throttled for twenty seconds")


class Stage:
    """Clients for one simulator. The SDK's own retries are off."""

    def __init__(self, arguments):
        for name, value in vars(arguments).items():
            setattr(self, name, value)
        self.arn = f"arn:aws:connect:{self.region}:{arguments.account}:instance/{self.instance}"
        self.connect = self.client("connect")
        self.participant = self.client("connectparticipant", signature_version=UNSIGNED)
        self.trust = ssl.create_default_context(cafile=self.ca)

    def client(self, service, key_id=None, secret=None, region=None, **config):
        return boto3.client(
            service,
            region_name=region or self.region,
            endpoint_url=self.endpoint,
            verify=self.ca,
            aws_access_key_id=key_id or self.key_id,
            aws_secret_access_key=secret or self.secret,
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False, **config),
        )

    def start(self, **changes):
        wish = {
            "InstanceId": self.instance,
            "ContactFlowId": self.flow,
            "ParticipantDetails": {"DisplayName": "Customer"},
            **changes,
        }
        return patient(lambda: self.connect.start_chat_contact(**wish))

    def stream(self, contact, topic=None, **more):
        configuration = {"StreamingEndpointArn": topic or self.topic}
        return patient(
            lambda: self.connect.start_contact_streaming(
                InstanceId=self.instance, ContactId=contact, ChatStreamingConfiguration=configuration, **more
            )
        )

    def join(self, participant_token, **more):
        wish = {"Type": ["CONNECTION_CREDENTIALS"], "ParticipantToken": participant_token, **more}
        return patient(lambda: self.participant.create_participant_connection(**wish))["ConnectionCredentials"]

    def chat(self, attributes=None, **changes):
        """A streamed chat whose customer has connected: (contact id, connection token)."""
        attributes = {"tandem_queue": self.queue} if attributes is None else attributes
        started = self.start(Attributes=attributes, **changes)
        self.stream(started["ContactId"])
        token = self.join(started["ParticipantToken"], ConnectParticipant=True)["ConnectionToken"]
        return started["ContactId"], token

    def served(self, agent=0, **changes):
        """A chat that an agent has taken."""
        contact, token = self.chat(**changes)
        self.queued(contact)
        self.control(f"contacts/{contact}/accept", {"userId": self.agent[agent]})
        return contact, token

    def send(self, token, content, content_type="text/plain", **more):
        return patient(
            lambda: self.participant.send_message(
                ContentType=content_type, Content=content, ConnectionToken=token, **more
            )
        )

    def transcript(self, token, **wish):
        return patient(lambda: self.participant.get_transcript(ConnectionToken=token, **wish))

    def describe(self, contact):
        return patient(lambda: self.connect.describe_contact(InstanceId=self.instance, ContactId=contact))["Contact"]

    def queued(self, contact):
        return until(lambda: self.shown(contact).get("queue"))

    def ended(self, contact, seconds=10):
        return until(lambda: self.shown(contact).get("reason"), seconds)

    def stop(self, contact):
        return patient(lambda: self.connect.stop_contact(InstanceId=self.instance, ContactId=contact))

    def shown(self, contact):
        return self.http("GET", f"{self.endpoint}/sim/contacts/{contact}")

    def control(self, path, body):
        return self.http("POST", f"{self.endpoint}/sim/{path}", json.dumps(body).encode(), "application/json")

    def http(self, method, url, body=None, content_type=None):
        headers = {"Content-Type": content_type} if content_type else {}
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request, context=self.trust, timeout=30) as answer:
            content = answer.read()
            return json.loads(content) if answer.headers.get_content_type() == "application/json" else content

    def effects(self, effect, key=None):
        lines = self.http("GET", f"{self.endpoint}/sim/ledger").splitlines()
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if entry["effect"] == effect and key in (None, entry["key"])]


@rule("a request that the SDK signs for the service connect is accepted")
def signature(stage):
    names = [queue["Name"] for queue in patient(lambda: stage.connect.list_queues(InstanceId=stage.instance))["QueueSummaryList"] if "Name" in queue]
    expect("BasicQueue" in names, True)


@rule("an ARN in a path is encoded again in the canonical request")
def encoded_path(stage):
    contact = stage.start()["ContactId"]
    shown = patient(lambda: stage.connect.describe_contact(InstanceId=stage.arn, ContactId=contact))
    expect(shown["Contact"]["Id"], contact)


@rule("403 InvalidSignatureException for a wrong secret and for another region")
def wrong_secret(stage):
    for wrong in (stage.client("connect", secret="guess"), stage.client("connect", region="us-west-2")):
        refused(403, "InvalidSignatureException", lambda: wrong.list_queues(InstanceId=stage.instance))


@rule("403 UnrecognizedClientException for an unknown key")
def unknown_key(stage):
    stranger = stage.client("connect", key_id="AKIDSTRANGER")
    refused(403, "UnrecognizedClientException", lambda: stranger.list_queues(InstanceId=stage.instance))


@rule("403 MissingAuthenticationTokenException without a signature")
def unsigned(stage):
    nobody = stage.client("connect", signature_version=UNSIGNED)
    refused(403, "MissingAuthenticationTokenException", lambda: nobody.list_queues(InstanceId=stage.instance))


@rule("403 InvalidSignatureException for a body that was changed after signing")
def tampered_body(stage):
    client = stage.client("connect")

    def tamper(request, **_):
        request.data = request.body = request.body.replace(b"Customer", b"Attacker")

    client.meta.events.register("before-send.connect.StartChatContact", tamper)
    wish = {"InstanceId": stage.instance, "ContactFlowId": stage.flow, "ParticipantDetails": {"DisplayName": "Customer"}}
    refused(403, "InvalidSignatureException", lambda: client.start_chat_contact(**wish))


@rule("403 InvalidSignatureException when the clock is six minutes off, 200 when it is four")
def clock(stage):
    real = botocore.auth.get_current_datetime

    def off(minutes):
        def now(*arguments, **named):
            return real(*arguments, **named) - datetime.timedelta(minutes=minutes)

        return now

    call = lambda: stage.connect.list_queues(InstanceId=stage.instance)
    try:
        botocore.auth.get_current_datetime = off(6)
        refused(403, "InvalidSignatureException", call)
        botocore.auth.get_current_datetime = off(4)
        patient(call)
    finally:
        botocore.auth.get_current_datetime = real


@rule("StartChatContact gives ContactId, ParticipantId and ParticipantToken, and the same for the same ClientToken")
def start_twice(stage):
    token = str(uuid.uuid4())
    first, second = stage.start(ClientToken=token), stage.start(ClientToken=token)
    keys = ("ContactId", "ParticipantId", "ParticipantToken")
    expect([first[key] for key in keys], [second[key] for key in keys])
    expect(len(stage.effects("contact.started", token)), 1)


@rule("404 ResourceNotFoundException for an unknown flow and an unknown instance")
def unknown_flow(stage):
    nowhere = str(uuid.uuid4())
    refused(404, "ResourceNotFoundException", lambda: stage.start(ContactFlowId=nowhere))
    refused(404, "ResourceNotFoundException", lambda: stage.start(InstanceId=nowhere))


@rule("400 for attributes past 32768 bytes, a key with a blank, a chat of 59 minutes, types without text/plain")
def bad_starts(stage):
    for wrong in (
        {"Attributes": {"a": "x" * 20_000, "b": "x" * 20_000}},
        {"Attributes": {"a b": "x"}},
        {"ChatDurationInMinutes": 59},
        {"SupportedMessagingContentTypes": ["text/markdown"]},
        {"ParticipantDetails": {"DisplayName": ""}},
    ):
        refused(400, "InvalidRequestException", lambda: stage.start(**wrong))


@rule("StartContactStreaming is idempotent by ClientToken")
def stream_twice(stage):
    contact, token = stage.start()["ContactId"], str(uuid.uuid4())
    first = stage.stream(contact, ClientToken=token)["StreamingId"]
    expect(stage.stream(contact, ClientToken=token)["StreamingId"], first)
    expect(len(stage.effects("streaming.started", token)), 1)


@rule("a contact is streamed to two topics at most: then 429 LimitExceededException")
def third_stream(stage):
    contact = stage.start()["ContactId"]
    streams = [stage.stream(contact)["StreamingId"] for _ in range(2)]
    # patient() would take this 429 for a used-up rate.
    time.sleep(1)
    configuration = {"StreamingEndpointArn": stage.topic}
    wish = {"InstanceId": stage.instance, "ContactId": contact, "ChatStreamingConfiguration": configuration}
    refused(429, "LimitExceededException", lambda: stage.connect.start_contact_streaming(**wish))
    end = {"InstanceId": stage.instance, "ContactId": contact, "StreamingId": streams[0]}
    patient(lambda: stage.connect.stop_contact_streaming(**end))
    refused(404, "ResourceNotFoundException", lambda: patient(lambda: stage.connect.stop_contact_streaming(**end)))


@rule("400 for a topic that does not exist, 404 for a contact that does not")
def unknown_topic(stage):
    contact = stage.start()["ContactId"]
    refused(400, "InvalidRequestException", lambda: stage.stream(contact, topic=stage.topic + "-other"))
    refused(404, "ResourceNotFoundException", lambda: stage.stream(str(uuid.uuid4())))


@rule("ChatStreamingConfiguration in StartChatContact starts the stream and gives StreamingId")
def stream_at_start(stage):
    started = stage.start(ChatStreamingConfiguration={"StreamingEndpointArn": stage.topic})
    expect(bool(started["StreamingId"]), True)
    stage.join(started["ParticipantToken"], ConnectParticipant=True)
    stage.queued(started["ContactId"])


@rule("a connection token is good for a day and needs no SigV4")
def connection(stage):
    credentials = stage.join(stage.start()["ParticipantToken"])
    expiry = datetime.datetime.fromisoformat(credentials["Expiry"])
    left = (expiry - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    expect(86_000 < left <= 86_400, True)


@rule("403 AccessDeniedException for the wrong one of the two tokens and for a guess")
def wrong_token(stage):
    started = stage.start()
    participant = started["ParticipantToken"]
    token = stage.join(participant)["ConnectionToken"]
    denied = lambda call: refused(403, "AccessDeniedException", call)
    denied(lambda: stage.send(participant, "hello"))
    denied(lambda: stage.join(token))
    denied(lambda: stage.transcript("guess"))


@rule("without ConnectParticipant the flow never starts, and the contact ends after five minutes")
def never_connected(stage):
    started = stage.start(Attributes={"tandem_queue": stage.queue})
    contact = started["ContactId"]
    stage.stream(contact)
    token = stage.join(started["ParticipantToken"])["ConnectionToken"]
    expect(stage.ended(contact, 300 / stage.time_scale + 10), NOT_ESTABLISHED)
    expect(stage.effects("flow.started", contact), [])
    expect(stage.describe(contact)["DisconnectReason"], NOT_ESTABLISHED)
    refused(403, "AccessDeniedException", lambda: stage.join(started["ParticipantToken"], ConnectParticipant=True))
    refused(403, "AccessDeniedException", lambda: stage.send(token, "too late"))


@rule("ConnectParticipant counts only when the chat is streamed")
def not_streamed(stage):
    started = stage.start(Attributes={"tandem_queue": stage.queue})
    stage.join(started["ParticipantToken"], ConnectParticipant=True)
    expect(stage.ended(started["ContactId"], 300 / stage.time_scale + 10), NOT_ESTABLISHED)
    expect(stage.effects("flow.started", started["ContactId"]), [])


@rule("the flow starts once however often the customer connects")
def connect_twice(stage):
    started = stage.start(Attributes={"tandem_queue": stage.queue})
    stage.stream(started["ContactId"])
    tokens = [stage.join(started["ParticipantToken"], ConnectParticipant=True)["ConnectionToken"] for _ in range(2)]
    stage.queued(started["ContactId"])
    expect(len(stage.effects("flow.started", started["ContactId"])), 1)
    for token in tokens:
        stage.transcript(token)


@rule("the flow queues where the attribute says, by id or ARN")
def decided_queue(stage):
    for queue in (stage.queue, f"{stage.arn}/queue/{stage.queue}"):
        contact, _ = stage.chat(attributes={"tandem_queue": queue})
        stage.queued(contact)
        shown = stage.describe(contact)
        expect(shown["QueueInfo"]["Id"], stage.queue)
        expect((shown["InitiationMethod"], shown["Channel"]), ("API", "CHAT"))
        expect(isinstance(shown["QueueInfo"]["EnqueueTimestamp"], datetime.datetime), True)


@rule("without the attribute the flow takes its default queue, found by name as at import")
def default_queue(stage):
    contact, _ = stage.chat(attributes={})
    queue = stage.queued(contact)
    described = patient(lambda: stage.connect.describe_queue(InstanceId=stage.instance, QueueId=queue))
    expect(described["Queue"]["Name"], "BasicQueue")


@rule("an unknown queue takes the error branch: the customer is told and the chat ends")
def unknown_queue(stage):
    contact, _ = stage.chat(attributes={"tandem_queue": str(uuid.uuid4())})
    expect(stage.ended(contact), "CONTACT_FLOW_DISCONNECT")
    said = [item for item in stage.shown(contact)["transcript"] if item["ParticipantRole"] == "SYSTEM"]
    expect([item["Type"] for item in said], ["MESSAGE", "EVENT"])
    expect("QueueInfo" in stage.describe(contact), False)


@rule("the greeting is said when the attribute is there")
def greeting(stage):
    contact, token = stage.chat(attributes={"tandem_queue": stage.queue, "tandem_greeting": "One moment, please."})
    stage.queued(contact)
    texts = [item["Content"] for item in stage.transcript(token)["Transcript"] if item["Type"] == "MESSAGE"]
    expect(texts, ["One moment, please."])


@rule("SendMessage is idempotent by ClientToken")
def message_twice(stage):
    _, token = stage.chat()
    client_token = str(uuid.uuid4())
    first, second = (stage.send(token, "once", ClientToken=client_token) for _ in range(2))
    expect((first["Id"], first["AbsoluteTime"]), (second["Id"], second["AbsoluteTime"]))
    expect(len(stage.effects("message.sent", client_token)), 1)


@rule("own messages are echoed: in the transcript as CUSTOMER, and to the topic")
def echo(stage):
    contact, token = stage.chat()
    sent = stage.send(token, "hello")["Id"]
    (item,) = [item for item in stage.transcript(token)["Transcript"] if item["Id"] == sent]
    found = (item["ParticipantRole"], item["Content"], item["ContactId"])
    expect(found, ("CUSTOMER", "hello", contact))
    # Nobody has confirmed the topic's subscription; what would have been posted to it stands in the ledger.
    pushed = [entry["detail"] for entry in stage.effects("delivery.unsubscribed") if entry["detail"]["item"] == sent]
    expect([(one["type"], one["contentType"], one["contactId"]) for one in pushed], [("MESSAGE", "text/plain", contact)])


@rule("a message has 1 to 16384 bytes and a content type that the chat supports")
def message_limits(stage):
    _, token = stage.chat()
    invalid = lambda *message: refused(400, "ValidationException", lambda: stage.send(token, *message))
    stage.send(token, "x" * 16_384)
    invalid("x" * 16_385)
    invalid("ä" * 8_193)
    invalid("")
    invalid("**x**", "text/markdown")
    _, rich = stage.chat(SupportedMessagingContentTypes=["text/plain", "text/markdown"])
    stage.send(rich, "**x**", "text/markdown")


@rule("SendEvent takes typing and receipts with a messageId, and connection.acknowledged no longer")
def events(stage):
    _, token = stage.chat()
    send = lambda name, **more: patient(
        lambda: stage.participant.send_event(ContentType=EVENT + name, ConnectionToken=token, **more)
    )
    message = stage.send(token, "seen?")["Id"]
    send("typing")
    send("message.delivered", Content=json.dumps({"messageId": message}))
    send("message.read", Content=json.dumps({"messageId": message}))
    for name, more in (
        ("message.read", {}),
        ("message.read", {"Content": json.dumps({"messageId": "nobody's"})}),
        ("connection.acknowledged", {}),
        ("chat.ended", {}),
    ):
        refused(400, "ValidationException", lambda: send(name, **more))


@rule("GetTranscript gives ten items, newest first, and pages until NextToken is absent")
def paging(stage):
    _, token = stage.chat()
    sent = [stage.send(token, str(number))["Id"] for number in range(12)]
    page = stage.transcript(token)
    expect([item["Id"] for item in page["Transcript"]], sent[:1:-1])
    seen = page["Transcript"]
    while "NextToken" in page:
        page = stage.transcript(token, NextToken=page["NextToken"])
        seen += page["Transcript"]
    expect([item["Id"] for item in seen if item["Type"] == "MESSAGE"], sent[::-1])
    expect(len({item["Id"] for item in seen}), len(seen))


@rule("GetTranscript scans forward from a start position: an id, a time, the most recent")
def positions(stage):
    _, token = stage.chat()
    sent = [stage.send(token, str(number)) for number in range(5)]
    texts = lambda **wish: [item.get("Content") for item in stage.transcript(token, SortOrder="ASCENDING", **wish)["Transcript"]]
    expect(texts(StartPosition={"Id": sent[2]["Id"]}), ["2", "3", "4"])
    expect(texts(StartPosition={"Id": sent[2]["Id"]}, ScanDirection="BACKWARD", MaxResults=2), ["1", "2"])
    expect(texts(StartPosition={"AbsoluteTime": sent[3]["AbsoluteTime"]})[-2:], ["3", "4"])
    expect(texts(StartPosition={"MostRecent": 1}), ["3", "4"])
    refused(400, "ValidationException", lambda: stage.transcript(token, MaxResults=101))
    refused(400, "ValidationException", lambda: stage.transcript(token, StartPosition={"Id": "nobody's"}))


@rule("the transcript has what agents wrote, not their typing, and nothing that only agents see")
def visibility(stage):
    contact, token = stage.served()
    stage.control(f"contacts/{contact}/typing", {})
    stage.control(f"contacts/{contact}/message", {"text": "Hello"})
    items = stage.transcript(token, SortOrder="ASCENDING")["Transcript"]
    roles = [(item["ParticipantRole"], item["ContentType"].removeprefix(EVENT)) for item in items]
    expect(roles, [("CUSTOMER", "participant.joined"), ("AGENT", "participant.joined"), ("AGENT", "text/plain")])
    agent = patient(lambda: stage.connect.describe_user(InstanceId=stage.instance, UserId=stage.agent[0]))["User"]
    expect(items[1]["DisplayName"], agent["IdentityInfo"]["FirstName"])
    expect(stage.describe(contact)["AgentInfo"]["Id"], agent["Id"])


@rule("a transfer is a new contact with previous and initial id; the connection token goes on")
def transfer(stage):
    contact, token = stage.served()
    second = stage.control(f"contacts/{contact}/transfer", {"userId": stage.agent[1]})["contactId"]
    shown = stage.describe(second)
    links = (shown["InitialContactId"], shown["PreviousContactId"], shown["InitiationMethod"])
    expect(links, (contact, contact, "TRANSFER"))
    expect(stage.describe(contact)["DisconnectReason"], "AGENT_DISCONNECT")
    stage.control(f"contacts/{second}/accept", {"userId": stage.agent[1]})
    stage.send(token, "still here")
    items = stage.transcript(token, SortOrder="ASCENDING", MaxResults=50)["Transcript"]
    kinds = [item["ContentType"].removeprefix(EVENT) for item in items if item["ContactId"] == contact]
    expect(kinds[-3:], ["transfer.succeeded", "participant.left", "chat.ended"])
    expect([item["ContactId"] for item in items][-2:], [second, second])
    patient(lambda: stage.participant.disconnect_participant(ConnectionToken=token))
    for one in (contact, second):
        stage.control(f"contacts/{one}/complete", {})


@rule("GetTranscript with a ContactId of the chain gives that contact's items alone; 400 for another chain's")
def transcript_of_contact(stage):
    contact, token = stage.served()
    second = stage.control(f"contacts/{contact}/transfer", {"userId": stage.agent[1]})["contactId"]
    stage.control(f"contacts/{second}/accept", {"userId": stage.agent[1]})
    stage.send(token, "still here")
    for named in (contact, second):
        items = stage.transcript(token, ContactId=named, MaxResults=50)["Transcript"]
        expect({item["ContactId"] for item in items}, {named})
        expect(any(item["ContentType"] == EVENT + "transfer.succeeded" for item in items), named == contact)
    other = stage.start()["ContactId"]
    refused(400, "ValidationException", lambda: stage.transcript(token, ContactId=other))
    patient(lambda: stage.participant.disconnect_participant(ConnectionToken=token))
    for one in (contact, second):
        stage.control(f"contacts/{one}/complete", {})


@rule("ListAssociatedContacts gives the whole tree, from whichever contact it is asked; 404 for an unknown one")
def tree(stage):
    contact, _ = stage.served()
    second = stage.control(f"contacts/{contact}/transfer", {"userId": stage.agent[1]})["contactId"]
    listed = lambda one, **wish: patient(
        lambda: stage.connect.list_associated_contacts(InstanceId=stage.instance, ContactId=one, **wish)
    )
    for asked in (contact, second):
        first, last = listed(asked)["ContactSummaryList"]
        expect((first["ContactId"], "PreviousContactId" in first, "DisconnectTimestamp" in first), (contact, False, True))
        expect((last["ContactId"], last["PreviousContactId"], last["InitialContactId"]), (second, contact, contact))
        expect((last["InitiationMethod"], "DisconnectTimestamp" in last), ("TRANSFER", False))
    page = listed(contact, MaxResults=1)
    rest = listed(contact, MaxResults=1, NextToken=page["NextToken"])
    expect([one["ContactId"] for one in page["ContactSummaryList"] + rest["ContactSummaryList"]], [contact, second])
    expect("NextToken" in rest, False)
    refused(404, "ResourceNotFoundException", lambda: listed(str(uuid.uuid4())))
    refused(400, "InvalidParameterException", lambda: listed(contact, NextToken="nobody's"))
    stage.stop(second)
    for one in (contact, second):
        stage.control(f"contacts/{one}/complete", {})


@rule("a waiting contact is moved from queue to queue as QUEUE_TRANSFER")
def queue_transfer(stage):
    contact, _ = stage.chat(attributes={})
    stage.queued(contact)
    second = stage.control(f"contacts/{contact}/transfer", {"queueId": stage.queue})["contactId"]
    shown = stage.describe(second)
    expect((shown["InitiationMethod"], shown["QueueInfo"]["Id"]), ("QUEUE_TRANSFER", stage.queue))


@rule("DisconnectParticipant ends the chat; every token is dead after it")
def disconnect(stage):
    contact, token = stage.chat()
    client_token = str(uuid.uuid4())
    leave = lambda: stage.participant.disconnect_participant(ConnectionToken=token, ClientToken=client_token)
    patient(leave)
    patient(leave)
    expect(stage.describe(contact)["DisconnectReason"], "CUSTOMER_DISCONNECT")
    expect(len(stage.effects("participant.disconnected", client_token)), 1)
    refused(403, "AccessDeniedException", lambda: stage.send(token, "anybody?"))
    refused(403, "AccessDeniedException", lambda: stage.transcript(token))


@rule("StopContact ends a chat; after that, and for an unknown id, it is 410 ContactNotFoundException")
def stop(stage):
    contact, token = stage.chat()
    stage.stop(contact)
    expect(stage.describe(contact)["DisconnectReason"], "API")
    refused(410, "ContactNotFoundException", lambda: stage.stop(contact))
    refused(410, "ContactNotFoundException", lambda: stage.stop(str(uuid.uuid4())))
    refused(403, "AccessDeniedException", lambda: stage.send(token, "anybody?"))


@rule("attributes are merged by the initial contact id, on ended contacts too, up to 32768 bytes")
def attributes(stage):
    contact = stage.start(Attributes={"a": "1", "b": "2"})["ContactId"]
    update = lambda **pairs: patient(
        lambda: stage.connect.update_contact_attributes(
            InstanceId=stage.instance, InitialContactId=contact, Attributes=pairs
        )
    )
    update(b="", c="3")
    stage.stop(contact)
    update(d="4")
    read = patient(lambda: stage.connect.get_contact_attributes(InstanceId=stage.instance, InitialContactId=contact))
    expect(read["Attributes"], {"a": "1", "b": "", "c": "3", "d": "4"})
    expect(stage.describe(contact)["Attributes"], read["Attributes"])
    refused(400, "InvalidRequestException", lambda: update(e="x" * 32_768))


@rule("ListQueues filters by type and pages; DescribeQueue and DescribeUser are 404 for the unknown")
def queues(stage):
    listed = lambda **wish: patient(lambda: stage.connect.list_queues(InstanceId=stage.instance, **wish))
    standard = listed(QueueTypes=["STANDARD"])["QueueSummaryList"]
    expect({queue["QueueType"] for queue in standard}, {"STANDARD"})
    expect({queue["QueueType"] for queue in listed(QueueTypes=["AGENT"])["QueueSummaryList"]}, {"AGENT"})
    page = listed(QueueTypes=["STANDARD"], MaxResults=1)
    rest = listed(QueueTypes=["STANDARD"], MaxResults=100, NextToken=page["NextToken"])
    expect(page["QueueSummaryList"] + rest["QueueSummaryList"], standard)
    nobody = str(uuid.uuid4())
    missing = lambda call: refused(404, "ResourceNotFoundException", lambda: patient(call))
    missing(lambda: stage.connect.describe_queue(InstanceId=stage.instance, QueueId=nobody))
    missing(lambda: stage.connect.describe_user(InstanceId=stage.instance, UserId=nobody))
    missing(lambda: stage.connect.describe_contact(InstanceId=stage.instance, ContactId=nobody))


@rule("an attachment is announced, uploaded, completed and fetched by addresses that end")
def attachment(stage):
    _, token = stage.chat()
    content = b"one,two\n"
    wish = {"ContentType": "text/csv", "AttachmentSizeInBytes": len(content), "AttachmentName": "a.csv"}
    wish |= {"ClientToken": str(uuid.uuid4()), "ConnectionToken": token}
    begun = patient(lambda: stage.participant.start_attachment_upload(**wish))
    ids, done = [begun["AttachmentId"]], str(uuid.uuid4())
    complete = lambda: patient(
        lambda: stage.participant.complete_attachment_upload(
            AttachmentIds=ids, ClientToken=done, ConnectionToken=token
        )
    )
    refused(409, "ConflictException", complete)
    headers = begun["UploadMetadata"]["HeadersToInclude"]
    stage.http("PUT", begun["UploadMetadata"]["Url"], content, headers["Content-Type"])
    complete()
    complete()
    items = [item for item in stage.transcript(token)["Transcript"] if item["Type"] == "ATTACHMENT"]
    expect([(file["AttachmentName"], file["Status"]) for file in items[0]["Attachments"]], [("a.csv", "APPROVED")])
    expect(len(items), 1)
    got = patient(lambda: stage.participant.get_attachment(AttachmentId=ids[0], ConnectionToken=token))
    expect(got["AttachmentSizeInBytes"], len(content))
    expect(stage.http("GET", got["Url"]), content)
    try:
        stage.http("GET", got["Url"].replace("expires=", "expires=9"))
    except urllib.error.HTTPError as error:
        expect(error.code, 403)
    else:
        raise AssertionError("a changed address was accepted")
    too_large = wish | {"AttachmentSizeInBytes": 100_000_000, "ClientToken": str(uuid.uuid4())}
    too_many = lambda: patient(lambda: stage.participant.start_attachment_upload(**too_large))
    refused(402, "ServiceQuotaExceededException", too_many)


def burst(call, calls):
    """How many of so many calls at once are answered, and the codes of those that are not."""
    answered, codes = 0, set()
    for _ in range(calls):
        try:
            call()
            answered += 1
        except ClientError as error:
            expect(error.response["ResponseMetadata"]["HTTPStatusCode"], 429)
            codes.add(error.response["Error"]["Code"])
    return answered, codes


@rule("a burst past the documented one is 429: TooManyRequestsException or ThrottlingException by operation")
def rates(stage):
    contact, token = stage.chat()
    _, other = stage.chat()
    # Rate and burst of each operation, and its error code.
    start = {"InstanceId": stage.instance, "ContactFlowId": stage.flow, "ParticipantDetails": {"DisplayName": "Customer"}}
    for call, burst_size, rate, code in (
        (lambda: stage.connect.start_chat_contact(**start), 8, 5, "TooManyRequestsException"),
        (lambda: stage.connect.list_queues(InstanceId=stage.instance), 5, 2, "ThrottlingException"),
        (
            lambda: stage.connect.get_contact_attributes(InstanceId=stage.instance, InitialContactId=contact),
            15,
            10,
            "TooManyRequestsException",
        ),
        (
            lambda: stage.participant.send_event(ContentType=EVENT + "typing", ConnectionToken=token),
            15,
            10,
            "ThrottlingException",
        ),
        (lambda: stage.participant.get_transcript(ConnectionToken=other), 12, 8, "ThrottlingException"),
    ):
        time.sleep(burst_size / rate)
        began = time.monotonic()
        answered, codes = burst(call, 4 * burst_size)
        most = burst_size + rate * (time.monotonic() - began) + 1
        expect((burst_size <= answered <= most, codes), (True, {code}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, help="https://127.0.0.1:PORT, without a slash at the end")
    parser.add_argument("--ca", required=True, help="certificate of the authority to trust, PEM")
    parser.add_argument("--key-id", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--instance", required=True, help="id of the instance")
    parser.add_argument("--flow", required=True, help="id of the flow that ships")
    parser.add_argument("--queue", required=True, help="id of a queue that is not BasicQueue")
    parser.add_argument("--agent", required=True, action="append", help="user id; given twice")
    parser.add_argument("--topic", required=True, help="ARN of the topic for chat streaming")
    parser.add_argument("--region", default="eu-central-1")
    parser.add_argument("--account", default="111122223333")
    parser.add_argument("--time-scale", type=float, default=1.0)
    judge(Stage(parser.parse_args()))


if __name__ == "__main__":
    main()
