"""What the link writes and reads, and what it keeps: as test/vectors/link.json says, without any socket."""

from __future__ import annotations

import json
import random
import sys
import time
import unittest
from typing import Any, Callable, Dict, List, Optional

from mark_sdk import mqtt_packet as mqtt
from mark_sdk.envelope import SEEN_MAX, Read, Seen, read_envelope, ulid, write_envelope
from mark_sdk.json_text import to_text
from mark_sdk.mqtt_address import Address, parse_address
from mark_sdk.mqtt_client import BACKOFF_BROKER_MAX_S, BACKOFF_OWN_MAX_S, backoff_s
from mark_sdk.request_error import RequestRefused, RequestUnknown
from mark_sdk.requesting import Value, read_reply, write_request
from mark_sdk.serving import decide, prune, read_request
from mark_sdk.topics import check_filter, check_level, check_topic, matches
from mark_sdk.window import AGE_S, BYTES_MAX, COUNT_MAX, Kept, Window

from .place import VECTORS

LINK = VECTORS.with_name("link.json")


def accepts(check: Callable[[str], object], text: str) -> bool:
    try:
        check(text)
    except ValueError:
        return False
    return True


class Vectors(unittest.TestCase):
    vectors: Dict[str, Any]

    @classmethod
    def setUpClass(cls) -> None:
        if not LINK.exists():
            raise unittest.SkipTest(f"SKIPPED: no {LINK}")
        cls.vectors = json.loads(LINK.read_text())

    def test_topics_filters_and_names_are_told_apart(self) -> None:
        for check, key in ((check_filter, "filters"), (check_topic, "topic_names")):
            for good, texts in self.vectors[key].items():
                for text in texts:
                    self.assertEqual(accepts(check, text), good == "good", (key, text))
        for good, texts in self.vectors["requests"]["names"].items():
            for text in texts:
                self.assertEqual(accepts(check_level, text), good == "good", text)

    def test_a_filter_matches_what_it_should(self) -> None:
        for case in self.vectors["matches"]:
            self.assertEqual(matches(case["filter"], case["topic"]), case["matches"], case)

    def test_envelopes_are_written(self) -> None:
        for case in self.vectors["envelopes"]["written"]:
            written = write_envelope(case["epoch"], case["seq"], to_text(case["data"]))
            self.assertEqual(json.loads(written), json.loads(case["text"]))

    def test_payloads_are_read(self) -> None:
        for case in self.vectors["envelopes"]["read"]["cases"]:
            read = read_envelope(case["text"].encode())
            self.assertEqual((read.epoch is not None, read.data), (case["envelope"], case["data"]), case)
            self.assertEqual(type(read.data), type(case["data"]), case)

    def test_each_message_is_handed_on_once(self) -> None:
        for case in self.vectors["dedupe"]["cases"]:
            seen, handed = Seen(), []
            for message in case["messages"]:
                read = read_envelope(message["text"].encode())
                if seen.is_new(message["topic"], read):
                    handed.append(read.data)
            self.assertEqual(handed, case["handed"], case["name"])

    def test_a_reconnected_publisher_sends_again(self) -> None:
        self.assertEqual(self.vectors["replay"]["window_ms"], AGE_S * 1000)
        for case in self.vectors["replay"]["cases"]:
            for lived in ("never", "before"):
                window = Window()
                if lived == "before":
                    window.open(0)
                published = [
                    Kept(each["topic"], b"", 1, each["retain"], each["at_ms"] / 1000)
                    for each in case["published"]
                ]
                for kept in published:
                    window.add(kept)
                    if lived == "before":
                        confirm(window)
                window.close([])
                window.open(case["now_ms"] / 1000)
                self.assertEqual([published.index(kept) for kept in drain(window)], case["sends"], case)

    def test_topics_of_requests_have_their_sender_last(self) -> None:
        for case in self.vectors["requests"]["topics"]:
            wanted = f"request/{case['to']}/{case['name']}/{case['from']}"
            self.assertEqual(case["request"], wanted)
            self.assertTrue(matches(case["serve"], case["request"]))
            self.assertTrue(matches(case["replies"], case["reply"]))

    def test_requests_are_written_and_what_is_none_is_ignored(self) -> None:
        for case in self.vectors["requests"]["written"]:
            written = write_request(case["id"], case["ts"], case["expires"], to_text(case["data"]))
            self.assertEqual(json.loads(written), json.loads(case["text"]))
            read = read_request("order", "dani", written)
            assert read is not None
            self.assertEqual((read.id, read.data), (case["id"], case["data"]))
        for text in self.vectors["requests"]["ignored"]["texts"]:
            self.assertIsNone(read_request("order", "dani", text.encode()), text)

    def test_a_reply_ends_as_it_says(self) -> None:
        mine = "01HZZZZZZZZZZZZZZZZZZZZZZZ"
        for case in self.vectors["requests"]["replies"]["cases"]:
            id, outcome = read_reply(case["text"].encode())
            wanted = dict(case["outcome"])
            told: Dict[str, Any] = {"is": "ignored"}
            if id == mine and isinstance(outcome, Value):
                told = {"is": "value", "value": outcome.value}
            elif id == mine and isinstance(outcome, RequestRefused):
                told = {"is": "refused", "code": outcome.code, "message": outcome.message}
            elif id == mine and isinstance(outcome, RequestUnknown):
                told = {"is": "unknown", "message": outcome.message}
            self.assertEqual(told, wanted, case)

    def test_a_ledger_decides_what_is_done(self) -> None:
        for case in self.vectors["requests"]["ledger"]["cases"]:
            does = decide(case["ledger"], case["running"], case["expired"], case["recover"])
            self.assertEqual(does, case["does"], case)

    def test_reconnection_waits_as_long_as_it_should(self) -> None:
        for key, most in (("own", BACKOFF_OWN_MAX_S), ("broker", BACKOFF_BROKER_MAX_S)):
            waits = [round(backoff_s(i, most) * 1000) for i in range(len(self.vectors["reconnect_ms"][key]))]
            self.assertEqual(waits, self.vectors["reconnect_ms"][key], key)


def drain(window: Window) -> List[Kept]:
    found = []
    while True:
        kept: Optional[Kept] = window.next()
        if kept is None:
            return found
        found.append(kept)


def confirm(window: Window) -> None:
    for kept in drain(window):
        kept.confirmed = True


class Windows(unittest.TestCase):
    def add(self, window: Window, count: int, size: int = 1, at: float = 0.0) -> None:
        for i in range(count):
            window.add(Kept(f"t{i}", b"x" * size, 1, False, at))

    def test_without_a_broker_the_oldest_beyond_a_thousand_are_dropped_and_counted(self) -> None:
        window = Window()
        self.add(window, COUNT_MAX + 5)
        window.open(1)
        sent = drain(window)
        self.assertEqual((len(sent), sent[0].topic, window.dropped), (COUNT_MAX, "t5", 5))

    def test_without_a_broker_the_oldest_beyond_4_mb_are_dropped_and_counted(self) -> None:
        window = Window()
        self.add(window, 50, 100_000)
        window.open(1)
        sent = drain(window)
        self.assertLessEqual(sum(kept.bytes for kept in sent), BYTES_MAX)
        self.assertEqual(len(sent) + window.dropped, 50)

    def test_what_waits_longer_than_ten_seconds_for_a_broker_is_dropped_and_counted(self) -> None:
        window = Window()
        self.add(window, 3)
        window.open(10.5)
        self.assertEqual((drain(window), window.dropped), ([], 3))

    def test_a_burst_to_a_broker_that_is_there_loses_nothing(self) -> None:
        window = Window()
        window.open(0)
        self.add(window, 5 * COUNT_MAX)
        self.assertEqual((len(drain(window)), window.dropped), (5 * COUNT_MAX, 0))

    def test_a_broker_that_reads_nothing_costs_no_more_than_4_mb(self) -> None:
        window = Window()
        window.open(0)
        self.add(window, 500, 100_000)
        self.assertLessEqual(sum(kept.bytes for kept in window._queue if not kept.skip), BYTES_MAX)
        self.assertEqual(len(drain(window)) + window.dropped, 500)

    def test_what_the_broker_had_is_not_counted_as_dropped(self) -> None:
        window = Window()
        window.open(0)
        self.add(window, COUNT_MAX + 10)
        confirm(window)
        window.close([])
        self.add(window, 10)
        window.open(100)
        self.assertEqual(window.dropped, 10)

    def test_what_was_never_confirmed_and_is_kept_no_more_counts_as_dropped(self) -> None:
        window = Window()
        window.open(0)
        self.add(window, COUNT_MAX + 10)
        flying = drain(window)
        self.add(window, 1)
        drain(window)
        window.close(flying)
        self.assertEqual(window.dropped, 11)


class Codec(unittest.TestCase):
    def setUp(self) -> None:
        seed = random.SystemRandom().randrange(2**32)
        self.chance = random.Random(seed)
        print(f"seed {seed}", end=" ", file=sys.stderr, flush=True)

    def test_packets_come_back_whatever_the_pieces(self) -> None:
        written, wanted = b"", []
        for _ in range(400):
            qos = self.chance.randrange(2)
            name = "".join(self.chance.choice("aü/€😀 ") for _ in range(self.chance.randrange(1, 40)))
            payload = self.chance.randbytes(self.chance.choice((0, 1, 117, 127, 128, 16_383, 16_384)))
            packet_id = self.chance.randrange(1, 65_536) if qos else 0
            retain = self.chance.random() < 0.5
            written += mqtt.publish(name, payload, qos, retain, packet_id)
            wanted.append(mqtt.Publish(name, payload, qos, retain, packet_id))
            if qos:
                written += mqtt.puback(packet_id) + b"\xd0\x00"
                wanted += [mqtt.Puback(packet_id), mqtt.Pingresp()]
        decoder, found, at = mqtt.Decoder(), [], 0
        while at < len(written):
            size = self.chance.choice((1, 2, 3, 100, 5000, 70_000))
            found += decoder.feed(written[at : at + size])
            at += size
        self.assertEqual(found, wanted)

    def test_whatever_a_peer_says_is_packets_or_an_mqtt_error(self) -> None:
        frames = [b"\x20\x02\x00\x00", mqtt.publish("a/b", b"x", 1, False, 7), b"\x90\x03\x00\x01\x01"]
        for _ in range(20_000):
            data = bytearray(self.chance.choice(frames))
            for _ in range(self.chance.randrange(1, 4)):
                data[self.chance.randrange(len(data))] = self.chance.randrange(256)
            try:
                mqtt.Decoder().feed(bytes(data))
            except mqtt.MqttError:
                pass

    def test_a_frame_that_is_too_large_is_refused_at_its_head(self) -> None:
        for head in (b"\x30\x81\x80\x10", b"\x30\xff\xff\xff\xff"):
            with self.assertRaises(mqtt.MqttError):
                mqtt.Decoder().feed(head)
        self.assertEqual(mqtt.Decoder().feed(b"\x30\x80\x80\x10"), [])


class Small(unittest.TestCase):
    def test_addresses(self) -> None:
        self.assertEqual(parse_address("unix:/run/link.sock"), Address("/run/link.sock"))
        self.assertEqual(parse_address("mqtts://mq.example"), Address(None, "mq.example", 8883, True))
        self.assertEqual(parse_address("mqtt://[::1]:7"), Address(None, "::1", 7))
        self.assertEqual(parse_address("127.0.0.1:1883"), Address(None, "127.0.0.1", 1883))
        for bad in ("", "unix:", "unix:link", "http://a", "mqtt://", "mqtt://a:b@c", "mqtt://a:99999"):
            with self.assertRaises(ValueError, msg=bad):
                parse_address(bad)

    def test_later_ulids_sort_after_earlier_ones(self) -> None:
        first = ulid()
        end = time.time() + 0.002
        while time.time() < end:
            pass
        second = ulid()
        self.assertEqual((len(first), first < second), (26, True))

    def test_what_was_seen_is_remembered_within_bounds(self) -> None:
        seen = Seen()
        for i in range(SEEN_MAX + 10):
            self.assertTrue(seen.is_new(f"t{i}", Read(None, "e", 1)))
        self.assertFalse(seen.is_new(f"t{SEEN_MAX + 9}", Read(None, "e", 1)))
        self.assertEqual(len(seen._last), SEEN_MAX)

    def test_a_ledger_forgets_after_a_day_and_the_oldest_of_too_many(self) -> None:
        day = 86_400_000
        ledger = {str(i): {"state": "done", "expires": i * day} for i in range(10)}
        ledger["mine"] = {"else": 1}
        prune(ledger, 5 * day)
        self.assertEqual(sorted(ledger), ["4", "5", "6", "7", "8", "9", "mine"])
        prune(ledger, 5 * day + 60_000, 6)
        self.assertEqual(sorted(ledger), ["5", "6", "7", "8", "9", "mine"])
        prune(ledger, 5 * day + 60_001, 6)
        self.assertEqual(sorted(ledger), ["6", "7", "8", "9", "mine"])
        prune(ledger, 6 * day, 2)
        self.assertEqual(sorted(ledger), ["6", "7", "8", "9", "mine"])
