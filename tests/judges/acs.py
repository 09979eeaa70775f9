"""Judges a running simulator of Azure Communication Services with the vendor's own SDKs.

    acs.py --endpoint https://127.0.0.1:PORT/ --key BASE64 --ca ca.pem

One line for each documented rule; exit status 1 with the list of those that do not hold. The simulator must enforce
the documented rate limits, draw no faults and have a subscription whose webhook does not exist.
"""

import argparse
import base64
import datetime
import json
import ssl
import time
import urllib.parse
import urllib.request
import uuid

from azure.communication.chat import (
    ChatClient,
    ChatMessageType,
    ChatParticipant,
    ChatThreadClient,
    CommunicationTokenCredential,
)
from azure.communication.identity import CommunicationIdentityClient, CommunicationUserIdentifier
from azure.communication.identity._shared.policy import HMACCredentialsPolicy
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import HttpRequest

from judging import expect, judge, rule


def refused(status, call, code=None):
    """The call must be answered with this status; gives the error."""
    try:
        call()
    except HttpResponseError as error:
        expect(error.status_code, status)
        body = json.loads(error.response.text())
        if code:
            expect(body["error"]["code"], code)
        return error
    raise AssertionError(f"accepted, wanted {status}")


def payload_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Tamper(SansIOHTTPPolicy):
    """Changes the body after it was signed."""

    def on_request(self, request):
        request.http_request.set_json_body({"createTokenWithScopes": ["chat"]})


class Stage:
    """Clients for one simulator. SDKs retry and sleep on 429 by themselves, so retries are off."""

    def __init__(self, arguments):
        self.endpoint, self.key, self.ca = arguments.endpoint, arguments.key, arguments.ca
        self.options = {"connection_verify": self.ca, "retry_total": 0}
        self.identity = self.identity_client(self.key)

    def identity_client(self, key):
        host = urllib.parse.urlparse(self.endpoint).netloc
        text = f"endpoint=https://{host}/;accesskey={key}"
        return CommunicationIdentityClient.from_connection_string(text, **self.options)

    def chat(self, token):
        return ChatClient(self.endpoint, CommunicationTokenCredential(token), **self.options)

    def inside(self, token, thread_id):
        """ChatClient.get_chat_thread_client would forget the authority to trust."""
        return ChatThreadClient(self.endpoint, CommunicationTokenCredential(token), thread_id, **self.options)

    def user(self, scopes=("chat",)):
        user, token = self.identity.create_user_and_token(list(scopes))
        return user, token.token

    def thread(self, others=()):
        """A new thread of a new user with these others: (its creator, the creator's client, the thread's client)."""
        user, token = self.user()
        client = self.chat(token)
        members = [ChatParticipant(identifier=one) for one in others]
        made = client.create_chat_thread("Lunch", thread_participants=members)
        return user, client, self.inside(token, made.chat_thread.id)

    def signed(self, path, *policies):
        """A POST signed by the SDK's own policy, sent to any path."""
        host = urllib.parse.urlparse(self.endpoint).netloc
        sign = HMACCredentialsPolicy(f"https://{host}", self.key)
        client = PipelineClient(f"https://{host}", policies=[sign, *policies], connection_verify=self.ca)
        response = client.send_request(HttpRequest("POST", f"https://{host}{path}", json={}))
        return response.status_code, response.json()

    def ledger(self, effect):
        entries = [json.loads(line) for line in self.http("ledger").splitlines()]
        return [entry for entry in entries if entry["effect"] == effect]

    def events(self, thread, field, value):
        """The events of a thread that wait for a webhook which nobody opened, by one field of their data."""
        told = [entry["detail"] for entry in self.ledger("delivery.waiting")]
        return [one for one in told if (one["data"]["threadId"], one["data"].get(field)) == (thread.thread_id, value)]

    def control(self, path, wish):
        return json.loads(self.http(path, json.dumps(wish).encode()))

    def http(self, path, body=None):
        context = ssl.create_default_context(cafile=self.ca)
        url = urllib.parse.urljoin(self.endpoint, f"/sim/{path}")
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return answer.read()


@rule("an identity is 8:acs:{resource}_{suffix}, and its token names it in skypeid")
def identity_and_token(stage):
    user, token = stage.user()
    identity = user.properties["id"]
    expect(identity.startswith("8:acs:") and "_" in identity, True)
    claims = payload_of(token)
    expect("8:" + claims["skypeid"], identity)
    expect(claims["acsScope"], "chat")
    expect(claims["resourceId"] in identity, True)
    expect(claims["exp"] > time.time(), True)


@rule("an identity without scopes comes without a token")
def identity_alone(stage):
    expect(stage.identity.create_user().properties["id"][:6], "8:acs:")


@rule("a token's lifetime is 60 to 1440 minutes")
def token_lifetime(stage):
    user = stage.identity.create_user()
    hours = lambda number: datetime.timedelta(hours=number)
    short = stage.identity.get_token(user, ["chat"], token_expires_in=hours(1))
    long = stage.identity.get_token(user, ["chat"], token_expires_in=hours(24))
    expect(short.expires_on < long.expires_on, True)
    for wrong in (datetime.timedelta(minutes=59), hours(24) + datetime.timedelta(minutes=1)):
        refused(400, lambda: stage.identity.get_token(user, ["chat"], token_expires_in=wrong))


@rule("401 for a call signed with another key")
def wrong_key(stage):
    other = base64.b64encode(b"another key, just as long as one").decode()
    refused(401, stage.identity_client(other).create_user, "Denied")


@rule("401 with 'Denied: Request 'x-ms-content-sha256' differs' for a body changed after signing")
def tampered_body(stage):
    status, body = stage.signed("/identities?api-version=2023-10-01", Tamper())
    expect(status, 401)
    expect(body["error"]["message"].startswith("Denied: Request 'x-ms-content-sha256' differs"), True)


@rule("400 for a call without api-version")
def api_version(stage):
    expect(stage.signed("/identities")[0], 400)
    expect(stage.signed("/identities?api-version=2023-10-01")[0], 201)


@rule("revoked tokens and tokens of a deleted identity are no longer honoured")
def revocation(stage):
    user, token = stage.user()
    threads = lambda one: list(stage.chat(one).list_chat_threads())
    expect(threads(token), [])
    stage.identity.revoke_tokens(user)
    refused(401, lambda: threads(token), "Unauthorized")
    fresh = stage.identity.get_token(user, ["chat"]).token
    expect(threads(fresh), [])
    stage.identity.delete_user(user)
    refused(401, lambda: threads(fresh), "Unauthorized")
    refused(404, lambda: stage.identity.get_token(user, ["chat"]))


@rule("401 from the Chat API for anything but a user access token")
def access_key_is_no_chat_token(stage):
    status, body = stage.signed("/chat/threads?api-version=2024-03-07")
    expect((status, body["error"]["code"]), (401, "Unauthorized"))


@rule("a token needs a chat scope, and the scope chat to create a thread")
def scopes(stage):
    _, voip = stage.user(["voip"])
    refused(403, lambda: list(stage.chat(voip).list_chat_threads()))
    _, join = stage.user(["chat.join"])
    refused(403, lambda: stage.chat(join).create_chat_thread("Lunch"))


@rule("the creator becomes a participant of its thread")
def creator_joins(stage):
    user, _, thread = stage.thread()
    expect([one.identifier.raw_id for one in thread.list_participants()], [user.raw_id])
    expect(thread.get_properties().topic, "Lunch")
    expect(thread.get_properties().created_by.raw_id, user.raw_id)


@rule("one thread for each repeatability-request-id")
def repeatability(stage):
    _, token = stage.user()
    client, once = stage.chat(token), str(uuid.uuid4())
    ids = {client.create_chat_thread("Lunch", idempotency_token=once).chat_thread.id for _ in range(3)}
    expect(len(ids), 1)
    expect(len([entry for entry in stage.ledger("thread.created") if entry["key"] == once]), 1)
    expect(client.create_chat_thread("Lunch", idempotency_token=str(uuid.uuid4())).chat_thread.id in ids, False)


@rule("invalidParticipants inside a 201: 404 for a deleted identity, 403 for one of another resource")
def invalid_participants(stage):
    gone, good = stage.identity.create_user(), stage.identity.create_user()
    stage.identity.delete_user(gone)
    stranger = CommunicationUserIdentifier(f"8:acs:{uuid.uuid4()}_{uuid.uuid4()}")
    _, token = stage.user()
    client = stage.chat(token)
    members = [ChatParticipant(identifier=one) for one in (gone, stranger, good)]
    made = client.create_chat_thread("Lunch", thread_participants=members)
    found = sorted((error.code, participant.identifier.raw_id) for participant, error in made.errors)
    expect(found, sorted([("404", gone.raw_id), ("403", stranger.raw_id)]))
    thread = stage.inside(token, made.chat_thread.id)
    expect(len(list(thread.list_participants())), 2)
    added = thread.add_participants([ChatParticipant(identifier=gone)])
    expect([(participant.identifier.raw_id, error.code) for participant, error in added], [(gone.raw_id, "404")])


@rule("403 for a non-participant")
def strangers(stage):
    _, _, thread = stage.thread()
    user, token = stage.user()
    outside = stage.inside(token, thread.thread_id)
    for call in (
        lambda: outside.send_message("hello"),
        lambda: list(outside.list_messages()),
        lambda: outside.add_participants([ChatParticipant(identifier=user)]),
        outside.get_properties,
        outside.send_typing_notification,
    ):
        refused(403, call, "Forbidden")


@rule("a participant is added, sees the thread, is removed and is a stranger again")
def coming_and_going(stage):
    user, token = stage.user()
    _, _, thread = stage.thread()
    expect(thread.add_participants([ChatParticipant(identifier=user, display_name="Bob")]), [])
    inside = stage.inside(token, thread.thread_id)
    expect(inside.send_message("hello") != "", True)
    expect([one.display_name for one in thread.list_participants() if one.identifier.raw_id == user.raw_id], ["Bob"])
    thread.remove_participant(user)
    refused(403, lambda: inside.send_message("hello"), "Forbidden")


@rule("participants are listed in pages")
def participant_pages(stage):
    others = [stage.identity.create_user() for _ in range(4)]
    _, _, thread = stage.thread(others)
    pages = [len(list(page)) for page in thread.list_participants(results_per_page=2).by_page()]
    expect(pages, [2, 2, 1])


@rule("a message keeps text, type, sender, display name and metadata")
def message_content(stage):
    user, _, thread = stage.thread()
    sent = thread.send_message(
        "<b>hi</b>",
        sender_display_name="Ann",
        chat_message_type=ChatMessageType.HTML,
        metadata={"tandem": "command-1"},
    )
    read = thread.get_message(sent.id)
    expect((read.content.message, read.type, read.sender_display_name), ("<b>hi</b>", ChatMessageType.HTML, "Ann"))
    expect((read.metadata, read.sender.raw_id), ({"tandem": "command-1"}, user.raw_id))
    expect(sent.id.isdigit() and abs(int(sent.id) / 1000 - time.time()) < 60, True)
    posted = [entry for entry in stage.ledger("message.posted") if entry["detail"]["threadId"] == thread.thread_id]
    expect([(entry["key"], entry["detail"]["content"]) for entry in posted], [("command-1", "<b>hi</b>")])


@rule("history is newest first, with the service's own messages, in pages")
def history(stage):
    _, _, thread = stage.thread()
    for number in range(7):
        thread.send_message(f"m{number}")
    all_of_them = list(thread.list_messages(results_per_page=3))
    expect([one.content.message for one in all_of_them[:7]], [f"m{number}" for number in reversed(range(7))])
    kinds = [one.type for one in all_of_them[7:]]
    expect(kinds, [ChatMessageType.TOPIC_UPDATED, ChatMessageType.PARTICIPANT_ADDED])
    pages = [len(list(page)) for page in thread.list_messages(results_per_page=3).by_page()]
    expect(pages, [3, 3, 3])
    default = next(thread.list_messages().by_page())
    expect(len(list(default)) < 9, True)
    since = all_of_them[1].created_on
    expect([one.content.message for one in thread.list_messages(start_time=since)], ["m6", "m5"])


@rule("a message is reported to Event Grid once for the thread, also to its sender, and to every other participant")
def echo(stage):
    other = stage.identity.create_user()
    user, _, thread = stage.thread([other])
    sent = thread.send_message("hello", metadata={"tandem": "command-1"})
    told = stage.events(thread, "messageId", sent.id)
    expect(sorted(one["kind"] for one in told), ["ChatMessageReceived", "ChatMessageReceivedInThread"])
    for_thread = next(one["data"] for one in told if one["kind"] == "ChatMessageReceivedInThread")
    expect(for_thread["senderCommunicationIdentifier"]["rawId"], user.raw_id)
    expect((for_thread["messageBody"], for_thread["metadata"]), ("hello", {"tandem": "command-1"}))
    for_user = next(one["data"] for one in told if one["kind"] == "ChatMessageReceived")
    expect(for_user["recipientCommunicationIdentifier"]["rawId"], other.raw_id)


@rule("attachments are read with their message and stand in no event")
def attachments(stage):
    user, _, thread = stage.thread()
    wish = {"threadId": thread.thread_id, "sender": user.raw_id, "attachments": [{"name": "plan.pdf"}]}
    sent = stage.control("acs/attach", wish)["id"]
    content = thread.get_message(sent).content
    found = [(str(file.attachment_type).rsplit(".", 1)[-1].lower(), file.name) for file in content.attachments]
    expect((content.message, found), ("", [("file", "plan.pdf")]))
    (told,) = stage.events(thread, "messageId", sent)
    expect((told["data"]["messageBody"], "plan.pdf" in json.dumps(told)), ("", False))


@rule("a message is changed and deleted by its sender alone")
def edits(stage):
    other, token = stage.user()
    _, _, thread = stage.thread([other])
    foreign = stage.inside(token, thread.thread_id)
    sent = thread.send_message("old")
    refused(403, lambda: foreign.update_message(sent.id, content="new"), "Forbidden")
    refused(403, lambda: foreign.delete_message(sent.id), "Forbidden")
    thread.update_message(sent.id, content="new")
    read = foreign.get_message(sent.id)
    expect((read.content.message, read.edited_on is not None), ("new", True))
    thread.delete_message(sent.id)
    expect(foreign.get_message(sent.id).deleted_on is not None, True)


@rule("a message holds 28 KB")
def message_size(stage):
    _, _, thread = stage.thread()
    thread.send_message("x" * 28 * 1024)
    refused(413, lambda: thread.send_message("x" * (28 * 1024 + 1)))


@rule("typing notifications and read receipts")
def typing_and_receipts(stage):
    user, _, thread = stage.thread()
    thread.send_typing_notification(sender_display_name="Ann")
    sent = thread.send_message("hello")
    thread.send_read_receipt(sent.id)
    receipts = [(one.sender.raw_id, one.chat_message_id) for one in thread.list_read_receipts()]
    expect(receipts, [(user.raw_id, sent.id)])


@rule("a topic is updated; a deleted thread is gone, and listed with deletedOn")
def topic_and_end(stage):
    _, client, thread = stage.thread()
    thread.update_topic("Dinner")
    expect(thread.get_properties().topic, "Dinner")
    client.delete_chat_thread(thread.thread_id)
    refused(404, thread.get_properties)
    expect([one.deleted_on is not None for one in client.list_chat_threads()], [True])


@rule("429 with Retry-After and TooManyRequests for the eleventh message within ten seconds")
def message_rate(stage):
    _, _, thread = stage.thread()
    for number in range(10):
        thread.send_message(f"m{number}")
    error = refused(429, lambda: thread.send_message("one too many"), "TooManyRequests")
    expect(1 <= int(error.response.headers["Retry-After"]) <= 60, True)


@rule("429 for the eleventh thread of a user within ten seconds")
def thread_rate(stage):
    _, token = stage.user()
    client = stage.chat(token)
    for _ in range(10):
        client.create_chat_thread("Lunch")
    refused(429, lambda: client.create_chat_thread("Lunch"), "TooManyRequests")


@rule("429 for the sixth typing notification within ten seconds")
def typing_rate(stage):
    _, _, thread = stage.thread()
    for _ in range(5):
        thread.send_typing_notification()
    refused(429, thread.send_typing_notification, "TooManyRequests")


@rule("429 for the fifty-first page of messages within ten seconds: every page counts")
def page_rate(stage):
    _, _, thread = stage.thread()

    def read_pages():
        for _ in range(26):
            list(thread.list_messages(results_per_page=1))

    refused(429, read_pages, "TooManyRequests")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, help="https://127.0.0.1:PORT/")
    parser.add_argument("--key", required=True, help="the access key, base64")
    parser.add_argument("--ca", required=True, help="certificate of the authority to trust, PEM")
    judge(Stage(parser.parse_args()))


if __name__ == "__main__":
    main()
