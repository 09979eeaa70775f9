"""Judges a running simulator of the Amazon Lex V2 runtime with the vendor's own SDK.

    lex.py --endpoint https://127.0.0.1:PORT --ca ca.pem --key-id ID --secret SECRET --hook-port PORT
           [--region R] [--bot ID] [--alias ID] [--time-scale N]

One line for each documented rule; exit status 1 with the list of those that do not hold. The simulator must run
examples/bot.toml, enforce the documented limits, draw no faults, and ask http://127.0.0.1:HOOK_PORT/ for its code
hooks, where this program answers. --time-scale is the factor by which its documented times are divided.
"""

import argparse
import base64
import datetime
import gzip
import http.server
import json
import ssl
import threading
import time
import urllib.request
import uuid

import boto3
import botocore.auth
from botocore.config import Config
from botocore.exceptions import ClientError

from judging import expect, judge, rule

OWN = "text/plain; charset=utf-8"


def refused(status, code, call):
    """The call must be answered with this status and error code."""
    try:
        answer = call()
    except ClientError as error:
        expect((error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]), (status, code))
        if not error.response["Error"].get("Message"):
            raise AssertionError("the error has no message") from error
        return error
    raise AssertionError(f"accepted with {answer!r}, wanted {status} {code}")


def unpacked(text):
    return json.loads(gzip.decompress(base64.b64decode(text)))


class Hook:
    """The function that answers code hooks: it does what it was told last, and delegates otherwise."""

    def __init__(self, port):
        self.events, self.replies = [], []
        hook = self

        class Answering(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["content-length"])
                hook.events.append(json.loads(self.rfile.read(length)))
                reply = hook.replies.pop(0) if hook.replies else answer("Delegate")
                status, delay = reply.pop("status", 200), reply.pop("delay", 0)
                time.sleep(delay)
                body = json.dumps(reply).encode()
                try:
                    self.send_response(status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the caller has gone, as it should after its time-out

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Answering)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def answer(kind, intent=None, content=None, slot=None, **state):
    """What a function answers."""
    action = {"type": kind, **({"slotToElicit": slot} if slot else {})}
    messages = [{"contentType": "PlainText", "content": content}] if content else []
    return {"sessionState": {"dialogAction": action, "intent": intent, **state}, "messages": messages}


class Stage:
    """Clients for one simulator. The SDK's own retries and checks are off."""

    def __init__(self, arguments):
        for name, value in vars(arguments).items():
            setattr(self, name, value)
        self.lex = self.client()
        self.trust = ssl.create_default_context(cafile=self.ca)
        self.hook = Hook(self.hook_port)

    def client(self, key_id=None, secret=None, region=None, **config):
        return boto3.client(
            "lexv2-runtime",
            region_name=region or self.region,
            endpoint_url=self.endpoint,
            verify=self.ca,
            aws_access_key_id=key_id or self.key_id,
            aws_secret_access_key=secret or self.secret,
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False, **config),
        )

    def whose(self, session, **changes):
        return {"botId": self.bot, "botAliasId": self.alias, "localeId": "en_US", "sessionId": session, **changes}

    def say(self, session, text, client=None, **more):
        changes = {name: more.pop(name) for name in ("botId", "botAliasId", "localeId") if name in more}
        return (client or self.lex).recognize_text(**self.whose(session, **changes), text=text, **more)

    def put(self, session, state, **more):
        return self.lex.put_session(**self.whose(session), sessionState=state, **more)

    def get(self, session):
        return self.lex.get_session(**self.whose(session))

    def control(self, path, body=None):
        """A route of the simulator that is not the vendor's."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.endpoint}/sim/{path}", data=data, headers=headers)
        with urllib.request.urlopen(request, context=self.trust) as response:
            return response.read().decode()

    def force(self, fault, path="/text", method="POST", **more):
        site = f"{method} /bots/{{bot}}/botAliases/{{alias}}/botLocales/{{locale}}/sessions/{{session}}{path}"
        self.control("faults/force", {"site": site, "fault": fault, **more})


def new():
    return f"judge-{uuid.uuid4()}"


def stands(turn):
    state = turn["sessionState"]
    intent = state.get("intent", {})
    return state["dialogAction"]["type"], intent.get("name"), intent.get("state")


def said(turn):
    return turn["messages"][0]["content"] if turn["messages"] else None


# --- who may call


@rule("a call signed by the key, for lex, in the region, is taken")
def _(stage):
    expect(stage.say(new(), "book a room")["ResponseMetadata"]["HTTPStatusCode"], 200)


@rule("an unknown key is UnrecognizedClientException")
def _(stage):
    refused(403, "UnrecognizedClientException", lambda: stage.say(new(), "hello", stage.client(key_id="AKIAOTHER")))


@rule("another secret is InvalidSignatureException")
def _(stage):
    refused(403, "InvalidSignatureException", lambda: stage.say(new(), "hello", stage.client(secret="another")))


@rule("another region is InvalidSignatureException")
def _(stage):
    other = stage.client(region="us-west-2")
    refused(403, "InvalidSignatureException", lambda: stage.say(new(), "hello", other))


@rule("a clock ten minutes off is InvalidSignatureException")
def _(stage):
    real = botocore.auth.get_current_datetime
    off = datetime.timedelta(minutes=10)
    botocore.auth.get_current_datetime = lambda *arguments, **named: real(*arguments, **named) - off
    try:
        refused(403, "InvalidSignatureException", lambda: stage.say(new(), "hello"))
    finally:
        botocore.auth.get_current_datetime = real


@rule("a call without a signature is MissingAuthenticationTokenException")
def _(stage):
    unsigned = stage.client(signature_version=botocore.UNSIGNED)
    refused(403, "MissingAuthenticationTokenException", lambda: stage.say(new(), "hello", unsigned))


@rule("a body that was changed after signing is InvalidSignatureException")
def _(stage):
    client = stage.client()
    service = client.meta.service_model.service_id.hyphenize()

    def change(request, **_):
        request.body = request.body.replace(b"hello", b"jello")

    client.meta.events.register(f"before-send.{service}.RecognizeText", change)
    refused(403, "InvalidSignatureException", lambda: stage.say(new(), "hello", client))


# --- what is there, and what is too long


@rule("an unknown bot, alias or locale is ResourceNotFoundException")
def _(stage):
    for changes in ({"botId": "ABCDEFGHIJ"}, {"botAliasId": "ABCDEFGHIJ"}, {"localeId": "fr_FR"}):
        refused(404, "ResourceNotFoundException", lambda changes=changes: stage.say(new(), "hello", **changes))


@rule("a bot id that is not ten letters and digits is ValidationException")
def _(stage):
    for bot in ("SHORT", "ELEVENCHARS", "WITH-DASH1"):
        refused(400, "ValidationException", lambda bot=bot: stage.say(new(), "hello", botId=bot))


@rule("a session id of 2 to 100 of [0-9a-zA-Z._:-] is taken, another is ValidationException")
def _(stage):
    for session in ("ab", "x" * 100, "A.b_c:d-9"):
        stage.say(session, "hello")
    for session in ("a", "x" * 101, "a b", "a~b"):
        refused(400, "ValidationException", lambda session=session: stage.say(session, "hello"))


@rule("a text of 1 to 1024 characters is taken, another is ValidationException")
def _(stage):
    stage.say(new(), "x" * 1024)
    for text in ("", "x" * 1025, "\U0001f600" * 513):
        refused(400, "ValidationException", lambda text=text: stage.say(new(), text))


@rule("session attributes above 12 KB are ValidationException (inferred)")
def _(stage):
    stage.say(new(), "hello", sessionState={"sessionAttributes": {"a": "x" * 8_000}})
    large = {"sessionAttributes": {"a": "x" * 12_288}}
    refused(400, "ValidationException", lambda: stage.say(new(), "hello", sessionState=large))


@rule("active contexts outside their bounds are ValidationException")
def _(stage):
    def context(name="one", seconds=60, turns=5):
        life = {"timeToLiveInSeconds": seconds, "turnsToLive": turns}
        return {"name": name, "timeToLive": life, "contextAttributes": {}}

    stage.say(new(), "hello", sessionState={"activeContexts": [context(f"c{n}") for n in range(20)]})
    wrong = [
        [context(f"c{n}") for n in range(21)],
        [context(seconds=4)],
        [context(seconds=86_401)],
        [context(turns=0)],
        [context(turns=21)],
        [context(name="with space")],
    ]
    for contexts in wrong:
        state = {"activeContexts": contexts}
        refused(400, "ValidationException", lambda state=state: stage.say(new(), "hello", sessionState=state))


@rule("a word that is not of the enumeration is ValidationException")
def _(stage):
    for state in ({"dialogAction": {"type": "Dance"}}, {"intent": {"name": "BookRoom", "state": "Over"}}):
        refused(400, "ValidationException", lambda state=state: stage.say(new(), "hello", sessionState=state))


@rule("an error and an answer carry x-amzn-requestid")
def _(stage):
    turn = stage.say(new(), "hello")
    expect(turn["ResponseMetadata"]["RequestId"], turn["sessionState"]["originatingRequestId"])
    error = refused(404, "ResourceNotFoundException", lambda: stage.get(new()))
    uuid.UUID(error.response["ResponseMetadata"]["RequestId"])


# --- talking


@rule("RecognizeText elicits a slot: messages, state, interpretations, session id")
def _(stage):
    session = new()
    turn = stage.say(session, "book a room")
    expect(stands(turn), ("ElicitSlot", "BookRoom", "InProgress"))
    expect(turn["sessionState"]["dialogAction"]["slotToElicit"], "Size")
    expect(turn["messages"], [{"content": "A small or a large room?", "contentType": "PlainText"}])
    expect(turn["sessionState"]["intent"]["confirmationState"], "None")
    expect(turn["sessionId"], session)
    expect(turn["interpretations"][0]["nluConfidence"], {"score": 1.0})
    expect(turn["interpretations"][0]["interpretationSource"], "Lex")


@rule("slots, a confirmation and fulfilment follow one another")
def _(stage):
    session = new()
    stage.say(session, "book a room")
    turn = stage.say(session, "a very big one")
    value = {"originalValue": "a very big one", "interpretedValue": "large", "resolvedValues": ["large"]}
    expect(turn["sessionState"]["intent"]["slots"]["Size"], {"shape": "Scalar", "value": value})
    expect(said(stage.say(session, "two")), "A large room for 2 nights?")
    turn = stage.say(session, "yes")
    expect((stands(turn), said(turn)), (("Close", "BookRoom", "Fulfilled"), "Your large room is booked."))
    expect(turn["sessionState"]["intent"]["confirmationState"], "Confirmed")


@rule("a no to the confirmation is Denied and Failed")
def _(stage):
    session = new()
    stage.say(session, "a big room for 1 nights please")
    turn = stage.say(session, "no")
    expect(stands(turn), ("Close", "BookRoom", "Failed"))
    expect(turn["sessionState"]["intent"]["confirmationState"], "Denied")


@rule("a slot of several values has the shape List and its single values")
def _(stage):
    session = new()
    stage.say(session, "order breakfast")
    slot = stage.say(session, "eggs, toast and coffee")["sessionState"]["intent"]["slots"]["Dishes"]
    expect(slot["shape"], "List")
    expect([value["value"]["interpretedValue"] for value in slot["values"]], ["eggs", "toast", "coffee"])
    expect({value["shape"] for value in slot["values"]}, {"Scalar"})


@rule("an intent that is left to the client is ReadyForFulfillment, one that cannot be done Failed")
def _(stage):
    expect(stands(stage.say(new(), "talk to an agent")), ("Close", "AgentRequest", "ReadyForFulfillment"))
    expect(stands(stage.say(new(), "check out later")), ("Close", "LateCheckout", "Failed"))


@rule("what is not understood is FallbackIntent, without confidence; after three misses it is left to the client")
def _(stage):
    session = new()
    for _ in range(2):
        turn = stage.say(session, "fnord")
        expect(stands(turn)[:2], ("ElicitIntent", "FallbackIntent"))
        if "nluConfidence" in turn["interpretations"][0]:
            raise AssertionError("FallbackIntent has a confidence")
    expect(stands(stage.say(session, "fnord")), ("Close", "FallbackIntent", "ReadyForFulfillment"))


@rule("a slot is asked for again, and then FallbackIntent is invoked")
def _(stage):
    session = new()
    stage.say(session, "book a big room")
    expect(stands(stage.say(session, "no idea"))[0], "ElicitSlot")
    expect(stands(stage.say(session, "no idea"))[1], "FallbackIntent")


@rule("interpretations: at most five, best first, FallbackIntent last when one is sure")
def _(stage):
    told = stage.say(new(), "I want to talk to a person")["interpretations"]
    expect((told[0]["intent"]["name"], told[-1]["intent"]["name"]), ("AgentRequest", "FallbackIntent"))
    scores = [one["nluConfidence"]["score"] for one in told[:-1]]
    expect(scores, sorted(scores, reverse=True))
    if not 3 <= len(told) <= 5:
        raise AssertionError(f"{len(told)} interpretations")


@rule("sentiment is one of four with four scores")
def _(stage):
    for text, wanted in (
        ("book a room", "NEUTRAL"),
        ("this is awful", "NEGATIVE"),
        ("great, thanks", "POSITIVE"),
        ("great but awful", "MIXED"),
    ):
        found = stage.say(new(), text)["interpretations"][0]["sentimentResponse"]
        expect((found["sentiment"], len(found["sentimentScore"])), (wanted, 4))


@rule("request attributes come back in the same turn alone, session attributes stay")
def _(stage):
    session = new()
    state = {"sessionAttributes": {"tier": "gold"}}
    turn = stage.say(session, "book a room", requestAttributes={"from": "judge"}, sessionState=state)
    expect(turn["requestAttributes"], {"from": "judge"})
    expect(turn["sessionState"]["sessionAttributes"], {"tier": "gold"})
    turn = stage.say(session, "big")
    expect((turn["requestAttributes"], turn["sessionState"]["sessionAttributes"]), ({}, {"tier": "gold"}))


@rule("a context lives for its turns")
def _(stage):
    session = new()
    life = {"timeToLiveInSeconds": 600, "turnsToLive": 2}
    context = {"name": "booked", "timeToLive": life, "contextAttributes": {"room": "7"}}
    turn = stage.say(session, "fnord", sessionState={"activeContexts": [context]})
    expect(turn["sessionState"]["activeContexts"], [context])
    expect(len(stage.say(session, "fnord")["sessionState"]["activeContexts"]), 1)
    expect(stage.say(session, "fnord")["sessionState"]["activeContexts"], [])


# --- sessions


@rule("PutSession sets the question; its answer is packed in headers")
def _(stage):
    session = new()
    state = {
        "dialogAction": {"type": "ElicitSlot", "slotToElicit": "Size"},
        "intent": {"name": "BookRoom"},
        "sessionAttributes": {"tier": "gold"},
    }
    put = stage.put(session, state, requestAttributes={"from": "judge"}, responseContentType=OWN)
    expect((put["sessionId"], put["contentType"]), (session, OWN))
    expect(unpacked(put["sessionState"])["dialogAction"], state["dialogAction"])
    expect(unpacked(put["messages"])[0]["content"], "A small or a large room?")
    expect(unpacked(put["requestAttributes"]), {"from": "judge"})
    expect(put["audioStream"].read(), b"")
    turn = stage.say(session, "big")
    expect(turn["sessionState"]["dialogAction"]["slotToElicit"], "Nights")


@rule("PutSession speaks with the messages that it is given")
def _(stage):
    card = {"title": "Pick", "buttons": [{"text": "Yes", "value": "yes"}]}
    messages = [
        {"contentType": "PlainText", "content": "Well?"},
        {"contentType": "ImageResponseCard", "imageResponseCard": card},
    ]
    session = new()
    put = stage.put(session, {"dialogAction": {"type": "ElicitIntent"}}, messages=messages)
    expect(unpacked(put["messages"]), messages)
    expect(stage.get(session)["messages"], messages)


@rule("PutSession with Delegate lets the bot decide")
def _(stage):
    session = new()
    slots = {"Size": {"value": {"interpretedValue": "large"}}}
    put = stage.put(session, {"dialogAction": {"type": "Delegate"}, "intent": {"name": "BookRoom", "slots": slots}})
    expect(unpacked(put["sessionState"])["dialogAction"], {"type": "ElicitSlot", "slotToElicit": "Nights"})


@rule("PutSession refuses eleven messages, six buttons, a slot that the intent does not have")
def _(stage):
    plain = {"contentType": "PlainText", "content": "x"}
    buttons = [{"text": "x", "value": "x"}] * 6
    card = {"contentType": "ImageResponseCard", "imageResponseCard": {"title": "x", "buttons": buttons}}
    refused(400, "ValidationException", lambda: stage.put(new(), {}, messages=[plain] * 11))
    refused(400, "ValidationException", lambda: stage.put(new(), {}, messages=[card]))
    state = {"dialogAction": {"type": "ElicitSlot", "slotToElicit": "Wings"}, "intent": {"name": "BookRoom"}}
    refused(400, "ValidationException", lambda: stage.put(new(), state))


@rule("GetSession tells what the last turn told")
def _(stage):
    session = new()
    turn, got = stage.say(session, "book a big room"), stage.get(session)
    for member in ("sessionId", "messages", "interpretations", "sessionState"):
        expect(got[member], turn[member])


@rule("GetSession of no session is ResourceNotFoundException")
def _(stage):
    refused(404, "ResourceNotFoundException", lambda: stage.get(new()))


@rule("DeleteSession says what it deleted, and nothing is left")
def _(stage):
    session = new()
    stage.say(session, "book a room")
    gone = stage.lex.delete_session(**stage.whose(session))
    gone.pop("ResponseMetadata")
    expect(gone, stage.whose(session))
    refused(404, "ResourceNotFoundException", lambda: stage.get(session))
    expect(stands(stage.say(session, "big"))[1], "FallbackIntent")


@rule("a session is over five minutes after its last use")
def _(stage):
    session, minute = new(), 60 / stage.time_scale
    stage.say(session, "book a room")
    time.sleep(4 * minute)
    stage.say(session, "big")
    time.sleep(4 * minute)
    stage.get(session)
    time.sleep(1.2 * minute)
    refused(404, "ResourceNotFoundException", lambda: stage.get(session))


@rule("two requests for one session at once are ConflictException")
def _(stage):
    session = new()
    stage.hook.replies.append({**answer("Delegate"), "delay": 0.4})
    first = threading.Thread(target=lambda: stage.say(session, "where is my order"))
    first.start()
    time.sleep(0.15)
    refused(409, "ConflictException", lambda: stage.say(session, "where is my order", stage.client()))
    first.join()
    stage.say(session, "7")


@rule("TestBotAlias takes two texts at once, a third is ThrottlingException")
def _(stage):
    stage.hook.replies += [{**answer("Delegate"), "delay": 0.4} for _ in range(2)]
    say = lambda: stage.say(new(), "where is my order", stage.client(), botAliasId="TSTALIASID")  # noqa: E731
    two = [threading.Thread(target=say) for _ in range(2)]
    [one.start() for one in two]
    time.sleep(0.2)
    refused(429, "ThrottlingException", say)
    [one.join() for one in two]


# --- code hooks


@rule("a dialog hook gets the documented event")
def _(stage):
    session = new()
    stage.say(session, "where is my order", requestAttributes={"from": "judge"})
    event = stage.hook.events[-1]
    for name, value in (
        ("messageVersion", "1.0"),
        ("invocationSource", "DialogCodeHook"),
        ("inputMode", "Text"),
        ("responseContentType", OWN),
        ("sessionId", session),
        ("inputTranscript", "where is my order"),
        ("requestAttributes", {"from": "judge"}),
    ):
        expect(event[name], value)
    expect(sorted(event["bot"]), ["aliasId", "aliasName", "id", "localeId", "name", "version"])
    expect(event["sessionState"]["intent"]["slots"], {"Number": None})
    expect(event["proposedNextState"]["dialogAction"], {"type": "ElicitSlot", "slotToElicit": "Number"})
    expect(event["proposedNextState"]["prompt"], {"attempt": "Initial"})
    expect(event["interpretations"][0]["nluConfidence"], 1.0)


@rule("requestAttributes of an event are null when there are none")
def _(stage):
    stage.say(new(), "where is my order")
    expect(stage.hook.events[-1]["requestAttributes"], None)


@rule("Delegate goes on; the fulfilment hook is asked when everything is there")
def _(stage):
    session, before = new(), len(stage.hook.events)
    expect(said(stage.say(session, "where is my order")), "Which order number?")
    expect(stands(stage.say(session, "B-42"))[0], "ConfirmIntent")
    expect(stands(stage.say(session, "yes")), ("Close", "CheckOrder", "Fulfilled"))
    events = stage.hook.events[before:]
    expect([event["invocationSource"] for event in events], ["DialogCodeHook"] * 3 + ["FulfillmentCodeHook"])
    expect(events[-1]["sessionState"]["intent"]["state"], "ReadyForFulfillment")
    expect(events[-1]["proposedNextState"], None)


@rule("proposedNextState counts retries")
def _(stage):
    session = new()
    for text, attempt in (("change my room", "Initial"), ("dunno", "Retry1"), ("dunno", "Retry2")):
        stage.say(session, text)
        expect(stage.hook.events[-1]["proposedNextState"]["prompt"]["attempt"], attempt)


@rule("Close ends the intent as Failed, Fulfilled or InProgress")
def _(stage):
    for state in ("Failed", "Fulfilled", "InProgress"):
        stage.hook.replies.append(answer("Close", {"name": "Complain", "state": state}, "Done."))
        turn = stage.say(new(), "I want to complain")
        expect((stands(turn), said(turn)), (("Close", "Complain", state), "Done."))


@rule("ElicitIntent, ElicitSlot and ConfirmIntent are obeyed")
def _(stage):
    session = new()
    stage.hook.replies.append(answer("ElicitIntent", None, "What else?"))
    turn = stage.say(session, "I want to complain")
    expect((turn["sessionState"]["dialogAction"]["type"], said(turn)), ("ElicitIntent", "What else?"))
    stage.hook.replies.append(answer("ElicitSlot", {"name": "BookRoom"}, slot="Nights"))
    expect(said(stage.say(session, "I want to complain")), "How many nights?")
    slots = {"Number": {"shape": "Scalar", "value": {"interpretedValue": "7"}}}
    stage.hook.replies.append(answer("ConfirmIntent", {"name": "CheckOrder", "slots": slots}, "Order 7?"))
    session = new()
    expect(said(stage.say(session, "where is my order")), "Order 7?")
    expect(stage.say(session, "yes")["sessionState"]["intent"]["confirmationState"], "Confirmed")


@rule("an answer that lacks what its action needs is DependencyFailedException")
def _(stage):
    intent = {"name": "Complain", "state": "Fulfilled"}
    wrong = [
        {"messages": []},
        {"sessionState": {}},
        answer("Dance", intent),
        answer("Close", "Complain"),
        answer("Close"),
        answer("Close", {"name": "Complain"}),
        answer("Close", {"name": "Complain", "state": "Waiting"}),
        answer("ElicitIntent"),
        answer("ElicitSlot", {"name": "BookRoom"}),
        answer("ElicitSlot", slot="Size"),
        answer("ElicitSlot", {"name": "BookRoom"}, slot="Wings"),
        answer("ConfirmIntent", {"name": "BookRoom", "slots": {}}),
        answer("ConfirmIntent", {"name": "BookRoom"}, "?"),
    ]
    for reply in wrong:
        stage.hook.replies.append(reply)
        refused(424, "DependencyFailedException", lambda: stage.say(new(), "I want to complain"))


@rule("an answer above 50 KB, or with more than 12 KB of session attributes, is DependencyFailedException")
def _(stage):
    for reply in (
        {**answer("Delegate"), "padding": "x" * 51_200},
        answer("Delegate", sessionAttributes={"a": "x" * 12_288}),
    ):
        stage.hook.replies.append(reply)
        refused(424, "DependencyFailedException", lambda: stage.say(new(), "I want to complain"))


@rule("a function that fails or takes thirty seconds is DependencyFailedException")
def _(stage):
    for reply in ({"status": 500}, {**answer("Delegate"), "delay": 33 / stage.time_scale}):
        stage.hook.replies.append(reply)
        refused(424, "DependencyFailedException", lambda: stage.say(new(), "I want to complain"))


@rule("the bot's own words for a failure and a time-out are said instead")
def _(stage):
    for reply, words in (
        ({"status": 500}, "That did not work."),
        ({**answer("Delegate"), "delay": 33 / stage.time_scale}, "That takes too long."),
    ):
        stage.hook.replies.append(reply)
        turn = stage.say(new(), "give me a refund")
        expect((stands(turn), said(turn)), (("Close", "Refund", "Failed"), words))


# --- trouble


@rule("the SDK knows every exception that a fault gives")
def _(stage):
    for _ in range(3):
        stage.force("server_error")
    seen = set()
    for _ in range(3):
        try:
            stage.say(new(), "hello")
        except stage.lex.exceptions.InternalServerException:
            seen.add(500)
        except stage.lex.exceptions.BadGatewayException:
            seen.add(502)
        except stage.lex.exceptions.DependencyFailedException:
            seen.add(424)
    expect(seen, {424, 500, 502})
    stage.force("throttle")
    refused(429, "ThrottlingException", lambda: stage.say(new(), "hello"))


@rule("every turn is in the ledger, under its request's id, without its text")
def _(stage):
    session = new()
    turn = stage.say(session, "agent please")
    lines = [json.loads(line) for line in stage.control("ledger").splitlines()]
    mine = [line for line in lines if line["key"] == turn["sessionState"]["originatingRequestId"]]
    expect([line["effect"] for line in mine], ["turn.taken"])
    detail = mine[0]["detail"]
    expect((detail["session"], detail["intent"], detail["state"]), (session, "AgentRequest", "ReadyForFulfillment"))
    if "agent please" in json.dumps(mine):
        raise AssertionError("the ledger holds the text")


@rule("the sessions can be read from outside")
def _(stage):
    session = new()
    stage.say(session, "book a room")
    open_sessions = {one["sessionId"] for one in json.loads(stage.control("sessions"))}
    if session not in open_sessions:
        raise AssertionError("the session is not shown")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, help="https://127.0.0.1:PORT, without a slash at the end")
    parser.add_argument("--ca", required=True, help="certificate of the authority to trust, PEM")
    parser.add_argument("--key-id", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--hook-port", required=True, type=int, help="where the simulator asks its code hooks")
    parser.add_argument("--region", default="eu-central-1")
    parser.add_argument("--bot", default="HOTELBOT01")
    parser.add_argument("--alias", default="LIVEALIAS1")
    parser.add_argument("--time-scale", type=float, default=1.0)
    stage = Stage(parser.parse_args())
    judge(stage, after=stage.hook.replies.clear)


if __name__ == "__main__":
    main()
