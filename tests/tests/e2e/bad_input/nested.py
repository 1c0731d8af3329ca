"""Publishes a submission whose headers nest lists as deep as a frame has room for: nested.py URL DEPTH."""

import struct
import sys

import pika
from pika import data


class Nested(str):
    """Stands for the lists: pika would make them recursively."""


value = b"A" + struct.pack(">I", 0)
for _ in range(int(sys.argv[2])):
    value = b"A" + struct.pack(">I", len(value)) + value
encode_value = data.encode_value


def encode(pieces, what):
    if isinstance(what, Nested):
        pieces.append(value)
        return len(value)
    return encode_value(pieces, what)


data.encode_value = encode
channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()
channel.confirm_delivery()
properties = pika.BasicProperties(message_id="nested", type="drover.submission.v1", headers={"lists": Nested("!")})
channel.basic_publish("drover.submit", "", b"{}", properties, mandatory=True)
