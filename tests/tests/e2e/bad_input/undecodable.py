"""Publishes a submission whose message_id is no UTF-8, which RabbitMQ carries and clients cannot read: undecodable.py URL."""

import sys

import pika

channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()
channel.confirm_delivery()
properties = pika.BasicProperties(message_id=b"\xff\xfe", type="drover.submission.v1")
channel.basic_publish("drover.submit", "", b"{}", properties, mandatory=True)
